/* SPDX-License-Identifier: MIT */
/*
 * A job is a request in a node's pipeline that is not an op: a command of a clear by pattern, or
 * one that asks a server about its cluster. It shares the connection with the ops, and its replies
 * come between theirs.
 *
 * A job belongs to the code that pushed it: clear.c or cluster/refresh.c, for example. It must stay
 * valid until `completed` or `failed` is called, which happens exactly once for each push. The
 * callbacks may push the job again, to the same node or to another.
 */
#ifndef CACHETTE_REDIS_JOB_H
#define CACHETTE_REDIS_JOB_H

#include "resp.h"

typedef struct cachette__redis_job cachette__redis_job;
struct cachette__redis_node;
struct cachette__redis_request;
struct cachette__buffer;

typedef struct cachette__redis_job_type {
  /* Appends the commands to the output. Returns the number of their replies; 0: out of memory. */
  size_t (*encode)(cachette__redis_job *job, struct cachette__redis_node *node,
                   cachette__buffer *output);

  /* Takes a token of a reply. The text of an error reply is complete in `node->error` when the
   * token has `end`. Returns false if the reply does not match the command. Not called if nobody
   * awaits the job. */
  bool (*take)(cachette__redis_job *job, struct cachette__redis_node *node,
               const cachette__resp_token *token);

  /* The job starts from its beginning, maybe on another server. Returns false if out of memory. */
  bool (*restart)(cachette__redis_job *job);

  /* All replies came. */
  void (*completed)(cachette__redis_job *job, struct cachette__redis_node *node,
                    struct cachette__redis_request *request);

  /* The request failed, or it was dropped because nobody awaits it; then the code is 0 or
   * ECANCELED. `message` is a whole sentence. */
  void (*failed)(cachette__redis_job *job, int code, const char *message);
} cachette__redis_job_type;

/* The first member of the struct of each job. */
struct cachette__redis_job {
  const cachette__redis_job_type *type;
  int64_t deadline_ms;
  bool awaited;    /* false: its replies are dropped */
  bool idempotent; /* safe to resend */
  bool postponed;  /* the server refused a command temporarily */
};

#endif
