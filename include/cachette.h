/* SPDX-License-Identifier: MIT */
/*
 * libcachette: a cache for web applications.
 *
 * You configure once where entries are stored (in the process, in a file or on a server) and for
 * how long. Then you fetch, put and clear entries by key. The calls are the same for every backend.
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
 * Invariants of every call:
 *
 * - Functions return 0 (or a count) on success and a negative code of `enum cachette_code` on
 *   failure. Outputs are the last parameters, and a failed call does not change them. A
 *   `cachette_error *` may be NULL.
 * - Only one thread may use a handle (`cachette *`) at a time, and callbacks run on that thread.
 *   Open one handle per thread. Handles that name the same in-memory store share its entries.
 * - Keys are 1 to 65,536 bytes. Keys and values may contain any bytes.
 * - TTLs (times to live) and time-outs are in milliseconds.
 * - Hit and miss are results, not errors.
 * - A handle cannot be used after fork(): in the child its calls return CACHETTE_EFORK. Open a new
 *   handle there. Both processes keep the entries that the in-memory store had at the fork; later
 *   changes are not shared.
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

/* Each error code: name, number, and the sentence that cachette_strerror() returns. */
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

/* Error codes of calls and ops: CACHETTE_EINVAL and so on. */
enum cachette_code {
  CACHETTE_OK = 0,
#define X(name, number, text) CACHETTE_##name = number,
  CACHETTE_CODES(X)
#undef X
};

/* Returns a sentence for an error code. It is static and never NULL. Any thread. */
CACHETTE_API const char *cachette_strerror(int code);

/* Describes an error. A call or an op fills it only if it fails. */
typedef struct cachette_error {
  int code;          /* of enum cachette_code */
  char subject[64];  /* the option or key that caused the error, cut to fit; or "" */
  char message[256]; /* a whole sentence, without secrets */
} cachette_error;

/* ---- Bytes ---- */

/* A view of bytes. It does not own them. */
typedef struct cachette_slice {
  const void *data;
  size_t size;
} cachette_slice;

/* Returns a view of a C string, without its NUL. */
CACHETTE_API cachette_slice cachette_str(const char *text);

/* ---- Options ---- */

/*
 * The configuration: a set of named options. Create it, set options, open any number of handles
 * with it, and free it. Handles copy what they need. Only one thread may use it at a time.
 */
typedef struct cachette_options cachette_options;

/*
 * Creates options, all at their defaults. Returns NULL when out of memory. The folder that is
 * current now becomes the base of relative paths: those in options, in a MongoDB URL and in the
 * environment variables of AWS.
 */
CACHETTE_API cachette_options *cachette_options_new(void);

/*
 * Returns a copy, to open handles that differ in a few options; free it, too. The base of relative
 * paths and the clock are those of the original. NULL: out of memory.
 */
CACHETTE_API cachette_options *cachette_options_copy(const cachette_options *options);

/* Frees options and wipes their values from memory. NULL is allowed. */
CACHETTE_API void cachette_options_free(cachette_options *options);

/*
 * Sets an option from text, as in a configuration file.
 *   name   a name of cachette_option_table(); case is ignored
 *   value  is copied; NULL: no value, which cachette_options_check() reports if the backend
 *          requires the option
 * Errors: ECONFIG (no such option: the message suggests a similar name; or an invalid value: the
 * option keeps its previous one), ENOMEM.
 */
CACHETTE_API int cachette_options_set(cachette_options *options, const char *name,
                                      const char *value, cachette_error *error);

/*
 * Returns the text of an option; NULL if it has none or does not exist. The options own the text;
 * it is valid until they change. Secrets are not redacted.
 */
CACHETTE_API const char *cachette_options_get(const cachette_options *options, const char *name);

/*
 * Returns the number of an option: bytes, milliseconds, a plain number, or 1 or 0 for a boolean. 0
 * if it has none or does not exist.
 */
CACHETTE_API int64_t cachette_options_number(const cachette_options *options, const char *name);

/*
 * Checks all options together: for example, whether the URL that the backend requires is set.
 *   faults    filled with the first `capacity` errors; may be NULL if `capacity` is 0
 *   capacity  the number of elements of `faults`
 * Returns the number of errors. If it is 0, cachette_open() does not fail with ECONFIG.
 */
CACHETTE_API size_t cachette_options_check(const cachette_options *options, cachette_error *faults,
                                           size_t capacity);

/*
 * Looks for options that are valid but probably a mistake, such as TLS files for a connection that
 * is not encrypted. Call it after cachette_options_check() has returned 0.
 *   warning  filled if there is one: `subject` is the option, `message` says what to do
 * Returns true if there is one.
 */
CACHETTE_API bool cachette_options_warn(const cachette_options *options, cachette_error *warning);

/*
 * Returns the codec of values: the option "codec", or the backend's default if that is not set. The
 * default is "pickle" for files and "vanilla" for all other backends. The options own the text; it
 * is valid until they change.
 */
CACHETTE_API const char *cachette_options_codec(const cachette_options *options);

/*
 * Replaces the clock that TTLs are measured with, so that tests can advance the time.
 *   now   returns milliseconds that never decrease; NULL restores the system's clock. It is called
 *         on every thread that uses a handle opened with these options.
 *   data  is passed to `now`
 */
CACHETTE_API void cachette_options_set_clock(cachette_options *options, int64_t (*now)(void *data),
                                             void *data);

/* How the text of an option is parsed. */
enum cachette_option_type {
  CACHETTE_OPTION_CHOICE,   /* one of `choices`; case is ignored */
  CACHETTE_OPTION_STRING,   /* text */
  CACHETTE_OPTION_SECONDS,  /* seconds from `least` to `most`, fractions allowed */
  CACHETTE_OPTION_DURATION, /* seconds, fractions allowed; `least` and `most` are milliseconds */
  CACHETTE_OPTION_BOOLEAN,  /* true or false; also 1 or 0, yes or no, on or off */
  CACHETTE_OPTION_SIZE,     /* bytes; a suffix K, M or G means KiB, MiB or GiB */
  CACHETTE_OPTION_NUMBER,   /* a whole number from `least` to `most` */
  CACHETTE_OPTION_PATH      /* a file; cachette_options_new() says what a relative path means */
};

/* How messages and logs may display the value of an option. */
enum cachette_option_exposure {
  CACHETTE_SHOWN,     /* in full */
  CACHETTE_SHOWN_URL, /* without user name and password */
  CACHETTE_SECRET     /* not at all */
};

/* Describes an option. */
typedef struct cachette_option_info {
  const char *name;
  enum cachette_option_type type;
  const char *fallback;  /* the default as text, or NULL */
  const char *choices;   /* for a CHOICE: names separated by '|'; else NULL */
  int64_t least, most;   /* the minimum and maximum of a number; else 0 */
  const char *needed_by; /* backends that require it, separated by '|'; or "" */
  enum cachette_option_exposure exposure;
  const char *help; /* one line */
} cachette_option_info;

/* Returns descriptions of all options, in the order of the manual. The table is static. */
CACHETTE_API const cachette_option_info *cachette_option_table(size_t *count);

/* ---- Handles ---- */

/* An open cache, which is called a handle. */
typedef struct cachette cachette;

/*
 * Opens a cache. It connects to a server only when an op needs it, so if the server is down, ops
 * fail, not this call.
 *   options  NULL: every option at its default
 *   handle   set to the new handle; close it with cachette_close()
 * Errors: ECONFIG (the first error of cachette_options_check()), EUNSUPPORTED (this build does not
 * include the backend), ENOMEM, EBACKEND (the system refused a resource).
 */
CACHETTE_API int cachette_open(const cachette_options *options, cachette **handle,
                               cachette_error *error);

/*
 * Closes a cache. Pending ops complete with CACHETTE_ECLOSED from inside this call, connections are
 * closed, and the handle is freed. NULL is allowed. If you call it from inside a `done`, the handle
 * is freed when the outermost call into it returns. In a forked child, pending ops complete with
 * CACHETTE_EFORK; the child's memory and descriptors are freed, and the parent's handle is not
 * affected.
 */
CACHETTE_API void cachette_close(cachette *handle);

/* ---- Blocking calls ---- */

/*
 * Fetches a value.
 *   value   on a hit, set to the bytes; free `value->data`, which is never NULL, with
 *           cachette_free()
 *   ttl_ms  on a hit, set to the remaining TTL or CACHETTE_TTL_NEVER; may be NULL
 * Returns 1 for a hit, 0 for a miss, or a negative code.
 */
CACHETTE_API int cachette_fetch(cachette *handle, cachette_slice key, cachette_slice *value,
                                int64_t *ttl_ms, cachette_error *error);

/*
 * Puts a value. It replaces the entry of the key, if there is one.
 *   ttl_ms  the TTL, from 1 to CACHETTE_TTL_MAX; 0: the option `ttl`
 * Errors: EINVAL, ETOOBIG (the previous entry of the key is removed), and those of the backend.
 */
CACHETTE_API int cachette_put(cachette *handle, cachette_slice key, cachette_slice value,
                              int64_t ttl_ms, cachette_error *error);

/* Clears a key. Returns 1 if an entry was removed, 0 if there was none, or a negative code. */
CACHETTE_API int cachette_clear(cachette *handle, cachette_slice key, cachette_error *error);

/* Frees the data of a value that cachette_fetch() returned. NULL is allowed. Any thread. */
CACHETTE_API void cachette_free(const void *data);

/* ---- Operations ---- */

/* Limits and special values of items. */
#define CACHETTE_TTL_NEVER (-1) /* the TTL of a fetched entry that does not expire */
#define CACHETTE_TTL_MAX INT64_C(3155760000000) /* milliseconds: 100 years of 365.25 days */
#define CACHETTE_KEY_MAX 65536                  /* bytes of a key */

/* What an op does. */
enum cachette_verb {
  CACHETTE_FETCH = 1,       /* items: keys; `number`: how many were hits */
  CACHETTE_PUT,             /* items: keys, values, TTLs; `number`: how many were put */
  CACHETTE_EXISTS,          /* items: keys; `number`: how many have an entry */
  CACHETTE_TOUCH,           /* items: keys, new TTLs; `number`: how many have an entry */
  CACHETTE_INCREMENT,       /* items: keys, `amount`, TTLs of new counters */
  CACHETTE_CLEAR,           /* items: keys; `number`: how many entries were removed */
  CACHETTE_CLEAR_NAMESPACE, /* items: namespaces; "ns" clears all keys that start with "ns:" */
  CACHETTE_FLUSH,           /* no items; clears all entries; `number`: how many were removed */
  CACHETTE_FLUSH_EXPIRED,   /* no items; removes entries that expired but still take space */
  CACHETTE_PING             /* no items; checks that the backend answers */
};

/* Flags of an op. */
enum cachette_flag {
  CACHETTE_WITH_TTL = 1,  /* fetch: fill `ttl_ms` (some servers need a second command for it) */
  CACHETTE_IF_ABSENT = 2, /* put: only if the key has no entry; if it has one, the status is HIT */
};

/* The status of an item without an error. */
enum cachette_status { CACHETTE_MISS = 0, CACHETTE_HIT = 1 };

/* One key of an op, with its arguments and results. */
typedef struct cachette_item {
  cachette_slice key;
  cachette_slice value; /* put: in. Fetch: out on a hit, in `buffer` or in memory from `alloc` */
  int64_t ttl_ms;       /* put, touch, increment: in; 0 becomes the option `ttl`.
                           Fetch WITH_TTL: out on a hit */
  void *buffer;         /* fetch: your buffer, which is used if the value fits; or NULL */
  size_t buffer_size;
  int64_t amount; /* increment: in, the number to add; out, the new value */
  int status;     /* out: CACHETTE_HIT if the key had an entry, CACHETTE_MISS if not, or an error */
  void *more;     /* reserved; must be NULL */
} cachette_item;

/*
 * A counter is an entry whose value is a signed 64-bit number in decimal digits, such as "-12", so
 * that every client can read it. A fetch returns the digits; memcached pads a counter that became
 * shorter with spaces. The option `compression` does not change this. With the option `secret`,
 * counters are refused, because their digits cannot be signed.
 *
 * An increment is atomic on every backend. If the key has no entry, it creates a counter of 0 with
 * the TTL `ttl_ms` and adds to that. An existing counter keeps its TTL. Errors of the item: ECODEC
 * (the entry is not a counter) and EINVAL (the sum exceeds 64 bits). On an error, the entry does
 * not change.
 */

/*
 * An operation, called op for short. You own it and everything it points to, and must not move or
 * free them between cachette_submit() and `done`. Zero it, then fill the first part.
 */
typedef struct cachette_op cachette_op;
struct cachette_op {
  enum cachette_verb verb;
  unsigned flags; /* of enum cachette_flag */
  cachette_item *items;
  size_t count;
  int64_t timeout_ms; /* until it fails with CACHETTE_ETIMEDOUT; 0: the option `timeout` */

  /*
   * Fetch: returns memory for a value of `size` bytes that does not fit the item's buffer. If it
   * returns NULL, the item fails with ENOMEM. It may be called again for the same item; then the
   * library no longer uses the previous memory. It must not call into the handle. If `alloc` is
   * NULL, the library allocates memory, and cachette_op_deinit() frees it.
   */
  void *(*alloc)(cachette_op *op, cachette_item *item, size_t size);

  /*
   * Called exactly once for each submitted op, on the thread that uses the handle. If the result is
   * available at once, that is inside cachette_submit(); else inside cachette_process(),
   * cachette_run(), cachette_cancel() or cachette_close(). It may submit, cancel and close, and may
   * free the op unless cachette_run() waits for it. May be NULL.
   */
  void (*done)(cachette_op *op);
  void *data; /* yours; the library does not use it */

  /* Out. */
  int status;            /* 0, or the error code of the whole op */
  int64_t number;        /* see enum cachette_verb */
  cachette_error *error; /* in: filled if the op or an item fails; or NULL */
  void *more;            /* reserved; must be NULL */

  /* Private to the library. */
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
    void *node;
  } priv;
};

/*
 * Submits an op. All errors, also those of the arguments, come back through `done`. Do not submit
 * an op that is still pending: an assertion checks this. If you submit from inside a `done`, the
 * completion is queued and runs after that `done` returns, so a chain of ops does not deepen the
 * stack.
 */
CACHETTE_API void cachette_submit(cachette *handle, cachette_op *op);

/*
 * Cancels an op. It completes at once with CACHETTE_ECANCELED. A request that was sent to a server
 * may still take effect there. Errors: EINVAL (the op is not pending, or it has its result and
 * waits until another `done` returns), EFORK.
 */
CACHETTE_API int cachette_cancel(cachette *handle, cachette_op *op);

/* Returns whether the op was submitted and its `done` has not been called yet. */
CACHETTE_API bool cachette_op_pending(const cachette_op *op);

/* Frees the values that the library allocated for a fetch. You can use the op again. */
CACHETTE_API void cachette_op_deinit(cachette_op *op);

/*
 * Submits an op, unless it is already pending, and waits until it is done. An op that was done
 * before is carried out again. Returns its status. Errors of the call itself, which does not submit
 * the op then: EBUSY (from inside a `done`), EFORK.
 */
CACHETTE_API int cachette_run(cachette *handle, cachette_op *op);

/* ---- A handle in your own event loop ---- */

/* Returns a descriptor that is readable when cachette_process() has work, or CACHETTE_EFORK. */
CACHETTE_API int cachette_fd(const cachette *handle);

/*
 * Returns the milliseconds until cachette_process() has work even if the descriptor is not
 * readable; -1: never. Call it after each submit and each process. In a forked child it returns 0.
 */
CACHETTE_API int cachette_timeout(const cachette *handle);

/*
 * Processes everything that is ready, without waiting.
 * Returns the number of pending ops, CACHETTE_EBUSY from inside a `done`, or CACHETTE_EFORK.
 */
CACHETTE_API int cachette_process(cachette *handle);

/*
 * Returns whether every op is done when cachette_submit() returns. This is true for the in-memory
 * store; such a handle needs no event loop. Only an op submitted from inside a `done` is done
 * later.
 */
CACHETTE_API bool cachette_immediate(const cachette *handle);

/* ---- Statistics and notices ---- */

/*
 * The statistics: name, owner, description. HANDLE statistics count for one handle. STORE
 * statistics are the same for all handles of a store, and -1 if the backend does not report them.
 * The file backend counts evictions and expirations for each handle.
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

/* The statistics of a handle and its store. */
typedef struct cachette_stats {
#define CACHETTE__STAT(name, owner, text) int64_t name;
  CACHETTE_STATS(CACHETTE__STAT)
#undef CACHETTE__STAT
} cachette_stats;

/*
 * Fills the statistics.
 *   size  sizeof *stats: a program built for another version gets the statistics that it knows,
 *         and 0 for those that this library does not know
 * Errors: EFORK.
 */
CACHETTE_API int cachette_get_stats(const cachette *handle, cachette_stats *stats, size_t size);

/*
 * Takes the latest notice: a message for the log that is not the error of an op. For example, a
 * damaged file was set aside, or MongoDB could not create a unique index. Call it after
 * cachette_process() or cachette_run(), or inside a `done`; it costs almost nothing.
 *   message  filled with a whole sentence, cut to fit; not changed if there is no notice
 *   size     bytes of `message`
 * Returns whether there was a notice.
 */
CACHETTE_API bool cachette_take_notice(cachette *handle, char *message, size_t size);

/* ---- Memory ---- */

/*
 * Replaces the allocator of the library. All three functions are required. Call it before any other
 * function, and not again while anything is open. Errors: EINVAL (a function is NULL).
 */
CACHETTE_API int cachette_set_allocator(void *(*malloc_fn)(size_t size),
                                        void *(*realloc_fn)(void *data, size_t size),
                                        void (*free_fn)(void *data));

#ifdef __cplusplus
}
#endif

#endif
