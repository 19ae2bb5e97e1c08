/* SPDX-License-Identifier: MIT */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../base/alloc.h"
#include "text.h"

enum { FILE_SIZE_MAX = 1 << 20 };

/* Reads to the end, because the file may have grown. Sets `errno` on failure. */
static bool read_all(int fd, char *bytes, size_t capacity, size_t *size) {
  *size = 0;
  for (;;) {
    ssize_t got = read(fd, bytes + *size, capacity - *size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    *size += (size_t)got;
    if (*size == capacity) errno = EFBIG;
    if (got == 0 || *size == capacity) return got == 0;
  }
}

static char *read_open(int fd, size_t *size) {
  struct stat found;
  if (fstat(fd, &found) < 0) return NULL;
  if (!S_ISREG(found.st_mode) || found.st_size > FILE_SIZE_MAX) {
    errno = S_ISREG(found.st_mode) ? EFBIG : EINVAL;
    return NULL;
  }
  size_t capacity = (size_t)found.st_size + 4096;
  char *bytes = cachette__malloc(capacity);
  if (bytes == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  if (!read_all(fd, bytes, capacity, size)) {
    int reason = errno;
    cachette__wipe(bytes, capacity);
    cachette__free(bytes);
    errno = reason;
    return NULL;
  }
  bytes[*size] = '\0';
  return bytes;
}

char *cachette__aws_read_file(const char *path, size_t *size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* do not block on a pipe */
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
  int fd = mkstemp(name.bytes); /* mode 0600 */
  int reason = fd < 0 ? errno : write_all(fd, bytes, size);
  if (fd >= 0 && close(fd) < 0 && reason == 0) reason = errno;
  if (reason == 0 && rename(name.bytes, path) < 0) reason = errno;
  if (fd >= 0 && reason != 0) unlink(name.bytes);
  cachette__text_deinit(&name);
  return reason;
}
