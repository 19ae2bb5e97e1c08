/* SPDX-License-Identifier: MIT */
/*
 * HTTP caching: the rules of RFC 9111 and its relatives, as pure functions.
 *
 * These functions decide; they do not act. They open no connection, read no clock and keep no
 * state. You hand in a request, what your store has, and the time. You get a verdict: answer from
 * the store, forward to the origin, revalidate, and so on, with the header fields to send. The
 * origin is whatever makes responses: a server, or the handler of your application.
 *
 *     cachette_http_policy policy = {0};          // safe defaults
 *     cachette_http_exchange exchange;
 *     cachette_http_begin(&exchange, &policy, &request);
 *     do
 *       cachette_http_decide(&exchange, fetch_from_store(exchange.key), now_ms());
 *     while (exchange.action == CACHETTE_HTTP_VARIANT);
 *     switch (exchange.action) {
 *     case CACHETTE_HTTP_HIT: ...                 // cachette_http_answer(), then the body
 *     case CACHETTE_HTTP_MISS: ...                // ask the origin, then cachette_http_receive()
 *     }
 *     cachette_http_end(&exchange);
 *
 * An exchange goes through these steps:
 *
 *     begin ---> decide ---> HIT, STALE, ERROR: answer
 *       |          |
 *       |          +-------> MISS, REVALIDATE: forward, then receive ---> STORE, FRESHEN, PASS ...
 *       v
 *     PASS: forward; receive only invalidates
 *
 * Invariants:
 *
 * - Times are milliseconds since 1970 (Unix time); durations are milliseconds. The clock may be
 *   set back: no age is ever negative.
 * - Slices that you hand in must stay valid until cachette_http_end(), or, for records, as long as
 *   the function says. Nothing is modified.
 * - What you do not set in a policy is safe: no response with credentials, with Set-Cookie, with
 *   `private` or `no-store` is shared, and a malformed field never makes a response more cacheable.
 * - Functions return 0 or a negative code of `enum cachette_code`. The usual path (a hit, a miss,
 *   a pass) allocates no memory unless the request line is longer than a kilobyte.
 * - Any thread; an exchange belongs to one thread at a time.
 *
 * Sources: RFC 9110 (HTTP), RFC 9111 (caching), RFC 9211 (Cache-Status), RFC 9213 (targeted
 * fields), RFC 9875 (groups), RFC 10008 (QUERY), RFC 5861 (stale), RFC 8246 (immutable).
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

/* A header field line. The value has no whitespace at its ends. */
typedef struct cachette_http_field {
  cachette_slice name; /* case is ignored */
  cachette_slice value;
} cachette_http_field;

/* Field lines, in their order. A name may occur in several lines. */
typedef struct cachette_http_fields {
  const cachette_http_field *list;
  size_t count;
} cachette_http_fields;

/* A request, as the client sent it. */
typedef struct cachette_http_request {
  cachette_slice method;    /* "GET"; case counts */
  cachette_slice scheme;    /* "http" or "https", of the client's connection or as you know it */
  cachette_slice authority; /* host and port of the request line; empty: the field Host */
  cachette_slice path;      /* the raw bytes before '?', not percent-decoded */
  cachette_slice query;     /* the raw bytes after '?'; data NULL: there is no '?' */
  cachette_http_fields fields;
  cachette_slice body; /* QUERY, and POST if the policy caches it: the whole body */
  bool has_body;       /* GET and HEAD: a body is on its way; it makes the request pass */
  void *more[2];       /* reserved; must be NULL */
} cachette_http_request;

/* The final response of an origin (not a 1xx), without its body. */
typedef struct cachette_http_response {
  int status; /* 200 to 599 */
  cachette_http_fields fields;
  int64_t body_size;      /* bytes, if it is known before the body is there; -1: not known */
  int64_t requested_ms;   /* when the request was sent to the origin */
  int64_t received_ms;    /* when this response came */
  uint64_t random;        /* any number that you did not use before: it tells apart what is stored
                             for a URI before and after it was cleared */
  cachette_slice control; /* what your application says of caching, with the syntax of Cache-Control
                             ("max-age=60, public"). If it is not empty, it counts instead of
                             Cache-Control, Expires and targeted fields, for private caches, too.
                             Clients and other caches do not see it */
  void *more[2];          /* reserved; must be NULL */
} cachette_http_response;

/* ---- Policy ---- */

/* Who may see what is stored. */
enum cachette_http_sharing {
  CACHETTE_HTTP_SHARED = 0, /* all clients: a server's cache, a proxy */
  CACHETTE_HTTP_PRIVATE     /* one user: a browser, an API client */
};

/* What happens with responses that set cookies. */
enum cachette_http_set_cookie {
  CACHETTE_HTTP_COOKIE_REFUSE = 0, /* they are not stored */
  CACHETTE_HTTP_COOKIE_STRIP,      /* they are stored without Set-Cookie */
  CACHETTE_HTTP_COOKIE_STORE       /* they are stored, and the cookie is sent to everyone */
};

/* How the query is part of the key. */
enum cachette_http_query {
  CACHETTE_HTTP_QUERY_KEEP = 0, /* byte for byte */
  CACHETTE_HTTP_QUERY_DROP,     /* not at all */
  CACHETTE_HTTP_QUERY_SORT      /* parameters sorted by name; equal names keep their order */
};

/* How a request's Cache-Control and Pragma are obeyed. */
enum cachette_http_control {
  CACHETTE_HTTP_CONTROL_SAFE = 0, /* no-store and only-if-cached; the others (no-cache, max-age,
                                     min-fresh) at most cause one revalidation that all share */
  CACHETTE_HTTP_CONTROL_FULL,     /* all, as RFC 9111 has them; every client can cause misses */
  CACHETTE_HTTP_CONTROL_IGNORE    /* none */
};

/* Request fields that are normalized before they select a variant (flags). */
enum cachette_http_normalize {
  CACHETTE_HTTP_ACCEPT_ENCODING = 1, /* the set of accepted codings, without weights */
  CACHETTE_HTTP_ACCEPT_LANGUAGE = 2  /* languages in lower case, by falling weight */
};

/* Request fields that a stored response may vary on although they tell users apart (flags). */
enum cachette_http_vary { CACHETTE_HTTP_VARY_COOKIE = 1, CACHETTE_HTTP_VARY_AUTHORIZATION = 2 };

/*
 * What the cache may do. Zeroed: safe defaults. The policy and all that it points to must outlive
 * the exchanges that use it.
 */
typedef struct cachette_http_policy {
  enum cachette_http_sharing sharing;
  enum cachette_http_set_cookie set_cookie;
  enum cachette_http_query query;
  enum cachette_http_control request_control;
  unsigned normalize;  /* of enum cachette_http_normalize */
  unsigned vary_allow; /* of enum cachette_http_vary; others with one of these are not stored */

  int64_t default_ttl_ms; /* lifetime of a 200, 203, 300, 301 or 308 that does not tell its own;
                             0: such a response is not stored, unless `heuristic` allows it */
  int64_t stale_while_revalidate_ms; /* for responses that do not tell their own; 0: none */
  int64_t stale_if_error_ms;         /* the same; both are after the end of the lifetime */
  int64_t max_body;                  /* bytes of a body that is stored; 0: 1 MiB */
  bool heuristic;  /* a tenth of the time since Last-Modified, at most a day, is a lifetime */
  bool max_stale;  /* requests may ask for stale responses, also in SAFE */
  bool cache_post; /* POST is keyed by its body like QUERY, and stored if its freshness is
                      explicit */
  bool forward_preconditions; /* If-Match and If-Unmodified-Since are left to the origin (RFC 9111,
                                 4.3.2). Otherwise the cache acts for the origin, and answers a
                                 condition that does not hold for a fresh response with 412 */
  bool store_partial;         /* 206 responses are stored, combined and served */
  bool trust_cookies; /* requests with cookies are like others. Otherwise a cookie is a credential
                         unless `key_cookies` has it or `session_cookies` is given and lacks it */
  bool trust_must_revalidate; /* a response to a request with Authorization may be shared not only
                                 if it is `public` or has `s-maxage`, but also if it has
                                 `must-revalidate` (RFC 9111, 3.5), and what was stored without
                                 credentials may answer requests with them */

  /* Names of targeted fields (RFC 9213), most important first, such as "CDN-Cache-Control". */
  const cachette_slice *targeted;
  size_t targeted_count;

  /* Names of cookies whose values are part of the key. */
  const cachette_slice *key_cookies;
  size_t key_cookie_count;

  /* Names of cookies that are credentials. Not given: every cookie is one. */
  const cachette_slice *session_cookies;
  size_t session_cookie_count;

  /* A value of No-Vary-Search, such as `key-order, params=("utm_source")`: parameters that do not
   * matter for the key. Empty: all do. One that does not parse is the same as empty. */
  cachette_slice no_vary_search;

  /* The cache's name in Cache-Status (RFC 9211): a token. Empty: "cachette". */
  cachette_slice name;

  void *more[8]; /* reserved; must be NULL */
} cachette_http_policy;

/*
 * Returns all that RFC 9111 and RFC 9213 permit a shared cache: responses that set cookies are
 * stored whole, CDN-Cache-Control is obeyed, request directives are obeyed in full, lifetimes are
 * estimated, stale responses are served for a day while the origin fails. Use it in front of an
 * origin whose responses state who may see them.
 */
CACHETTE_API cachette_http_policy cachette_http_policy_rfc(void);

/*
 * Checks a policy: ranges, enum values, names that are no tokens, No-Vary-Search.
 * Errors: ECONFIG; `error` names the field at fault.
 */
CACHETTE_API int cachette_http_policy_check(const cachette_http_policy *policy,
                                            cachette_error *error);

/* ---- Exchange ---- */

/* What to do next: name, text. */
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

enum cachette_http_action {
#define CACHETTE__HTTP_ACTION(name, text) CACHETTE_HTTP_##name,
  CACHETTE_HTTP_ACTIONS(CACHETTE__HTTP_ACTION)
#undef CACHETTE__HTTP_ACTION
};

/*
 * Why a request was forwarded, or a response not stored: name, token, sentence. The token is the
 * parameter `detail` of Cache-Status, except for those of RFC 9211, which are its `fwd`.
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

enum cachette_http_reason {
#define CACHETTE__HTTP_REASON(name, token, text) CACHETTE_HTTP_BECAUSE_##name,
  CACHETTE_HTTP_REASONS(CACHETTE__HTTP_REASON)
#undef CACHETTE__HTTP_REASON
};

/* Returns the sentence, or the token, of a reason. Static. */
CACHETTE_API const char *cachette_http_reason_text(enum cachette_http_reason reason);
CACHETTE_API const char *cachette_http_reason_token(enum cachette_http_reason reason);

#define CACHETTE_HTTP_KEY_SIZE 32 /* bytes of a key: a SHA-256 */

/*
 * One request on its way through the cache. You allocate it, and must not move it between begin and
 * end. The first part is the verdict: each step fills it anew.
 */
typedef struct cachette_http_exchange {
  enum cachette_http_action action;
  enum cachette_http_reason forwarded;  /* why the origin is asked; NONE if it is not */
  enum cachette_http_reason not_stored; /* why the response is not stored; NONE if it is */

  /* The key to fetch, store or clear. Any bytes. */
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];

  /* An answer from the record: HIT, STALE, FRESHEN; and ERROR. */
  int status;         /* of the record, or 304, 206, 412, 416, 504 */
  bool send_body;     /* whether the answer has a body: not for HEAD, 304, 412, 416, 504 */
  int64_t body_first; /* the part of the record's body to send: all of it, or a range */
  int64_t body_size;
  int64_t age_ms; /* of the record, now */
  int64_t ttl_ms; /* what is left of its lifetime; negative: it is stale */

  /* For those who forward. */
  bool coalesce;        /* requests of this key may wait for one response: if it is stored, they
                           fetch it and decide again, else they forward */
  bool refresh;         /* STALE: the record is old enough to be fetched anew in the background:
                           after the answer, go on with forward and receive */
  bool usable_if_error; /* if the origin fails, receive() will answer from the record */

  /* STORE and FRESHEN. */
  int64_t keep_ms;  /* how long the record is worth keeping: lifetime, stale windows, and 5 minutes
                       if it can be validated; at most CACHETTE_TTL_MAX */
  bool store_index; /* the response varies: also store cachette_http_index_write() under the key of
                       the request, `index_key`. Keep it at least as long as any of its variants,
                       such as for a day: without it, they are not found */
  unsigned char index_key[CACHETTE_HTTP_KEY_SIZE];

  /* After receive(): what else the response made invalid; see cachette_http_invalidated(). */
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
 *   policy, request  must stay valid until cachette_http_end()
 * `action` becomes MISS: fetch the record of `key` and call decide; or PASS, with the reason.
 * Errors: ENOMEM (the request line is long). There is nothing to end then.
 */
CACHETTE_API int cachette_http_begin(cachette_http_exchange *exchange,
                                     const cachette_http_policy *policy,
                                     const cachette_http_request *request);

/* Ends an exchange and frees what it may hold. */
CACHETTE_API void cachette_http_end(cachette_http_exchange *exchange);

/*
 * Decides what to do with what the store has for `key` (RFC 9111, 4).
 *   record  the stored bytes, or at least their head (see cachette_http_record_head_size()); empty:
 *           the store has nothing. It must stay valid until cachette_http_end(), also if it led to
 *           VARIANT
 *   now_ms  the time
 * `action` becomes VARIANT, HIT, STALE, MISS, REVALIDATE, ERROR or PASS.
 * A record that is damaged, of an unknown version or of another request is a miss.
 */
CACHETTE_API void cachette_http_decide(cachette_http_exchange *exchange, cachette_slice record,
                                       int64_t now_ms);

/* ---- The answer ---- */

/*
 * Fills the fields of the answer, in the order to send them.
 *   origin    the response to send on, after PASS and STORE; NULL: the answer is from the record
 *   fields    filled with up to `capacity` lines. They point into the record, the origin's fields
 *             and the exchange, and are valid as long as these are
 *   collapsed whether this request waited for another's response
 * An answer from the record has its stored fields, with Age, the right Content-Length and, if they
 * are missing, Date; a 304 has only those of RFC 9110, 15.4.5; a 206 has Content-Range. All have
 * Cache-Status; a member of another cache stays before ours.
 * Returns the number of fields, which may exceed `capacity`; those beyond it are not filled.
 */
CACHETTE_API size_t cachette_http_answer(cachette_http_exchange *exchange,
                                         const cachette_http_response *origin, bool collapsed,
                                         cachette_http_field *fields, size_t capacity);

/* ---- Asking the origin ---- */

/*
 * Fills the fields to forward after MISS, PASS, REVALIDATE and REFETCH, and after STALE if
 * `refresh` is set: those of the request, except hop-by-hop fields. REVALIDATE and STALE: without
 * the client's conditions and range, with those of the stored response. REFETCH: without any.
 * Returns the number of fields, like cachette_http_answer(), whose fields are no longer valid.
 */
CACHETTE_API size_t cachette_http_forward(cachette_http_exchange *exchange,
                                          cachette_http_field *fields, size_t capacity);

/*
 * Takes the origin's response (RFC 9111, 3, 4.3.3 to 4.4).
 *   response  NULL: the origin failed, raised or did not answer in time. Else it must stay valid
 *             until the end
 *   now_ms    the time; for a NULL response too
 * `action` becomes:
 *   PASS      send the response on; or, if it was NULL, your own error
 *   STORE     send it on, and when its whole body is there, write the record
 *   FRESHEN   the stored response is valid: answer from it. If `not_stored` is NONE, write the
 *             record with the stored body
 *   STALE     the origin failed: answer from the record
 *   REFETCH   the response cannot be used with the stored one
 * `invalidates` is set if the store must forget other responses; do it before you answer.
 */
CACHETTE_API void cachette_http_receive(cachette_http_exchange *exchange,
                                        const cachette_http_response *response, int64_t now_ms);

/*
 * Walks over what a response to an unsafe request invalidates (RFC 9111, 4.4; RFC 9875): URIs and
 * groups. Begin with `index` 0.
 *   key  a URI: filled with its key, to clear. A group: zeroed
 *   tag  filled with the tag of the records to forget: those of the group; or those of the URI
 *        whose key has more than the URI (a body or cookies). It is valid until the next call
 * Returns false if there is no item of that index.
 */
CACHETTE_API bool cachette_http_invalidated(cachette_http_exchange *exchange, size_t index,
                                            unsigned char key[CACHETTE_HTTP_KEY_SIZE],
                                            cachette_slice *tag);

/* ---- Records ---- */

/*
 * A record is a stored response as bytes: a head, and the body behind it. The head has everything
 * that decide() needs, and a checksum; the body has one of its own. You may store head and body in
 * one value or apart. docs/decisions.md has the form; it begins with "cHTP" and a version.
 */

/* What a record gets besides the response. */
typedef struct cachette_http_extra {
  const cachette_slice *tags; /* of your own, for purging; those of the response are added */
  size_t tag_count;
  uint64_t epoch; /* a number of your own, such as how much was purged before the origin was asked:
                     cachette_http_record_describe() returns it */
  void *more[4];  /* reserved; must be NULL */
} cachette_http_extra;

/*
 * Returns the size of the head that cachette_http_record_write() writes after STORE or FRESHEN.
 *   extra  may be NULL
 */
CACHETTE_API size_t cachette_http_record_size(const cachette_http_exchange *exchange,
                                              const cachette_http_extra *extra);

/*
 * Writes the head of a record.
 *   extra  the same as for cachette_http_record_size()
 *   body   the parts of the whole body, in order; after FRESHEN the stored body
 *   head   as many bytes as cachette_http_record_size() returned
 * The record to store is these bytes, then the body.
 * Errors: EINVAL (the body's size is not what the response announced: `not_stored` becomes
 * INCOMPLETE), ETOOBIG (it is larger than the policy allows).
 */
CACHETTE_API int cachette_http_record_write(cachette_http_exchange *exchange,
                                            const cachette_http_extra *extra,
                                            const cachette_slice *body, size_t body_count,
                                            unsigned char *head);

/*
 * Joins a partial response with the stored part (RFC 9111, 3.4). Call it after STORE with the body
 * of the response; if it does not return 0, write the joined body instead.
 *
 *   stored_body  the body of the stored record
 *   part         the body of the response
 *   joined       filled; NULL: only the size is wanted
 *
 * Returns the size of the joined body; 0: nothing is to be joined, or the bodies have another size
 * than their messages announced.
 */
CACHETTE_API size_t cachette_http_combine(cachette_http_exchange *exchange,
                                          cachette_slice stored_body, cachette_slice part,
                                          unsigned char *joined);

/* Returns the size of the index record; see `store_index`. */
CACHETTE_API size_t cachette_http_index_size(const cachette_http_exchange *exchange);

/* Writes the index record: what responses of this URI vary on, and the keys of the last 8. */
CACHETTE_API void cachette_http_index_write(const cachette_http_exchange *exchange,
                                            unsigned char *bytes);

/*
 * Returns the size of a record's head; 0: it is no record, of another version or damaged.
 *   record  may be cut off behind the head
 */
CACHETTE_API size_t cachette_http_record_head_size(cachette_slice record);

/* Describes a record. */
typedef struct cachette_http_record_info {
  int status;
  int64_t requested_ms, received_ms; /* when the origin was asked, and when it answered */
  int64_t lifetime_ms;
  int64_t body_size;
  uint64_t epoch;         /* of cachette_http_extra */
  uint64_t body_checksum; /* names parts of the body, if you store it apart from the head */
  size_t tag_count;
  bool is_index; /* an index record, which has no response */
} cachette_http_record_info;

/* Describes a record. Errors: ECODEC (no record, another version, damaged). */
CACHETTE_API int cachette_http_record_describe(cachette_slice record,
                                               cachette_http_record_info *info);

/*
 * Returns a tag of a record, from 0 to `tag_count` - 1: yours, those of Surrogate-Key and
 * Cache-Tag, groups of Cache-Groups, which begin with the origin ("https://example.com") and a
 * space, and, if the key has more than the URI, "uri " and the URI's key in hexadecimal digits.
 * Tags of more than 512 bytes or with CR, LF or NUL are left out, and so are those beyond 512.
 * Empty: there is no such tag.
 */
CACHETTE_API cachette_slice cachette_http_record_tag(cachette_slice record, size_t index);

/*
 * Returns whether a body is the one that was stored with a record.
 *   parts  the body, in one or several parts
 */
CACHETTE_API bool cachette_http_record_matches(cachette_slice record, const cachette_slice *parts,
                                               size_t count);

/* ---- Keys without a request ---- */

/*
 * Computes the key of a URI for GET, to purge it.
 *   uri  absolute: "https://example.com/a?b"
 * Errors: EINVAL (not an absolute http or https URI), ENOMEM.
 */
CACHETTE_API int cachette_http_uri_key(const cachette_http_policy *policy, cachette_slice uri,
                                       unsigned char key[CACHETTE_HTTP_KEY_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
