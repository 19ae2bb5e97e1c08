/* SPDX-License-Identifier: MIT */
/* Lists of jobs, and the queues where jobs wait for a batch. */
#include "internal.h"

enum { BATCH_BYTES = 8 << 20 }; /* of the jobs in a batch, unless it has a single job */

/* ---- Lists ---- */

void cachette__file_list_append(cachette__file_list *list, cachette__file_job *job) {
  job->next = NULL;
  *list->tail = job;
  list->tail = &job->next;
}

cachette__file_job *cachette__file_list_take(cachette__file_list *list) {
  cachette__file_job *first = list->first;
  list->first = NULL;
  list->tail = &list->first;
  return first;
}

void cachette__file_job_free(cachette__file_job *job) {
  cachette__op_copy_deinit(&job->op);
  cachette__free(job);
}

void cachette__file_list_free(cachette__file_list *list) {
  cachette__file_job *job = cachette__file_list_take(list);
  while (job != NULL) {
    cachette__file_job *next = job->next;
    cachette__file_job_free(job);
    job = next;
  }
}

/* ---- Queues ---- */

void cachette__file_queue_take(cachette__file_batch *batch) {
  cachette__file_list *waiting = &batch->queue->waiting, *jobs = &batch->jobs;
  size_t size = 0;
  uv_mutex_lock(&batch->shared->mutex);
  jobs->tail = &jobs->first;
  for (unsigned i = 0; i < batch->queue->jobs_max && waiting->first != NULL; i++) {
    size += waiting->first->size;
    if (i > 0 && size > BATCH_BYTES) break;
    *jobs->tail = waiting->first;
    jobs->tail = &waiting->first->next;
    waiting->first = waiting->first->next;
  }
  *jobs->tail = NULL;
  if (waiting->first == NULL) waiting->tail = &waiting->first;
  uv_mutex_unlock(&batch->shared->mutex);
}

void cachette__file_queue_prepend(cachette__file_shared *shared, cachette__file_queue *queue,
                                  const cachette__file_list *jobs) {
  cachette__file_list *waiting = &queue->waiting;
  if (jobs->first == NULL) return;
  uv_mutex_lock(&shared->mutex);
  *jobs->tail = waiting->first;
  if (waiting->first == NULL) waiting->tail = jobs->tail;
  waiting->first = jobs->first;
  uv_mutex_unlock(&shared->mutex);
}
