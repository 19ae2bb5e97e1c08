/* SPDX-License-Identifier: MIT */
#include "files.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "../../base/alloc.h"
#include "../../base/path.h"
#include "../../base/slice.h"
#include "text.h"

const char *cachette__aws_variable(const char *name) {
  const char *value = getenv(name);
  return value != NULL && *value != '\0' ? value : NULL;
}

bool cachette__aws_is_true(const char *text) {
  return text != NULL && strcasecmp(text, "true") == 0;
}

/* ---- Reading and writing ---- */

enum { FILE_MOST = 1 << 20 };

/* Reads until the end, for a file may grow. False: `errno` says why. */
static bool read_all(int fd, char *bytes, size_t room, size_t *size) {
  *size = 0;
  for (;;) {
    ssize_t got = read(fd, bytes + *size, room - *size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    *size += (size_t)got;
    if (*size == room) errno = EFBIG;
    if (got == 0 || *size == room) return got == 0;
  }
}

static char *read_open(int fd, size_t *size) {
  struct stat found;
  if (fstat(fd, &found) < 0) return NULL;
  if (!S_ISREG(found.st_mode) || found.st_size > FILE_MOST) {
    errno = S_ISREG(found.st_mode) ? EFBIG : EINVAL;
    return NULL;
  }
  size_t room = (size_t)found.st_size + 4096;
  char *bytes = cachette__malloc(room);
  if (bytes == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  if (!read_all(fd, bytes, room, size)) {
    int reason = errno;
    cachette__wipe(bytes, room);
    cachette__free(bytes);
    errno = reason;
    return NULL;
  }
  bytes[*size] = '\0';
  return bytes;
}

char *cachette__aws_read_file(const char *path, size_t *size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not be waited for */
  if (fd < 0) return NULL;
  char *bytes = read_open(fd, size);
  int reason = errno;
  close(fd);
  errno = reason;
  return bytes;
}

static int write_all(int fd, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t done = write(fd, bytes, size);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno;
    bytes += done;
    size -= (size_t)done;
  }
  return 0;
}

int cachette__aws_write_file(const char *path, const char *bytes, size_t size) {
  cachette__text name = {0};
  cachette__text_printf(&name, "%s.XXXXXX", path);
  if (name.failed) return ENOMEM;
  int fd = mkstemp(name.bytes); /* of mode 0600 */
  int reason = fd < 0 ? errno : write_all(fd, bytes, size);
  if (fd >= 0 && close(fd) < 0 && reason == 0) reason = errno;
  if (reason == 0 && rename(name.bytes, path) < 0) reason = errno;
  if (fd >= 0 && reason != 0) unlink(name.bytes);
  cachette__text_deinit(&name);
  return reason;
}

/* ---- Paths ---- */

/* The home folder; false: there is none. */
static bool find_home(char *home, size_t size) {
  const char *named = cachette__aws_variable("HOME");
  if (named == NULL) return uv_os_homedir(home, &size) == 0;
  return (size_t)snprintf(home, size, "%s", named) < size;
}

/* Adds the variable at a `$`; how much of the text that was. */
static size_t add_variable(cachette__text *path, const char *text) {
  bool has_brace = text[1] == '{';
  const char *begin = text + 1 + has_brace, *end = begin;
  if (has_brace)
    end += strcspn(begin, "}");
  else
    while (isalnum((unsigned char)*end) || *end == '_') end++;
  char name[128];
  size_t length = (size_t)(end - begin), whole = (size_t)(end - text) + has_brace;
  if (length == 0 || length >= sizeof name || (has_brace && *end != '}')) {
    cachette__text_add(path, text, 1);
    return 1;
  }
  memcpy(name, begin, length);
  name[length] = '\0';
  const char *value = getenv(name);
  if (value != NULL)
    cachette__text_puts(path, value);
  else
    cachette__text_add(path, text, whole);
  return whole;
}

char *cachette__aws_path(const char *folder, const char *text) {
  cachette__text path = {0};
  char home[4096];
  if (text[0] == '~' && (text[1] == '/' || text[1] == '\0') && find_home(home, sizeof home)) {
    cachette__text_puts(&path, home);
    text++;
  }
  cachette__text_add(&path, "", 0);
  while (*text != '\0') {
    size_t plain = strcspn(text, "$");
    cachette__text_add(&path, text, plain);
    text += plain;
    if (*text == '$') text += add_variable(&path, text);
  }
  char *whole = path.failed ? NULL : cachette__path_from(folder, path.bytes);
  cachette__text_deinit(&path);
  return whole;
}

void cachette__aws_show_path(const char *path, char *shown, size_t size) {
  char home[4096];
  size_t length = find_home(home, sizeof home) ? strlen(home) : 0;
  bool inside = length > 1 && strncmp(path, home, length) == 0 && path[length] == '/';
  cachette__text text = {0};
  cachette__text_printf(&text, "%s%s", inside ? "~" : "", inside ? path + length : path);
  const char *whole = text.failed ? "a file" : text.bytes;
  size_t whole_size = strlen(whole);
  cachette__value_text(whole, shown, size); /* it may be a URL by mistake */
  if (whole_size >= size && strcmp(shown, "***") != 0) {
    size_t tail = (size - 4) * 2 / 3, head = size - 4 - tail;
    cachette__key_text((cachette_slice){whole, head}, shown, size);
    memcpy(shown + head, "...", 3);
    cachette__key_text((cachette_slice){whole + whole_size - tail, tail}, shown + head + 3,
                       size - head - 3);
  }
  cachette__text_deinit(&text);
}

/* ---- Times ---- */

/* The seconds that a zone is ahead of UTC; false: it is none. */
static bool read_zone(const char *text, int *seconds) {
  int hours, minutes, used = 0;
  *seconds = 0;
  if (*text == '\0' || strcmp(text, "Z") == 0 || strcmp(text, "UTC") == 0) return true;
  if (*text != '+' && *text != '-') return false;
  if (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) < 2 &&
      sscanf(text + 1, "%2d%2d%n", &hours, &minutes, &used) < 2)
    return false;
  if (text[1 + used] != '\0' || hours < 0 || minutes < 0) return false;
  *seconds = (hours * 60 + minutes) * 60 * (*text == '-' ? -1 : 1);
  return true;
}

int64_t cachette__aws_read_time(const char *text) {
  struct tm parts = {0};
  int year, month, used = 0, zone;
  char between;
  if (sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &year, &month, &parts.tm_mday, &between,
             &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &used) != 7)
    return 0;
  if ((between != 'T' && between != ' ') || month < 1 || month > 12) return 0;
  text += used;
  if (*text == '.') text += 1 + strspn(text + 1, "0123456789"); /* a fraction does not matter */
  if (!read_zone(text, &zone)) return 0;
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  int64_t seconds = (int64_t)timegm(&parts) - zone;
  return seconds > 0 ? seconds * 1000 : 0;
}
