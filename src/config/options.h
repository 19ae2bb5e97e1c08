/* SPDX-License-Identifier: MIT */
/*
 * The table of options, and the functions that read options.
 *
 * The parser, the checks, the messages, Python's keyword arguments and the manual are all derived
 * from the table.
 */
#ifndef CACHETTE_OPTIONS_H
#define CACHETTE_OPTIONS_H

#include "../base/clock.h"
#include "backends.h"
#include "cachette.h"
#include "settings.h"

#define CACHETTE__CODECS "csv|feather|json|msgpack|orjson|parquet|pickle|vanilla"

/*
 * The columns: name, type, default, choices, minimum, maximum, backends that require the option,
 * exposure, help. A required option must not be NULL or empty, even if there is a default.
 */
#define CACHETTE__OPTIONS(X)                                                                     \
  X(backend, CHOICE, "inmemory", CACHETTE__BACKEND_CHOICES, 0, 0, "", SHOWN,                     \
    "where entries live; none keeps nothing, so that caching is off")                            \
  X(codec, CHOICE, "vanilla", CACHETTE__CODECS, 0, 0, "", SHOWN,                                 \
    "how values become bytes; the Python package applies it")                                    \
  X(codec_name, STRING, NULL, NULL, 0, 0, "", SHOWN,                                             \
    "what a program calls a codec of its own, in the place of codec, for signatures")            \
  X(secret, STRING, NULL, NULL, 0, 0, "", SECRET,                                                \
    "signs values with HMAC-SHA256; one key, or several with commas between, the first signs")   \
  X(compression, CHOICE, "none", "none|zlib|zstd", 0, 0, "", SHOWN, "how values are compressed") \
  X(compression_threshold, SIZE, "1024", NULL, 0, INT64_C(1) << 31, "", SHOWN,                   \
    "bytes from which on a value is compressed")                                                 \
  X(accept_plain, BOOLEAN, "false", NULL, 0, 1, "", SHOWN,                                       \
    "whether values that were put without secret or compression are fetched all the same")       \
  X(ttl, SECONDS, "60", NULL, 1, 3600, "", SHOWN, "how long an entry lives unless put says so")  \
  X(timeout, DURATION, "1", NULL, 1, 3600000, "", SHOWN,                                         \
    "how long an operation may take, in seconds")                                                \
  X(connect_timeout, DURATION, "2", NULL, 1, 3600000, "", SHOWN,                                 \
    "how long connecting to a server may take, in seconds")                                      \
  X(key_prefix, STRING, NULL, NULL, 0, 0, "", SHOWN,                                             \
    "what stands before every key in a server that others use too")                              \
  X(tls_ca_file, PATH, NULL, NULL, 0, 0, "", SHOWN,                                              \
    "PEM file of the authorities that servers' certificates must come from; else the system's")  \
  X(tls_cert_file, PATH, NULL, NULL, 0, 0, "", SHOWN,                                            \
    "PEM file of the certificate that is shown to servers")                                      \
  X(tls_key_file, PATH, NULL, NULL, 0, 0, "", SHOWN, "PEM file of that certificate's key")       \
  X(tls_verify, BOOLEAN, "true", NULL, 0, 1, "", SHOWN,                                          \
    "whether a server's certificate and name are checked")                                       \
  X(memory_limit, SIZE, "64M", NULL, 1 << 20, INT64_C(1) << 46, "", SHOWN,                       \
    "bytes that the in-memory backend may hold")                                                 \
  X(memory_name, STRING, NULL, NULL, 0, 0, "", SHOWN,                                            \
    "caches of one process that name the same in-memory store share its entries")                \
  X(redis_url, STRING, NULL, NULL, 0, 0, "redis", SHOWN_URL,                                     \
    "a Redis server, as redis://[[user]:password@]host[:port][/db]; rediss:// with TLS")         \
  X(valkey_url, STRING, NULL, NULL, 0, 0, "valkey", SHOWN_URL,                                   \
    "a Valkey server, as valkey://[[user]:password@]host[:port][/db]; valkeys:// with TLS")      \
  X(memcached_host, STRING, NULL, NULL, 0, 0, "memcached", SHOWN,                                \
    "memcached servers, as host[:port[:weight]], [v6]:port or /socket, joined by commas")        \
  X(memcached_username, STRING, NULL, NULL, 0, 0, "", SHOWN,                                     \
    "the user name at memcached servers that ask for one")                                       \
  X(memcached_password, STRING, NULL, NULL, 0, 0, "", SECRET,                                    \
    "the password at memcached servers that ask for one")                                        \
  X(memcached_auth, CHOICE, "auto", "auto|none|ascii|sasl", 0, 0, "", SHOWN,                     \
    "how to authenticate; auto is ascii if there is a user name")                                \
  X(memcached_tls, BOOLEAN, "false", NULL, 0, 1, "", SHOWN,                                      \
    "whether memcached is spoken to over TLS, by the tls_* options")                             \
  X(table_name, STRING, "cachette", NULL, 0, 0, "mongodb|dynamodb", SHOWN,                       \
    "the table (DynamoDB) or collection (MongoDB) of the entries")                               \
  X(region, STRING, NULL, NULL, 0, 0, "", SHOWN,                                                 \
    "the AWS region of DynamoDB; else it comes from where AWS's own tools look")                 \
  X(dynamodb_url, STRING, NULL, NULL, 0, 0, "", SHOWN_URL,                                       \
    "another endpoint that speaks DynamoDB; else it comes from where AWS's own tools look")      \
  X(aws_access_key_id, STRING, NULL, NULL, 0, 0, "", SECRET,                                     \
    "the AWS access key for DynamoDB; else it comes from where AWS's own tools look")            \
  X(aws_secret_access_key, STRING, NULL, NULL, 0, 0, "", SECRET, "the secret of that key")       \
  X(aws_session_token, STRING, NULL, NULL, 0, 0, "", SECRET,                                     \
    "the session token of that key, if it is a temporary one")                                   \
  X(consistent_read, BOOLEAN, "false", NULL, 0, 1, "", SHOWN,                                    \
    "whether DynamoDB is asked for what was put last, at twice the price")                       \
  X(database_name, STRING, "cachette-db", NULL, 0, 0, "mongodb", SHOWN, "the MongoDB database")  \
  X(mongodb_url, STRING, NULL, NULL, 0, 0, "mongodb", SHOWN_URL,                                 \
    "a MongoDB server, as mongodb://[user:password@]host[:port]; mongodb+srv:// too")            \
  X(mongodb_pool_size, NUMBER, "8", NULL, 1, 256, "", SHOWN,                                     \
    "threads, with a connection each, that the MongoDB backend may have in a handle")            \
  X(pickle_path, PATH, NULL, NULL, 0, 0, "pickle|file", SHOWN,                                   \
    "the file of the file backend, which is also called pickle; processes may share it")         \
  X(file_limit, SIZE, "1G", NULL, 1 << 20, INT64_C(1) << 46, "", SHOWN,                          \
    "bytes that the file may hold")

enum cachette__option {
#define X(name, ...) CACHETTE__OPTION_##name,
  CACHETTE__OPTIONS(X)
#undef X
      CACHETTE__OPTION_COUNT
};

/* Returns the text of an option: the value that was set, or the default; NULL if there is neither.
 * The options own it until one of them is set. */
const char *cachette__options_text(const cachette_options *options, enum cachette__option option);

/* Returns whether an option was set to NULL, is empty, or is not set and has no default. */
bool cachette__options_absent(const cachette_options *options, enum cachette__option option);

/* Returns the number of an option: bytes, milliseconds, a plain number, or 1 or 0 for a BOOLEAN. */
int64_t cachette__options_number(const cachette_options *options, enum cachette__option option);

/* Returns the folder that relative paths start from: the current folder when the options were
 * created. NULL: it is unknown. The options own it. */
const char *cachette__options_folder(const cachette_options *options);

/* Returns the clock that TTLs are measured with. */
cachette__clock cachette__options_clock(const cachette_options *options);

/* Returns the settings that the store parsed from these options; NULL: none yet. The options own a
 * reference until one of them is set. */
cachette__settings *cachette__options_settings(const cachette_options *options);

/* Saves the store's settings in options that have none, and takes over the caller's reference. */
void cachette__options_set_settings(const cachette_options *options, cachette__settings *settings);

/* Returns an independent copy that shares the store's settings; free it with
 * cachette_options_free(). NULL: out of memory. */
cachette_options *cachette__options_copy(const cachette_options *options);

#endif
