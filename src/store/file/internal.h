/* SPDX-License-Identifier: MIT */
/*
 * The parts of the file store: entries in an SQLite file that any number of processes share.
 * SQLite blocks, so an op becomes a job for a thread of the store's own pool. Jobs wait in a queue,
 * and a batch takes all that wait to a thread at once:
 *
 *     handle's thread   submit: op -> job -> queue      done: jobs of a batch -> ops     (file.c)
 *     a thread          queue -> batch -> transactions                                   (work.c)
 *
 * The queue of writes has one batch: what waits goes into one transaction, and SQLite has one
 * writer anyway. The queue of reads has several. Each thread has a connection of its own, made when
 * it first needs one (database.c).
 *
 * Each file calls only files to its right, and errors.c and settings.c may be called by all:
 *
 *     file.c -> work.c -> commands.c -> capacity.c -> clear.c, database.c -> statements.c, fork.c
 *            -> queue.c
 *
 * What is stored (SCHEMA in database.c):
 *
 *     entry   id, expires (milliseconds since the epoch), key, value; by id, by key, by expires
 *     used    the ids of entries that were fetched since the clock's hand last passed them
 *     state   where the hand is, and the last entry of its current revolution
 *
 * The CLOCK algorithm keeps the file to its limit (capacity.c). Entries lie in the order in which
 * they were put. The hand goes round and evicts those that were not used since it last passed.
 * Entries put meanwhile belong to its next revolution. Hits are recorded in memory, and only while
 * the file is nearly full; the writer stores them with its next transaction.
 *
 * Time is the wall clock, because it has to mean the same to all processes and after a restart. If
 * the options have a clock of their own the store reads that instead, so that tests can move it.
 * All users of a file need the same kind of clock.
 *
 * The path may come to name another file: when this one was corrupt and was set aside, or somebody
 * removed it. So each job checks whether the open file is still the one with that path. Whoever
 * opens, makes or sets aside the file locks its folder meanwhile (database.c).
 */
#ifndef CACHETTE_FILE_INTERNAL_H
#define CACHETTE_FILE_INTERNAL_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "../common/module.h"
#include "../common/op_copy.h"

enum {
  CACHETTE__FILE_READERS = 4,     /* batches that read, in a handle */
  CACHETTE__FILE_HITS = 1024,     /* hits recorded between two writes */
  CACHETTE__FILE_PAGE_SIZE = 4096 /* bytes of a page */
};

/* What the store reads of the options. */
typedef struct cachette__file_settings {
  cachette__settings base;
  char *path;   /* absolute, with links resolved */
  char *folder; /* that the file is in */
  char *prefix; /* of all keys; "" if there is none */
  char *name;   /* of the file, in messages */
  int64_t limit;
  int64_t timeout_ms;
  cachette__clock clock;
} cachette__file_settings;

typedef struct cachette__file_job cachette__file_job;
struct cachette__file_job {
  cachette__file_job *next; /* in its list */
  cachette__op_copy op;
  _Atomic(bool) detached; /* tells the threads that nobody waits any more */
  int64_t stop_ms; /* when to give up, a little before the deadline, by the machine's clock */
  int64_t now_ms;  /* when it was submitted, by the clock that entries expire by */
  int64_t last_id; /* clear: the newest entry when it began, as later ones stay; 0: not begun */
  size_t index;    /* clear: the current item */
  struct {
    int64_t number;
    size_t index;
  } saved;     /* the same before this transaction, in case it fails */
  bool more;   /* clear: another transaction has to follow */
  size_t size; /* bytes of the job, items included */
};

typedef struct cachette__file_list {
  cachette__file_job *first, **tail;
} cachette__file_list;

typedef struct cachette__file_shared cachette__file_shared;

/* Takes jobs of a queue to a thread of the pool and back. */
typedef struct cachette__file_batch {
  cachette__job job;
  cachette__file_shared *shared;
  struct cachette__file_queue *queue;
  cachette__file_list jobs;
  bool busy; /* the pool has it; for the handle's thread alone */
} cachette__file_batch;

typedef struct cachette__file_queue {
  cachette__file_list waiting; /* guarded by `mutex` of `shared` */
  cachette__file_batch batches[CACHETTE__FILE_READERS];
  unsigned batch_count;
  unsigned jobs_max; /* in a batch */
} cachette__file_queue;

/* What the jobs of a store share; it may outlive the store. */
struct cachette__file_shared {
  const cachette__file_settings *settings; /* a reference */
  cachette__events *events;                /* for the handle's thread alone, as is `pool` */
  cachette__pool *pool;
  uv_mutex_t mutex; /* guards `waiting` of the queues, `hits` and `hit_count` */
  cachette__file_queue reads, writes;
  int64_t hits[CACHETTE__FILE_HITS]; /* ids of entries that were hit, at a hash of the id; or 0 */
  unsigned hit_count;                /* since hits were last stored */
  _Atomic(bool) closing;
  _Atomic(bool) nearly_full;
  _Atomic(bool) over_limit;
  _Atomic(bool) can_shrink;                /* it has free space to give back */
  _Atomic(bool) was_set_aside;             /* the file was corrupt; still to be reported */
  _Atomic(int64_t) bytes;                  /* of the file; 0: not known yet */
  _Atomic(int64_t) evictions, expirations; /* by this handle */
};

/* The message for a file that is set aside, with its name. */
#define CACHETTE__FILE_SET_ASIDE                                                    \
  "%s was damaged. It was set aside, its name now ends in \".damaged\", and a new " \
  "one is begun; what was cached is gone."

enum cachette__file_statement {
  CACHETTE__FILE_BEGIN_READ,
  CACHETTE__FILE_BEGIN_WRITE,
  CACHETTE__FILE_COMMIT,
  CACHETTE__FILE_FETCH,
  CACHETTE__FILE_EXISTS,
  CACHETTE__FILE_PUT,
  CACHETTE__FILE_ADD,
  CACHETTE__FILE_SET,
  CACHETTE__FILE_TOUCH,
  CACHETTE__FILE_CLEAR,
  CACHETTE__FILE_REMOVE,
  CACHETTE__FILE_LAST_ID,
  CACHETTE__FILE_COUNT,
  CACHETTE__FILE_CLEAR_ALL,
  CACHETTE__FILE_CLEAR_RANGE,
  CACHETTE__FILE_CLEAR_EXPIRED,
  CACHETTE__FILE_PAGES,
  CACHETTE__FILE_FREE_PAGES,
  CACHETTE__FILE_GET_HAND,
  CACHETTE__FILE_SET_HAND,
  CACHETTE__FILE_SCAN,
  CACHETTE__FILE_EVICT,
  CACHETTE__FILE_MARK_USED,
  CACHETTE__FILE_MARK_UNUSED,
  CACHETTE__FILE_STATEMENTS
};

/* What a thread has. */
typedef struct cachette__file_thread cachette__file_thread;
struct cachette__file_thread {
  cachette__file_shared *shared;
  sqlite3 *db;                                         /* NULL: not connected */
  sqlite3_stmt *statements[CACHETTE__FILE_STATEMENTS]; /* each made when first used */
  dev_t device;                                        /* with `inode`: the file that is open */
  ino_t inode;
  int64_t stop_ms;     /* when SQLite stops waiting and working, by the machine's clock */
  int64_t measured_ms; /* when it last measured how full the file is */
  struct {
    int64_t start_ms;
    int64_t first_new;        /* the least id of what it puts; 0: not known */
    int64_t unchecked;        /* bytes that it put since the limit was last enforced */
    int64_t enforce_ms;       /* time spent enforcing the limit */
    int64_t evicted, expired; /* entries that it removed */
  } transaction;
  void (*before_fork)(cachette__file_thread *thread); /* closes the connection */
  cachette__file_thread *newer, *older;               /* among all of the process (fork.c) */
};

/* ---- settings.c ---- */

/* Reads and checks the options. Errors: ECONFIG, ENOMEM. */
int cachette__file_settings_new(const cachette_options *options, cachette__settings **settings,
                                cachette_error *error);

/* ---- errors.c ---- */

/* Fills `error` for a code of SQLite; returns our code. */
int cachette__file_fail(const cachette__file_thread *thread, int code, cachette_error *error);

/* The same for an error of the system about the file or its folder. */
int cachette__file_fail_system(const cachette__file_settings *settings, int number,
                               cachette_error *error);

/* Whether a code says that the file is corrupt. */
bool cachette__file_is_corrupt(int code);

/* Whether a code says that SQLite was interrupted, or waited for a lock in vain. */
bool cachette__file_is_interrupted(int code);

/* ---- fork.c: no connection is open while the process forks ---- */

/* Errors: ENOMEM. */
int cachette__file_register_fork_handlers(void);

void cachette__file_add_thread(cachette__file_thread *thread);
void cachette__file_remove_thread(cachette__file_thread *thread);

/* Between these two a thread may use SQLite, and no fork happens. */
void cachette__file_enter(void);
void cachette__file_leave(void);

/* Whether a fork waits for this thread to leave. */
bool cachette__file_forking(void);

/* ---- statements.c ---- */

/* A statement, reset, with the values last bound. NULL: it could not be prepared. */
sqlite3_stmt *cachette__file_statement(cachette__file_thread *thread,
                                       enum cachette__file_statement which);

/* Runs a statement whose rows do not matter, and resets it. Returns SQLite's code. */
int cachette__file_step(sqlite3_stmt *statement);

/* Runs a statement without values that returns at most one number. Returns SQLite's code. */
int cachette__file_run(cachette__file_thread *thread, enum cachette__file_statement which,
                       int64_t *number);

int cachette__file_bind(sqlite3_stmt *statement, int index, cachette_slice bytes);

/* Begins and ends a transaction that writes. Return SQLite's code. */
int cachette__file_begin(cachette__file_thread *thread);
int cachette__file_commit(cachette__file_thread *thread);

/* ---- database.c ---- */

/* Opens the file, unless it is open; makes it if it is missing. Returns 0 or our code. */
int cachette__file_connect(cachette__file_thread *thread, cachette_error *error);

void cachette__file_disconnect(cachette__file_thread *thread);

/*
 * The open file is corrupt: renames it, unless that was done already, and disconnects. Returns
 * CACHETTE_OK if it was done already, so that the caller can try again; else an error that says so.
 */
int cachette__file_set_aside(cachette__file_thread *thread, cachette_error *error);

/* Whether the path names another file by now; then the thread is disconnected. */
bool cachette__file_is_gone(cachette__file_thread *thread);

/* Removes the file, if it is still the open one, and disconnects. Returns 0 or our code. */
int cachette__file_remove(cachette__file_thread *thread, cachette_error *error);

/* Measures how full the file is. Returns SQLite's code. */
int cachette__file_measure(cachette__file_thread *thread, int64_t *pages, int64_t *free_pages);

/* ---- clear.c ---- */

/* Clears a slice of what the job has to clear; `more` tells whether others follow. Returns SQLite's
 * code. */
int cachette__file_clear(cachette__file_thread *thread, cachette__file_job *job);

/* Removes up to `max` expired entries. Returns SQLite's code. */
int cachette__file_clear_expired(cachette__file_thread *thread, int64_t now_ms,
                                 cachette_slice prefix, int max, int64_t *count);

/* ---- capacity.c ---- */

/* Records that an entry was hit, if that matters. */
void cachette__file_record_hit(cachette__file_thread *thread, int64_t id);

/* Stores the recorded hits. In a transaction. Returns SQLite's code, as the next two do. */
int cachette__file_store_hits(cachette__file_thread *thread);

/*
 * Brings the file back to its limit, or as near as time permits: about as long as the transaction
 * took to put its entries, and not so long that it would miss its deadline. In a transaction.
 * Entries have expired by `now_ms`; 0: the time is not known.
 */
int cachette__file_enforce_limit(cachette__file_thread *thread, int64_t now_ms);

/* The same while no job waits, in transactions of its own. */
int cachette__file_enforce_limit_when_idle(cachette__file_thread *thread);

/* Gives free space back to the system while no job waits. Not in a transaction. */
void cachette__file_shrink(cachette__file_thread *thread);

/* Discards the recorded hits and other idle work, because it cannot be done now. */
void cachette__file_drop_idle_work(cachette__file_shared *shared);

/* Measures again how full the file is, if the last time is long ago. */
void cachette__file_measure_if_due(cachette__file_thread *thread);

/* The most bytes that key and value may have together. */
int64_t cachette__file_entry_max(const cachette__file_settings *settings);

/* ---- commands.c: return SQLite's code; an item's own error is in its status ---- */

int cachette__file_read(cachette__file_thread *thread, cachette__file_job *job);
int cachette__file_write(cachette__file_thread *thread, cachette__file_job *job);

/* ---- queue.c ---- */

void cachette__file_list_append(cachette__file_list *list, cachette__file_job *job);

/* Empties a list; returns its first job. */
cachette__file_job *cachette__file_list_take(cachette__file_list *list);

void cachette__file_list_free(cachette__file_list *list);
void cachette__file_job_free(cachette__file_job *job);

/* Takes jobs for the batch from its queue. Any thread. */
void cachette__file_queue_take(cachette__file_batch *batch);

/* Puts jobs before those that wait, which came after them. Handle's thread. */
void cachette__file_queue_prepend(cachette__file_shared *shared, cachette__file_queue *queue,
                                  const cachette__file_list *jobs);

/* ---- work.c ---- */

/* Carries out the jobs that the batch takes from its queue; if none wait, a batch of writes does
 * idle work. On a thread. */
void cachette__file_work(cachette__file_batch *batch, cachette__file_thread *thread);

#endif
