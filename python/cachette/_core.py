# SPDX-License-Identifier: MIT
# mypy: disable-error-code="empty-body"
# ruff: noqa: PIE790  (to pyright, a body of `...` is none)
"""The class `Cachette`."""

from sys import modules
from typing import (
  TYPE_CHECKING,
  Any,
  AsyncContextManager,
  Awaitable,
  Callable,
  ClassVar,
  Dict,
  Iterable,
  Mapping,
  Optional,
  Tuple,
  Type,
  TypeVar,
  overload,
)

from . import _cached, _codecs, _fallbacks, _flights
from ._cachette import Cache, Config, configure, stats
from ._calls import Seconds, Value, call
from ._config import load_settings
from ._keys import KeyOption
from ._stats import Stats
from ._sync import SyncCalls

if TYPE_CHECKING:
  from inspect import Signature
  from typing import Coroutine

  from typing_extensions import ParamSpec

  from ._typing import CachedCoroutineFunction, CachedFunction, Decorator

  Parameters = ParamSpec('Parameters')

Settings = TypeVar('Settings')
CachetteT = TypeVar('CachetteT', bound='Cachette')  # Self needs a newer Python at run time


# Sets the configuration of a class. cachette.testing replaces it for a time.
use_config: 'Callable[[Any, Config], None]' = configure


def _is_plain(owner: Any) -> bool:
  """Returns whether a class is created without arguments, like Cachette itself."""
  return bool(owner.__init__ is object.__init__ and owner.__new__ is object.__new__)


class _AsyncDependency:
  """`Cachette.__wrapped__`, which makes FastAPI treat the class as a coroutine function.

  FastAPI runs a class in its thread pool, which costs several times as much as the request itself.
  It awaits a class that unwraps to a coroutine function. A subclass with its own `__init__` does
  not have the attribute.
  """

  def __get__(self, instance: Optional[object], owner: type) -> Any:
    if instance is not None or not _is_plain(owner):
      raise AttributeError('__wrapped__')

    async def build() -> object:
      """FastAPI inspects this function, but calls the class and awaits the result."""
      return owner()

    return build


class _PlainSignature:
  """`Cachette.__signature__`, so that inspect.signature() does not follow `__wrapped__`."""

  def __get__(self, instance: Optional[object], owner: type) -> 'Signature':
    if instance is not None or not _is_plain(owner):
      raise AttributeError('__signature__')
    from inspect import Signature

    return Signature()


class _Sync:
  """Implements the attribute `Cachette.sync`."""

  def __get__(self, instance: Optional[object], owner: type) -> SyncCalls:
    return SyncCalls(owner)


class Cachette(Cache):
  """A cache whose backend, codec and time to live are configured once, at start-up.

  Create an instance wherever you need one, or have it injected. That costs almost nothing, and all
  instances of a class share the same entries. A subclass with its own `load_config` is a separate
  cache.

  A key is a str of 1 to 65,536 bytes in UTF-8. A `ttl` (time to live) is a positive number of
  seconds (int, float or another real number) or a timedelta, at most a hundred years. None selects
  the configured `ttl`.

  A wrong argument, such as a key that is not a str or a negative `ttl`, raises TypeError or
  ValueError from the call itself. Errors of the backend or the codec are raised when the call is
  awaited.

  >>> import asyncio
  >>> from cachette import Cachette
  >>> @Cachette.load_config
  ... def get_cachette_config():
  ...   return [('backend', 'inmemory'), ('ttl', 60)]
  >>> async def main():
  ...   cachette = Cachette()
  ...   await cachette.put('greeting', 'hello')
  ...   return await cachette.fetch('greeting')
  >>> asyncio.run(main())
  'hello'
  """

  sync = _Sync()
  """The same calls for code without an event loop, for example `Cachette.sync.fetch('key')`."""

  if TYPE_CHECKING:
    _config: ClassVar[Config]
  else:
    __wrapped__ = _AsyncDependency()
    __signature__ = _PlainSignature()

  @classmethod
  def load_config(cls, settings: Settings) -> Settings:
    """Configures the cache from settings or, as a decorator, from a function that returns settings.

    A second call replaces the configuration for all later calls. An in-memory cache is empty then.

    Args:
      settings: (name, value) tuples, a mapping, a settings object whose fields are options, or a
        function that returns one of these. The function is called once, at once and without
        arguments. Names are case-insensitive, and every value may be text. From `os.environ` only
        variables that start with `CACHETTE_` are read, such as `CACHETTE_TTL`.

    Returns:
      The argument.

    Raises:
      pydantic.ValidationError: The settings are not valid. The message lists all errors.
      ConfigError: The same, if pydantic is not installed.
      TypeError: The argument has none of these types.

    Warns:
      UserWarning: An option of a backend is set without the option `backend`, or a settings object
        has no option.
    """
    use_config(cls, load_settings(settings, cls.__name__, depth=3))
    _fallbacks.reset(cls)
    http: Any = modules.get('cachette.http._stats')
    if http is not None:
      http.reset_stats(cls)
    return settings

  @classmethod
  async def inject(cls: Type[CachetteT]) -> CachetteT:
    """Returns a cache of the class, as a dependency: `Depends(Cachette.inject)`.

    Every version of FastAPI awaits it. FastAPI awaits `Depends()` on the class itself only from
    version 0.123.5 on and before Python 3.13, where `inspect.unwrap` unwraps classes. Otherwise
    `Depends()` works too, but takes a turn through FastAPI's thread pool.
    """
    return cls()

  @classmethod
  def lifespan(cls, app: object = None) -> AsyncContextManager[None]:
    """Connects when an application starts, and closes the connection of its event loop at the end.

    Pass it to the framework, as in `FastAPI(lifespan=Cachette.lifespan)`, or use it in your own
    lifespan as `async with Cachette.lifespan():`. It is optional: without it the first call
    connects, and connections are closed with the event loop.

    If a server does not answer yet, the logger `cachette` logs a warning and the application starts
    all the same. Calls that still wait at the end fail with BackendUnavailable.

    Args:
      app: The application, which frameworks pass. A warning names its routes that have a policy of
        `cachette.http` without effect.

    Returns:
      An asynchronous context manager.
    """
    from ._lifespan import lifespan

    return lifespan(cls, app)

  @classmethod
  def stats(cls) -> Stats:
    """Returns what the cache has done in all event loops and threads of this process."""
    values = stats(cls)
    values.update(seconds=values['spent_us'] / 1e6, fallbacks=_fallbacks.count(cls), http=None)
    http: Any = modules.get('cachette.http._stats')
    if http is not None:
      values['http'] = http.read_stats(cls)
    return Stats(*(values[name] for name in Stats._fields))

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
        it is too large.
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

  @overload
  @classmethod
  def cached(  # type: ignore[overload-overlap]
    cls, ttl: 'Callable[Parameters, Coroutine[Any, Any, Value]]'
  ) -> 'CachedCoroutineFunction[Parameters, Value, Callable[Parameters, Value]]': ...
  @overload
  @classmethod
  def cached(
    cls, ttl: 'Callable[Parameters, Value]'
  ) -> 'CachedFunction[Parameters, Value, Callable[Parameters, Value]]': ...
  @overload
  @classmethod
  def cached(
    cls,
    ttl: Seconds = None,
    key: KeyOption = None,
    namespace: Optional[str] = None,
    exclude: Tuple[str, ...] = (),
    returns: Any = None,
  ) -> 'Decorator': ...
  @classmethod
  def cached(
    cls,
    ttl: Any = None,
    key: KeyOption = None,
    namespace: Optional[str] = None,
    exclude: Tuple[str, ...] = (),
    returns: Any = None,
  ) -> Any:
    """Caches the results of a function by its arguments. Use it with or without parentheses.

    If several calls with the same arguments miss at once, the function runs once, as in
    `get_or_set`. If the backend fails, the function runs. Put `cached` above `classmethod` and
    `staticmethod`.

    The decorated function has two more attributes. `key(...)` returns the key for some arguments,
    and `invalidate(...)` clears that key. For a coroutine function, await `invalidate(...)`.

    Without `key`, the key is "module.qualname:" and a digest of the arguments. The digest supports
    None, bool, int, float, str, bytes, tuples, lists, dicts, sets, dates and times, Decimal, UUID,
    Enum, Path, dataclasses and pydantic models. It distinguishes their types and is the same in
    every process. A call with an argument of another type raises TypeError.

    Args:
      ttl: The time to live of results in seconds, or a timedelta. None selects the configured
        `ttl`.
      key: A template over the parameters, such as "user:{id}", or a function that takes the
        arguments of the call and returns a str. None selects the digest.
      namespace: A prefix of the key, followed by a colon, so that `clear(namespace)` clears all
        results.
      exclude: The names of parameters to leave out of the digest, such as "self".
      returns: The type of the results. None selects the return annotation. If pydantic is
        installed, the codecs "json", "orjson" and "msgpack" restore that type, both on a miss and
        on a hit: models, dataclasses, UUIDs, dates, sets and so on.

    Returns:
      The decorated function, or a decorator if `cached` is used with parentheses.

    Raises:
      TypeError: An option has the wrong type, or the object cannot be decorated.
      ValueError: An option has a wrong value.

    With the codec "vanilla", a function that returns anything except text raises CodecError when it
    is called.

    >>> import asyncio
    >>> from cachette import cached
    >>> @cached(ttl=60, key='square:{number}')
    ... async def square(number):
    ...   print('computing')
    ...   return str(number * number)
    >>> asyncio.run(square(5)), asyncio.run(square(number=5)), square.key(5)
    computing
    ('25', '25', 'square:5')
    >>> asyncio.run(square.invalidate(5))
    1
    """
    if callable(ttl) or isinstance(ttl, (classmethod, staticmethod)):
      return _cached.decorate(cls, ttl, None, key, namespace, exclude, returns)
    _flights.check_ttl(ttl)

    def decorator(function: Any) -> Any:
      return _cached.decorate(cls, function, ttl, key, namespace, exclude, returns)

    return decorator

  @staticmethod
  def register_codec(name: str, dumps: Callable[[Any], Any], loads: Callable[[bytes], Any]) -> None:
    """Registers a custom codec, which a later `load_config` can use.

    Args:
      name: The name of the codec, for the option `codec`.
      dumps: A function that encodes a value and returns bytes.
      loads: A function that decodes these bytes and returns the value.

    Raises:
      ValueError: The name is not a non-empty str.
      TypeError: `dumps` or `loads` is not callable.
    """
    _codecs.register(name, dumps, loads)


Cachette.__module__ = 'cachette'  # the public name, also in help() and tracebacks
for _each in vars(Cachette).values():
  if isinstance(_each, (classmethod, staticmethod)):
    _each.__func__.__module__ = 'cachette'
configure(Cachette, load_settings([]))

cached = Cachette.cached
