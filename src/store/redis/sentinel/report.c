/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/slice.h"

void cachette__redis_report_reset(cachette__redis_report *report) {
  cachette__free(report->peers.rows);
  cachette__free(report->replicas.rows);
  *report = (cachette__redis_report){.step = CACHETTE__REDIS_ADDRESS};
}

/* ---- Asking ---- */

size_t cachette__redis_report_ask(cachette__buffer *output, cachette_slice name,
                                  bool with_replicas) {
  static const char *const commands[] = {"GET-MASTER-ADDR-BY-NAME", "MASTER", "MYID", "SENTINELS",
                                         "REPLICAS"};
  size_t count = with_replicas ? CACHETTE__REDIS_REPORT_STEPS : CACHETTE__REDIS_REPLICAS;
  for (unsigned i = 0; i < count; i++) {
    const cachette_slice words[] = {cachette_str("SENTINEL"), cachette_str(commands[i]), name};
    if (!cachette__redis_words(output, words, i == CACHETTE__REDIS_ID ? 2 : 3)) return 0;
  }
  return count;
}

/* ---- Texts ---- */

/* Appends a part of a text that may arrive in several. What does not fit is dropped, and the text
 * is then as long as the buffer. */
static void gather(char *text, size_t max, size_t *size, const cachette__resp_token *token) {
  if (token->offset == 0) *size = 0;
  size_t left = max - 1 - *size;
  size_t part = token->bytes.size < left ? token->bytes.size : left;
  if (part > 0) memcpy(text + *size, token->bytes.data, part);
  *size += part;
  text[*size] = '\0';
}

static bool is_text(const cachette__resp_token *token) {
  return token->type == CACHETTE__RESP_BULK || token->type == CACHETTE__RESP_SIMPLE;
}

static void copy(char *to, size_t max, const char *text) {
  size_t size = strlen(text);
  if (size >= max) size = 0;
  memcpy(to, text, size);
  to[size] = '\0';
}

/* ---- Rows: lists of fields and values ---- */

static void start_row(cachette__redis_report *report) {
  report->row = (cachette__redis_announced){.host = ""};
  report->row_epoch = 0;
  report->is_healthy = true;
  report->in_row = true;
  report->position = 0;
}

static void take_field(cachette__redis_report *report) {
  const char *field = report->field, *value = report->value;
  cachette__redis_announced *row = &report->row;
  if (strcmp(field, "ip") == 0)
    copy(row->host, sizeof row->host, value);
  else if (strcmp(field, "port") == 0)
    row->port = atol(value);
  else if (strcmp(field, "runid") == 0)
    copy(row->id, sizeof row->id, value);
  else if (strcmp(field, "config-epoch") == 0)
    report->row_epoch = strtoull(value, NULL, 10);
  else if (strcmp(field, "flags") == 0)
    report->is_healthy &= strstr(value, "down") == NULL && strstr(value, "disconnected") == NULL;
  else if (strcmp(field, "role-reported") == 0)
    report->is_healthy &= strcmp(value, "slave") == 0;
  else if (strcmp(field, "master-link-status") == 0)
    report->is_healthy &= strcmp(value, "ok") == 0;
}

static bool add_row(cachette__redis_rows *rows, const cachette__redis_announced *row) {
  if (row->host[0] == '\0' || rows->count == CACHETTE__REDIS_ROWS) return true;
  cachette__redis_announced *grown =
      cachette__realloc(rows->rows, (rows->count + 1) * sizeof *grown);
  if (grown == NULL) return false;
  rows->rows = grown;
  rows->rows[rows->count++] = *row;
  return true;
}

static bool end_row(cachette__redis_report *report) {
  if (!report->in_row) return true;
  report->in_row = false;
  if (report->step == CACHETTE__REDIS_MASTER) report->epoch = report->row_epoch;
  if (report->step == CACHETTE__REDIS_SENTINELS) return add_row(&report->peers, &report->row);
  if (report->step == CACHETTE__REDIS_REPLICAS && report->is_healthy)
    return add_row(&report->replicas, &report->row);
  return true;
}

/* A field and its value come one after the other, in version 3 of the protocol as a map. */
static void take_word(cachette__redis_report *report, const cachette__resp_token *token) {
  bool is_value = report->position % 2 == 1;
  gather(is_value ? report->value : report->field,
         is_value ? sizeof report->value : sizeof report->field, &report->size, token);
  if (!token->end) return;
  if (is_value) take_field(report);
  report->position++;
}

static bool take_row(cachette__redis_report *report, const cachette__resp_token *token,
                     unsigned depth) {
  bool is_list = token->type == CACHETTE__RESP_ARRAY || token->type == CACHETTE__RESP_MAP;
  if (token->depth == depth && is_list) {
    bool ok = end_row(report);
    start_row(report);
    return ok;
  }
  if (token->depth == depth + 1 && report->in_row && is_text(token)) take_word(report, token);
  return true;
}

/* ---- Replies ---- */

static void take_address(cachette__redis_report *report, const cachette__resp_token *token) {
  if (token->depth == 0 && token->type == CACHETTE__RESP_NULL) report->is_unknown = true;
  if (token->depth != 1 || !is_text(token)) return;
  gather(report->value, sizeof report->value, &report->size, token);
  if (!token->end) return;
  if (report->position == 0)
    copy(report->primary.host, sizeof report->primary.host, report->value);
  else if (report->position == 1)
    report->primary.port = atol(report->value);
  report->position++;
}

static void take_id(cachette__redis_report *report, const cachette__resp_token *token) {
  if (token->depth > 0 || !is_text(token)) return;
  gather(report->value, sizeof report->value, &report->size, token);
  if (token->end) copy(report->primary.id, sizeof report->primary.id, report->value);
}

bool cachette__redis_report_take(cachette__redis_report *report,
                                 const cachette__resp_token *token) {
  bool ok = true;
  switch (report->step) {
    case CACHETTE__REDIS_ADDRESS:
      take_address(report, token);
      break;
    case CACHETTE__REDIS_ID:
      take_id(report, token);
      break;
    default:
      ok = take_row(report, token, report->step == CACHETTE__REDIS_MASTER ? 0 : 1);
  }
  if (!token->last) return ok;
  ok = end_row(report) && ok;
  report->step++;
  report->position = 0;
  return ok;
}

/* ---- Events ---- */

enum cachette__redis_event cachette__redis_news_take(cachette__redis_news *news,
                                                     const cachette__resp_token *token,
                                                     cachette_slice name) {
  if (token->depth == 0) {
    *news = (cachette__redis_news){.word = 0};
    return CACHETTE__REDIS_NO_EVENT;
  }
  if (token->depth != 1 || !is_text(token)) return CACHETTE__REDIS_NO_EVENT;
  gather(news->text, sizeof news->text, &news->size, token);
  if (!token->end) return CACHETTE__REDIS_NO_EVENT;
  unsigned word = news->word++;
  if (word == 0 && strcmp(news->text, "subscribe") == 0) return CACHETTE__REDIS_SUBSCRIBED;
  if (word == 0) news->is_message = strcmp(news->text, "message") == 0;
  if (word == 1) news->is_switch = strcmp(news->text, "+switch-master") == 0;
  bool is_ours = word == 2 && news->is_message && news->is_switch && news->size > name.size &&
                 memcmp(news->text, name.data, name.size) == 0 && news->text[name.size] == ' ';
  return is_ours ? CACHETTE__REDIS_SWITCHED : CACHETTE__REDIS_NO_EVENT;
}
