/* SPDX-License-Identifier: MIT */
/*
 * A cache in an event loop of the program's own: it waits for lines of commands and for the
 * cache at once, in one poll(). Commands are sent as operations, and whoever answers calls `done`.
 *
 *     put KEY VALUE     fetch KEY     clear KEY     flush     quit
 *
 *     cc -o poll_loop poll_loop.c $(pkg-config --cflags --libs cachette) && ./poll_loop
 */
#include <cachette.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 4096 };

/* What one command needs until it is done: the operation, its one item, and the text of both. */
typedef struct command {
  cachette_op op;
  cachette_item item;
  cachette_error error;
  char text[LINE_SIZE];
} command;

/* ---- From a line to an operation, and back ---- */

/* Called once for each operation, by whichever call into the cache brought the answer. */
static void on_done(cachette_op *op) {
  command *self = op->data;
  if (op->status < 0 || self->item.status < 0) {
    printf("error: %s\n", self->error.message);
  } else if (op->verb != CACHETTE_FETCH) {
    printf("%s %d\n", op->verb == CACHETTE_PUT ? "put" : "cleared", (int)op->number);
  } else if (self->item.status == CACHETTE_HIT) {
    printf("%.*s\n", (int)self->item.value.size, (const char *)self->item.value.data);
  } else {
    printf("(not there)\n");
  }
  cachette_op_deinit(op); /* frees what was fetched */
  free(self);
}

/* Fills the operation from words; false if they make no command. */
static bool read_words(command *self, const char *verb, const char *key, const char *value) {
  if (strcmp(verb, "flush") == 0) {
    self->op.verb = CACHETTE_FLUSH;
    return true;
  }
  if (key == NULL) return false;
  self->item.key = cachette_str(key);
  self->op.items = &self->item;
  self->op.count = 1;
  if (strcmp(verb, "fetch") == 0) {
    self->op.verb = CACHETTE_FETCH;
  } else if (strcmp(verb, "clear") == 0) {
    self->op.verb = CACHETTE_CLEAR;
  } else if (strcmp(verb, "put") == 0 && value != NULL) {
    self->op.verb = CACHETTE_PUT;
    self->item.value = cachette_str(value);
  } else {
    return false;
  }
  return true;
}

/* Sends the command of a line on its way; false for "quit". */
static bool start_command(cachette *cache, const char *line) {
  command *self = calloc(1, sizeof *self);
  if (self == NULL) return false;
  snprintf(self->text, sizeof self->text, "%s", line);
  char *rest = NULL;
  const char *verb = strtok_r(self->text, " ", &rest);
  const char *key = strtok_r(NULL, " ", &rest);
  const char *value = strtok_r(NULL, "", &rest);
  bool quit = verb != NULL && strcmp(verb, "quit") == 0;
  if (quit || verb == NULL || !read_words(self, verb, key, value)) {
    if (!quit) printf("put KEY VALUE, fetch KEY, clear KEY, flush or quit\n");
    free(self);
    return !quit;
  }
  self->op.done = on_done;
  self->op.data = self;
  self->op.error = &self->error;
  cachette_submit(cache, &self->op); /* from here on it is on_done()'s */
  return true;
}

/* ---- The loop ---- */

/* Reads what there is and starts each whole line; false at the end. */
static bool read_commands(cachette *cache) {
  static char input[LINE_SIZE];
  static size_t used;
  ssize_t count = read(STDIN_FILENO, input + used, sizeof input - used);
  if (count <= 0) return false;
  used += (size_t)count;
  char *line = input, *end;
  while ((end = memchr(line, '\n', used - (size_t)(line - input))) != NULL) {
    *end = '\0';
    if (!start_command(cache, line)) return false;
    line = end + 1;
  }
  used -= (size_t)(line - input);
  memmove(input, line, used);
  return used < sizeof input;
}

int main(void) {
  cachette *cache;
  cachette_error error;
  if (cachette_open(NULL, &cache, &error) < 0) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }

  struct pollfd watched[] = {
      {.fd = STDIN_FILENO, .events = POLLIN},
      {.fd = cachette_fd(cache), .events = POLLIN},
  };
  for (bool more = true; more;) {
    /* The cache says how long it may be left alone; -1 is for ever. */
    if (poll(watched, 2, cachette_timeout(cache)) < 0) break;
    cachette_process(cache);
    if (watched[0].revents != 0) more = read_commands(cache);
    fflush(stdout);
  }

  /* Answers that are still to come, come with the error that the cache was closed. */
  cachette_close(cache);
  return 0;
}
