# SPDX-License-Identifier: MIT
"""Stores HTTP records in the backend of a Cachette class.

Records are bytes, whatever the codec of the class is. So a class of its own has the calls, with a
copy of the configuration: the same store, `secret`, `compression` and key prefix, but bytes as they
are, and little time for fetches.

A record that does not fit into an item of the backend is stored in parts:

    http:KEY             the head
    http:KEY:SUM:0 ...   the body; SUM is its checksum, which the head has, too

The head is put last, and another body has other keys. So whoever finds a head finds the body that
belongs to it, or a part is missing, which is a miss.
"""

import asyncio
import os
import threading
from typing import (
  TYPE_CHECKING,
  Any,
  Awaitable,
  Dict,
  Iterable,
  List,
  Optional,
  Sequence,
  Tuple,
  Type,
  cast,
)
from weakref import WeakKeyDictionary, WeakValueDictionary

from .._cachette import Cache, HttpLane, close, configure, http_describe, http_matches
from .._core import Cachette
from .._exceptions import CachetteError
from ._epochs import Entry, Epochs, EpochUnknown, Log, clock, decode_tag

if TYPE_CHECKING:
  Records = Cachette
else:

  class Records(Cache):
    """The calls of Cachette. It is no subclass, so that cachette.testing does not isolate it."""

    fetch = Cachette.fetch
    fetch_many = Cachette.fetch_many
    put = Cachette.put
    put_many = Cachette.put_many
    add = Cachette.add
    increment = Cachette.increment
    delete = Cachette.delete
    clear_many = Cachette.clear_many


CODEC = 'cachette-http'  # signatures cover this name
_KEY = 'http:'

LOG_INTERVAL = 60  # seconds

_MEMO_SECONDS = 1.0
_MEMO_MAX = 1024
# What stands where a record was cleared, and beside it: this, and random bytes. A run that began
# before must not store its response. It stays for longer than handlers usually take.
CLEARED = b'cleared:'
_BESIDE = ':cleared'
_CLEARED_SECONDS = 60.0

_SPARE_MS = 60_000  # that parts of a body are kept longer than the head
_MANY_BYTES = 4 << 20  # of a body that are put at once

# Bytes of head and body that are stored as one item, and of a part of a body. Besides, an item has
# the key, which may have a long prefix, and an envelope.
_LIMITS = {
  'memcached': 512 << 10,  # an item has 1 MiB, if the server is not configured otherwise
  'dynamodb': 350_000,  # 400 KB
  'mongodb': 8 << 20,  # 16 MB
}
_NO_LIMIT = 1 << 62


class Link:
  """What belongs to the records of a configuration. All stores of the class share it."""

  def __init__(self, config: Any) -> None:
    self.config = config
    self.errors = 0
    self.memo: Dict[str, Tuple[float, bytes]] = {}
    self.backend = config.get('backend')
    self.limit = _LIMITS.get(self.backend, _NO_LIMIT)
    self.epochs = _epochs_of(config, self.backend)
    # An in-memory store without a name is used by this configuration only, so a fetch cannot fail.
    name = config.get('memory_name') or ''
    self.cannot_fail = self.backend == 'inmemory' and name.startswith('python:')
    self.stores = 0  # that have used it
    self._classes: Dict[Tuple[int, bool], Type[Records]] = {}
    self._refreshes: Dict[Any, asyncio.Task[None]] = {}
    self._logged = float('-inf')

  def log(self, timeout_ms: int) -> Log:
    """Returns the calls for counters, and those for all else. Fetches take at most this time."""
    is_signed = self.config.is_signed()
    return Log(self._calls(timeout_ms, False), self._calls(timeout_ms, is_signed))

  def _calls(self, timeout_ms: int, is_signed: bool) -> Records:
    found = self._classes.get((timeout_ms, is_signed))
    if found is None:
      found = cast('Type[Records]', type('Records', (Records,), {'__slots__': ()}))
      configure(found, self.config.raw(CODEC, timeout_ms, is_signed))
      self._classes[timeout_ms, is_signed] = found
    return found()

  def refresh(self, log: Log, timeout_ms: int) -> 'asyncio.Future[None]':
    """Reads what was purged. All who ask meanwhile share one read, since an empty store has a
    counter to start, which must happen once. The read goes on if a request is cancelled."""
    running = asyncio.get_running_loop()
    place = running, timeout_ms
    task = self._refreshes.get(place)
    if task is None:
      task = self._refreshes[place] = running.create_task(self.epochs.refresh(log))

      def end(task: 'asyncio.Task[None]') -> None:
        if self._refreshes.get(place) is task:
          del self._refreshes[place]
        if not task.cancelled():
          task.exception()  # it may be that nobody waits any more

      task.add_done_callback(end)
    return asyncio.shield(task)

  def close(self) -> None:
    for each in self._classes.values():
      close(each)

  def failed(self, error: CachetteError) -> None:
    """Counts an error, and logs it unless one was logged in the last minute."""
    self.errors += 1
    if isinstance(error, EpochUnknown) or clock() - self._logged < LOG_INTERVAL:
      return
    from logging import getLogger

    self._logged = clock()
    getLogger('cachette.http').warning(
      'Responses are not cached, because the store failed: %s: %s', type(error).__name__, error
    )


_lock = threading.Lock()
_policies: 'WeakKeyDictionary[Type[Cachette], List[Any]]' = WeakKeyDictionary()
# Stores in memory by their name: classes with the same name share entries, and so what was purged.
_local_epochs: 'WeakValueDictionary[str, Epochs]' = WeakValueDictionary()


def _epochs_of(config: Any, backend: str) -> Epochs:
  if backend not in ('inmemory', 'none'):
    return Epochs(is_local=False)
  name = f'{backend} {config.get("memory_name")}'
  epochs = _local_epochs.get(name)
  if epochs is None:
    epochs = _local_epochs[name] = Epochs(is_local=True)
  return epochs


def link_of(cache: Type[Cachette]) -> Link:
  """Returns the link of the current configuration of a class."""
  config = cache._config
  if config.link is None:
    with _lock:
      if config.link is None:
        config.link = Link(config)
  link: Link = config.link
  return link


def policies_of(cache: Type[Cachette]) -> List[Any]:
  """Returns the policies of all stores that have the configuration of a class."""
  config = cache._config
  with _lock:
    found = [each for each in _policies.items() if each[0]._config is config]
  return [policy for _, policies in found for policy in policies]


def _add_policy(cache: Type[Cachette], policy: Any) -> None:
  with _lock:
    known = _policies.setdefault(cache, [])
    if policy not in known:
      known.append(policy)


def _after_fork() -> None:
  """Replaces the lock, which another thread of the parent may have held."""
  global _lock
  _lock = threading.Lock()


if hasattr(os, 'register_at_fork'):
  os.register_at_fork(after_in_child=_after_fork)


class Store:
  """The records of one middleware, in the backend of a Cachette class.

  The class may be configured later, or anew: each call uses the configuration that is current. Use
  a store in any event loop and thread.
  """

  def __init__(
    self, cache: Type[Cachette], timeout: float = 0.05, policy: Optional[Any] = None
  ) -> None:
    """Creates a store.

    cache: the class; several stores of a class share records, and what was purged.
    timeout: the seconds that a fetch may take.
    policy: with it, purge(url=...) finds the keys of this middleware.
    """
    self._cache = cache
    self._timeout_ms = max(1, round(timeout * 1000))
    self._config: Any = None
    self._link: Link
    self._log: Log
    self._records: Records
    self._cannot_fail = False
    if policy is not None:
      _add_policy(cache, policy)

  def _linked(self) -> Link:
    config = self._cache._config
    if config is not self._config:
      self._link = link_of(self._cache)
      self._log = self._link.log(self._timeout_ms)
      self._records = self._log.entries
      self._cannot_fail = self._link.cannot_fail
      self._config = config
      self._link.stores += 1
    return self._link

  def link_lane(self, lane: HttpLane) -> None:
    """Lets a lane use the store of the current configuration."""
    link = self._linked()
    is_local = link.backend in ('inmemory', 'none')
    memo = None if is_local else link.memo
    lane.link(self._config, type(self._records), link.epochs, memo, clock)

  def failed(self, error: CachetteError) -> None:
    """Counts an error of a fetch that the lane made."""
    self._linked().failed(error)

  @property
  def epochs(self) -> Epochs:
    """What was purged, as far as this process knows. Do not keep it: ask again in each request."""
    return self._linked().epochs

  @property
  def errors(self) -> int:
    """Calls that failed or ran out of time, of all stores of the class since it was configured."""
    return self._linked().errors

  @property
  def now_ms(self) -> Optional[int]:
    """The time of the stopped clock of cachette.testing, or None: the real time."""
    stopped: Optional[int] = self._cache._config.stopped_ms()
    return stopped

  # ---- Reading

  def fetch(self, key: str, memo: bool = True) -> Awaitable[Optional[bytes]]:
    """Returns what is stored for a key: a record's head and perhaps its body, or an index record.

    Returns None on a miss, and if the store fails or is too slow, or if it is not known what was
    purged in the last second. After a fetch, `epochs` is at most a second old.

    memo: whether remember() counts.
    """
    link = self._linked()
    if self._cannot_fail:
      return self._records.fetch(key)
    return self._fetch(link, key, memo)

  async def _fetch(self, link: Link, key: str, memo: bool) -> Optional[bytes]:
    if link.memo and memo:
      known = link.memo.get(key)
      if known is not None and known[0] > clock():
        return known[1]
    try:
      if not link.epochs.is_due():
        found: Optional[bytes] = await self._records.fetch(key)
        return found
      return await self._fetch_and_refresh(link, key)
    except CachetteError as error:
      link.failed(error)
      return None

  async def _fetch_and_refresh(self, link: Link, key: str) -> Optional[bytes]:
    """Sends both requests at once, so that they take one round trip."""
    call: Any = self._records.fetch(key)
    try:
      await link.refresh(self._log, self._timeout_ms)
      found: Optional[bytes] = await call
      return found
    finally:
      call.close()

  def remember(self, key: str, index: bytes) -> None:
    """Keeps an index record (decide() made VARIANT of it) for a second, so that a fetch of it is
    no round trip."""
    memo = self._linked().memo
    if len(memo) >= _MEMO_MAX and key not in memo:
      memo.clear()
    memo[key] = clock() + _MEMO_SECONDS, index

  async def fetch_body(self, key: str, record: bytes) -> Optional[Tuple[bytes, ...]]:
    """Returns the whole body of a record in parts, also if it is stored apart from the head. None:
    a part is missing or damaged; then the record is a miss.

    key: what `record` was fetched by.
    """
    info = http_describe(record)
    if info is None:
      return None
    head_size, body_size, checksum = info[0], info[5], info[7]
    if len(record) > head_size or body_size == 0:
      parts: Tuple[bytes, ...] = (record[head_size:],)
    else:
      found = await self._fetch_parts(_part_keys(key, checksum, body_size, self._linked().limit))
      if found is None:
        return None
      parts = found
    return parts if http_matches(record, parts) else None

  async def _fetch_parts(self, keys: List[str]) -> Optional[Tuple[bytes, ...]]:
    link = self._linked()
    try:
      found = await self._records.fetch_many(keys)
    except CachetteError as error:
      link.failed(error)
      return None
    return tuple(found[key] for key in keys) if len(found) == len(keys) else None

  # ---- Writing

  async def put(self, key: str, head: bytes, body: Sequence[bytes], keep_ms: int) -> bool:
    """Stores a record: first the parts of its body that do not fit, then its head. Returns whether
    it is stored; errors are counted and logged."""
    link, records = self._linked(), self._records
    whole = b''.join((head, *body))
    try:
      if len(whole) > link.limit:
        await self._put_parts(records, link.limit, key, head, whole, keep_ms)
        whole = head
      await self._put(records, key, whole, keep_ms)
    except CachetteError as error:
      link.failed(error)
      return False
    return True

  async def _put_parts(
    self, records: Records, limit: int, key: str, head: bytes, whole: bytes, keep_ms: int
  ) -> None:
    info = http_describe(head)
    assert info is not None, 'the head is one that HttpExchange.record() has just made'
    body = memoryview(whole)[len(head) :]
    keys = _part_keys(key, info[7], len(body), limit)
    at_once = max(1, _MANY_BYTES // limit)
    for first in range(0, len(keys), at_once):
      parts = {
        keys[i]: body[i * limit : (i + 1) * limit]
        for i in range(first, min(first + at_once, len(keys)))
      }
      await records.put_many(parts, (keep_ms + _SPARE_MS) / 1000)

  async def _put(self, records: Records, key: str, value: bytes, keep_ms: int) -> None:
    if keep_ms > 0:
      await records.put(key, value, keep_ms / 1000)

  async def put_index(self, key: str, index: bytes, keep_ms: int = 86_400_000) -> bool:
    """Stores an index record, and remembers it."""
    link = self._linked()
    try:
      await self._put(self._records, key, index, keep_ms)
    except CachetteError as error:
      link.failed(error)
      return False
    self.remember(key, index)
    return True

  async def clear(self, keys: Iterable[str]) -> bool:
    """Clears records. Returns whether that succeeded."""
    link, listed = self._linked(), list(keys)
    for key in listed:
      link.memo.pop(key, None)
    try:
      if listed:
        await self._records.clear_many(listed)
    except CachetteError as error:
      link.failed(error)
      return False
    return True

  async def fetch_mark(self, key: str) -> Tuple[bool, Optional[bytes]]:
    """Returns whether the store has answered, and the mark of the last clear of a key."""
    try:
      return True, await self._records.fetch(key + _BESIDE)
    except CachetteError as error:
      self._linked().failed(error)
      return False, None

  async def put_mark(self, keys: Iterable[str], mark: bytes, is_new: bool = True) -> bool:
    """Clears records, and puts a mark in their place. Returns whether that succeeded.

    is_new: whether the mark is not beside them yet. It gets there first: so who puts a record after
      the mark is in its place finds the one beside it.
    """
    link, listed = self._linked(), list(keys)
    for key in listed:
      link.memo.pop(key, None)
    try:
      if listed and is_new:
        await self._records.put_many({key + _BESIDE: mark for key in listed}, _CLEARED_SECONDS)
      if listed:
        await self._records.put_many(dict.fromkeys(listed, mark), _CLEARED_SECONDS)
    except CachetteError as error:
      link.failed(error)
      return False
    return True

  async def invalidate(
    self,
    invalidated: Iterable[Tuple[Optional[str], bytes]],
    mark: bytes,
    uri_tags: bool = False,
  ) -> bool:
    """Forgets what HttpExchange.invalidated() returns: clears keys, and purges tags.

    mark: what to put in the place of cleared records; see CLEARED.
    uri_tags: whether records may have a key with more than the URI (cookies, bodies), so that tags
      of URIs must be purged too. That adds an entry to the log of purges.

    Returns whether that succeeded.
    """
    keys, tags = [], []
    for key, tag in invalidated:
      if key is not None:
        keys.append(key)
      if tag and (key is None or uri_tags):
        tags.append(decode_tag(tag))
    try:
      if tags:
        await self.purge(Entry(tags=tuple(tags)))
    except CachetteError as error:
      self._linked().failed(error)
      await self.put_mark(keys, mark)
      return False
    return await self.put_mark(keys, mark)

  @property
  def is_alone(self) -> bool:
    """Whether no other process, and no other configuration, can have these records."""
    self._linked()
    return self._cannot_fail

  def own_records(self) -> Optional[Records]:
    """Returns the calls if no other store has these records, and calls cannot fail."""
    if self._cache._config is not self._config:
      self._linked()
    return self._records if self._cannot_fail and self._link.stores == 1 else None

  def forget(
    self, invalidated: Sequence[Tuple[Optional[str], bytes]], mark: bytes, uri_tags: bool
  ) -> Awaitable[object]:
    """Like invalidate(). For the usual case, one key of a store in memory, the result is the
    awaitable of the call itself, which puts both marks at once."""
    self._linked()
    if self._cannot_fail and len(invalidated) == 1 and not uri_tags:
      key = invalidated[0][0]
      if key is not None:
        return self._records.put_many({key + _BESIDE: mark, key: mark}, _CLEARED_SECONDS)
    return self.invalidate(invalidated, mark, uri_tags)

  async def purge(self, entry: Entry) -> None:
    """Adds an entry to the log of purges. Raises CachetteError if that fails."""
    link = self._linked()
    await link.epochs.add(self._log, entry)

  def close(self) -> None:
    """Closes the connection of the running event loop, when an application ends."""
    self._linked().close()


def _part_keys(key: str, checksum: int, size: int, limit: int) -> List[str]:
  return [f'{key}:{checksum:016x}:{i}' for i in range((size + limit - 1) // limit)]
