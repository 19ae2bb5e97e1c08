# SPDX-License-Identifier: MIT
# mypy: disable-error-code="empty-body"
# ruff: noqa: PIE790  (to pyright, a body of `...` is none)
"""The calls of a cache: names, parameters, types and documentation.

Each function here is a stub without a body. The decorators `call` and `blocking_call` replace it
with an object of the extension. That object runs the call in C and otherwise behaves like the stub
to inspect, asyncio, frameworks, type checkers and editors.
"""

from typing import (
  TYPE_CHECKING,
  Any,
  Awaitable,
  Callable,
  Dict,
  Iterable,
  Mapping,
  Optional,
  Tuple,
  Type,
  TypeVar,
  overload,
)

from ._cachette import Cache, Sync
from ._cachette import blocking_call as _blocking_call
from ._cachette import call as _call
from ._times import Time

Seconds = Optional[Time]
Value = TypeVar('Value')
Stub = TypeVar('Stub', bound=Callable[..., Any])


def call(stub: Stub) -> Stub:
  """Replaces a coroutine function with the call of the extension that has the same name."""
  if TYPE_CHECKING:
    return stub
  stub.__module__, stub.__qualname__ = 'cachette', f'Cachette.{stub.__name__}'
  return _call(stub)


def blocking_call(stub: Stub) -> Stub:
  """Replaces a function with the blocking call of the same name, and copies the documentation."""
  if TYPE_CHECKING:
    return stub
  stub.__module__, stub.__qualname__ = 'cachette', f'Cachette.sync.{stub.__name__}'
  stub.__doc__ = getattr(Calls, stub.__name__).__doc__
  return _blocking_call(stub)


async def wait_for(call: Awaitable[Any]) -> Any:
  """The coroutine that implements `call.__await__()`."""
  return await call


class Calls(Cache):
  """The calls to await.

  A key is a str of 1 to 65,536 bytes in UTF-8. A `ttl` (time to live) is a positive number of
  seconds (int, float or another real number) or a timedelta, at most a hundred years. None selects
  the configured `ttl`.

  A wrong argument, such as a key that is not a str or a negative `ttl`, raises TypeError or
  ValueError from the call itself. Errors of the backend or the codec are raised when the call is
  awaited.
  """

  @call
  async def fetch(self, key: str, default: Any = None) -> Any:
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

  @call
  async def fetch_with_ttl(self, key: str) -> Tuple[int, Any]:
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

  @call
  async def fetch_many(self, keys: Iterable[str]) -> Dict[str, Any]:
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

  @call
  async def put(self, key: str, value: Any, ttl: Seconds = None) -> None:
    """Stores a value under a key. Replaces the old value, if there is one.

    Args:
      key: The key to store under.
      value: A value that the configured codec can encode.
      ttl: The time to live in seconds, or a timedelta. None selects the configured `ttl`.

    Raises:
      CodecError: The codec cannot encode the value.
      BackendError: The backend failed, cannot be reached or rejects the value, for example because
        it
        is too large.
    """
    ...

  @call
  async def put_many(self, mapping: Mapping[str, Any], ttl: Seconds = None) -> None:
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

  @call
  async def add(self, key: str, value: Any, ttl: Seconds = None) -> bool:
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

  @call
  async def exists(self, key: str) -> bool:
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

  @call
  async def touch(self, key: str, ttl: Seconds = None) -> bool:
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

  @call
  async def increment(self, key: str, by: int = 1, ttl: Seconds = None) -> int:
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

  @call
  async def delete(self, key: str) -> bool:
    """Deletes the entry of a key.

    Args:
      key: The key of the entry.

    Returns:
      True if the key had an entry.

    Raises:
      BackendError: The backend failed or cannot be reached.
    """
    ...

  @call
  async def clear(self, namespace: Optional[str] = None, key: Optional[str] = None) -> int:
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

  @call
  async def clear_many(self, keys: Iterable[str]) -> int:
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

  @call
  async def flush(self) -> int:
    """Clears all entries of the cache.

    Returns:
      The number of entries that were cleared.

    Raises:
      BackendError: The backend failed or cannot be reached.
    """
    ...

  @call
  async def flush_expired(self) -> int:
    """Removes expired entries that still use memory.

    An expired entry is never fetched, whether or not you call this.

    Returns:
      The number of entries that were removed.

    Raises:
      BackendError: The backend failed or cannot be reached.
    """
    ...

  @call
  async def ping(self) -> None:
    """Waits until the backend has answered.

    Raises:
      BackendUnavailable: The backend cannot be reached.
      BackendTimeout: The backend did not answer in time.
      BackendError: The backend failed.
    """
    ...

  @overload
  async def get_or_set(
    self, key: str, factory: Any, ttl: Seconds = None, *, returns: Type[Value]
  ) -> Value: ...
  @overload
  async def get_or_set(
    self,
    key: str,
    factory: Callable[[], Awaitable[Value]],
    ttl: Seconds = None,
    returns: None = None,
  ) -> Value: ...
  @overload
  async def get_or_set(
    self, key: str, factory: Callable[[], Value], ttl: Seconds = None, returns: None = None
  ) -> Value: ...
  @overload
  async def get_or_set(
    self, key: str, factory: Value, ttl: Seconds = None, returns: None = None
  ) -> Value: ...
  @overload
  async def get_or_set(
    self, key: str, factory: Any, ttl: Seconds = None, *, returns: object
  ) -> Any: ...
  @call
  async def get_or_set(
    self, key: str, factory: Any, ttl: Seconds = None, returns: Any = None
  ) -> Any:
    """Fetches the value of a key. On a miss, computes it with `factory` and stores it.

    If several callers in an event loop miss a key at once, one computes the value and the others
    wait for it. All of them get the value, each as a separate object equal to the result of a hit.
    If the factory raises, all of them get its exception, and nothing is stored.

    The factory runs in a separate task, in a copy of the first caller's context. Cancelling a
    caller stops only that caller. Cancelling the last caller stops the factory.

    If the key is written while the value is computed, the value is not stored, and a later caller
    computes it again. If the backend fails, the value is still computed. It is not stored if the
    fetch failed.

    Args:
      key: The key to look up.
      factory: A value, a function without arguments, or a coroutine function without arguments.
      ttl: The time to live in seconds, or a timedelta. None selects the configured `ttl`.
      returns: The type of the value. The codecs "json", "orjson" and "msgpack" restore that type if
        pydantic is installed.

    Returns:
      The value.

    Raises:
      TypeError: The factory is an awaitable.
      CodecError: The codec cannot encode the value. The codec "vanilla" accepts only text here.
      Exception: What the factory raises.
    """
    ...


class BlockingCalls(Sync):
  """The calls that block until the answer arrives."""

  @blocking_call
  def fetch(self, key: str, default: Any = None) -> Any: ...
  @blocking_call
  def fetch_with_ttl(self, key: str) -> Tuple[int, Any]: ...
  @blocking_call
  def fetch_many(self, keys: Iterable[str]) -> Dict[str, Any]: ...
  @blocking_call
  def put(self, key: str, value: Any, ttl: Seconds = None) -> None: ...
  @blocking_call
  def put_many(self, mapping: Mapping[str, Any], ttl: Seconds = None) -> None: ...
  @blocking_call
  def add(self, key: str, value: Any, ttl: Seconds = None) -> bool: ...
  @blocking_call
  def exists(self, key: str) -> bool: ...
  @blocking_call
  def touch(self, key: str, ttl: Seconds = None) -> bool: ...
  @blocking_call
  def increment(self, key: str, by: int = 1, ttl: Seconds = None) -> int: ...
  @blocking_call
  def delete(self, key: str) -> bool: ...
  @blocking_call
  def clear(self, namespace: Optional[str] = None, key: Optional[str] = None) -> int: ...
  @blocking_call
  def clear_many(self, keys: Iterable[str]) -> int: ...
  @blocking_call
  def flush(self) -> int: ...
  @blocking_call
  def flush_expired(self) -> int: ...
  @blocking_call
  def ping(self) -> None: ...
