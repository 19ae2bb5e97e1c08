# SPDX-License-Identifier: MIT
"""The class that applications use."""

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
Own = TypeVar('Own', bound='Cachette')  # not Self, which annotations must do without at run time


# Has a class use a configuration. cachette.testing has another in its place, for a time.
use_config: 'Callable[[Any, Config], None]' = configure


def _is_plain(owner: Any) -> bool:
  """Whether a class is built without arguments, as Cachette itself is."""
  return bool(owner.__init__ is object.__init__ and owner.__new__ is object.__new__)


class _AsyncDependency:
  """`Cachette.__wrapped__`, by which FastAPI decides whether a dependency is a coroutine function.

  FastAPI runs a class in its thread pool, at several times the cost of the request itself; one
  that unwraps to a coroutine function it awaits. A subclass with its own `__init__` is none.
  """

  def __get__(self, instance: Optional[object], owner: type) -> Any:
    if instance is not None or not _is_plain(owner):
      raise AttributeError('__wrapped__')

    async def build() -> object:
      """What FastAPI takes the class for; it calls the class all the same, and awaits that."""
      return owner()

    return build


class _PlainSignature:
  """`Cachette.__signature__`, so that inspect.signature() looks at the class, not behind it."""

  def __get__(self, instance: Optional[object], owner: type) -> 'Signature':
    if instance is not None or not _is_plain(owner):
      raise AttributeError('__signature__')
    from inspect import Signature

    return Signature()


class SyncCalls(BlockingCalls):
  """The calls of a cache class that block until the answer is there: `Cachette.sync`."""

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
    """The value of a key; if there is none, what `factory` gives, which is put.

    As `Cachette.get_or_set`; of all threads that miss a key at once one computes.
    factory: a value or a function without arguments.
    """
    kind = _flights.returns_of(returns) if returns is not None else None
    return _flights.get_or_set_blocking(self.owner, self, key, factory, ttl, kind)


class _SyncCalls:
  """`Cachette.sync`."""

  def __get__(self, instance: Optional[object], owner: type) -> SyncCalls:
    return SyncCalls(owner)


class Cachette(Calls):
  """A cache whose backend, codec and time to live were stated once, at start-up.

  Build one wherever it is needed, or have it injected: it costs next to nothing, and all of one
  class share the same entries. A subclass with a `load_config` of its own is another,
  independent cache.

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
  """The same calls for code without an event loop: `Cachette.sync.fetch('key')`.

  They return when the answer is there. Each thread has a connection of its own, which is closed
  when the thread ends; no event loop is started. Beside a running one they work, but hold it up.
  """

  if not TYPE_CHECKING:
    __wrapped__ = _AsyncDependency()
    __signature__ = _PlainSignature()

  @classmethod
  def load_config(cls, settings: Settings) -> Settings:
    """Configures the cache with settings, or with what a function returns, as a decorator.

    settings: (name, value) tuples, a mapping, a settings object with the options as fields, or a
    function that returns one of these, which is called once, now, without arguments. Names are
    case-insensitive, and every value may be text. Of `os.environ` the variables count that begin
    with CACHETTE_, such as CACHETTE_TTL. A second call replaces the configuration from then on; an
    in-memory cache begins empty then.

    Returns what it was given. Raises pydantic.ValidationError, or ConfigError where pydantic is not
    installed, with every fault that was found; TypeError if it cannot read the settings. Warns,
    with a UserWarning, of an option of a backend without the option `backend`, and of a settings
    object that has no option.
    """
    use_config(cls, load_settings(settings, cls.__name__, depth=3))
    _fallbacks.forget(cls)
    return settings

  @classmethod
  async def inject(cls: 'Type[Own]') -> 'Own':
    """Gives a cache of the class: a dependency for `Depends(Cachette.inject)`.

    FastAPI awaits it everywhere. `Depends()` on the class itself is awaited only by FastAPI 0.123.5
    and newer before Python 3.13, where `inspect.unwrap` looks behind classes; elsewhere it works
    all the same, but costs a turn through FastAPI's thread pool.
    """
    return cls()

  @classmethod
  def lifespan(cls, app: object = None) -> AsyncContextManager[None]:
    """Connects when an application starts, and closes the connection of its loop at the end.

    For `FastAPI(lifespan=Cachette.lifespan)` and its like, or in a lifespan of your own as `async
    with Cachette.lifespan():`. It is a nicety: without it the first call connects, and what is open
    is closed with the event loop. A server that does not answer yet is logged as a warning, by the
    logger `cachette`, and does not keep the application from starting. What still waits at the end
    fails with BackendUnavailable.

    app: what frameworks pass; not looked at.
    """
    from ._lifespan import lifespan

    return lifespan(cls)

  @classmethod
  def stats(cls) -> Stats:
    """What the cache has done so far, in all loops and threads of this process."""
    figures = stats(cls)
    figures.update(seconds=figures['spent_us'] / 1e6, fallbacks=_fallbacks.count(cls))
    return Stats(*(figures[name] for name in Stats._fields))

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
    """Keeps what a function gives, by its arguments: a decorator, with or without parentheses.

    ttl: positive number of seconds, or a timedelta; None takes the configured one. key: a template
    over the parameters such as "user:{id}", or a function that is given the arguments of the call
    and gives a str; None makes "module.qualname:" and a digest of the arguments. namespace: put
    before the key with a colon, so that `clear(namespace)` clears all. exclude: names of parameters
    that are no part of the digest, "self" say. returns: the type of what the function gives; None
    takes its annotation. The codecs "json", "orjson" and "msgpack" give that type back, on a miss
    as on a hit, where pydantic is installed: models, dataclasses, UUIDs, dates, sets and so on.

    The digest takes None, bool, int, float, str, bytes, tuples, lists, dicts, sets, dates and
    times, Decimal, UUID, Enum, Path, dataclasses and pydantic models, tells their types apart, and
    is the same in every process; another type is a TypeError when the function is called.

    The decorated function has `key(...)`, the key of a call, and `invalidate(...)`, which clears
    it; a coroutine function's is to be awaited. Of calls that miss at once one runs, as in
    `get_or_set`, and where the backend fails the function runs. Over `classmethod` and
    `staticmethod` put `cached` outermost.

    Raises TypeError or ValueError for what is wrong with the options. The "vanilla" codec keeps
    text only: with it a function that gives anything else raises CodecError when it is called.

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
    """Adds a codec of the application's own, for a `load_config` that comes after.

    name: how the option `codec` names it. dumps: gives bytes for a value. loads: gives the
    value back.
    """
    _codecs.register(name, dumps, loads)


configure(Cachette, load_settings([]))

cached = Cachette.cached
