# SPDX-License-Identifier: MIT
"""Calls that went on without the cache, because it failed: they are counted, and logged.

The log gets a line at most once in ten seconds for each configuration: a server that is down would
otherwise fill it with a line for each request.
"""

import threading
import time
from weakref import WeakKeyDictionary

PAUSE = 10  # seconds between two lines of the log

clock = time.monotonic  # tests have another in its place


class _Fallbacks:
  __slots__ = ('count', 'logged', 'untold')

  def __init__(self) -> None:
    self.count = 0
    self.logged = float('-inf')  # when the last line was
    self.untold = 0  # how many there were since


# By the class that was configured. A Config would be kept alive by this, with all its entries.
_table: 'WeakKeyDictionary[type, _Fallbacks]' = WeakKeyDictionary()
_lock = threading.RLock()  # what the garbage collector runs inside may come here too


def _configured(cls: type) -> type:
  """The class whose `load_config` this one uses: itself, or one that it inherits from."""
  return next((each for each in cls.__mro__ if '_config' in vars(each)), cls)


def note(cls: type, reason: BaseException) -> None:
  """A call went on without the cache of a class, for this reason."""
  owner = _configured(cls)
  with _lock:
    known = _table.setdefault(owner, _Fallbacks())
    known.count += 1
    now = clock()
    if now - known.logged < PAUSE:
      known.untold += 1
      return
    untold, known.untold, known.logged = known.untold, 0, now
  _log(owner, reason, untold)


def _log(owner: type, reason: BaseException, untold: int) -> None:
  from logging import getLogger

  more = f' ({untold} more since the last such line)' if untold else ''
  getLogger('cachette').warning(
    '%s goes on without its cache: %s: %s%s', owner.__name__, type(reason).__name__, reason, more
  )


def count(cls: type) -> int:
  """How often calls went on without the cache of this class since it was configured."""
  with _lock:
    known = _table.get(_configured(cls))
    return known.count if known is not None else 0


def forget(cls: type) -> None:
  """The class is configured anew."""
  with _lock:
    _table.pop(cls, None)


def after_fork() -> None:
  """Another thread of the parent may have held the lock."""
  global _lock
  _lock = threading.RLock()
