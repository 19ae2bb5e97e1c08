# SPDX-License-Identifier: MIT
"""The class `Cachette`."""

from typing import (
  TYPE_CHECKING,
  Any,
  AsyncContextManager,
  Callable,
  ClassVar,
  Optional,
  Tuple,
  Type,
  TypeVar,
  overload,
)

from . import _cached, _codecs, _fallbacks, _flights
from ._cachette import Config, configure, stats
from ._calls import BlockingCalls, Calls, Seconds, Value
from ._config import load_settings
from ._stats import Stats

if TYPE_CHECKING:
  from inspect import Signature
  from typing import Coroutine

  from typing_extensions import ParamSpec

  from ._keys import KeyOption
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


class SyncCalls(BlockingCalls):
  """The calls of a cache class that block until the answer arrives: `Cachette.sync`."""

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
    return _flights.get_or_set_blocking(self.owner, self, key, factory, ttl, kind)


class _SyncCalls:
  """Implements the attribute `Cachette.sync`."""

  def __get__(self, instance: Optional[object], owner: type) -> SyncCalls:
    return SyncCalls(owner)


class Cachette(Calls):
  """A cache whose backend, codec and time to live are configured once, at start-up.

  Create an instance wherever you need one, or have it injected. That costs almost nothing, and all
  instances of a class share the same entries. A subclass with its own `load_config` is a separate
  cache.

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

  _config: ClassVar[Config]

  sync = _SyncCalls()
  """The same calls for code without an event loop, for example `Cachette.sync.fetch('key')`.

  They block until the answer arrives. Each thread has its own connection, which is closed when the
  thread ends. No event loop is started. If one is running in the thread, a call blocks it.
  """

  if not TYPE_CHECKING:
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
        variables that start with CACHETTE_ are read, such as CACHETTE_TTL.

    Returns:
      The argument.

    Raises:
      pydantic.ValidationError: The settings are not valid. The message lists all errors.
      ConfigError: The same, if pydantic is not installed.
      TypeError: The argument has none of these types.

    Warns:
      UserWarning: An option of a backend is set without the option `backend`, or a settings object
        has
        no option.
    """
    use_config(cls, load_settings(settings, cls.__name__, depth=3))
    _fallbacks.reset(cls)
    return settings

  @classmethod
  async def inject(cls: 'Type[CachetteT]') -> 'CachetteT':
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
      app: The application, which frameworks pass. It is not used.

    Returns:
      An asynchronous context manager.
    """
    from ._lifespan import lifespan

    return lifespan(cls)

  @classmethod
  def stats(cls) -> Stats:
    """Returns what the cache has done in all event loops and threads of this process."""
    values = stats(cls)
    values.update(seconds=values['spent_us'] / 1e6, fallbacks=_fallbacks.count(cls))
    return Stats(*(values[name] for name in Stats._fields))

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
    key: 'KeyOption' = None,
    namespace: Optional[str] = None,
    exclude: Tuple[str, ...] = (),
    returns: Any = None,
  ) -> 'Decorator': ...
  @classmethod
  def cached(
    cls,
    ttl: Any = None,
    key: 'KeyOption' = None,
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
        arguments
        of the call and returns a str. None selects the digest.
      namespace: A prefix of the key, followed by a colon, so that `clear(namespace)` clears all
        results.
      exclude: The names of parameters to leave out of the digest, such as "self".
      returns: The type of the results. None selects the return annotation. If pydantic is
        installed,
        the codecs "json", "orjson" and "msgpack" restore that type, both on a miss and on a hit:
        models, dataclasses, UUIDs, dates, sets and so on.

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


configure(Cachette, load_settings([]))

cached = Cachette.cached
