# SPDX-License-Identifier: MIT
"""The result of `Cachette.stats()`."""

from typing import Dict, NamedTuple, Optional


class HttpStats(NamedTuple):
  """What the middlewares of a cache have done in this process since its configuration was loaded.

  `hits`, `stale` and `coalesced` are answers without a run of the application. A request that runs
  it counts in `misses`, unless it has nothing to do with the cache, and in `passed` if the response
  was not stored.
  """

  hits: int
  """Answers from the store, also those with the status 304 or 206."""
  misses: int
  """Requests that ran the application because nothing stored could answer them."""
  stale: int
  """Answers from stale responses, while they are refreshed or because the application failed."""
  revalidated: int
  """Stored responses that the application confirmed with a 304."""
  passed: Dict[str, int]
  """Responses that were sent on and not stored, by reason."""
  coalesced: int
  """Answers from a response that another request was waiting for already."""
  stored: int
  """Responses that were stored."""
  bytes: int
  """Bytes of bodies that were answered from the store."""
  errors: int
  """Calls of the backend that failed or took longer than the policy's `store_timeout`."""


HttpStats.__module__ = 'cachette.http'  # the public name


class Stats(NamedTuple):
  """What a cache has done in this process since its configuration was loaded.

  `entries` and what follows are figures of the backend. They are None if the backend does not
  report them.
  """

  hits: int
  """Keys that were fetched and found."""
  misses: int
  """Keys that were fetched and not found."""
  puts: int
  """Keys that were put or incremented."""
  clears: int
  """Entries that were cleared or flushed."""
  errors: int
  """Calls that failed, and keys that failed in a call on many keys."""
  retries: int
  """Requests that were sent to DynamoDB again, because it was busy or the connection broke."""
  pending: int
  """Calls that wait for the backend now."""
  fallbacks: int
  """Calls of `get_or_set` and `cached` that continued without the cache, because it failed."""
  seconds: float
  """Total seconds between each call and its answer. For an in-memory cache it is an estimate."""
  entries: Optional[int]
  """Entries stored, including expired ones that are not removed yet."""
  bytes: Optional[int]
  """Bytes in use."""
  limit: Optional[int]
  """Max bytes to use."""
  evictions: Optional[int]
  """Entries that were removed before they expired, to free memory for others."""
  expirations: Optional[int]
  """Entries that were removed because they had expired."""
  http: Optional[HttpStats] = None
  """What the HTTP middlewares of the cache have done. None if there are none."""


Stats.__module__ = 'cachette'  # the public name
