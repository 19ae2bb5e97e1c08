# SPDX-License-Identifier: MIT
"""Single flight: of all callers that miss a key at once, one computes and the others wait for it.

    get_or_set   hit: returns the value      (in memory this is C code only)
                 miss: compute()             a flight that the callers of one event loop share
                 miss: compute_blocking()    a flight that the threads of the process share

A flight is identified by its configuration and key. Event loops do not share flights, because only
the loop itself can safely wake a task that waits in it. Processes do not share them either: each
computes for itself.

A value that was read before a write to its key must not be stored after it. So a flight takes a
lease (lease.c of the extension) before it computes, and stores under that lease. A write to the key
ends the lease: the callers that wait still get the value, but it is not stored, and a later caller
starts a new flight.

    _loops     flights of event loops        _cycles   which flights wait for which
    _threads   flights of threads            _order    writes that wait for the put of a flight
    _common    what both have in common
"""

import os

from .. import _fallbacks
from .._cachette import check_ttl, forked
from .._returns import returns_of
from . import _cycles, _loops, _threads
from ._common import MISSING, record_failure
from ._loops import compute, finished, get_or_set, missed
from ._order import wait_for_puts, write_after_puts
from ._threads import compute_blocking, get_or_set_blocking

__all__ = [
  'MISSING',
  'check_ttl',
  'compute',
  'compute_blocking',
  'finished',
  'get_or_set',
  'get_or_set_blocking',
  'missed',
  'record_failure',
  'returns_of',
  'wait_for_puts',
  'write_after_puts',
]


def _after_fork() -> None:
  """Resets the child: flights of the parent never finish in it."""
  forked()
  for each in (_cycles, _fallbacks, _loops, _threads):
    each.after_fork()


if hasattr(os, 'register_at_fork'):
  os.register_at_fork(after_in_child=_after_fork)
