# SPDX-License-Identifier: MIT
"""Counts and logs calls that continued without the cache, because it failed.

It logs at most one line in ten seconds for each configuration. Otherwise a server that is down
would add a line for each request.
"""

import threading
import time
from weakref import WeakKeyDictionary

LOG_INTERVAL = 10  # seconds

clock = time.monotonic  # tests replace it


class _Fallbacks:
  __slots__ = ('count', 'logged', 'unlogged')

  def __init__(self) -> None:
    self.count = 0
    self.logged = float('-inf')  # when the last line was logged
    self.unlogged = 0  # calls since then


# By the configured class. A Config as the key would be kept alive, with all its entries.
_table: 'WeakKeyDictionary[type, _Fallbacks]' = WeakKeyDictionary()
_lock = threading.RLock()  # reentrant: the garbage collector may run code that comes here again


def _configured_class(cls: type) -> type:
  """Returns the class whose `load_config` this class uses: itself, or a base class."""
  return next((each for each in cls.__mro__ if '_config' in vars(each)), cls)


def record(cls: type, reason: BaseException) -> None:
  """Records that a call continued without the cache of a class, and why."""
  owner = _configured_class(cls)
  with _lock:
    entry = _table.setdefault(owner, _Fallbacks())
    entry.count += 1
    now = clock()
    if now - entry.logged < LOG_INTERVAL:
      entry.unlogged += 1
      return
    unlogged, entry.unlogged, entry.logged = entry.unlogged, 0, now
  _log(owner, reason, unlogged)


def _log(owner: type, reason: BaseException, unlogged: int) -> None:
  from logging import getLogger

  more = f' ({unlogged} more since the last such message)' if unlogged else ''
  getLogger('cachette').warning(
    '%s continues without its cache: %s: %s%s', owner.__name__, type(reason).__name__, reason, more
  )


def count(cls: type) -> int:
  """Returns how many calls continued without the cache since the class was configured."""
  with _lock:
    entry = _table.get(_configured_class(cls))
    return entry.count if entry is not None else 0


def reset(cls: type) -> None:
  """Forgets the calls of a class, because it has a new configuration."""
  with _lock:
    _table.pop(cls, None)


def after_fork() -> None:
  """Replaces the lock, which another thread of the parent may have held."""
  global _lock
  _lock = threading.RLock()
