/* SPDX-License-Identifier: MIT */
/*
 * HTTP caching: the rules of RFC 9111 and its relatives, as pure functions.
 *
 * These functions decide; they do not act. They open no connection, read no clock and keep no
 * state. You pass a request, what your store has, and the time. You get a verdict: answer from the
 * store, forward the request to the origin, revalidate, and so on, with the header fields to send.
 * The origin is whatever makes responses: a server, or the handler of your application.
 *
 *     // 1. What does the store have for this request?
 *     static const cachette_http_policy policy = {0}; // safe defaults
 *     cachette_http_exchange exchange;
 *     if (cachette_http_begin(&exchange, &policy, &request) < 0) return 503; // out of memory
 *     if (exchange.action != CACHETTE_HTTP_PASS) {
 *       do
 *         cachette_http_decide(&exchange, fetch_record(exchange.key), now_ms());
 *       while (exchange.action == CACHETTE_HTTP_VARIANT);
 *     }
 *
 *     // 2. Answer from the store.
 *     bool answered = exchange.action == CACHETTE_HTTP_HIT ||
 *                     exchange.action == CACHETTE_HTTP_STALE ||
 *                     exchange.action == CACHETTE_HTTP_ERROR;
 *     if (answered) send_stored(&exchange); // with the fields of cachette_http_answer()
 *
 *     // 3. Ask the origin, with the fields of cachette_http_forward().
 *     if (!answered || exchange.refresh) {
 *       const cachette_http_response *response;
 *       do {
 *         response = ask_origin(&exchange);
 *         cachette_http_receive(&exchange, response, now_ms());
 *         if (exchange.invalidates) clear_records(&exchange); // cachette_http_invalidated()
 *       } while (exchange.action == CACHETTE_HTTP_REFETCH);
 *
 *       // 4. Store the response, and answer unless step 2 did.
 *       bool is_valid = exchange.action == CACHETTE_HTTP_FRESHEN;
 *       bool from_record = is_valid || exchange.action == CACHETTE_HTTP_STALE;
 *       if (exchange.action == CACHETTE_HTTP_STORE || (is_valid && exchange.keep_ms > 0))
 *         store_record(&exchange); // cachette_http_record_write()
 *       if (!answered && from_record) send_stored(&exchange);
 *       if (!answered && !from_record) send_on(&exchange, response); // NULL: your own 502
 *     }
 *     cachette_http_end(&exchange);
 *
 * An exchange goes through these steps:
 *
 *     begin ---> decide ---> HIT, STALE, ERROR: answer
 *       |          |           STALE with refresh: forward, then receive
 *       |          +-------> MISS, REVALIDATE: forward, then receive
 *       |                      ---> STORE, FRESHEN, STALE, PASS: answer
 *       |                      ---> REFETCH: forward, then receive
 *       +------> PASS: forward, then receive, which stores nothing but may invalidate
 *
 * Invariants of every call:
 *
 * - Times are milliseconds since 1970 (Unix time), and durations are milliseconds. The clock may be
 *   set back: no age is negative.
 * - Functions that can fail return 0 or a negative code of `enum cachette_code`. A failed call does
 *   not change its outputs.
 * - Inputs are never modified. The arguments of cachette_http_begin(), cachette_http_decide() and
 *   cachette_http_receive() must stay valid until cachette_http_end(); other slices only until the
 *   call returns. A slice may have any bytes, and no slice needs a NUL at its end.
 * - You can call every function on any thread, and from inside a `done` of cachette.h. Only one
 *   thread may use an exchange at a time. No function blocks or calls back.
 * - A verdict allocates memory only in cachette_http_begin(), if the key needs more than a
 *   kilobyte, and in cachette_http_receive(), if the response varies. The memory comes from the
 *   allocator of cachette_set_allocator().
 * - A policy of zeros is safe. A shared cache then never shares a response that has `private` or
 *   `no-store`, that sets a cookie, or that answers a request with credentials and is not `public`.
 *   A malformed field never makes a response more cacheable.
 *
 * Sources: RFC 9110 (HTTP), RFC 9111 (caching), RFC 9211 (Cache-Status), RFC 9213 (targeted
 * fields), RFC 9875 (groups), RFC 10008 (QUERY), RFC 5861 (stale responses), RFC 8246 (immutable).
 */
#ifndef CACHETTE_HTTP_H
#define CACHETTE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../cachette.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Messages ---- */

/* A header field line: name and value. */
typedef struct cachette_http_field {
  cachette_slice name;  /* case is ignored */
  cachette_slice value; /* whitespace at its ends is ignored */
} cachette_http_field;

/* Field lines, in their order. A name may occur in several lines. */
typedef struct cachette_http_fields {
  const cachette_http_field *list;
  size_t count;
} cachette_http_fields;

/*
 * A request, as the client sent it. Pass all of its fields. The key has the scheme, the authority,
 * the path and the query; X-Forwarded-Host and the like never count.
 */
typedef struct cachette_http_request {
  cachette_slice method;    /* such as "GET"; "get" is another method */
  cachette_slice scheme;    /* "http" or "https": what the client used, in front of your proxies */
  cachette_slice authority; /* host and port of the request line, or `:authority` of HTTP/2 and 3.
                               Empty: the field Host has them. If both are there and differ, the
                               request passes */
  cachette_slice path;      /* the bytes before '?', not percent-decoded */
  cachette_slice query;     /* the bytes after '?'; data NULL: there is no '?' */
  cachette_http_fields fields;
  cachette_slice body; /* QUERY, and POST if the policy has `cache_post`: the whole body, which is
                          part of the key */
  bool has_body;       /* the request has a body, even if you have not read it. A GET or HEAD with
                          one passes, and so does a QUERY or POST if `body` is not all of it */
  void *more[2];       /* reserved; must be NULL */
} cachette_http_request;

/* The final response of an origin (not a 1xx), without its body. */
typedef struct cachette_http_response {
  int status; /* 200 to 599; other responses are not stored */
  cachette_http_fields fields;
  int64_t body_size;      /* bytes of the body, if you know before you have it. -1: not known, or
                             the Content-Length has it. 0 is an empty body */
  int64_t requested_ms;   /* when you sent the request to the origin */
  int64_t received_ms;    /* when the response arrived */
  uint64_t random;        /* a random number, another one for each response. Keys of variants depend
                             on it, so variants from before a clear are never found after it */
  cachette_slice control; /* what your application tells this cache only, such as "max-age=60,
                             public": the syntax of Cache-Control. It replaces Cache-Control,
                             Expires and targeted fields, also in a private cache; but no-store
                             and private in Cache-Control still count. Empty: these fields count.
                             Clients do not see it */
  void *more[2];          /* reserved; must be NULL */
} cachette_http_response;

/* ---- Policy ---- */

/* The clients that may get a stored response. */
enum cachette_http_sharing {
  CACHETTE_HTTP_SHARED = 0, /* all clients: the cache of a server, or a proxy */
  CACHETTE_HTTP_PRIVATE     /* one user: a browser, or an API client. `private`, `s-maxage`,
                               `proxy-revalidate`, targeted fields and credentials do not count */
};

/* What happens to responses that set cookies. */
enum cachette_http_set_cookie {
  CACHETTE_HTTP_COOKIE_REFUSE = 0, /* they are not stored */
  CACHETTE_HTTP_COOKIE_STRIP,      /* they are stored without Set-Cookie */
  CACHETTE_HTTP_COOKIE_STORE       /* they are stored, and each client gets the cookie */
};

/* How the query is part of the key. */
enum cachette_http_query {
  CACHETTE_HTTP_QUERY_KEEP = 0, /* byte for byte */
  CACHETTE_HTTP_QUERY_DROP,     /* not at all */
  CACHETTE_HTTP_QUERY_SORT      /* parameters sorted by name; equal names keep their order. A query
                                   with more than 64 parameters is not sorted */
};

/* How a request's Cache-Control and Pragma are obeyed. */
enum cachette_http_control {
  CACHETTE_HTTP_CONTROL_SAFE = 0, /* no-store and only-if-cached are obeyed. no-cache, max-age and
                                     min-fresh cause one revalidation, which all requests that wait
                                     for it share. max-stale and stale-if-error need `max_stale` */
  CACHETTE_HTTP_CONTROL_FULL,     /* all directives are obeyed, as in RFC 9111. So every client can
                                     make the cache ask the origin */
  CACHETTE_HTTP_CONTROL_IGNORE    /* no directive is obeyed */
};

/* Request fields that are normalized before they select a variant (flags). Fewer variants then hold
 * the same responses. */
enum cachette_http_normalize {
  CACHETTE_HTTP_ACCEPT_ENCODING = 1, /* the accepted codings, sorted, without weights */
  CACHETTE_HTTP_ACCEPT_LANGUAGE = 2  /* languages in lower case, sorted by weight */
};

/* Request fields that a shared response may vary on although they identify a user (flags). */
enum cachette_http_vary { CACHETTE_HTTP_VARY_COOKIE = 1, CACHETTE_HTTP_VARY_AUTHORIZATION = 2 };

/*
 * The rules of your cache. Zero it for safe defaults, then set what you need. The policy, and all
 * that it points to, must outlive the exchanges that use it. All exchanges of a store should use
 * the same policy: the members that are about keys decide which records are found.
 */
typedef struct cachette_http_policy {
  enum cachette_http_sharing sharing;
  enum cachette_http_set_cookie set_cookie;
  enum cachette_http_query query; /* part of the key */
  enum cachette_http_control request_control;
  unsigned normalize;  /* of enum cachette_http_normalize; part of the key */
  unsigned vary_allow; /* of enum cachette_http_vary. A response is not stored if its Vary names
                          Cookie or Authorization and the flag is not set */

  /* Durations, from 0 to 2^31 seconds. What a response says for itself always counts instead. */
  int64_t default_ttl_ms; /* the lifetime of a 200, 203, 300, 301 or 308 that has no Expires, no
                             max-age and the like. 0: such a response is not stored, unless
                             `heuristic` permits it */
  int64_t stale_while_revalidate_ms; /* how long after its lifetime a response is served while it is
                                        fetched in the background */
  int64_t stale_if_error_ms;         /* how long after its lifetime a response is served if the
                                        origin fails */

  int64_t max_body; /* the most bytes of a body that is stored; 0: 1 MiB */
  bool heuristic;   /* a response with Last-Modified but without a lifetime gets one: a tenth of the
                       time from that to its Date, at most a day. One that has only an ETag is
                       stored, and revalidated each time */
  bool max_stale;   /* a request can ask for a stale response with max-stale and stale-if-error even
                       if `request_control` is SAFE */
  bool cache_post;  /* POST is cached like QUERY: its body is part of the key. The response must
                       have a lifetime */
  bool forward_preconditions; /* the origin answers requests with If-Match or If-Unmodified-Since
                                 (RFC 9111, 4.3.2). Otherwise a fresh response is answered with 412
                                 if the condition is false */
  bool store_partial;         /* 206 responses are stored, combined and served */
  bool trust_cookies;         /* no cookie is a credential. Otherwise each cookie is one, except
                                 `key_cookies`; or only `session_cookies`, if you list them */
  bool trust_must_revalidate; /* RFC 9111, 3.5 to the letter. A response to a request with
                                 Authorization is stored also if it has `must-revalidate`. A
                                 response to a request without credentials may answer requests with
                                 them. Otherwise both need `public` or `s-maxage` */

  /* Names of targeted fields (RFC 9213), such as "CDN-Cache-Control". The first one that a response
   * has, and that is valid and not empty, replaces Cache-Control and Expires. */
  const cachette_slice *targeted;
  size_t targeted_count;

  /* Names of cookies that are part of the key, with their values: such as a chosen currency. */
  const cachette_slice *key_cookies;
  size_t key_cookie_count;

  /* Names of cookies that are credentials; no other cookie is one. Empty: see `trust_cookies`. */
  const cachette_slice *session_cookies;
  size_t session_cookie_count;

  /* A value of No-Vary-Search: the parameters that are not part of the key. An example is
   * `key-order, params=("utm_source")`. Empty: all are. An invalid one counts as empty. */
  cachette_slice no_vary_search;

  /* The name of the cache in Cache-Status (RFC 9211): a token of at most 100 characters. Empty:
   * "cachette". */
  cachette_slice name;

  void *more[8]; /* reserved; must be NULL */
} cachette_http_policy;

/*
 * Returns a policy that permits all that RFC 9111 and RFC 9213 permit a shared cache. Use it in
 * front of an origin whose responses state who may get them:
 *
 * - A response that sets a cookie is stored, with the cookie. Cookies are not credentials.
 * - A response may vary on Cookie and Authorization.
 * - CDN-Cache-Control counts, and all directives of requests are obeyed.
 * - A lifetime is estimated from Last-Modified, and partial responses are stored.
 * - While the origin fails, stale responses are served for a day.
 *
 * The policy points to static memory. You can change its members.
 */
CACHETTE_API cachette_http_policy cachette_http_policy_rfc(void);

/*
 * Checks a policy: ranges, enum values, names and No-Vary-Search. Check a policy once, when you
 * read your configuration; the other functions do not check it.
 *   error  filled if the policy is not valid: `subject` is the member at fault; may be NULL
 * Errors: ECONFIG.
 */
CACHETTE_API int cachette_http_policy_check(const cachette_http_policy *policy,
                                            cachette_error *error);

/* ---- Actions and reasons ---- */

/* Each action: name, and what to do next. */
#define CACHETTE_HTTP_ACTIONS(X)                                                        \
  X(PASS, "forward the request; send the response on and do not store it")              \
  X(MISS, "forward the request, then call receive")                                     \
  X(VARIANT, "fetch the record of `key`, which has changed, and decide again")          \
  X(HIT, "answer from the record")                                                      \
  X(STALE, "answer from the record; refresh it in the background, if `refresh` is set") \
  X(REVALIDATE, "forward the request with the fields of forward, then call receive")    \
  X(ERROR, "answer with `status` and no record")                                        \
  X(STORE, "send the response on and store it")                                         \
  X(FRESHEN, "store the updated record, then answer from it")                           \
  X(REFETCH, "forward the request again, with the fields of forward, then call receive")

/* The verdict of a step: CACHETTE_HTTP_PASS and so on. */
enum cachette_http_action {
#define CACHETTE__HTTP_ACTION(name, text) CACHETTE_HTTP_##name,
  CACHETTE_HTTP_ACTIONS(CACHETTE__HTTP_ACTION)
#undef CACHETTE__HTTP_ACTION
};

/*
 * Why a request was forwarded or a response was not stored: name, token, sentence. Cache-Status has
 * the token: as its `fwd` if RFC 9211 defines it, else as its `detail`.
 */
#define CACHETTE_HTTP_REASONS(X)                                                              \
  X(NONE, "", "")                                                                             \
  X(URI_MISS, "uri-miss", "nothing is stored for this URI")                                   \
  X(VARY_MISS, "vary-miss", "no stored response matches the request's fields")                \
  X(EXPIRED, "stale", "the stored response is stale")                                         \
  X(REQUEST, "request", "the request's Cache-Control asks for it")                            \
  X(PARTIAL, "partial", "the stored response is not complete")                                \
  X(METHOD, "method", "the method is not GET, HEAD, QUERY or a cached POST")                  \
  X(BODY, "body", "the GET or HEAD request has a body")                                       \
  X(OVERRIDE, "method-override", "a field of the request replaces the method or the target")  \
  X(HOST, "host", "the request has no valid host, or several")                                \
  X(MALFORMED, "malformed", "a field is malformed, or has CR, LF or NUL")                     \
  X(CREDENTIALS, "credentials", "the request has credentials; the response is not public")    \
  X(UNCACHEABLE_STATUS, "status", "the status is not cacheable without explicit freshness")   \
  X(NO_STORE, "no-store", "Cache-Control has no-store")                                       \
  X(PRIVATE_RESPONSE, "private", "Cache-Control has private")                                 \
  X(NO_CACHE, "no-cache", "Cache-Control has no-cache")                                       \
  X(SET_COOKIE, "set-cookie", "the response sets a cookie")                                   \
  X(VARY_ANY, "vary-any", "Vary has *, or is malformed")                                      \
  X(VARY_USER, "vary-user", "Vary names Cookie or Authorization")                             \
  X(NO_FRESHNESS, "no-freshness", "nothing says how long the response is fresh")              \
  X(NOT_FRESH, "not-fresh", "the response is stale already and has no validator")             \
  X(RANGE, "range", "the response is partial, or its range does not fit what is stored")      \
  X(TOO_LARGE, "too-large", "the body is larger than the policy allows")                      \
  X(NOT_UNDERSTOOD, "not-understood", "must-understand, and the status is unknown")           \
  X(NOT_MODIFIED, "not-modified", "a 304 to the client's own validator has no body to store") \
  X(INCOMPLETE, "incomplete", "the body ended early")                                         \
  X(ORIGIN_ERROR, "origin-error", "the origin failed")                                        \
  X(DAMAGED, "damaged", "the record is damaged, of another version, or of another request")   \
  X(CHANGED, "changed", "the response changed while it was being validated")                  \
  X(NO_MEMORY, "no-memory", "out of memory")

/* A reason: CACHETTE_HTTP_BECAUSE_NONE and so on. */
enum cachette_http_reason {
#define CACHETTE__HTTP_REASON(name, token, text) CACHETTE_HTTP_BECAUSE_##name,
  CACHETTE_HTTP_REASONS(CACHETTE__HTTP_REASON)
#undef CACHETTE__HTTP_REASON
};

/* Returns the sentence of a reason, for logs. It is static and never NULL; "" for NONE. */
CACHETTE_API const char *cachette_http_reason_text(enum cachette_http_reason reason);

/* Returns the token of a reason, such as "vary-miss". It is static and never NULL; "" for NONE. */
CACHETTE_API const char *cachette_http_reason_token(enum cachette_http_reason reason);

/* ---- The exchange ---- */

/* Bytes of a key. It is a SHA-256, so it may contain any bytes. */
#define CACHETTE_HTTP_KEY_SIZE 32

/*
 * One request on its way through the cache. You allocate it, and must not move it between
 * cachette_http_begin() and cachette_http_end(). Its members are the verdict: each step sets all of
 * them, and you only read them.
 */
typedef struct cachette_http_exchange {
  enum cachette_http_action action;
  enum cachette_http_reason forwarded;  /* why the origin is asked; NONE if it is not */
  enum cachette_http_reason not_stored; /* after receive: why the response is not stored; NONE if
                                           it is */

  /* The key in your store. After begin and decide: of the record to fetch. After receive: of the
   * record to put. Not used after PASS. */
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];

  /* The answer from the record, for HIT, STALE and FRESHEN. ERROR has only the status. */
  int status;         /* of the record, or 206, 304, 412 or 416; ERROR: 504 */
  bool send_body;     /* the answer has a body: false for HEAD, 304, 412, 416 and 504 */
  int64_t body_first; /* the first byte of the record's body to send, from 0 */
  int64_t body_size;  /* how many bytes to send; after HEAD: how many a GET would get */
  size_t head_size;   /* after decide: where the body begins in the record; else 0 */
  int64_t age_ms;     /* how old the response is (RFC 9111, 4.2.3) */
  int64_t ttl_ms;     /* what is left of its lifetime; 0 or less: it is stale */

  /* Asking the origin. */
  bool coalesce;        /* MISS, REVALIDATE: requests with the same `key` may wait for one response.
                           If it is stored, they fetch it and decide again; else they forward */
  bool refresh;         /* STALE: after the answer, forward the request in the background and call
                           receive */
  bool usable_if_error; /* REVALIDATE, MISS: if the origin fails, receive answers from the record */

  /* Storing, after STORE and FRESHEN. */
  int64_t keep_ms;  /* the TTL for your store: the rest of the lifetime, the stale windows, and 5
                       minutes if the response can be validated; at most CACHETTE_TTL_MAX. 0: do
                       not store */
  bool store_index; /* the response varies: put cachette_http_index_write() under `index_key`, too.
                       Keep the index at least as long as its variants, such as for a day: they are
                       not found without it */
  unsigned char index_key[CACHETTE_HTTP_KEY_SIZE];

  /* After receive: other records are no longer valid; see cachette_http_invalidated(). */
  bool invalidates;

  /* Private to the library. */
  union {
    unsigned char bytes[3584];
    int64_t align;
    void *pointer;
  } priv;
} cachette_http_exchange;

/*
 * Begins an exchange: checks the request and computes its key.
 *   exchange  need not be zeroed
 *   policy    must stay valid until cachette_http_end()
 *   request   must stay valid until cachette_http_end(), with all that it points to
 * Returns 0. If `action` is MISS, fetch the record of `key` and call cachette_http_decide(). If it
 * is PASS, the cache has no part in this request, and `forwarded` is the reason. After the reason
 * MALFORMED or HOST you may refuse the request with a 400 instead of forwarding it.
 *
 * Errors: ENOMEM (the key needs more than a kilobyte). There is nothing to end then.
 */
CACHETTE_API int cachette_http_begin(cachette_http_exchange *exchange,
                                     const cachette_http_policy *policy,
                                     const cachette_http_request *request);

/* Ends an exchange and frees its memory. Fields that it filled are no longer valid. */
CACHETTE_API void cachette_http_end(cachette_http_exchange *exchange);

/*
 * Decides what to do with what the store has for `key` (RFC 9111, 4).
 *   record  the stored bytes, or at least their head: see cachette_http_record_head_size(). Empty:
 *           the store has nothing. It must stay valid until cachette_http_end(), also after VARIANT
 *   now_ms  the time
 *
 * `action` becomes one of these:
 *   VARIANT     the record is an index: fetch the record of `key`, which is another now, and decide
 *               again. This happens at most once
 *   HIT         answer from the record
 *   STALE       answer from the record, which is stale; then look at `refresh`
 *   MISS        ask the origin: nothing that is stored can be used
 *   REVALIDATE  ask the origin whether the record is still valid
 *   ERROR       answer with a 504: the request has only-if-cached
 *   PASS        as after cachette_http_begin()
 *
 * A record that is damaged, of an unknown version or of another request is a MISS. The body is not
 * read; cachette_http_record_matches() checks it.
 */
CACHETTE_API void cachette_http_decide(cachette_http_exchange *exchange, cachette_slice record,
                                       int64_t now_ms);

/*
 * The head of a record that was read. If you keep records in memory, keep these with them: a hit
 * then does not read and check the head again.
 */
typedef struct cachette_http_head {
  /* Private to the library. */
  union {
    unsigned char bytes[320];
    int64_t align;
    void *pointer;
  } priv;
} cachette_http_head;

/*
 * Reads the head of a record.
 *   head    filled; need not be zeroed. It points into the record and owns nothing
 *   record  as for cachette_http_decide(); it must stay valid as long as `head` is used
 * Returns false, and leaves `head` undefined, if the bytes are no record, or a damaged one.
 */
CACHETTE_API bool cachette_http_head_read(cachette_http_head *head, cachette_slice record);

/*
 * Decides like cachette_http_decide() with the record that `head` was read from. That record must
 * stay valid until cachette_http_end(); `head` need not.
 */
CACHETTE_API void cachette_http_decide_head(cachette_http_exchange *exchange,
                                            const cachette_http_head *head, int64_t now_ms);

/* ---- The answer ---- */

/*
 * Fills the fields of the answer to the client, in the order to send them. Call it after HIT, STALE
 * and ERROR, and after receive. Its status is `status` of the exchange, or that of `origin`.
 *   origin     the response to send on, after STORE and PASS; NULL: the answer is from the record
 *   collapsed  this request waited for the response of another one. Cache-Status then has why it
 *              did not hit, and the parameter `collapsed`
 *   fields     filled with at most `capacity` fields; may be NULL if `capacity` is 0
 *   capacity   the number of elements of `fields`
 * Returns the number of fields of the answer. If it exceeds `capacity`, the others are missing:
 * call again with more elements.
 *
 * The fields point into the record, the exchange, the policy and the fields of `origin`. They are
 * valid until the next cachette_http_answer() or cachette_http_forward() of this exchange.
 *
 * An answer from the record has the stored fields, Age, Content-Length and Date. A 304 has only the
 * fields that RFC 9110, 15.4.5 names; a 206 and a 416 have Content-Range. Every answer has its
 * own line of Cache-Status, after those of other caches.
 */
CACHETTE_API size_t cachette_http_answer(cachette_http_exchange *exchange,
                                         const cachette_http_response *origin, bool collapsed,
                                         cachette_http_field *fields, size_t capacity);

/* ---- Asking the origin ---- */

/*
 * Fills the fields to forward after PASS, MISS, REVALIDATE and REFETCH, and after STALE if
 * `refresh` is set. Method, target and body are those of the request.
 *   fields    filled with at most `capacity` fields; may be NULL if `capacity` is 0
 *   capacity  the number of elements of `fields`
 * Returns the number of fields, which may exceed `capacity`. They point into the request, the
 * record and the exchange, and are valid until the next cachette_http_forward() or
 * cachette_http_answer() of this exchange.
 *
 * The fields are those of the request, without hop-by-hop fields such as Connection. After
 * REVALIDATE and STALE, the stored validators, if there are any, replace the conditions and the
 * range of the client. After REFETCH there are neither.
 */
CACHETTE_API size_t cachette_http_forward(cachette_http_exchange *exchange,
                                          cachette_http_field *fields, size_t capacity);

/*
 * Takes the response of the origin (RFC 9111, 3 and 4.3.3 to 4.4). Call it after PASS, too: an
 * unsafe request, such as a PUT, may invalidate what is stored.
 *   response  must stay valid until cachette_http_end(), with all that it points to. NULL: the
 *             origin failed, raised an exception or did not answer in time
 *   now_ms    the time
 *
 * `action` becomes one of these:
 *   PASS     send the response on, and do not store it: `not_stored` is the reason. After NULL,
 *            send your own error, such as a 502
 *   STORE    send the response on. When you have its whole body, write the record
 *   FRESHEN  the stored response is valid: answer from it. If `keep_ms` is not 0, write the record
 *            with the stored body
 *   STALE    the origin failed: answer from the record
 *   REFETCH  the response is of no use for this request: forward the request again. This happens at
 *            most once
 *
 * If `invalidates` is set, clear what cachette_http_invalidated() lists before you answer. Then a
 * client that has its answer never gets an old response.
 *
 * After STALE with `refresh` the client has its answer already: only store, and clear.
 */
CACHETTE_API void cachette_http_receive(cachette_http_exchange *exchange,
                                        const cachette_http_response *response, int64_t now_ms);

/*
 * Lists what a response invalidates: the URI of the request, those of Location and Content-Location
 * if they have the same origin (RFC 9111, 4.4), and groups (RFC 9875).
 *   index  0 for the first item, then 1 and so on
 *   key    filled with the key to clear; zeros for a group, which has no key
 *   tag    filled with the tag of further records to clear: those of a group, or those of the URI
 *          whose keys also have a body or cookies. Empty: there are none. It is valid until the
 *          next call. A store that does not index tags cannot clear these
 * Returns whether there is an item with this index.
 */
CACHETTE_API bool cachette_http_invalidated(cachette_http_exchange *exchange, size_t index,
                                            unsigned char key[CACHETTE_HTTP_KEY_SIZE],
                                            cachette_slice *tag);

/* ---- Records ---- */

/*
 * A record is a stored response as bytes: a head, and the body after it. The head has all that
 * cachette_http_decide() needs, and checksums of itself and of the body. You can store head and
 * body as one value, or apart. The page on decisions, docs/decisions.md, has the format.
 */

/* Parts of a record that the response does not have. */
typedef struct cachette_http_extra {
  const cachette_slice *tags; /* your own tags, for purging. The tags of the response are added */
  size_t tag_count;
  uint64_t epoch; /* your own number; cachette_http_record_describe() returns it. Pass the number of
                     purges when you asked the origin, and you can tell which records are older than
                     a purge */
  void *more[4];  /* reserved; must be NULL */
} cachette_http_extra;

/*
 * Returns how many bytes cachette_http_record_write() writes after STORE or FRESHEN. If it returns
 * 0, the head would have 4 GiB or more: do not store the response.
 *   extra  may be NULL
 */
CACHETTE_API size_t cachette_http_record_size(const cachette_http_exchange *exchange,
                                              const cachette_http_extra *extra);

/*
 * Writes the head of a record. Put these bytes, and the body after them, under `key` with the TTL
 * `keep_ms`. If `store_index` is set, put the index, too.
 *   extra       the same as for cachette_http_record_size()
 *   body        the parts of the body, in their order. After FRESHEN: the stored body. After a 206:
 *               the part, or what cachette_http_combine() joined
 *   body_count  the number of parts; 0: the body is empty
 *   head        filled; it needs the bytes that cachette_http_record_size() returned
 * Errors: EINVAL (the body is not as long as the response says; `not_stored` becomes INCOMPLETE),
 * ETOOBIG (the body exceeds `max_body`; `not_stored` becomes TOO_LARGE). Do not store it then.
 */
CACHETTE_API int cachette_http_record_write(cachette_http_exchange *exchange,
                                            const cachette_http_extra *extra,
                                            const cachette_slice *body, size_t body_count,
                                            unsigned char *head);

/*
 * Joins the body of a 206 with the stored part (RFC 9111, 3.4), if the policy has `store_partial`.
 * Call it after STORE. If it does not return 0, store the joined body instead of the part.
 *   stored_body  the body of the stored record
 *   part         the body of the response, which is sent on as it is
 *   joined       filled; it needs the bytes that this function returns. NULL: only returns the size
 * Returns the size of the joined body. 0: there is nothing to join, or a body is not as long as its
 * response says.
 */
CACHETTE_API size_t cachette_http_combine(cachette_http_exchange *exchange,
                                          cachette_slice stored_body, cachette_slice part,
                                          unsigned char *joined);

/* Returns how many bytes cachette_http_index_write() writes. Call it if `store_index` is set. */
CACHETTE_API size_t cachette_http_index_size(const cachette_http_exchange *exchange);

/*
 * Writes the index record: the field names that responses of this URI vary on, and the keys of its
 * last 8 variants. Put it under `index_key`.
 *   bytes  filled; it needs the bytes that cachette_http_index_size() returned
 */
CACHETTE_API void cachette_http_index_write(const cachette_http_exchange *exchange,
                                            unsigned char *bytes);

/*
 * Returns the size of the head of a record, which is where the body begins. 0: the bytes are not a
 * record, or are of another version, damaged or cut off inside the head.
 *   record  may end anywhere after the head
 */
CACHETTE_API size_t cachette_http_record_head_size(cachette_slice record);

/* What cachette_http_record_describe() fills. */
typedef struct cachette_http_record_info {
  int status;
  int64_t requested_ms, received_ms; /* when the origin was asked, and when it answered */
  int64_t lifetime_ms;               /* from when the response was made; it may be over */
  int64_t body_size;                 /* bytes */
  uint64_t epoch;                    /* of cachette_http_extra */
  uint64_t body_checksum;            /* of the body; a name for it, if you store it apart */
  size_t tag_count;                  /* of cachette_http_record_tag() */
  bool is_index;                     /* an index record, which has no response */
  size_t head_size;                  /* bytes before the body */
} cachette_http_record_info;

/* Describes a record. Errors: ECODEC (the bytes are not a record, or are of another version,
 * damaged or cut off inside the head). */
CACHETTE_API int cachette_http_record_describe(cachette_slice record,
                                               cachette_http_record_info *info);

/*
 * Returns a tag of a record, by which a store can find and purge records. It points into the
 * record.
 *   index  from 0 to `tag_count` - 1; beyond that, the result is empty
 *
 * A record has these tags, each once:
 *
 * - your own
 * - those of the response fields Surrogate-Key (separated by spaces) and Cache-Tag (by commas)
 * - those of Cache-Groups: the origin, such as "https://example.com", a space and the group
 * - "uri " and the key of the URI in hexadecimal digits, if the key of the record has more than the
 *   URI: a body or cookies
 *
 * Tags that have more than 512 bytes, or CR, LF or NUL, are left out. So are those beyond 512.
 */
CACHETTE_API cachette_slice cachette_http_record_tag(cachette_slice record, size_t index);

/*
 * Returns whether a body is the one that was stored with a record: size and checksum are equal.
 * Call it before you send a body of a store that may lose or damage bytes. If it returns false,
 * treat the record as a miss: pass an empty record to cachette_http_decide().
 *   record  a record, or its head
 *   parts   the body, in one or several parts
 *   count   the number of parts
 */
CACHETTE_API bool cachette_http_record_matches(cachette_slice record, const cachette_slice *parts,
                                               size_t count);

/* ---- Keys without a request ---- */

/*
 * Computes the key of a GET of a URI, to purge it. If you clear this key, the variants of the URI
 * are not found any more. Records that have cookies or a body in their key have a tag instead: see
 * cachette_http_record_tag().
 *   policy  the same as for the exchanges
 *   uri     absolute, such as "https://example.com/a?b"; a fragment is ignored
 *   key     filled
 * Errors: EINVAL (not an absolute http or https URI), ENOMEM.
 */
CACHETTE_API int cachette_http_uri_key(const cachette_http_policy *policy, cachette_slice uri,
                                       unsigned char key[CACHETTE_HTTP_KEY_SIZE]);

/* ---- Requests without an exchange ---- */

/*
 * Returns whether a request with a method makes nothing invalid, as an exchange finds itself: GET,
 * HEAD, OPTIONS, TRACE (RFC 9110, 9.2.1), QUERY (RFC 10008), and PROPFIND, REPORT and SEARCH of
 * WebDAV. All others may, unknown ones among them (RFC 9111, 4.4). Methods have case.
 */
CACHETTE_API bool cachette_http_is_safe(cachette_slice method);

/* Returns whether a response with a status to an unsafe request makes anything invalid, which is
 * the URI of the request at least: 200 to 399 (RFC 9111, 4.4). */
CACHETTE_API bool cachette_http_status_invalidates(int status);

/* Returns whether such a response with a field of a name may make more invalid: the URIs in
 * Location and Content-Location, and the groups in Cache-Group-Invalidation (RFC 9875, 3). */
CACHETTE_API bool cachette_http_field_invalidates(cachette_slice name);

/*
 * The directives of a request (RFC 9111, 5.2.1), for a cache inside an application that obeys them
 * too. An exchange finds them itself.
 *
 * Durations are milliseconds, at most 2^31 seconds; -1: the directive is absent.
 */
typedef struct cachette_http_directives {
  bool no_cache;        /* what is stored does not count; also because of Pragma (5.4) */
  bool no_store;        /* store nothing */
  bool only_if_cached;  /* do not make what is not stored: answer 504 */
  int64_t max_age_ms;   /* the highest age; 0: what is stored does not count */
  int64_t min_fresh_ms; /* how long it must still be fresh */
  int64_t max_stale_ms; /* how long it may have been stale */
  void *more[2];        /* reserved; NULL */
} cachette_http_directives;

/*
 * Finds the directives of a request. Where a field is malformed, the most careful reading counts.
 *   fields  of the request; only Cache-Control and Pragma matter
 * Returns whether there are any.
 */
CACHETTE_API bool cachette_http_request_directives(cachette_http_fields fields,
                                                   cachette_http_directives *directives);

#ifdef __cplusplus
}
#endif

#endif
