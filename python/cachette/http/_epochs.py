# SPDX-License-Identifier: MIT
"""What was purged: a log in the store, and what this process knows of it.

A purge does not look for records; it could not find them in most stores. It adds an entry to a log,
and a record is judged when it is used:

    http:epoch       a counter: the number of the last purge
    http:purge:N     the entry of purge N, for 30 days: which records it is about

A record has the number of the last purge that its worker knew before the origin was asked. The
record was purged if an entry with a higher number is about it. So a response that is under way
during a purge has a number from before it, and a worker that knows too little never knows too much:
its records may only be purged too often.

Workers read the counter at most every half second, together with a record, in one round trip.

With the option `secret` the entries are signed, but not the counter, because counters cannot be.
Whoever can write to the store can hide purges, as by putting old records back.

When in doubt, records are purged. `floor` is the number below which all are: of the counter's
start, since nothing is known of the time before; of an entry that is lost; and of entries that this
process has forgotten, because it keeps a limited number of them. The counter starts with the time
in microseconds, so that one which starts again, after the store was emptied, is above all that were
known before.
"""

import asyncio
import json
import os
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from .._cachette import HttpEpochs, http_tags
from .._exceptions import CachetteError
from . import _uris

if TYPE_CHECKING:
  from .._core import Cachette

VALID = 0
SOFT = 1
PURGED = 2

COUNTER = 'http:epoch'
STARTING = 'http:epoch:starting'  # a lock of the worker that starts the counter
ENTRY = 'http:purge:{}'

_FLOOR = 10**15  # a counter below it was not started: microseconds since 1970 are above
_COUNTER_MAX = 2**63 - 1
_COUNTER_SECONDS = 10 * 365 * 86_400
_ENTRY_SECONDS = 30 * 86_400
_STARTING_SECONDS = 5

_FRESH = 0.5  # seconds after which a worker reads the counter with the next record
_USABLE = 1.0  # seconds for which it goes on with what it knows while another task reads
_RECENT = 2.0  # seconds in which a missing entry may be one that is being put
_PENDING = 1.0  # seconds that a missing entry is waited for
_READ_MAX = 4096  # entries that are read at once at most
_BATCH = 256
_RULES_MAX = 16_384  # that a process keeps
_PREFIXES_MAX = 512  # each is compared, one after another

epoch_of = struct.Struct('<Q').unpack_from
EPOCH_AT = 128  # its place in a record; see "HTTP records" in docs/decisions.md

clock = time.monotonic  # tests replace it

_Numbers = Tuple[int, int]  # of the last purge and of the last soft purge
_NEVER: _Numbers = (0, 0)


class EpochUnknown(CachetteError):
  """It is not known what was purged."""


class Log(NamedTuple):
  """The calls of the store."""

  counters: 'Cachette'  # without signatures
  entries: 'Cachette'


class Entry(NamedTuple):
  """What a purge is about."""

  keys: Tuple[str, ...] = ()  # "http:..." of URIs
  urls: Tuple[str, ...] = ()  # the same URIs in normal form
  prefixes: Tuple[str, ...] = ()  # of URIs in normal form
  tags: Tuple[str, ...] = ()
  groups: Tuple[str, ...] = ()  # of any origin
  all: bool = False
  soft: bool = False

  def dump(self) -> bytes:
    fields = {name: value for name, value in self._asdict().items() if value}
    return json.dumps(fields, separators=(',', ':')).encode()

  @classmethod
  def load(cls, data: Optional[bytes]) -> 'Optional[Entry]':
    """Returns None for bytes that dump() did not make; such an entry is lost."""
    try:
      fields = json.loads(data or b'')
      names = {name: _texts(value) for name, value in fields.items() if name not in ('all', 'soft')}
      flags = {name: bool(fields.get(name)) for name in ('all', 'soft')}
      fields = {**names, **flags}
      return cls(**fields)
    except (ValueError, TypeError, AttributeError, RecursionError):
      return None


def _texts(value: Any) -> Tuple[str, ...]:
  if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
    raise TypeError('not an array of strings')
  for each in value:
    encode_tag(each)  # raises ValueError if that is not possible
  return tuple(value)


def _latest(left: _Numbers, right: _Numbers) -> _Numbers:
  return max(left[0], right[0]), max(left[1], right[1])


class _Rules:
  """The entries that this process knows, by what they are about."""

  def __init__(self) -> None:
    self.keys: Dict[Any, _Numbers] = {}
    self.urls: Dict[Any, _Numbers] = {}
    self.prefixes: Dict[Any, _Numbers] = {}
    self.tags: Dict[Any, _Numbers] = {}  # by bytes, like groups
    self.groups: Dict[Any, _Numbers] = {}
    self.all: _Numbers = _NEVER
    self._tables = [self.keys, self.urls, self.prefixes, self.tags, self.groups]

  def add(self, number: int, entry: Entry) -> None:
    numbers = (0, number) if entry.soft else (number, 0)
    # A URI with a body or with cookies has other keys, which only a tag of the record tells.
    uri_tags = [f'uri {key.rpartition(":")[2]}' for key in entry.keys]
    names: List[Iterable[Any]] = [
      entry.keys,
      entry.urls,
      entry.prefixes,
      map(encode_tag, [*entry.tags, *uri_tags]),
      map(encode_tag, entry.groups),
    ]
    for table, each in zip(self._tables, names):
      for name in each:
        table[name] = _latest(table.get(name, _NEVER), numbers)
    if entry.all:
      self.all = _latest(self.all, numbers)

  def forget(self) -> int:
    """Forgets the older half if there are too many. Returns the highest number of these, or 0."""
    if len(self.prefixes) > _PREFIXES_MAX:
      crowded = [self.prefixes]
    elif sum(map(len, self._tables)) > _RULES_MAX:
      crowded = self._tables
    else:
      return 0
    numbers = sorted(max(each) for table in crowded for each in table.values())
    last = numbers[len(numbers) // 2]
    for table in self._tables:
      for name in [name for name, each in table.items() if max(each) <= last]:
        del table[name]
    return last

  def judge(
    self, epoch: int, index_key: str, tags: Iterable[bytes], scope: Mapping[str, Any]
  ) -> int:
    numbers = _latest(self.all, self.keys.get(index_key, _NEVER))
    for tag in tags:
      numbers = _latest(numbers, self.tags.get(tag, _NEVER))
      if self.groups and b'://' in tag:  # the tag of a group has its origin, which has no space
        numbers = _latest(numbers, self.groups.get(tag.partition(b' ')[2], _NEVER))
    if numbers[0] <= epoch and (self.urls or self.prefixes):
      numbers = _latest(numbers, self._find_uri(scope))
    return PURGED if numbers[0] > epoch else SOFT if numbers[1] > epoch else VALID

  def _find_uri(self, scope: Mapping[str, Any]) -> _Numbers:
    uri = _uris.uri_of(scope)
    if uri is None:
      return _NEVER
    numbers = self.urls.get(uri, _NEVER)
    for prefix, found in self.prefixes.items():
      if uri.startswith(prefix):
        numbers = _latest(numbers, found)
    return numbers


class Epochs(HttpEpochs):
  """What was purged, as far as this process knows."""

  number: int
  """The number of the last purge that is known: the `epoch` of a record whose response is asked for
  from now on. Read it before the origin is asked."""

  def __init__(self, is_local: bool) -> None:
    """Knows nothing yet; or, for a store that only this process uses, all."""
    self._is_local = is_local
    start = _now_us() if is_local else 0
    self.number = start
    self.floor = start
    self.newest = start
    self._rules = _Rules()
    self._checked = float('-inf')  # when the last successful look at the counter began
    self._begun = float('-inf')  # when the last one began
    self._missing: Optional[Tuple[int, float]] = None  # an entry, and since when it is missing

  # ---- Records

  def judge(self, record: bytes, index_key: str, scope: Mapping[str, Any]) -> int:
    """Returns whether a record was purged: VALID (0), SOFT (1: use it as if its lifetime had just
    ended) or PURGED (2: it is a miss). Call it for a record that decide() accepted.

    index_key: the key of the request, as HttpExchange has it.
    """
    epoch: int = epoch_of(record, EPOCH_AT)[0]
    if epoch >= self.newest:
      return VALID
    if epoch < self.floor:
      return PURGED
    with _lock:
      return self._rules.judge(epoch, index_key, http_tags(record), scope)

  # ---- What is known

  def is_due(self) -> bool:
    """Returns whether refresh() must run before a record is used."""
    if self._is_local:
      return False
    now = clock()
    age = now - self._checked
    return age > _FRESH and (age > _USABLE or now - self._begun > _FRESH)

  async def refresh(self, log: Log) -> None:
    """Reads what was purged since the last time. Raises CachetteError if that is not known."""
    begun = self._begun = clock()
    number = _read_number(await log.counters.fetch(COUNTER))
    if number < max(self.number, _FLOOR):
      number = await self._start(log.counters)
    if number > self.number:
      is_recent = begun - self._checked < _RECENT and number - self.number <= _READ_MAX
      await self._read_entries(log.entries, number, is_recent)
    self._checked = max(self._checked, begun)

  async def _start(self, counters: 'Cachette') -> int:
    """Starts the counter if it is lost or was never there, and returns it.

    A fetch may have come from a replica that is behind, so the counter itself is asked first.
    """
    number = await counters.increment(COUNTER, 0, ttl=_COUNTER_SECONDS)
    if number >= max(self.number, _FLOOR):
      return number
    if not await counters.add(STARTING, b'1', ttl=_STARTING_SECONDS):
      return await self._wait_for_start(counters)
    above = max(_now_us(), self.number + _READ_MAX + 1)
    return await counters.increment(COUNTER, above - number, ttl=_COUNTER_SECONDS)

  async def _wait_for_start(self, counters: 'Cachette') -> int:
    """Waits until another worker has started the counter."""
    for _ in range(3):
      await asyncio.sleep(0.01)
      number = _read_number(await counters.fetch(COUNTER))
      if number >= max(self.number, _FLOOR):
        return number
    raise EpochUnknown('another worker starts the log of purges')

  async def _read_entries(self, cache: 'Cachette', number: int, is_recent: bool) -> None:
    """Reads the entries up to a number, the last one first, until one is missing."""
    first = max(self.number + 1, number - _READ_MAX + 1)
    entries: Dict[int, Entry] = {}
    missing = first - 1 if first > self.number + 1 else 0
    for end in range(number, first - 1, -_BATCH):
      numbers = range(end, max(end - _BATCH, first - 1), -1)
      found = await cache.fetch_many([ENTRY.format(each) for each in numbers])
      loaded = {each: Entry.load(found.get(ENTRY.format(each))) for each in numbers}
      entries.update({each: entry for each, entry in loaded.items() if entry is not None})
      lost = [each for each, entry in loaded.items() if entry is None]
      if lost:
        missing = max(missing, *lost) if not is_recent else missing
        if not is_recent:
          break
    self._learn(number, entries, missing, is_recent)

  def _learn(self, number: int, entries: Dict[int, Entry], missing: int, is_recent: bool) -> None:
    with _lock:
      for each in sorted(entries):
        self._apply(each, entries[each])
      known = self._known_up_to(number, entries) if is_recent else number
      self._raise_floor(missing)
      self.number = max(self.number, known)

  def _known_up_to(self, number: int, entries: Dict[int, Entry]) -> int:
    """Returns the number before the first missing entry, which may be one that is being put. If it
    is missing for long, it is lost."""
    first = max(self.number + 1, number - _READ_MAX + 1)
    gap = next((each for each in range(first, number + 1) if each not in entries), None)
    if gap is None:
      self._missing = None
      return number
    now = clock()
    if self._missing is None or self._missing[0] != gap:
      self._missing = gap, now
    if now - self._missing[1] <= _PENDING:
      return gap - 1
    self._missing = None
    self._raise_floor(max(each for each in range(gap, number + 1) if each not in entries))
    return number

  def _apply(self, number: int, entry: Entry) -> None:
    self._rules.add(number, entry)
    self.newest = max(self.newest, number)
    self._raise_floor(self._rules.forget())

  def _raise_floor(self, number: int) -> None:
    self.floor = max(self.floor, number)
    self.newest = max(self.newest, self.floor)

  # ---- Purges

  async def add(self, log: Log, entry: Entry) -> None:
    """Purges: adds an entry to the log. Raises CachetteError if that fails."""
    if self._is_local:
      with _lock:
        self._apply(self.number + 1, entry)
        self.number += 1
      return
    number = await log.counters.increment(COUNTER, 1, ttl=_COUNTER_SECONDS)
    if number < max(self.number, _FLOOR):
      await self._start(log.counters)
      number = await log.counters.increment(COUNTER, 1, ttl=_COUNTER_SECONDS)
    await log.entries.put(ENTRY.format(number), entry.dump(), ttl=_ENTRY_SECONDS)
    with _lock:
      self._apply(number, entry)
      if number == self.number + 1:
        self.number = number


def encode_tag(tag: str) -> bytes:
  return tag.encode('utf-8', 'surrogateescape')


def decode_tag(tag: bytes) -> str:
  return tag.decode('utf-8', 'surrogateescape')


def _read_number(digits: Optional[bytes]) -> int:
  """Returns the value of a counter; 0 if there is none, or if no counter can have it."""
  try:
    number = int(digits or b'0')
  except ValueError:
    return 0
  return number if number <= _COUNTER_MAX else 0


def _now_us() -> int:
  return time.time_ns() // 1_000


_lock = threading.Lock()


def _after_fork() -> None:
  """Replaces the lock, which another thread of the parent may have held."""
  global _lock
  _lock = threading.Lock()


if hasattr(os, 'register_at_fork'):
  os.register_at_fork(after_in_child=_after_fork)
