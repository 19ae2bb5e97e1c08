/* SPDX-License-Identifier: MIT */
/*
 * A cache in your own event loop. One poll() waits for commands on standard input and for the
 * cache. Each command is submitted as an operation, whose `done` is called when the answer arrives.
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

/* A pending command: the operation, its only item, and the text that both point to. */
typedef struct command {
  cachette_op op;
  cachette_item item;
  cachette_error error;
  char text[LINE_SIZE];
} command;

/* ---- Operations ---- */

/* Called once for each operation, from cachette_submit(), cachette_process() or cachette_close().
 */
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
  cachette_op_deinit(op); /* frees the fetched value */
  free(self);
}

/* Sets the operation from the words of a line. Returns false if they are not a command. */
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

/* Submits the command of a line. Returns false for "quit". */
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
  cachette_submit(cache, &self->op); /* on_done() frees it */
  return true;
}

/* ---- The loop ---- */

/* Reads available input and runs each whole line. Returns false at the end of the input. */
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
    /* The time-out in ms until the cache has to run again; -1 means that it has no timer. */
    if (poll(watched, 2, cachette_timeout(cache)) < 0) break;
    cachette_process(cache);
    if (watched[0].revents != 0) more = read_commands(cache);
    fflush(stdout);
  }

  /* Operations that are still pending fail, because the cache is closed. */
  cachette_close(cache);
  return 0;
}
