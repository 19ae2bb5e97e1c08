# SPDX-License-Identifier: MIT
# mypy: disable-error-code="empty-body"
# ruff: noqa: PIE790  (to pyright, a body of `...` is none)
"""The calls of a cache: names, parameters, types and documentation.

Each function here is a face without a body. `call` and `blocking_call` put a function of the
extension in its place, which runs the call in C and passes for the face everywhere else: to
inspect, asyncio, a framework, a type checker, an editor.
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
Face = TypeVar('Face', bound=Callable[..., Any])


def call(face: Face) -> Face:
  """The call of the extension that is named like a coroutine function."""
  if TYPE_CHECKING:
    return face
  face.__module__, face.__qualname__ = 'cachette', f'Cachette.{face.__name__}'
  return _call(face)


def blocking_call(face: Face) -> Face:
  """The same that blocks. It is documented like the call that is awaited."""
  if TYPE_CHECKING:
    return face
  face.__module__, face.__qualname__ = 'cachette', f'Cachette.sync.{face.__name__}'
  face.__doc__ = getattr(Calls, face.__name__).__doc__
  return _blocking_call(face)


async def wait_for(call: Awaitable[Any]) -> Any:
  """What `call.__await__()` iterates over."""
  return await call


class Calls(Cache):
  """The calls that are awaited.

  Keys are str of 1 to 65,536 bytes of UTF-8. A `ttl` is a positive number of seconds (int, float or
  any other real number) or a timedelta, at most a hundred years; None takes the configured one.

  A wrong argument (a key that is not a str, a negative `ttl`) is a TypeError or ValueError of the
  call itself. What fails in the backend or the codec is raised when the call is awaited.
  """

  @call
  async def fetch(self, key: str, default: Any = None) -> Any:
    """Fetches the value of a key, or `default` if there is none.

    Raises CodecError if the codec cannot read the bytes, and BackendError.
    """
    ...

  @call
  async def fetch_with_ttl(self, key: str) -> Tuple[int, Any]:
    """Fetches `(seconds left, value)`, or `(-1, None)` if there is no entry.

    The seconds are rounded up. An entry that does not expire has -1 seconds left, too, and a value.

    Raises CodecError if the codec cannot read the bytes, and BackendError.
    """
    ...

  @call
  async def fetch_many(self, keys: Iterable[str]) -> Dict[str, Any]:
    """Fetches many keys at once. Returns a dict of those that were found.

    If some keys fail (their server is down, their bytes cannot be read), the error of the first is
    raised. Its `found` has the values of the others, its `failed` the error of each that failed.

    Raises CodecError and BackendError.
    """
    ...

  @call
  async def put(self, key: str, value: Any, ttl: Seconds = None) -> None:
    """Puts a value under a key, and replaces the old one.

    Raises CodecError if the codec cannot hold the value, and BackendError (the value is too large,
    say).
    """
    ...

  @call
  async def put_many(self, mapping: Mapping[str, Any], ttl: Seconds = None) -> None:
    """Puts the values of a mapping under its keys, all at once.

    If some keys fail, the error of the first is raised; its `failed` has the error of each that
    failed. The others were put.

    Raises CodecError if the codec cannot hold a value (then nothing is put), and BackendError.
    """
    ...

  @call
  async def add(self, key: str, value: Any, ttl: Seconds = None) -> bool:
    """Puts a value only if the key has none. Returns whether it did.

    Raises CodecError if the codec cannot hold the value, and BackendError.
    """
    ...

  @call
  async def exists(self, key: str) -> bool:
    """Returns whether the key has an entry, without reading it.

    It counts neither as a hit nor as a miss. Raises BackendError.
    """
    ...

  @call
  async def touch(self, key: str, ttl: Seconds = None) -> bool:
    """Gives an entry a new time to live, counted from now. Returns whether there was one.

    Raises BackendError.
    """
    ...

  @call
  async def increment(self, key: str, by: int = 1, ttl: Seconds = None) -> int:
    """Adds to a counter, in one step on every backend. Returns its new value.

    by: an int of at most 64 bits. 0 reads the counter.
    ttl: for a counter that the call creates, at 0. One that exists keeps its time to live.

    A counter is stored as decimal digits, whatever the codec. A fetch gives its int; the codec
    "vanilla" gives its text, and a codec of your own decides for itself.

    Raises ValueError if the counter would leave 64 bits, CodecError if the value is no counter,
    and BackendError.
    """
    ...

  @call
  async def delete(self, key: str) -> bool:
    """Deletes the entry of a key. Returns whether there was one.

    Raises BackendError.
    """
    ...

  @call
  async def clear(self, namespace: Optional[str] = None, key: Optional[str] = None) -> int:
    """Clears a namespace: all keys that begin with `namespace` and a colon. Returns how many.

    With `key` alone it clears that key, as `delete` does. With both it clears the namespace.
    Raises BackendError.
    """
    ...

  @call
  async def clear_many(self, keys: Iterable[str]) -> int:
    """Clears many keys at once. Returns how many had an entry.

    If some keys fail, the error of the first is raised; its `failed` has the error of each that
    failed. The others were cleared.

    Raises BackendError.
    """
    ...

  @call
  async def flush(self) -> int:
    """Clears all entries. Returns how many there were.

    Raises BackendError.
    """
    ...

  @call
  async def flush_expired(self) -> int:
    """Removes expired entries that still take memory. Returns how many there were.

    Expired entries are never fetched, whether you call this or not. Raises BackendError.
    """
    ...

  @call
  async def ping(self) -> None:
    """Waits until the backend has answered.

    Raises BackendUnavailable, BackendTimeout or BackendError.
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
    """Fetches the value of a key. If there is none, computes it with `factory` and puts it.

    factory: a value, a function without arguments, or a coroutine function.
    returns: the type of the value. The codecs "json", "orjson" and "msgpack" give that type back
    where pydantic is installed.

    Of all callers in an event loop who miss a key at once, one computes and the others wait for it.
    They get its value, or its exception, which is not stored. Each gets an object of its own, and a
    miss returns what a hit returns. The factory runs as a task of its own in a copy of the first
    caller's context: cancelling a caller stops only that caller, and cancelling the last one stops
    the factory.

    A write to the key while it is computed ends that: the value is not stored, and who asks later
    computes anew.

    If the backend fails, the value is computed all the same; it is not put if fetching failed.

    Raises TypeError for a factory that is an awaitable, CodecError if the codec cannot hold the
    value (the codec "vanilla" holds text only), and what the factory raises.
    """
    ...


class BlockingCalls(Sync):
  """The calls that block until the answer is there."""

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
