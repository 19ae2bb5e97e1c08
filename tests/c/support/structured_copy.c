/* SPDX-License-Identifier: MIT */
#include "structured_copy.h"

static void copy_parameters(cachette__sf_writer *writer, cachette_slice parameters) {
  cachette__sf_item parameter;
  while (cachette__sf_next_parameter(&parameters, &parameter))
    cachette__sf_write_parameter(writer, &parameter);
}

static void copy_items(cachette__sf_writer *writer, cachette_slice items) {
  cachette__sf_item item;
  while (cachette__sf_next_item(&items, &item)) {
    cachette__sf_write_item(writer, &item);
    copy_parameters(writer, item.parameters);
  }
  cachette__sf_write_inner_end(writer);
}

bool structured_copy(enum cachette__sf_kind kind, const cachette_slice *lines, size_t count,
                     char *buffer, size_t capacity, int *status, size_t *size) {
  cachette__sf field;
  cachette__sf_item member;
  cachette__sf_writer writer;
  if (!cachette__sf_begin(&field, kind, lines, count)) return false;
  cachette__sf_writer_begin(&writer, kind, buffer, capacity);
  while (cachette__sf_next(&field, &member)) {
    cachette__sf_write_member(&writer, &member);
    if (member.type == CACHETTE__SF_INNER) copy_items(&writer, member.text);
    copy_parameters(&writer, member.parameters);
  }
  *status = cachette__sf_writer_end(&writer, size);
  return true;
}
