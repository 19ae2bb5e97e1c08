/* SPDX-License-Identifier: MIT */
/* What `help()` says of the calls: those of Cachette, which are awaited, and of its `sync`. */
#ifndef CACHETTE_EXT_DOCS_H
#define CACHETTE_EXT_DOCS_H

#define DOC_KEY "key: str of 1 to 65,536 bytes of UTF-8.\n"
#define DOC_TTL "ttl: positive number of seconds, int or float; None takes the configured one.\n"

#define DOC_FETCH                                                  \
  "fetch($self, key, default=None)\n--\n\n"                        \
  "The value of a key, or `default` if there is none.\n\n" DOC_KEY \
  "\nRaises ValueError, CodecError (the bytes are "                \
  "not of this codec) or BackendError."

#define DOC_FETCH_WITH_TTL                                                             \
  "fetch_with_ttl($self, key)\n--\n\n"                                                 \
  "`(seconds left, rounded up; value)`, or `(-1, None)` if there is none.\n\n" DOC_KEY \
  "\nAn entry that does not expire has -1 seconds left, too, and a value.\n"           \
  "Raises ValueError, CodecError or BackendError."

#define DOC_FETCH_MANY                                                       \
  "fetch_many($self, keys)\n--\n\n"                                          \
  "A dict of those keys that were found, with their values.\n\n"             \
  "keys: an iterable of str. A server is asked for all of them at once.\n\n" \
  "Raises ValueError, CodecError or BackendError."

#define DOC_PUT                                                   \
  "put($self, key, value, ttl=None)\n--\n\n"                      \
  "Puts a value, replacing what stood under the key.\n\n" DOC_KEY \
  "value: what the codec takes.\n" DOC_TTL                        \
  "\nRaises ValueError, CodecError or BackendError "              \
  "(the value is too large, say)."

#define DOC_GET_OR_SET                                                                             \
  "get_or_set($self, key, factory, ttl=None, returns=None)\n--\n\n"                                \
  "The value of a key; if there is none, what `factory` gives, which is put.\n\n" DOC_KEY          \
  "factory: a value, a function without arguments, or a coroutine function.\n" DOC_TTL             \
  "returns: the type of the value, which the text codecs give back where pydantic is there.\n"     \
  "\nOf all who miss a key at once in an event loop, one computes and the others wait for it;\n"   \
  "they get its value, or its exception, which is not stored. It runs as a task of its own in a\n" \
  "copy of the first caller's context: who is cancelled stops none but itself, and the last one\n" \
  "the computing. Each gets an object of its own, and a miss gives what a hit gives. A write to\n" \
  "the key ends the flight: what it has read is not stored, and who asks later computes anew.\n\n" \
  "If the backend fails, the value is computed all the same, and not put where fetching it had\n"  \
  "failed. Raises ValueError, TypeError, CodecError (the codec cannot keep the value, or would\n"  \
  "bring it back as another; \"vanilla\" keeps text only), or what the factory raises."

#define DOC_PUT_MANY                                                                            \
  "put_many($self, mapping, ttl=None)\n--\n\n"                                                  \
  "Puts the values of a mapping under its keys, all at once.\n\n" DOC_TTL                       \
  "\nRaises ValueError, CodecError or BackendError; of a server some values may have been put " \
  "then."

#define DOC_ADD                                                                         \
  "add($self, key, value, ttl=None)\n--\n\n"                                            \
  "Puts a value only if there is none under the key. Gives whether it did.\n\n" DOC_KEY \
  "value: what the codec takes.\n" DOC_TTL "\nRaises ValueError, CodecError or BackendError."

#define DOC_EXISTS                                                                 \
  "exists($self, key)\n--\n\nWhether there is an entry under the key.\n\n" DOC_KEY \
  "\nIt is not read, and counts neither as a hit nor as a miss.\n"                 \
  "Raises ValueError or BackendError."

#define DOC_TOUCH                                                                         \
  "touch($self, key, ttl=None)\n--\n\n"                                                   \
  "Gives an entry another time to live. Gives whether there was one.\n\n" DOC_KEY DOC_TTL \
  "\nRaises ValueError or BackendError."

#define DOC_INCREMENT                                                                          \
  "increment($self, key, by=1, ttl=None)\n--\n\n"                                              \
  "Adds to a counter, in one step on every backend. Gives what it is then.\n\n" DOC_KEY        \
  "by: int of at most 64 bits; 0 reads the counter.\n"                                         \
  "ttl: of a counter that is made by the call, which begins at 0; one that is there keeps\n"   \
  "its time. Positive number of seconds; None takes the configured one.\n\n"                   \
  "A counter is stored as decimal digits, whatever the codec.\n"                               \
  "Raises ValueError (it would leave 64 bits), CodecError (what stands there is no counter)\n" \
  "or BackendError."

#define DOC_CLEAR                                                                 \
  "clear($self, namespace=None, key=None)\n--\n\n"                                \
  "Clears one key, or all keys that begin with `namespace` and a colon.\n\n"      \
  "Gives how many entries went. If both are given, the namespace is cleared.\n\n" \
  "Raises ValueError or BackendError."

#define DOC_CLEAR_MANY                                         \
  "clear_many($self, keys)\n--\n\n"                            \
  "Clears keys, all at once. Gives how many entries went.\n\n" \
  "keys: an iterable of str.\n\nRaises ValueError or BackendError."

#define DOC_FLUSH \
  "flush($self)\n--\n\nClears all entries. Gives how many went.\n\nRaises BackendError."

#define DOC_FLUSH_EXPIRED                                                               \
  "flush_expired($self)\n--\n\n"                                                        \
  "Clears entries whose time is over and that are still held. Gives how many went.\n\n" \
  "They are never fetched, cleared or not; this returns their memory.\n\n"              \
  "Raises BackendError."

#define DOC_PING                                                                    \
  "ping($self)\n--\n\nAsks the backend for an answer; gives None when it came.\n\n" \
  "Raises BackendUnavailable, BackendTimeout or BackendError."

#endif
