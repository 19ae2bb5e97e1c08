/* SPDX-License-Identifier: MIT */
/*
 * The file store: entries in an SQLite file that any number of processes share.
 *
 * SQLite blocks, so an op becomes a job for a thread of the store's pool. Jobs wait in a queue, and
 * a batch carries all that wait to a thread at once:
 *
 *     handle's thread   submit: op -> job -> queue      done: jobs of a batch -> ops     (file.c)
 *     a thread          queue -> batch -> transactions                                   (work.c)
 *
 * The queue of writes has one batch: its jobs share a transaction, and SQLite allows one writer
 * anyway. The queue of reads has several. Each thread opens a connection when it first needs one.
 *
 * Each file calls only files to its right; any file may call errors.c and settings.c:
 *
 *     file.c -> work.c -> commands.c -> capacity.c -> clear.c, database.c -> statements.c, fork.c
 *            -> queue.c
 *
 * The tables (SCHEMA in database.c):
 *
 *     entry   id, expires (milliseconds since the epoch), key, value; indexes: id, key, expires
 *     used    the ids of entries that were fetched since the clock's hand last passed them
 *     state   where the hand is, and the last entry of its current revolution
 *
 * The CLOCK algorithm keeps the file below its limit (capacity.c). Entries are ordered by the time
 * of their put. The hand moves over them and evicts those that were not used since it last passed.
 * Entries put meanwhile belong to the next revolution. Hits are recorded in memory, and only while
 * the file is nearly full; the writer stores them with its next transaction.
 *
 * Entries expire by the wall clock, which is the same for all processes and survives a restart. If
 * the options have a clock, the store reads that instead, so that tests can set the time. All users
 * of a file need the same kind of clock.
 *
 * The path may come to name another file, after this one was set aside as corrupt or removed. So
 * each job checks that the open file is still the one at the path. A process that opens, creates or
 * sets aside the file locks its folder meanwhile (database.c).
 */
#ifndef CACHETTE_FILE_INTERNAL_H
#define CACHETTE_FILE_INTERNAL_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "../common/module.h"
#include "../common/op_copy.h"

enum {
  CACHETTE__FILE_READERS = 4,     /* batches of reads, and so reading threads, of a handle */
  CACHETTE__FILE_HITS = 1024,     /* slots for hits that wait to be stored */
  CACHETTE__FILE_PAGE_SIZE = 4096 /* bytes of a database page */
};

/* The options of the store. Immutable after creation, so threads and handles may share it. */
typedef struct cachette__file_settings {
  cachette__settings base;
  char *path;   /* absolute, links resolved */
  char *folder; /* that contains the file */
  char *prefix; /* of all keys; may be "" */
  char *name;   /* of the file, for messages */
  int64_t limit;
  int64_t timeout_ms;
  cachette__clock clock;
} cachette__file_settings;

typedef struct cachette__file_job cachette__file_job;
struct cachette__file_job {
  cachette__file_job *next; /* in the list */
  cachette__op_copy op;
  _Atomic(bool) detached; /* the op was detached; the threads skip the job */
  int64_t stop_ms;        /* when to give up, shortly before the op's deadline; machine clock */
  int64_t now_ms;         /* when it was submitted; the clock that expires entries */
  int64_t last_id; /* clear: the newest entry at the start, as newer ones stay; 0: not started */
  size_t index;    /* clear: index of the current item */
  struct {
    int64_t number;
    size_t index;
  } saved;     /* `op.number` and `index` before this transaction, restored if it fails */
  bool more;   /* the job needs another transaction */
  size_t size; /* bytes of the job, with its items */
};

typedef struct cachette__file_list {
  cachette__file_job *first, **tail;
} cachette__file_list;

typedef struct cachette__file_shared cachette__file_shared;

/* Carries jobs from a queue to a thread of the pool and back. */
typedef struct cachette__file_batch {
  cachette__job job;
  cachette__file_shared *shared;
  struct cachette__file_queue *queue;
  cachette__file_list jobs;
  bool busy; /* the pool has it; handle's thread only */
} cachette__file_batch;

typedef struct cachette__file_queue {
  cachette__file_list waiting; /* guarded by the mutex in `shared` */
  cachette__file_batch batches[CACHETTE__FILE_READERS];
  unsigned batch_count;
  unsigned jobs_max; /* maximum per batch */
} cachette__file_queue;

/* The state that the jobs of a store share. May outlive the store. */
struct cachette__file_shared {
  const cachette__file_settings *settings; /* holds a reference */
  cachette__events *events;                /* handle's thread only, like `pool` */
  cachette__pool *pool;
  uv_mutex_t mutex; /* guards the queues' `waiting`, `hits` and `hit_count` */
  cachette__file_queue reads, writes;
  int64_t hits[CACHETTE__FILE_HITS]; /* ids of entries that were hit, hashed by id; 0: empty */
  unsigned hit_count;                /* recorded since hits were last stored */
  _Atomic(bool) closing;
  _Atomic(bool) nearly_full;
  _Atomic(bool) over_limit;
  _Atomic(bool) can_shrink;                /* the file has free pages to return to the system */
  _Atomic(bool) was_set_aside;             /* the file was corrupt; a notice is due */
  _Atomic(int64_t) bytes;                  /* in use in the file; 0: not known yet */
  _Atomic(int64_t) evictions, expirations; /* through this handle */
};

/* The message for a file that was set aside; %s is its name. */
#define CACHETTE__FILE_SET_ASIDE                                                              \
  "%s was damaged. It was renamed to end in \".damaged\" and replaced by an empty file; its " \
  "entries are lost."

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

/* The state of a thread. */
typedef struct cachette__file_thread cachette__file_thread;
struct cachette__file_thread {
  cachette__file_shared *shared;
  sqlite3 *db;                                         /* NULL: not connected */
  sqlite3_stmt *statements[CACHETTE__FILE_STATEMENTS]; /* prepared when first used */
  dev_t device;                                        /* with `inode`: identifies the open file */
  ino_t inode;
  int64_t stop_ms;     /* when SQLite stops waiting and working; machine clock */
  int64_t measured_ms; /* when the thread last measured the file; machine clock */
  struct {
    int64_t start_ms;
    int64_t first_new;        /* the smallest id that it may insert; 0: not known */
    int64_t unchecked;        /* bytes put since the limit was last enforced */
    int64_t enforce_ms;       /* time spent enforcing the limit */
    int64_t evicted, expired; /* entries that it removed */
  } transaction;
  void (*before_fork)(cachette__file_thread *thread); /* closes the connection */
  cachette__file_thread *newer, *older; /* in the list of the process's threads (fork.c) */
};

/* ---- settings.c ---- */

/* Reads and checks the options. Errors: ECONFIG, ENOMEM. */
int cachette__file_settings_new(const cachette_options *options, cachette__settings **settings,
                                cachette_error *error);

/* ---- errors.c ---- */

/* Fills `error` for an SQLite error code. Returns our code. */
int cachette__file_fail(const cachette__file_thread *thread, int code, cachette_error *error);

/* Fills `error` for an errno about the file or its folder. Returns our code. */
int cachette__file_fail_system(const cachette__file_settings *settings, int number,
                               cachette_error *error);

/* Whether an SQLite code means that the file is corrupt. */
bool cachette__file_is_corrupt(int code);

/* Whether an SQLite code means that SQLite was interrupted, or could not get a lock in time. */
bool cachette__file_is_interrupted(int code);

/* ---- fork.c: closes all connections before the process forks ---- */

/* Registers the fork handlers, once per process. Any thread. Errors: ENOMEM. */
int cachette__file_register_fork_handlers(void);

/* Add and remove a thread whose connection a fork closes. The thread itself calls them. */
void cachette__file_add_thread(cachette__file_thread *thread);
void cachette__file_remove_thread(cachette__file_thread *thread);

/* A thread uses SQLite only between these two calls. A fork waits until no thread is between them;
 * `enter` blocks while the process forks. */
void cachette__file_enter(void);
void cachette__file_leave(void);

/* Whether a fork waits for the threads to leave. */
bool cachette__file_forking(void);

/* ---- statements.c ---- */

/* Returns a statement, reset; its last values are still bound. NULL: it could not be prepared. */
sqlite3_stmt *cachette__file_statement(cachette__file_thread *thread,
                                       enum cachette__file_statement which);

/* Runs a statement, ignores its rows, and resets it. Returns SQLite's code. */
int cachette__file_step(sqlite3_stmt *statement);

/* Runs a statement that returns at most one number. `number` may be NULL, and is unchanged if there
 * is no row. Returns SQLite's code. */
int cachette__file_run(cachette__file_thread *thread, enum cachette__file_statement which,
                       int64_t *number);

/* Binds bytes, which must stay valid until the statement has run. Returns SQLite's code. */
int cachette__file_bind(sqlite3_stmt *statement, int index, cachette_slice bytes);

/* Begin and commit a write transaction. Return SQLite's code. */
int cachette__file_begin(cachette__file_thread *thread);
int cachette__file_commit(cachette__file_thread *thread);

/* ---- database.c ---- */

/* Opens the file unless it is open; creates it if it does not exist. Returns 0 or our code. */
int cachette__file_connect(cachette__file_thread *thread, cachette_error *error);

/* Closes the file, if it is open. */
void cachette__file_disconnect(cachette__file_thread *thread);

/*
 * Renames the open file, which is corrupt, and disconnects. Returns the error to report, or
 * CACHETTE_OK if another thread or process renamed it before, so that the caller can try again.
 */
int cachette__file_set_aside(cachette__file_thread *thread, cachette_error *error);

/* Whether the path no longer names the open file. If so, disconnects. */
bool cachette__file_is_gone(cachette__file_thread *thread);

/* Removes the file if the path still names the open one, and disconnects. Returns 0 or our code. */
int cachette__file_remove(cachette__file_thread *thread, cachette_error *error);

/* Counts the file's pages, and updates what `shared` knows of its size. Returns SQLite's code. */
int cachette__file_measure(cachette__file_thread *thread, int64_t *pages, int64_t *free_pages);

/* ---- clear.c ---- */

/* Clears a chunk of the job's entries, and sets the job's `more` if entries are left. Returns
 * SQLite's code. */
int cachette__file_clear(cachette__file_thread *thread, cachette__file_job *job);

/* Removes up to `max` expired entries whose keys begin with `prefix`, and adds their number to
 * `count`. Returns SQLite's code. */
int cachette__file_clear_expired(cachette__file_thread *thread, int64_t now_ms,
                                 cachette_slice prefix, int max, int64_t *count);

/* ---- capacity.c ---- */

/* Records a hit in memory, if the file is nearly full. */
void cachette__file_record_hit(cachette__file_thread *thread, int64_t id);

/* Stores the recorded hits. Within a transaction. Returns SQLite's code. */
int cachette__file_store_hits(cachette__file_thread *thread);

/*
 * Brings the file below its limit, or as near as time permits: about twice as long as the
 * transaction took otherwise, and at most half of the time until the deadline. Within a
 * transaction. Entries expire by `now_ms`; 0: not known. Returns SQLite's code.
 */
int cachette__file_enforce_limit(cachette__file_thread *thread, int64_t now_ms);

/* Does the same in separate transactions, until a job waits. Returns SQLite's code. */
int cachette__file_enforce_limit_when_idle(cachette__file_thread *thread);

/* Returns free pages to the system, until a job waits. Outside a transaction. */
void cachette__file_shrink(cachette__file_thread *thread);

/* Drops the recorded hits and other idle work that failed. */
void cachette__file_drop_idle_work(cachette__file_shared *shared);

/* Measures the file if the last measurement is old. */
void cachette__file_measure_if_due(cachette__file_thread *thread);

/* The maximum size of key and value together. */
int64_t cachette__file_entry_max(const cachette__file_settings *settings);

/* ---- commands.c: return SQLite's code; an item that fails has the error in its status ---- */

/* Runs a job that reads, outside or within a transaction. */
int cachette__file_read(cachette__file_thread *thread, cachette__file_job *job);

/* Runs a job that writes, within a transaction. */
int cachette__file_write(cachette__file_thread *thread, cachette__file_job *job);

/* ---- queue.c ---- */

/* Appends a job, and takes ownership. */
void cachette__file_list_append(cachette__file_list *list, cachette__file_job *job);

/* Empties the list. Returns its first job, which links to the others. */
cachette__file_job *cachette__file_list_take(cachette__file_list *list);

/* Frees the jobs of a list. */
void cachette__file_list_free(cachette__file_list *list);
void cachette__file_job_free(cachette__file_job *job);

/* Moves jobs from the queue to the batch. Any thread. */
void cachette__file_queue_take(cachette__file_batch *batch);

/* Puts jobs back at the front of the queue. Handle's thread. */
void cachette__file_queue_prepend(cachette__file_shared *shared, cachette__file_queue *queue,
                                  const cachette__file_list *jobs);

/* ---- work.c ---- */

/* Takes jobs from the queue and runs them. Without jobs, a batch of writes does idle work. On a
 * thread of the pool. */
void cachette__file_work(cachette__file_batch *batch, cachette__file_thread *thread);

#endif
