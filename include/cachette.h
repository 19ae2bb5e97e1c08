/* SPDX-License-Identifier: MIT */
/*
 * libcachette: a cache for web applications.
 *
 * An application states once where cached entries live (in this process, or in
 * a server) and for how long; then it fetches, puts and clears them by key. The
 * same calls serve every backend.
 *
 *     cachette_options *options = cachette_options_new();
 *     cachette_options_set(options, "ttl", "300", NULL);
 *     cachette *cache;
 *     cachette_error error;
 *     if (cachette_open(options, &cache, &error) < 0) {
 *       fprintf(stderr, "%s\n", error.message);
 *       exit(1);
 *     }
 *     cachette_put(cache, cachette_str("greeting"), cachette_str("hello"), 0, NULL);
 *     cachette_close(cache);
 *     cachette_options_free(options);
 *
 * Invariants, true of every call below:
 *
 * - Functions return 0 (or a count) on success and a negative code of
 *   `enum cachette_code` on failure. Outputs come last and are untouched on
 *   failure. A `cachette_error *` may be NULL.
 * - A handle (`cachette *`) is used by one thread at a time, and its callbacks
 *   run on the thread that uses it. Threads open a handle each. Handles that
 *   name the same in-memory store share its entries.
 * - Keys are 1 to 65,536 bytes, values are bytes; neither is interpreted.
 * - Times to live and time-outs are in milliseconds.
 * - Hit and miss are results, not errors.
 * - A handle does not survive fork(): in the child its calls answer
 *   CACHETTE_EFORK; open a fresh one there. Entries of the in-memory store that
 *   were there at the fork are in both processes, and go separate ways.
 */
#ifndef CACHETTE_H
#define CACHETTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CACHETTE_API __attribute__((visibility("default")))
#else
#define CACHETTE_API
#endif

/* The version of the library at run time, such as "1.0.0"; static. */
CACHETTE_API const char *cachette_version(void);

/* ---- Errors ---- */

/* Each code with its number and the sentence that cachette_strerror() gives. */
#define CACHETTE_CODES(X)                                          \
  X(EINVAL, -1, "an argument is out of its range")                 \
  X(ECONFIG, -2, "the configuration is not valid")                 \
  X(ENOMEM, -3, "out of memory")                                   \
  X(ETOOBIG, -4, "the value is larger than the backend accepts")   \
  X(ETIMEDOUT, -5, "the backend did not answer in time")           \
  X(ECANCELED, -6, "the operation was cancelled")                  \
  X(ECLOSED, -7, "the cache was closed")                           \
  X(EFORK, -8, "the cache was opened before a fork; open it anew") \
  X(EBUSY, -9, "the call is not allowed from inside a callback")   \
  X(EUNAVAILABLE, -10, "the backend cannot be reached")            \
  X(EBACKEND, -11, "the backend answered with an error")           \
  X(EUNSUPPORTED, -12, "this build or backend cannot do that")     \
  X(ECODEC, -13, "the stored value cannot be read")

/* What a call or an op failed with: CACHETTE_EINVAL and so on. */
enum cachette_code {
  CACHETTE_OK = 0,
#define X(name, number, text) CACHETTE_##name = number,
  CACHETTE_CODES(X)
#undef X
};

/* The sentence for a code; static, never NULL. Any thread. */
CACHETTE_API const char *cachette_strerror(int code);

/* What went wrong. Filled by the call that was given it, only when it fails. */
typedef struct cachette_error {
  int code;          /* of enum cachette_code */
  char subject[64];  /* the option or key at fault, cut to fit; or "" */
  char message[256]; /* a whole sentence, without secrets */
} cachette_error;

/* ---- Bytes ---- */

/* A view of bytes that somebody else owns. */
typedef struct cachette_slice {
  const void *data;
  size_t size;
} cachette_slice;

/* A view of a C string, without its NUL. */
CACHETTE_API cachette_slice cachette_str(const char *text);

/* ---- Options ---- */

/*
 * The configuration: names and values. Life cycle: new, set as often as you
 * like, open any number of handles, free (handles keep what they need).
 * An options object is used by one thread at a time.
 */
typedef struct cachette_options cachette_options;

/*
 * Options with every value at its default; NULL when out of memory. Relative paths, in options and
 * in what they lead to (files that a URL of MongoDB's or the environment of AWS names), are from
 * the folder that is the current one now.
 */
CACHETTE_API cachette_options *cachette_options_new(void);

/* Frees the options, and wipes the secrets among them. NULL is allowed. */
CACHETTE_API void cachette_options_free(cachette_options *options);

/*
 * Sets one option from text, as it would stand in a configuration file.
 *   name   as in cachette_option_table(), upper or lower case
 *   value  copied; NULL states that there is none, which is an error in
 *          cachette_options_check() if the backend needs it
 * Errors: ECONFIG (no such option: the message names the nearest one; or a value
 * out of its range: the option keeps the value it had), ENOMEM.
 */
CACHETTE_API int cachette_options_set(cachette_options *options, const char *name,
                                      const char *value, cachette_error *error);

/*
 * The text of an option as it stands, or NULL if it has none or is not known.
 * Owned by the options, until they change. Secrets are given as they are.
 */
CACHETTE_API const char *cachette_options_get(const cachette_options *options, const char *name);

/*
 * Looks for faults that lie between options, such as a URL that the backend needs.
 *   faults    filled with up to `capacity` of them; may be NULL if capacity is 0
 * Returns how many there are; 0 means that cachette_open() will find none.
 */
CACHETTE_API size_t cachette_options_check(const cachette_options *options, cachette_error *faults,
                                           size_t capacity);

/*
 * Looks for what is valid but probably a mistake: files for TLS where the connection is not
 * encrypted. Call it after cachette_options_check() has found no faults.
 *   warning   filled if there is such a mistake: `subject` is the option, `message` what to do
 * Returns true if there is.
 */
CACHETTE_API bool cachette_options_warn(const cachette_options *options, cachette_error *warning);

/*
 * The codec that values have: the option "codec", or where that is not set the backend's usual
 * one, which is "pickle" for files and "vanilla" for all others. Owned by the options, until they
 * change.
 */
CACHETTE_API const char *cachette_options_codec(const cachette_options *options);

/*
 * Puts a clock of the caller's in the place of the machine's, so that a test can
 * move time. `now` returns milliseconds that never decrease; it may be called from any
 * thread that uses a handle opened with these options. NULL restores the machine's.
 */
CACHETTE_API void cachette_options_set_clock(cachette_options *options, int64_t (*now)(void *data),
                                             void *data);

/* How the text of an option is read. */
enum cachette_option_type {
  CACHETTE_OPTION_CHOICE,   /* one of `choices` */
  CACHETTE_OPTION_STRING,   /* text */
  CACHETTE_OPTION_SECONDS,  /* seconds from `least` to `most`, fractions allowed */
  CACHETTE_OPTION_DURATION, /* seconds, fractions allowed; `least` and `most` are milliseconds */
  CACHETTE_OPTION_BOOLEAN,  /* true or false; also 1 or 0, yes or no, on or off */
  CACHETTE_OPTION_SIZE,     /* bytes; a suffix K, M or G multiplies by 1024, its square or cube */
  CACHETTE_OPTION_NUMBER,   /* a whole number from `least` to `most` */
  CACHETTE_OPTION_PATH /* a file; a relative one is made absolute, see cachette_options_new() */
};

/* Where the value of an option may be seen. */
enum cachette_option_exposure {
  CACHETTE_SHOWN,     /* may appear in messages and logs */
  CACHETTE_SHOWN_URL, /* may appear without user name and password */
  CACHETTE_SECRET     /* never appears */
};

/* One row of the table from which the options, their checks and their manual come. */
typedef struct cachette_option_info {
  const char *name;
  enum cachette_option_type type;
  const char *fallback;  /* the default as text, or NULL */
  const char *choices;   /* of a CHOICE: names separated by '|'; else NULL */
  int64_t least, most;   /* of numbers; 0 and 0 otherwise */
  const char *needed_by; /* backends that cannot do without, separated by '|'; or "" */
  enum cachette_option_exposure exposure;
  const char *help; /* one line */
} cachette_option_info;

/* All options, in the order of the manual; static. */
CACHETTE_API const cachette_option_info *cachette_option_table(size_t *count);

/* ---- Handles ---- */

/* An open cache. */
typedef struct cachette cachette;

/*
 * Opens a cache. Servers are connected to when first needed, so a server that is
 * down fails operations, not this call. NULL options: every option at its default.
 * Errors: ECONFIG (the first fault of cachette_options_check()), EUNSUPPORTED (the
 * backend is not part of this build), ENOMEM, EBACKEND (the system refused a resource).
 * The handle is the caller's, to be given to cachette_close().
 */
CACHETTE_API int cachette_open(const cachette_options *options, cachette **handle,
                               cachette_error *error);

/*
 * Closes a cache: everything pending is completed with CACHETTE_ECLOSED (so `done` runs
 * from inside this call), connections are closed, the handle is freed. NULL is allowed.
 * From inside a `done` the handle is freed when the call into it has returned. In a
 * forked child it frees what is this process's own and leaves the parent's alone.
 */
CACHETTE_API void cachette_close(cachette *handle);

/* ---- Simple calls: they return when the answer is there ---- */

/*
 * Fetches a value.
 *   value   on a hit: the bytes, to be freed with cachette_free(); never NULL, even if empty
 *   ttl_ms  on a hit: time left, or CACHETTE_TTL_NEVER; may be NULL
 * Returns 1 for a hit, 0 for a miss, or a negative code.
 */
CACHETTE_API int cachette_fetch(cachette *handle, cachette_slice key, cachette_slice *value,
                                int64_t *ttl_ms, cachette_error *error);

/*
 * Puts a value, replacing what stood under the key.
 *   ttl_ms  how long it lives, from 1 to CACHETTE_TTL_MAX; 0 takes the option `ttl`
 * Errors: EINVAL, ETOOBIG (what stood under the key is gone), and those of the backend.
 */
CACHETTE_API int cachette_put(cachette *handle, cachette_slice key, cachette_slice value,
                              int64_t ttl_ms, cachette_error *error);

/* Clears one key. Returns 1 if an entry went, 0 if there was none, or a negative code. */
CACHETTE_API int cachette_clear(cachette *handle, cachette_slice key, cachette_error *error);

/* Frees what cachette_fetch() gave. NULL is allowed. Any thread. */
CACHETTE_API void cachette_free(const void *data);

/* ---- Operations: the calls beneath ---- */

/* Bounds of what an op is given. */
#define CACHETTE_TTL_NEVER (-1)                 /* a fetched entry that does not expire */
#define CACHETTE_TTL_MAX INT64_C(3155760000000) /* a hundred years of 365.25 days, in ms */
#define CACHETTE_KEY_MAX 65536                  /* bytes in a key */

/* What an op does. */
enum cachette_verb {
  CACHETTE_FETCH = 1,       /* items: the keys; `number` becomes how many were hits */
  CACHETTE_PUT,             /* items: keys, values, times to live; `number`: how many were put */
  CACHETTE_EXISTS,          /* items: the keys; `number`: how many are there */
  CACHETTE_TOUCH,           /* items: keys, new times to live; `number`: how many were there */
  CACHETTE_INCREMENT,       /* items: keys, `amount`; times to live of those that are not there */
  CACHETTE_CLEAR,           /* items: the keys; `number`: how many entries went */
  CACHETTE_CLEAR_NAMESPACE, /* items: namespaces; "ns" clears all keys that begin with "ns:" */
  CACHETTE_FLUSH,           /* no items; clears all; `number`: how many entries went */
  CACHETTE_FLUSH_EXPIRED,   /* no items; clears what is past its time and still there */
  CACHETTE_PING             /* no items; asks the backend for an answer, nothing more */
};

/* How it does that. */
enum cachette_flag {
  CACHETTE_WITH_TTL = 1,  /* fetch: fill ttl_ms (a server may need a second command for it) */
  CACHETTE_IF_ABSENT = 2, /* put: only where nothing stands; a status of HIT says that it did */
};

/* The status of an item that did not fail. */
enum cachette_status { CACHETTE_MISS = 0, CACHETTE_HIT = 1 };

/* One key of an operation, with what belongs to it. */
typedef struct cachette_item {
  cachette_slice key;
  cachette_slice value; /* put: in. Fetch: out, on a hit; in `buffer` or in what `alloc` gave */
  int64_t ttl_ms;       /* in, where something is put; 0 becomes the option `ttl`. Fetch WITH_TTL:
                           out, on a hit */
  void *buffer;         /* fetch: a place of the caller's that is used if the value fits; or NULL */
  size_t buffer_size;
  int64_t amount; /* increment: in, what is added; out, the counter then */
  int status;     /* out: CACHETTE_HIT or CACHETTE_MISS (was it there?), or an error */
  void *more;     /* NULL: room for what later versions may be told */
} cachette_item;

/*
 * A counter is an entry whose value is a decimal number of 64 bits, such as "-12", so that every
 * client reads it; a fetch gives the digits (memcached pads a counter that became shorter with
 * spaces). With the option `compression` that is so, too; with `secret` a counter is refused, for
 * its digits cannot be signed. An increment is atomic on every backend. It makes a counter of 0
 * where nothing stands, which then lives for `ttl_ms`; one that is there keeps its time. Errors of
 * the item: ECODEC (what stands there is no such number) and EINVAL (it would leave the 64 bits);
 * either way it stands as it was.
 */

/*
 * An operation. The caller owns it and all it points to, and keeps them in place from
 * cachette_submit() until `done` has been called. Zero it, then fill the first part.
 */
typedef struct cachette_op cachette_op;
struct cachette_op {
  enum cachette_verb verb;
  unsigned flags; /* of enum cachette_flag */
  cachette_item *items;
  size_t count;
  int64_t timeout_ms; /* till CACHETTE_ETIMEDOUT; 0 takes the option `timeout` */

  /*
   * Fetch: gives a place for a value of `size` bytes that did not fit the item's buffer,
   * or NULL, which fails that item with ENOMEM. It may be called again for the same item; then the
   * place given before is not used. It must not call into the handle. If `alloc` is NULL the
   * library allocates, and cachette_op_deinit() frees.
   */
  void *(*alloc)(cachette_op *op, cachette_item *item, size_t size);

  /*
   * Called exactly once for each submitted op, on the thread that uses the handle: before
   * cachette_submit() returns if the answer is at hand, else from cachette_process(),
   * cachette_run(), cachette_cancel() or cachette_close(). It may submit, cancel and close, and
   * may free the op unless cachette_run() waits for it. NULL: nothing is called.
   */
  void (*done)(cachette_op *op);
  void *data; /* the caller's */

  /* Out. */
  int status;            /* 0, or the code with which the whole op failed */
  int64_t number;        /* see enum cachette_verb */
  cachette_error *error; /* in: a place of the caller's for the reason, or NULL */
  void *more;            /* NULL: room for what later versions may be told */

  /* The library's own. */
  struct {
    cachette *handle;
    struct cachette__frame *frame;
    struct cachette__store *holder;
    cachette_op *next;
    int64_t now_ms;
    int64_t deadline_ms;
    uint64_t begin_ns;
    size_t place;
    uintptr_t below;
    unsigned state;
    void *more; /* room for later versions */
  } priv;
};

/*
 * Sends an op on its way. Never fails by itself: whatever is wrong with the op, the handle
 * or the backend comes back through `done`. Submitting an op that is still pending is a bug of
 * the caller's, and is checked by an assertion. Inside a `done`, completions are queued and run
 * when that `done` has returned, so the stack does not grow with the chain.
 */
CACHETTE_API void cachette_submit(cachette *handle, cachette_op *op);

/*
 * Gives an op up: it completes at once with CACHETTE_ECANCELED. What was sent to a server
 * may still take effect there. Errors: EINVAL (the op is not pending, or has its answer and
 * waits for another `done` to return), EFORK.
 */
CACHETTE_API int cachette_cancel(cachette *handle, cachette_op *op);

/* Whether the op has been submitted and its `done` has not been called yet. */
CACHETTE_API bool cachette_op_pending(const cachette_op *op);

/* Frees the values that the library allocated for a fetch. The op can be used again. */
CACHETTE_API void cachette_op_deinit(cachette_op *op);

/*
 * Submits the op unless it is pending already (one that is done already is carried out once
 * more), and waits until it is done. Returns its status. Errors of the call itself, with which the
 * op is not submitted: EBUSY (from inside a `done`), EFORK.
 */
CACHETTE_API int cachette_run(cachette *handle, cachette_op *op);

/* ---- A handle in an event loop of the caller's ---- */

/* A descriptor that is readable when cachette_process() has work; or CACHETTE_EFORK. */
CACHETTE_API int cachette_fd(const cachette *handle);

/*
 * Milliseconds until cachette_process() has work even if the descriptor stays quiet; -1 for
 * never. Ask after each submit and each process. In a forked child 0.
 */
CACHETTE_API int cachette_timeout(const cachette *handle);

/*
 * Does what is ready, without waiting. Returns the number of ops still pending, CACHETTE_EBUSY
 * from inside a `done`, or CACHETTE_EFORK.
 */
CACHETTE_API int cachette_process(cachette *handle);

/*
 * Whether every op is done when cachette_submit() returns (true of the in-memory store),
 * unless it was submitted from inside a `done`. Such a handle needs no watcher.
 */
CACHETTE_API bool cachette_immediate(const cachette *handle);

/* ---- What has happened ---- */

/*
 * The figures: name, whose they are, what they say. Those of a HANDLE are its own. Those of a STORE
 * are shared by all its handles, and -1 where the backend does not tell; of a file, evictions and
 * expirations are those of the handle.
 */
#define CACHETTE_STATS(X)                                                                        \
  X(hits, HANDLE, "keys that were fetched and found")                                            \
  X(misses, HANDLE, "keys that were fetched and not found")                                      \
  X(puts, HANDLE, "keys that were put or counted")                                               \
  X(clears, HANDLE, "entries that clear and flush removed")                                      \
  X(errors, HANDLE, "ops that failed, were late or cancelled, and items that failed")            \
  X(retries, HANDLE, "requests that DynamoDB was sent again")                                    \
  X(pending, HANDLE, "ops that wait for an answer now")                                          \
  X(spent_us, HANDLE, "microseconds between submit and done, of all ops; in-memory an estimate") \
  X(entries, STORE, "entries held now, expired ones not yet removed included")                   \
  X(bytes, STORE, "bytes in use now")                                                            \
  X(limit, STORE, "bytes that may be in use")                                                    \
  X(evictions, STORE, "live entries that had to make room: all of those that follow")            \
  X(evictions_new, STORE, "those that were not used enough while they were new")                 \
  X(evictions_old, STORE, "those that were not used any more")                                   \
  X(evictions_forced, STORE, "those that went unjudged, so that a put need not wait")            \
  X(expirations, STORE, "entries that were removed because their time was over")

typedef struct cachette_stats {
#define CACHETTE__STAT(name, owner, text) int64_t name;
  CACHETTE_STATS(CACHETTE__STAT)
#undef CACHETTE__STAT
} cachette_stats;

/*
 * Fills the figures. `size`: sizeof *stats, so that a program that was built for another version
 * gets as many as it knows, and 0 for those that the library does not. Errors: CACHETTE_EFORK.
 */
CACHETTE_API int cachette_get_stats(const cachette *handle, cachette_stats *stats, size_t size);

/*
 * Takes what deserves a line in a log though it is no error of an operation's: that a
 * damaged file was set aside, or that MongoDB could not make an index unique. Ask after
 * cachette_process() or cachette_run(); it costs next to nothing.
 *   message  a whole sentence, cut to fit; untouched if there is nothing
 * Returns whether there was something. The thread that uses the handle, or inside a `done`.
 */
CACHETTE_API bool cachette_take_notice(cachette *handle, char *message, size_t size);

/* ---- Memory ---- */

/*
 * Replaces the allocator of the library; all three are needed. Call it before
 * any other function, and not again while anything is open.
 */
CACHETTE_API int cachette_set_allocator(void *(*malloc_fn)(size_t size),
                                        void *(*realloc_fn)(void *data, size_t size),
                                        void (*free_fn)(void *data));

#ifdef __cplusplus
}
#endif

#endif
