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
#define CACHETTE__OPTIONS(X)                                                                       \
  X(backend, CHOICE, "inmemory", CACHETTE__BACKEND_CHOICES, 0, 0, "", SHOWN,                       \
    "Storage for entries; none stores nothing, which turns caching off")                           \
  X(codec, CHOICE, "vanilla", CACHETTE__CODECS, 0, 0, "", SHOWN,                                   \
    "Format of stored values; the Python package encodes and decodes them")                        \
  X(codec_name, STRING, NULL, NULL, 0, 0, "", SHOWN,                                               \
    "Name of the application's own codec, which signatures cover instead of codec")                \
  X(secret, STRING, NULL, NULL, 0, 0, "", SECRET,                                                  \
    "Key that signs values with HMAC-SHA256; of several, joined by commas, the first signs")       \
  X(compression, CHOICE, "none", "none|zlib|zstd", 0, 0, "", SHOWN,                                \
    "Compression of stored values")                                                                \
  X(compression_threshold, SIZE, "1024", NULL, 0, INT64_C(1) << 31, "", SHOWN,                     \
    "Size from which values are compressed, in bytes")                                             \
  X(accept_plain, BOOLEAN, "false", NULL, 0, 1, "", SHOWN,                                         \
    "Acceptance of values that were stored without secret or compression")                         \
  X(ttl, SECONDS, "60", NULL, 1, 3600, "", SHOWN, "Default time to live of an entry, in seconds")  \
  X(request_control, BOOLEAN, "false", NULL, 0, 1, "", SHOWN,                                      \
    "Whether calls obey the Cache-Control of the request, under a middleware of cachette.http")    \
  X(timeout, DURATION, "1", NULL, 1, 3600000, "", SHOWN, "Time limit of an operation, in seconds") \
  X(connect_timeout, DURATION, "2", NULL, 1, 3600000, "", SHOWN,                                   \
    "Time limit for connecting to a server, in seconds")                                           \
  X(key_prefix, STRING, NULL, NULL, 0, 0, "", SHOWN,                                               \
    "Prefix of every key on a server, for servers that other programs use too")                    \
  X(tls_ca_file, PATH, NULL, NULL, 0, 0, "", SHOWN,                                                \
    "PEM file of the certificate authorities to trust, instead of the system's")                   \
  X(tls_cert_file, PATH, NULL, NULL, 0, 0, "", SHOWN, "PEM file of the client certificate")        \
  X(tls_key_file, PATH, NULL, NULL, 0, 0, "", SHOWN,                                               \
    "PEM file of the client certificate's private key")                                            \
  X(tls_verify, BOOLEAN, "true", NULL, 0, 1, "", SHOWN,                                            \
    "Verification of the server's certificate and host name")                                      \
  X(memory_limit, SIZE, "64M", NULL, 1 << 20, INT64_C(1) << 46, "", SHOWN,                         \
    "Memory limit of the in-memory backend, in bytes")                                             \
  X(memory_name, STRING, NULL, NULL, 0, 0, "", SHOWN,                                              \
    "Name of an in-memory store; caches in one process with the same name share entries")          \
  X(redis_url, STRING, NULL, NULL, 0, 0, "redis", SHOWN_URL,                                       \
    "URL of the Redis server: redis://[[user]:password@]host[:port][/db]; rediss:// for TLS; "     \
    "redis+cluster:// and redis+sentinel:// for several servers")                                  \
  X(valkey_url, STRING, NULL, NULL, 0, 0, "valkey", SHOWN_URL,                                     \
    "URL of the Valkey server: valkey://[[user]:password@]host[:port][/db]; valkeys:// for TLS; "  \
    "valkey+cluster:// and valkey+sentinel:// for several servers")                                \
  X(read_from, CHOICE, "primary", "primary|replica|prefer_replica", 0, 0, "", SHOWN,               \
    "Servers that Redis and Valkey reads go to, in a cluster or behind sentinels")                 \
  X(address_map, STRING, NULL, NULL, 0, 0, "", SHOWN,                                              \
    "Addresses to use instead of those that Redis nodes announce: host:port=host:port, with "      \
    "commas between pairs")                                                                        \
  X(sentinel_username, STRING, NULL, NULL, 0, 0, "", SHOWN,                                        \
    "User name for sentinels that require one")                                                    \
  X(sentinel_password, STRING, NULL, NULL, 0, 0, "", SECRET,                                       \
    "Password for sentinels that require one; the URL has that of the servers")                    \
  X(memcached_host, STRING, NULL, NULL, 0, 0, "memcached", SHOWN,                                  \
    "memcached servers, joined by commas: host[:port[:weight]], [v6]:port or /socket")             \
  X(memcached_username, STRING, NULL, NULL, 0, 0, "", SHOWN,                                       \
    "User name for memcached servers that require one")                                            \
  X(memcached_password, STRING, NULL, NULL, 0, 0, "", SECRET,                                      \
    "Password for memcached servers that require one")                                             \
  X(memcached_auth, CHOICE, "auto", "auto|none|ascii|sasl", 0, 0, "", SHOWN,                       \
    "Authentication with memcached; auto is ascii with a user name, none without")                 \
  X(memcached_tls, BOOLEAN, "false", NULL, 0, 1, "", SHOWN,                                        \
    "TLS connections to memcached, configured by the tls_* options")                               \
  X(memcached_discovery, BOOLEAN, "false", NULL, 0, 1, "", SHOWN,                                  \
    "Whether memcached_host is a configuration endpoint, which is asked for the servers")          \
  X(table_name, STRING, "cachette", NULL, 0, 0, "mongodb|dynamodb", SHOWN,                         \
    "DynamoDB table or MongoDB collection for the entries")                                        \
  X(region, STRING, NULL, NULL, 0, 0, "", SHOWN,                                                   \
    "AWS region of DynamoDB; the default is that of the AWS tools")                                \
  X(dynamodb_url, STRING, NULL, NULL, 0, 0, "", SHOWN_URL,                                         \
    "URL of a DynamoDB-compatible endpoint; the default is that of the AWS tools")                 \
  X(aws_access_key_id, STRING, NULL, NULL, 0, 0, "", SECRET,                                       \
    "AWS access key for DynamoDB; the default is that of the AWS tools")                           \
  X(aws_secret_access_key, STRING, NULL, NULL, 0, 0, "", SECRET, "Secret of the AWS access key")   \
  X(aws_session_token, STRING, NULL, NULL, 0, 0, "", SECRET,                                       \
    "Session token of a temporary AWS access key")                                                 \
  X(consistent_read, BOOLEAN, "false", NULL, 0, 1, "", SHOWN,                                      \
    "Strongly consistent reads from DynamoDB, at twice the price")                                 \
  X(database_name, STRING, "cachette-db", NULL, 0, 0, "mongodb", SHOWN,                            \
    "MongoDB database for the entries")                                                            \
  X(mongodb_url, STRING, NULL, NULL, 0, 0, "mongodb", SHOWN_URL,                                   \
    "URL of the MongoDB server: mongodb://[user:password@]host[:port] or mongodb+srv://")          \
  X(mongodb_pool_size, NUMBER, "8", NULL, 1, 256, "", SHOWN,                                       \
    "Maximum number of threads, each with a connection, of the MongoDB backend in a handle")       \
  X(pickle_path, PATH, NULL, NULL, 0, 0, "pickle|file", SHOWN,                                     \
    "File of the file backend, also named pickle; several processes may share it")                 \
  X(file_limit, SIZE, "1G", NULL, 1 << 20, INT64_C(1) << 46, "", SHOWN,                            \
    "Size limit of the cache file, in bytes")

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

#endif
