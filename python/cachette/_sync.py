# SPDX-License-Identifier: MIT
# mypy: disable-error-code="empty-body"
# ruff: noqa: PIE790  (to pyright, a body of `...` is none)
"""The calls that block: `Cachette.sync`.

scripts/docstrings copies the docstrings of these declarations from Cachette, for editors.
"""

from typing import (
  Any,
  Callable,
  Dict,
  Iterable,
  Mapping,
  Optional,
  Tuple,
  Type,
  overload,
)

from . import _flights
from ._cachette import Sync
from ._calls import Seconds, Value, blocking_call


class SyncCalls(Sync):
  """The calls of a cache for code without an event loop, for example `Cachette.sync.fetch('key')`.

  Each call blocks until the answer arrives. Each thread has its own connection, which is closed
  when the thread ends. No event loop is started. If one is running in the thread, a call blocks it.
  """

  @blocking_call
  def fetch(self, key: str, default: Any = None) -> Any:
    """Fetches the value of a key.

    Args:
      key: The key to look up.
      default: The result of a miss.

    Returns:
      The value, or `default` if the key has no entry.

    Raises:
      CodecError: The codec cannot decode the stored bytes.
      BackendError: The backend failed or cannot be reached.
    """
    ...

  @blocking_call
  def fetch_with_ttl(self, key: str) -> Tuple[int, Any]:
    """Fetches the value of a key and its remaining time to live.

    Args:
      key: The key to look up.

    Returns:
      `(seconds, value)`, with the seconds rounded up. `(-1, None)` if the key has no entry. An
      entry that does not expire has -1 seconds and a value.

    Raises:
      CodecError: The codec cannot decode the stored bytes.
      BackendError: The backend failed or cannot be reached.
    """
    ...

  @blocking_call
  def fetch_many(self, keys: Iterable[str]) -> Dict[str, Any]:
    """Fetches the values of many keys at once.

    Args:
      keys: An iterable of keys.

    Returns:
      A dict of the keys that have an entry, with their values.

    Raises:
      CodecError: The codec cannot decode the stored bytes of a key.
      BackendError: The backend failed for a key, for example because one of several servers is
        down.

    If some keys fail, the error of the first is raised. Its attribute `found` has the values of the
    other keys, and `failed` has the error of each key that failed.
    """
    ...

  @blocking_call
  def put(self, key: str, value: Any, ttl: Seconds = None) -> None:
    """Stores a value under a key. Replaces the old value, if there is one.

    Args:
      key: The key to store under.
      value: A value that the configured codec can encode.
      ttl: The time to live in seconds, or a timedelta. None selects the configured `ttl`.

    Raises:
      CodecError: The codec cannot encode the value.
      BackendError: The backend failed, cannot be reached or rejects the value, for example because
        it is too large.
    """
    ...

  @blocking_call
  def put_many(self, mapping: Mapping[str, Any], ttl: Seconds = None) -> None:
    """Stores many values at once.

    Args:
      mapping: A mapping of keys to values.
      ttl: The time to live of each value in seconds, or a timedelta. None selects the configured
        `ttl`.

    Raises:
      CodecError: The codec cannot encode a value. Then nothing is stored.
      BackendError: The backend failed for a key.

    If some keys fail in the backend, the error of the first is raised. Its attribute `failed` has
    the error of each key that failed. The other keys are stored.
    """
    ...

  @blocking_call
  def add(self, key: str, value: Any, ttl: Seconds = None) -> bool:
    """Stores a value only if the key has no entry.

    Args:
      key: The key to store under.
      value: A value that the configured codec can encode.
      ttl: The time to live in seconds, or a timedelta. None selects the configured `ttl`.

    Returns:
      True if the value was stored, False if the key has an entry.

    Raises:
      CodecError: The codec cannot encode the value.
      BackendError: The backend failed or cannot be reached.
    """
    ...

  @blocking_call
  def exists(self, key: str) -> bool:
    """Checks whether a key has an entry, without reading its value.

    This counts neither as a hit nor as a miss.

    Args:
      key: The key to look up.

    Returns:
      True if the key has an entry.

    Raises:
      BackendError: The backend failed or cannot be reached.
    """
    ...

  @blocking_call
  def touch(self, key: str, ttl: Seconds = None) -> bool:
    """Sets a new time to live for an entry.

    Args:
      key: The key of the entry.
      ttl: The time to live from now in seconds, or a timedelta. None selects the configured `ttl`.

    Returns:
      True if the key has an entry.

    Raises:
      BackendError: The backend failed or cannot be reached.
    """
    ...

  @blocking_call
  def increment(self, key: str, by: int = 1, ttl: Seconds = None) -> int:
    """Adds to a counter, in one atomic step on every backend.

    A counter is stored as decimal digits, whatever the codec is. A fetch returns it as an int. The
    codec "vanilla" returns its text, and a custom codec decodes the digits itself.

    Args:
      key: The key of the counter. A new counter starts at 0.
      by: The int of at most 64 bits to add. 0 reads the counter.
      ttl: The time to live of a new counter in seconds, or a timedelta. None selects the configured
        `ttl`. An existing counter keeps its time to live.

    Returns:
      The new value of the counter.

    Raises:
      ValueError: The counter would exceed 64 bits.
      CodecError: The value of the key is not a counter.
      BackendError: The backend failed or cannot be reached.
    """
    ...

  @blocking_call
  def delete(self, key: str) -> bool:
    """Deletes the entry of a key.

    Args:
      key: The key of the entry.

    Returns:
      True if the key had an entry.

    Raises:
      BackendError: The backend failed or cannot be reached.
    """
    ...

  @blocking_call
  def clear(self, namespace: Optional[str] = None, key: Optional[str] = None) -> int:
    """Clears a namespace or a key.

    Args:
      namespace: Clears all keys that start with this text and a colon.
      key: Clears this key, as `delete` does. It is ignored if `namespace` is given.

    Returns:
      The number of entries that were cleared.

    Raises:
      BackendError: The backend failed or cannot be reached.
    """
    ...

  @blocking_call
  def clear_many(self, keys: Iterable[str]) -> int:
    """Clears many keys at once.

    Args:
      keys: An iterable of keys.

    Returns:
      The number of keys that had an entry.

    Raises:
      BackendError: The backend failed for a key.

    If some keys fail, the error of the first is raised. Its attribute `failed` has the error of
    each key that failed. The other keys are cleared.
    """
    ...

  @blocking_call
  def flush(self) -> int:
    """Clears all entries of the cache.

    Returns:
      The number of entries that were cleared.

    Raises:
      BackendError: The backend failed or cannot be reached.
    """
    ...

  @blocking_call
  def flush_expired(self) -> int:
    """Removes expired entries that still use memory.

    An expired entry is never fetched, whether or not you call this.

    Returns:
      The number of entries that were removed.

    Raises:
      BackendError: The backend failed or cannot be reached.
    """
    ...

  @blocking_call
  def ping(self) -> None:
    """Waits until the backend has answered.

    Raises:
      BackendUnavailable: The backend cannot be reached.
      BackendTimeout: The backend did not answer in time.
      BackendError: The backend failed.
    """
    ...

  @overload
  def get_or_set(
    self, key: str, factory: Any, ttl: Seconds = None, *, returns: Type[Value]
  ) -> Value: ...
  @overload
  def get_or_set(
    self, key: str, factory: Callable[[], Value], ttl: Seconds = None, returns: None = None
  ) -> Value: ...
  @overload
  def get_or_set(
    self, key: str, factory: Value, ttl: Seconds = None, returns: None = None
  ) -> Value: ...
  @overload
  def get_or_set(self, key: str, factory: Any, ttl: Seconds = None, *, returns: object) -> Any: ...
  def get_or_set(self, key: str, factory: Any, ttl: Seconds = None, returns: Any = None) -> Any:
    """Fetches the value of a key. On a miss, computes it with `factory` and stores it.

    This is the blocking form of `Cachette.get_or_set`. If several threads miss a key at once, one
    computes the value and the others wait for it.

    Args:
      key: The key to look up.
      factory: A value, or a function without arguments.
      ttl: The time to live in seconds, or a timedelta. None selects the configured `ttl`.
      returns: The type of the value. The codecs "json", "orjson" and "msgpack" restore that type if
        pydantic is installed.

    Returns:
      The value.

    Raises:
      TypeError: The factory is or returns an awaitable.
      CodecError: The codec cannot encode the value.
      Exception: What the factory raises.
    """
    kind = _flights.returns_of(returns) if returns is not None else None
    return _flights.get_or_set_blocking(self._owner, self, key, factory, ttl, kind)


SyncCalls.__module__ = 'cachette'  # help() shows no private module
