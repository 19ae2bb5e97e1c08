# SPDX-License-Identifier: MIT
"""Which flights wait for which, so that none waits for itself.

    task 1:  flight a -- its factory needs b --> flight b        b waits for a already: the factory
    task 2:  flight b -- its factory needs a --> flight a        of a computes b by itself, unshared

What runs inside a flight is known by its context, which tasks and `asyncio.to_thread` copy.
`loop.run_in_executor` does not: what a function asks for there belongs to no flight, and a circle
that leads through it is not seen.
"""

import threading
from contextvars import ContextVar
from typing import List, Optional, Tuple


class Mark:
  """What a flight is known by inside of it. It does not keep the flight's value alive."""

  __slots__ = ('awaited',)

  def __init__(self) -> None:
    self.awaited: List[Mark] = []  # the flights that the code inside waits for


NOBODY = Mark()
"""Who waits outside of any flight."""

# The flights that this code runs in, the innermost last.
_within: ContextVar[Tuple[Mark, ...]] = ContextVar('cachette._flights', default=())
# Flights of all loops and threads. What the garbage collector runs inside may come here too.
_lock = threading.RLock()


def begin_wait(awaited: Mark) -> Optional[Mark]:
  """This code is going to wait for a flight. Gives who waits, for end_wait().

  None: it must not wait, for that flight waits for one that this code runs in.
  """
  within = _within.get()
  if not within:
    return NOBODY
  with _lock:
    if _reaches(awaited, within):
      return None
    within[-1].awaited.append(awaited)
  return within[-1]


def end_wait(who: Mark, awaited: Mark) -> None:
  if who is not NOBODY:
    with _lock:
      who.awaited.remove(awaited)


def _reaches(start: Mark, goals: Tuple[Mark, ...]) -> bool:
  """Whether a flight is one of these, or waits for one of them, however indirectly."""
  seen, left = {start}, [start]
  while left:
    mark = left.pop()
    if mark in goals:
      return True
    fresh = [each for each in mark.awaited if each not in seen]
    seen.update(fresh)
    left += fresh
  return False


def enter(mark: Mark) -> 'object':
  """From here on this code runs inside of a flight. Gives what leave() takes."""
  return _within.set((*_within.get(), mark))


def leave(token: 'object') -> None:
  _within.reset(token)  # type: ignore[arg-type]


def after_fork() -> None:
  """Another thread of the parent may have held the lock."""
  global _lock
  _lock = threading.RLock()
