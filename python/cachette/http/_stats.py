# SPDX-License-Identifier: MIT
"""What the HTTP caches of a class have done in this process."""

from typing import Any, Dict, Optional
from weakref import WeakKeyDictionary

from .._cachette import HttpCounters
from .._stats import HttpStats


class Counters(HttpCounters):
  """The counts of one cache, in a form that is cheap to change. Most hits, and requests that pass
  at once, are counted in C."""

  __slots__ = ('__weakref__', 'coalesced', 'passed', 'revalidated', 'stale', 'stored')

  passed: Dict[str, int]

  def __init__(self) -> None:
    self.reset()

  def reset(self) -> None:
    self.hits = self.misses = self.stale = self.revalidated = 0
    self.coalesced = self.stored = self.bytes = 0
    self.passed = {}

  def pass_on(self, reason: str) -> None:
    self.passed[reason] = self.passed.get(reason, 0) + 1

  def read(self, errors: int) -> HttpStats:
    return HttpStats(
      self.hits,
      self.misses,
      self.stale,
      self.revalidated,
      dict(self.passed),
      self.coalesced,
      self.stored,
      self.bytes,
      errors,
    )


_counters: 'WeakKeyDictionary[type, Counters]' = WeakKeyDictionary()


def counters_of(cls: type) -> Counters:
  """Returns the counters of a class, which are the same object as long as the class lives."""
  counters = _counters.get(cls)
  return counters if counters is not None else _counters.setdefault(cls, Counters())


def read_stats(cls: Any) -> Optional[HttpStats]:
  """Returns the statistics of a class, or None if no middleware uses it."""
  counters = _counters.get(cls)
  if counters is None:
    return None
  link = cls._config.link
  return counters.read(link.errors if link is not None else 0)


def reset_stats(cls: type) -> None:
  """Begins anew, because a class has a new configuration."""
  counters = _counters.get(cls)
  if counters is not None:
    counters.reset()
