# SPDX-License-Identifier: MIT
"""The result of `Cachette.stats()`."""

from typing import NamedTuple, Optional


class Stats(NamedTuple):
  """What a cache has done in this process since its configuration was loaded.

  The last five are figures of the backend. They are None if the backend does not report them.
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


Stats.__module__ = 'cachette'  # the public name
