/* SPDX-License-Identifier: MIT */
/*
 * The parts of the file store: entries in an SQLite file that any number of processes share.
 * SQLite blocks, so ops become jobs, which carriers take to the threads of the store's own pool:
 *
 *     handle's thread   submit: op -> job -> lane      done: jobs of a carrier -> ops     (file.c)
 *     a thread          a carrier takes what waits in its lane, all at once              (work.c)
 *
 * Of all that writes there is one carrier: what waits goes into one transaction, and SQLite has one
 * writer anyway. Of what reads there are several. Each thread has a connection of its own, made
 * when it first needs one (database.c).
 *
 * What is stored (SCHEMA in database.c):
 *
 *     entry   id, expires (milliseconds since the epoch), key, value; by id, by key, by expires
 *     used    the ids of entries that were fetched since the hand last passed them
 *     state   where the hand of the clock stands, and the last entry of its turn
 *
 * The file is held to its limit by a clock (room.c): entries lie in the order they were put, a hand
 * goes round, and takes those that have not been used since it last came by. What is put while it
 * goes belongs to its next turn. A hit is noted in
 * memory, and only while the file is nearly full; the writer puts the notes down by the way.
 *
 * Time is the machine's wall clock, for it has to mean the same to all processes and after a
 * restart. If the options have a clock of their own its readings are taken instead, so a test that
 * moves it sees entries end; a file is to be used by one kind of clock.
 *
 * The name of the file may come to mean another file: this one was damaged and set aside, or
 * somebody removed it. So each job looks whether it is still the one that is open. Whoever opens,
 * makes or sets aside the file holds a lock on its folder meanwhile (database.c).
 */
#ifndef CACHETTE_FILE_CLIENT_H
#define CACHETTE_FILE_CLIENT_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "../common/copy.h"
#include "../common/module.h"

enum {
  CACHETTE__FILE_READERS = 4, /* carriers that read, in a handle */
  CACHETTE__FILE_NOTES = 1024 /* hits that are remembered between two writes */
};

/* What the options say. */
typedef struct cachette__file_settings {
  char *path;   /* absolute, and no link */
  char *folder; /* it is in */
  char *prefix; /* of all keys; "" if there is none */
  char *name;   /* of the file, in messages */
  int64_t limit;
  int64_t timeout_ms;
  cachette__clock clock;
} cachette__file_settings;

typedef struct cachette__file_job cachette__file_job;
struct cachette__file_job {
  cachette__file_job *next; /* in its lane, or of its carrier */
  cachette_op *op;          /* of the handle's thread alone; NULL: nobody waits any more, */
  _Atomic(bool) abandoned;  /* which this tells the others */
  enum cachette_verb verb;
  unsigned flags;
  int64_t until_ms; /* a little before its deadline, by the machine's clock */
  int64_t now_ms;   /* when it was submitted, as entries count time */
  int64_t number;
  int64_t last_id; /* of a sweep: entries put after it began are not its own; 0: not begun */
  size_t place;    /* of a sweep: the item that it is at */
  struct {
    int64_t number;
    size_t place;
  } before;             /* its slice, in case the transaction fails */
  bool more;            /* it is not done, and wants another turn */
  int code;             /* with which the whole op fails, or 0 */
  cachette_error error; /* why it does, or its first item that does */
  size_t size;          /* bytes that it has, keys and values included */
  size_t count;
  cachette__copy items[];
};

/* A queue of jobs. */
typedef struct cachette__file_list {
  cachette__file_job *first, **tail;
} cachette__file_list;

typedef struct cachette__file_shared cachette__file_shared;

/* Takes jobs to a thread and back. */
typedef struct cachette__file_carrier {
  cachette__job job;
  cachette__file_shared *shared;
  struct cachette__file_lane *lane;
  cachette__file_list load;
  bool busy; /* with the pool; of the handle's thread alone */
} cachette__file_carrier;

typedef struct cachette__file_lane {
  cachette__file_list waiting; /* guarded by `mutex` of what is shared */
  cachette__file_carrier carriers[CACHETTE__FILE_READERS];
  unsigned count; /* of carriers */
  unsigned most;  /* jobs that one takes at once */
} cachette__file_lane;

/* What the jobs of a store share; it may outlive the store. */
struct cachette__file_shared {
  cachette__file_settings settings;
  void *store; /* of the handle's thread alone */
  uv_mutex_t mutex;
  cachette__file_lane reads, writes;
  int64_t notes[CACHETTE__FILE_NOTES]; /* ids of entries that were hit, each in its place; or 0;
                                          guarded by `mutex` */
  unsigned noted;                      /* of these since the last were put down */
  _Atomic(bool) closing;
  _Atomic(bool) nearly_full;
  _Atomic(bool) crowded;  /* it is over its limit, so entries have to go */
  _Atomic(bool) untidy;   /* there is space to give back */
  _Atomic(bool) moved;    /* the file was damaged and set aside, and that is still to be said */
  _Atomic(int64_t) bytes; /* of the file; 0: not known yet */
  _Atomic(int64_t) evictions, expirations; /* by this handle */
};

/* What is said of a file that was damaged, by its name. */
#define CACHETTE__FILE_MOVED                                                        \
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
  CACHETTE__FILE_LAST,
  CACHETTE__FILE_COUNT,
  CACHETTE__FILE_SWEEP_ALL,
  CACHETTE__FILE_SWEEP_KEYS,
  CACHETTE__FILE_SWEEP_ENDED,
  CACHETTE__FILE_PAGES,
  CACHETTE__FILE_FREE_PAGES,
  CACHETTE__FILE_HAND,
  CACHETTE__FILE_SET_HAND,
  CACHETTE__FILE_ROUND,
  CACHETTE__FILE_EVICT,
  CACHETTE__FILE_USE,
  CACHETTE__FILE_UNUSE,
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
  int64_t until_ms;            /* how long SQLite may wait and work, by the machine's clock */
  int64_t measured_ms;         /* when it last saw how full the file is */
  struct {                     /* of the transaction that it is in */
    int64_t first_new;         /* the least id of what it puts; 0: not known */
    int64_t unswept;           /* bytes that it put since room was last made */
    int64_t begun_ms, room_ms; /* when it began, and how long it has made room since */
    int64_t evicted, expired;  /* entries that it removed */
  } now;
  cachette__file_thread *newer, *older; /* among all of the process (fork.c) */
};

/* ---- settings.c ---- */

/* Errors: ECONFIG, ENOMEM, EBACKEND; nothing is left then. */
int cachette__file_settings_read(const cachette_options *options, cachette__file_settings *settings,
                                 cachette_error *error);

void cachette__file_settings_deinit(cachette__file_settings *settings);

/* ---- fork.c: no connection is open while the process forks ---- */

/* Errors: ENOMEM. */
int cachette__file_watch_forks(void);

void cachette__file_add_thread(cachette__file_thread *thread);
void cachette__file_remove_thread(cachette__file_thread *thread);

/* Between these two a thread may use SQLite, and no fork happens. */
void cachette__file_enter(void);
void cachette__file_leave(void);

/* Whether a fork waits for this thread to leave. */
bool cachette__file_forking(void);

/* ---- database.c ---- */

/* Opens the file, unless it is open already; makes it if it is missing. Returns 0 or a code. */
int cachette__file_connect(cachette__file_thread *thread, cachette_error *error);

void cachette__file_disconnect(cachette__file_thread *thread);

/*
 * The file that is open was found damaged: gives it another name, unless that was done already, and
 * disconnects. Returns CACHETTE_OK if it was done already and all can be tried again; else an error
 * that tells.
 */
int cachette__file_set_aside(cachette__file_thread *thread, cachette_error *error);

/* Whether the name means another file by now; then it is disconnected. */
bool cachette__file_is_gone(cachette__file_thread *thread);

/* Removes the file, if it is still the one that is open, and disconnects. Returns 0 or a code. */
int cachette__file_remove(cachette__file_thread *thread, cachette_error *error);

/* ---- statement.c ---- */

/* A statement, reset; its values are those of the last time. NULL: it could not be made. */
sqlite3_stmt *cachette__file_statement(cachette__file_thread *thread,
                                       enum cachette__file_statement which);

/* Steps a statement that gives no rows that matter, and resets it. Returns SQLite's code. */
int cachette__file_step(sqlite3_stmt *statement);

/* Runs a statement that has no values and gives at most one number. Returns SQLite's code. */
int cachette__file_run(cachette__file_thread *thread, enum cachette__file_statement which,
                       int64_t *number);

int cachette__file_bind(sqlite3_stmt *statement, int place, cachette_slice bytes);

/* ---- fault.c ---- */

/* Says what SQLite's code means; returns the code that it is for us. */
int cachette__file_fail(const cachette__file_thread *thread, int code, cachette_error *error);

/* The same for an error of the system about the file or its folder. */
int cachette__file_fail_system(const cachette__file_settings *settings, int number,
                               cachette_error *error);

/* Whether a code says that the file is damaged; or that SQLite was made to stop or waited in vain.
 */
bool cachette__file_is_damage(int code);
bool cachette__file_is_wait(int code);

/* ---- work.c ---- */

/* Begins a transaction that writes, and ends it. SQLite's code. */
int cachette__file_begin(cachette__file_thread *thread);
int cachette__file_commit(cachette__file_thread *thread);

/* Carries out what waits in the carrier's lane, on a thread. */
void cachette__file_read(cachette__file_carrier *carrier, cachette__file_thread *thread);
void cachette__file_write(cachette__file_carrier *carrier, cachette__file_thread *thread);

/* Fails a job as a whole. */
void cachette__file_fail_job(cachette__file_job *job, const cachette_error *error);

/* Takes the carrier's load from its lane. */
void cachette__file_take(cachette__file_carrier *carrier);

/* ---- verbs.c: SQLite's code is returned; an item's own fault stands in its status ---- */

int cachette__file_do_read(cachette__file_thread *thread, cachette__file_job *job);
int cachette__file_do_write(cachette__file_thread *thread, cachette__file_job *job);

/* ---- sweep.c: a slice of one; `more` tells whether there are others. SQLite's code ---- */

int cachette__file_sweep(cachette__file_thread *thread, cachette__file_job *job);

/* Removes up to so many entries that have ended. */
int cachette__file_sweep_ended(cachette__file_thread *thread, int64_t now_ms, cachette_slice prefix,
                               int most, int64_t *count);

/* ---- room.c ---- */

/* Notes that an entry was hit, if that matters. */
void cachette__file_note(cachette__file_thread *thread, int64_t id);

/* Puts the notes down. In a transaction. SQLite's code, as of the next. */
int cachette__file_put_notes(cachette__file_thread *thread);

/* Forgets them, and that there was anything else to be done idly, for it cannot be done now. */
void cachette__file_forget_idle(cachette__file_shared *shared);

/*
 * Brings the file back to its limit, or as near to it as there is time for: about as much as the
 * transaction took to put what it put, and not so much that the transaction would come too late. In
 * a transaction. Entries have ended at `now_ms`; 0: that is not known.
 */
int cachette__file_make_room(cachette__file_thread *thread, int64_t now_ms);

/* The same without a job, in transactions of its own, as long as no job waits. */
int cachette__file_make_room_idly(cachette__file_thread *thread);

/* Gives free space back to the system, as long as no job waits. Not in a transaction. */
void cachette__file_tidy(cachette__file_thread *thread);

/* Sees how full the file is; now and then, or at once. */
void cachette__file_measure_again(cachette__file_thread *thread);
int cachette__file_measure(cachette__file_thread *thread, int64_t *pages, int64_t *free_pages);

/* The most bytes that key and value may have together. */
int64_t cachette__file_entry_most(const cachette__file_settings *settings);

#endif
