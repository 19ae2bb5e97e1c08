# SPDX-License-Identifier: MIT
"""The wait-for graph of flights, which prevents a flight from waiting for itself.

    task 1:  flight a -- its factory needs b --> flight b        b already waits for a, so the
    task 2:  flight b -- its factory needs a --> flight a        factory of a computes b itself

A context variable tells which flights the running code is in. Tasks and `asyncio.to_thread` copy
it. `loop.run_in_executor` does not: a function that runs there is in no flight, so a cycle through
it is not detected.
"""

import threading
from contextvars import ContextVar
from typing import List, Optional, Tuple


class Node:
  """A flight in the wait-for graph. It does not keep the value of the flight alive."""

  __slots__ = ('awaited',)

  def __init__(self) -> None:
    self.awaited: List[Node] = []  # the flights that code in this flight waits for


OUTSIDE = Node()
"""Stands for code that waits outside of any flight."""

# The flights that the running code is in, innermost last.
_within: ContextVar[Tuple[Node, ...]] = ContextVar('cachette._flights', default=())
# Guards the nodes of all loops and threads. Reentrant, because the garbage collector may run code
# that comes here again.
_lock = threading.RLock()


def begin_wait(awaited: Node) -> Optional[Node]:
  """Registers that the running code waits for a flight.

  Returns the node that waits, for end_wait(). Returns None if the code must not wait, because that
  flight waits for one that the code is in.
  """
  within = _within.get()
  if not within:
    return OUTSIDE
  with _lock:
    if _reaches(awaited, within):
      return None
    within[-1].awaited.append(awaited)
  return within[-1]


def end_wait(node: Node, awaited: Node) -> None:
  if node is not OUTSIDE:
    with _lock:
      node.awaited.remove(awaited)


def _reaches(start: Node, goals: Tuple[Node, ...]) -> bool:
  """Returns whether a flight is one of the goals, or waits for one, directly or not."""
  visited, stack = {start}, [start]
  while stack:
    node = stack.pop()
    if node in goals:
      return True
    fresh = [each for each in node.awaited if each not in visited]
    visited.update(fresh)
    stack += fresh
  return False


def enter(node: Node) -> 'object':
  """Marks the running code as being in a flight. Returns a token for leave()."""
  return _within.set((*_within.get(), node))


def leave(token: 'object') -> None:
  _within.reset(token)  # type: ignore[arg-type]


def after_fork() -> None:
  """Replaces the lock, which another thread of the parent may have held."""
  global _lock
  _lock = threading.RLock()
