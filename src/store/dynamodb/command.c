/* SPDX-License-Identifier: MIT */
/*
 * Keys from a program, which a profile's `credential_process` names. It prints JSON:
 *
 *     {"Version": 1, "AccessKeyId": "...", "SecretAccessKey": "...",
 *      "SessionToken": "...", "Expiration": "2030-01-31T12:34:56Z"}
 */
#include <errno.h>
#include <stdio.h>

#include "ask.h"
#include "words.h"

enum { LIMIT_MS = 60 * 1000 }; /* a program may have to ask a server, or a person by a window */

static const char *const key = "credential_process";

static void fail(cachette__aws_credentials *credentials, const char *what) {
  cachette_error error;
  const cachette__aws_plan *plan = &credentials->plan;
  cachette__aws_profile_fail(&plan->files, &plan->profile, key, &error, "its \"%s\" %s", key, what);
  cachette__aws_failed(credentials, &error);
}

/* The last line that says something, which is where programs say why they failed. */
static void show_complaint(const cachette__text *text, char *shown, size_t size) {
  size_t end = text->size, begin;
  while (end > 0 && strchr(" \t\r\n", text->bytes[end - 1]) != NULL) end--;
  for (begin = end; begin > 0 && text->bytes[begin - 1] != '\n';) begin--;
  cachette__key_text((cachette_slice){end > 0 ? text->bytes + begin : "", end - begin}, shown,
                     size);
}

static void fail_end(cachette__aws_credentials *credentials,
                     const cachette__process_result *result) {
  char complaint[90], what[160];
  show_complaint(result->complaints, complaint, sizeof complaint);
  switch (result->end) {
    case CACHETTE__PROCESS_NO_MEMORY:
      cachette__aws_failed_no_memory(credentials);
      return;
    case CACHETTE__PROCESS_LATE:
      snprintf(what, sizeof what, "did not end within %d s and was stopped.", LIMIT_MS / 1000);
      break;
    case CACHETTE__PROCESS_LOUD:
      snprintf(what, sizeof what, "printed more than 64 KB and was stopped.");
      break;
    case CACHETTE__PROCESS_KILLED:
      snprintf(what, sizeof what, "was ended by signal %d.", result->status);
      break;
    case CACHETTE__PROCESS_EXITED:
      snprintf(what, sizeof what, "ended with exit status %d%s%s.", result->status,
               *complaint != '\0' ? ": " : "", complaint);
      break;
  }
  fail(credentials, what);
}

/* What is wrong with what it printed; NULL: nothing, and the keys are read. */
static const char *read_keys(json_t *json, cachette__aws_keys *keys) {
  const char *end = cachette__aws_text(json, "Expiration");
  json_t *version = json_object_get(json, "Version");
  *keys = (cachette__aws_keys){
      .id = (char *)cachette__aws_text(json, "AccessKeyId"),
      .secret = (char *)cachette__aws_text(json, "SecretAccessKey"),
      .token = (char *)cachette__aws_text(json, "SessionToken"),
      .end_ms = end != NULL ? cachette__aws_read_time(end) : INT64_MAX,
  };
  if (!json_is_object(json)) return "printed no JSON object.";
  if (!json_is_integer(version) || json_integer_value(version) != 1)
    return "printed JSON whose \"Version\" is not 1.";
  if (keys->id == NULL) return "printed JSON without \"AccessKeyId\".";
  if (keys->secret == NULL) return "printed JSON without \"SecretAccessKey\".";
  if (keys->end_ms == 0) return "printed JSON whose \"Expiration\" is no time.";
  return NULL;
}

static void on_end(const cachette__process_result *result, void *data) {
  cachette__aws_credentials *credentials = data;
  cachette__aws_keys keys;
  json_error_t fault = {.text = ""};
  credentials->process = NULL;
  if (result->end != CACHETTE__PROCESS_EXITED || result->status != 0) {
    fail_end(credentials, result);
    return;
  }
  const cachette__text *output = result->output;
  json_t *json = output->size > 0 ? json_loadb(output->bytes, output->size, 0, &fault) : NULL;
  const char *wrong = read_keys(json, &keys);
  if (json == NULL && json_error_code(&fault) == json_error_out_of_memory && output->size > 0)
    cachette__aws_failed_no_memory(credentials);
  else if (wrong != NULL)
    fail(credentials, wrong);
  else
    cachette__aws_came(credentials, &keys);
  json_decref(json);
}

static enum cachette__aws_found fail_start(cachette__aws_credentials *credentials,
                                           const char *program, int reason, cachette_error *error) {
  const cachette__aws_plan *plan = &credentials->plan;
  char shown[60];
  if (reason == ENOMEM) return cachette__aws_no_memory(error);
  /* No program has a colon in its name; the begin of a URL, which a blank has cut, has one. */
  cachette__aws_show_path(strchr(program, ':') == NULL ? program : "***", shown, sizeof shown);
  cachette__aws_profile_fail(&plan->files, &plan->profile, key, error,
                             "its \"%s\" cannot be run: %s (%s). Name a program with its path.",
                             key, shown, strerror(reason));
  return CACHETTE__AWS_BROKEN;
}

enum cachette__aws_found cachette__aws_ask_command(cachette__aws_credentials *credentials,
                                                   cachette_error *error) {
  const cachette__aws_plan *plan = &credentials->plan;
  const char *command = cachette__aws_get(&plan->files, &plan->profile, key);
  char **words = NULL;
  size_t count = 0;
  int code = cachette__words_split(command, &words, &count);
  if (code == CACHETTE_ENOMEM) return cachette__aws_no_memory(error);
  if (code < 0 || count == 0 || *words[0] == '\0') {
    cachette__words_free(words);
    cachette__aws_profile_fail(
        &plan->files, &plan->profile, key, error, "its \"%s\" is no command: %s.", key,
        code < 0 ? "a quote is not closed, or it ends with a backslash" : "it names no program");
    return CACHETTE__AWS_BROKEN;
  }
  int reason = cachette__process_start(credentials->client->loop, words, LIMIT_MS, on_end,
                                       credentials, &credentials->process);
  enum cachette__aws_found found =
      reason == 0 ? CACHETTE__AWS_ASKED : fail_start(credentials, words[0], reason, error);
  cachette__words_free(words);
  return found;
}
