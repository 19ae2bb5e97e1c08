# SPDX-License-Identifier: MIT
"""What `Cachette.stats()` gives."""

from typing import NamedTuple, Optional


class Stats(NamedTuple):
  """What a cache has done in this process since its configuration was loaded.

  The last five are the backend's own figures; None where it does not tell them.
  """

  hits: int
  """Keys that were fetched and found."""
  misses: int
  """Keys that were fetched and not found."""
  puts: int
  """Keys that were put or counted."""
  clears: int
  """Entries that were cleared or flushed."""
  errors: int
  """Calls that failed, and keys that failed among those of one call."""
  retries: int
  """Requests that DynamoDB was sent again, because it was busy or the connection broke."""
  pending: int
  """Calls that wait for the backend now."""
  fallbacks: int
  """Calls of `get_or_set` and `cached` that went on without the cache, because it failed."""
  seconds: float
  """Time between each call and its answer, added up; in-memory an estimate from some of them."""
  entries: Optional[int]
  """Entries held, those included whose time is over and that have not been removed yet."""
  bytes: Optional[int]
  """Bytes in use."""
  limit: Optional[int]
  """Bytes that may be."""
  evictions: Optional[int]
  """Entries that had to make room for others before their time."""
  expirations: Optional[int]
  """Entries that were removed because their time was over."""
