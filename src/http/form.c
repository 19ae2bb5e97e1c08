/* SPDX-License-Identifier: MIT */
#include "form.h"

#include "text.h"

bool cachette__http_next_parameter(cachette_slice *rest, cachette__http_parameter *parameter) {
  if (rest->data == NULL) return false;
  size_t end = 0, equals = SIZE_MAX;
  for (; end < rest->size && cachette__http_at(*rest, end) != '&'; end++) {
    if (cachette__http_at(*rest, end) == '=' && equals == SIZE_MAX) equals = end;
  }
  parameter->whole = parameter->name = cachette__http_first(*rest, end);
  parameter->value = cachette__http_from(parameter->whole, end);
  if (equals != SIZE_MAX) {
    parameter->name.size = equals;
    parameter->value = cachette__http_from(parameter->whole, equals + 1);
  }
  *rest = end < rest->size ? cachette__http_from(*rest, end + 1) : (cachette_slice){NULL, 0};
  return true;
}

/* ---- Decoding ---- */

static int hex(char character) {
  if (character >= '0' && character <= '9') return character - '0';
  char lower = (char)(character | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Takes a decoded byte off the front of `rest`; -1: it is empty. A percent sign that two
 * hexadecimal digits do not follow stands for itself. */
static int next_byte(cachette_slice *rest) {
  if (rest->size == 0) return -1;
  char character = cachette__http_at(*rest, 0);
  size_t size = 1;
  int byte = character == '+' ? ' ' : (unsigned char)character;
  if (character == '%' && rest->size >= 3) {
    int high = hex(cachette__http_at(*rest, 1)), low = hex(cachette__http_at(*rest, 2));
    if (high >= 0 && low >= 0) {
      byte = high << 4 | low;
      size = 3;
    }
  }
  *rest = cachette__http_from(*rest, size);
  return byte;
}

int cachette__http_form_compare(cachette_slice left, cachette_slice right) {
  int left_byte, right_byte;
  do {
    left_byte = next_byte(&left);
    right_byte = next_byte(&right);
  } while (left_byte == right_byte && left_byte >= 0);
  return left_byte - right_byte;
}

bool cachette__http_form_is(cachette_slice text, cachette_slice string) {
  int byte, expected;
  do {
    bool is_escaped = string.size >= 2 && cachette__http_at(string, 0) == '\\';
    if (is_escaped) string = cachette__http_from(string, 1); /* neither `+` nor `%` is escaped */
    byte = next_byte(&text);
    expected = next_byte(&string);
  } while (byte == expected && byte >= 0);
  return byte == expected;
}

void cachette__http_form_put(cachette__http_output *output, cachette_slice text) {
  for (int byte; (byte = next_byte(&text)) >= 0;)
    cachette__http_put_byte(output, (unsigned char)byte);
}

void cachette__http_form_sort(cachette__http_parameter *parameters, size_t count) {
  for (size_t i = 1; i < count; i++) {
    cachette__http_parameter moved = parameters[i];
    size_t to = i;
    for (; to > 0 && cachette__http_form_compare(parameters[to - 1].name, moved.name) > 0; to--)
      parameters[to] = parameters[to - 1];
    parameters[to] = moved;
  }
}
