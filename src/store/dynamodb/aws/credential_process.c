/* SPDX-License-Identifier: MIT */
/*
 * Keys from a program that a profile's `credential_process` names. It prints JSON:
 *
 *     {"Version": 1, "AccessKeyId": "...", "SecretAccessKey": "...",
 *      "SessionToken": "...", "Expiration": "2030-01-31T12:34:56Z"}
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/error.h"
#include "../../../base/slice.h"
#include "environment.h"
#include "fetch.h"
#include "shell_words.h"
#include "timestamp.h"

enum { TIMEOUT_MS = 60 * 1000 }; /* the program may query a server, or ask the user */

static const char *const key = "credential_process";

static void fail(cachette__aws_fetch *fetch, const char *what) {
  cachette_error error;
  const cachette__aws_chain *chain = &fetch->chain;
  cachette__aws_profile_fail(&chain->files, &chain->profile, key, &error, "its \"%s\" %s", key,
                             what);
  fetch->failed(fetch, &error);
}

/* Copies the last line that is not blank; programs usually print there why they failed. */
static void copy_last_line(const cachette__text *text, char *display, size_t size) {
  size_t end = text->size, begin;
  while (end > 0 && strchr(" \t\r\n", text->bytes[end - 1]) != NULL) end--;
  for (begin = end; begin > 0 && text->bytes[begin - 1] != '\n';) begin--;
  cachette__key_text((cachette_slice){end > 0 ? text->bytes + begin : "", end - begin}, display,
                     size);
}

static void fail_end(cachette__aws_fetch *fetch, const cachette__process_result *result) {
  char last_line[90], what[160];
  copy_last_line(result->error_output, last_line, sizeof last_line);
  switch (result->end) {
    case CACHETTE__PROCESS_NO_MEMORY:
      cachette__aws_fetch_fail_no_memory(fetch);
      return;
    case CACHETTE__PROCESS_TIMED_OUT:
      snprintf(what, sizeof what, "did not finish within %d s and was stopped.", TIMEOUT_MS / 1000);
      break;
    case CACHETTE__PROCESS_TOO_MUCH_OUTPUT:
      snprintf(what, sizeof what, "printed more than 64 KB and was stopped.");
      break;
    case CACHETTE__PROCESS_KILLED:
      snprintf(what, sizeof what, "was killed by signal %d.", result->status);
      break;
    case CACHETTE__PROCESS_EXITED:
      snprintf(what, sizeof what, "failed with exit status %d%s%s.", result->status,
               *last_line != '\0' ? ": " : "", last_line);
      break;
  }
  fail(fetch, what);
}

/* Reads the keys. Returns what is wrong with the output, or NULL. */
static const char *read_keys(json_t *json, cachette__aws_keys *keys) {
  const char *end = cachette__json_text(json, "Expiration");
  json_t *version = json_object_get(json, "Version");
  *keys = (cachette__aws_keys){
      .id = (char *)cachette__json_text(json, "AccessKeyId"),
      .secret = (char *)cachette__json_text(json, "SecretAccessKey"),
      .token = (char *)cachette__json_text(json, "SessionToken"),
      .expires_ms = end != NULL ? cachette__timestamp_read(end) : INT64_MAX,
  };
  if (!json_is_object(json)) return "did not print a JSON object.";
  if (!json_is_integer(version) || json_integer_value(version) != 1)
    return "printed JSON whose \"Version\" is not 1.";
  if (keys->id == NULL) return "printed JSON without \"AccessKeyId\".";
  if (keys->secret == NULL) return "printed JSON without \"SecretAccessKey\".";
  if (keys->expires_ms == 0) return "printed JSON whose \"Expiration\" is not a time.";
  return NULL;
}

static void on_process_end(const cachette__process_result *result, void *data) {
  cachette__aws_fetch *fetch = data;
  cachette__aws_keys keys;
  json_error_t parse_error = {.text = ""};
  fetch->process = NULL;
  if (result->end != CACHETTE__PROCESS_EXITED || result->status != 0) {
    fail_end(fetch, result);
    return;
  }
  const cachette__text *output = result->output;
  json_t *json = output->size > 0 ? json_loadb(output->bytes, output->size, 0, &parse_error) : NULL;
  const char *problem = read_keys(json, &keys);
  if (json == NULL && json_error_code(&parse_error) == json_error_out_of_memory && output->size > 0)
    cachette__aws_fetch_fail_no_memory(fetch);
  else if (problem != NULL)
    fail(fetch, problem);
  else
    fetch->done(fetch, &keys);
  json_decref(json);
}

static enum cachette__aws_result fail_start(cachette__aws_fetch *fetch, const char *program,
                                            int reason, cachette_error *error) {
  const cachette__aws_chain *chain = &fetch->chain;
  char display[60];
  if (reason == ENOMEM) return cachette__aws_no_memory(error);
  /* With a colon it may be a URL, which may contain a secret. */
  cachette__env_display_path(strchr(program, ':') == NULL ? program : "***", display,
                             sizeof display);
  cachette__aws_profile_fail(&chain->files, &chain->profile, key, error,
                             "its \"%s\" cannot be run: %s (%s). Give the full path of a program.",
                             key, display, strerror(reason));
  return CACHETTE__AWS_FAILED;
}

enum cachette__aws_result cachette__aws_fetch_process(cachette__aws_fetch *fetch,
                                                      cachette_error *error) {
  const cachette__aws_chain *chain = &fetch->chain;
  const char *command = cachette__aws_get(&chain->files, &chain->profile, key);
  char **words = NULL;
  size_t count = 0;
  int code = cachette__shell_words_split(command, &words, &count);
  if (code == CACHETTE_ENOMEM) return cachette__aws_no_memory(error);
  if (code < 0 || count == 0 || *words[0] == '\0') {
    cachette__shell_words_free(words);
    cachette__aws_profile_fail(
        &chain->files, &chain->profile, key, error, "its \"%s\" is not a command: %s.", key,
        code < 0 ? "a quote is not closed, or it ends with a backslash" : "it names no program");
    return CACHETTE__AWS_FAILED;
  }
  int reason = cachette__process_start(fetch->context.loop, words, TIMEOUT_MS, on_process_end,
                                       fetch, &fetch->process);
  enum cachette__aws_result found =
      reason == 0 ? CACHETTE__AWS_PENDING : fail_start(fetch, words[0], reason, error);
  cachette__shell_words_free(words);
  return found;
}
