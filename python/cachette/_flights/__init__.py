# SPDX-License-Identifier: MIT
"""Single flight: of all who miss a key at once, one computes and the others wait for it.

    get_or_set   hit: gives the value                     (in memory no line of this package runs)
                 miss: compute()          a flight, shared by the callers of one event loop
                 miss: compute_blocking() a flight, shared by the threads of the process

A flight is found by configuration and key. Flights of one event loop are not shared with another:
what waits in a loop can only be woken safely by that loop. Nor are they shared with other
processes: each computes for itself.

What was read before a write to the key must not be stored after it. So a flight takes a lease of
the extension (lease.c) before it computes, and stores by that. A write to the key ends the lease:
those who wait get the value all the same, it is not stored, and who asks later begins a new flight.

    _loops     flights of event loops        _circles   which of them wait for which
    _threads   flights of threads            _order     writes that wait for the put of a flight
    _common    what both do alike
"""

import os

from .. import _fallbacks
from .._cachette import check_ttl, forked
from .._returns import returns_of
from . import _circles, _loops, _threads
from ._common import MISSING, note_failure
from ._loops import compute, get_or_set, missed
from ._order import behind, behind_now
from ._threads import compute_blocking, get_or_set_blocking

__all__ = [
  'MISSING',
  'behind',
  'behind_now',
  'check_ttl',
  'compute',
  'compute_blocking',
  'get_or_set',
  'get_or_set_blocking',
  'missed',
  'note_failure',
  'returns_of',
]


def _after_fork() -> None:
  """What computes in the parent does not land in the child."""
  forked()
  for each in (_circles, _fallbacks, _loops, _threads):
    each.after_fork()


if hasattr(os, 'register_at_fork'):
  os.register_at_fork(after_in_child=_after_fork)
