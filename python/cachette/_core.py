# SPDX-License-Identifier: MIT
"""The class that applications use."""

from typing import TYPE_CHECKING, Any, AsyncContextManager, Callable, ClassVar, Optional, TypeVar

from . import _codecs
from ._cachette import Cache, Config, Sync, configure, stats
from ._config import load_settings
from ._stats import Stats

if TYPE_CHECKING:
  from inspect import Signature

  from typing_extensions import Self

Settings = TypeVar('Settings', bound=Callable[[], Any])


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


class _SyncCalls:
  """`Cachette.sync`."""

  def __get__(self, instance: Optional[object], owner: type) -> Sync:
    return Sync(owner)


class Cachette(Cache):
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
    """Configures the cache with what a function returns; to be used as a decorator.

    settings: called once, now, without arguments; returns (name, value) tuples, a mapping, or a
    settings object with the options as fields. Names are case-insensitive. A second call replaces
    the configuration from then on; an in-memory cache begins empty then.

    Returns the function. Raises pydantic.ValidationError, or ConfigError where pydantic is not
    installed, with every fault that was found; TypeError if it cannot read what the function
    returned.
    """
    configure(cls, load_settings(settings()))
    return settings

  @classmethod
  async def inject(cls) -> 'Self':
    """Gives a cache of the class: a dependency for `Depends(Cachette.inject)`.

    FastAPI awaits it on every Python. `Depends()` on the class itself is awaited too where
    `inspect.unwrap` looks behind classes, which it no longer does from Python 3.13 on; there it
    works all the same, but costs a turn through FastAPI's thread pool.
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
    return Stats(**stats(cls))

  @staticmethod
  def register_codec(name: str, dumps: Callable[[Any], Any], loads: Callable[[bytes], Any]) -> None:
    """Adds a codec of the application's own, for a `load_config` that comes after.

    name: how the option `codec` names it. dumps: gives bytes for a value. loads: gives the
    value back.
    """
    _codecs.register(name, dumps, loads)


configure(Cachette, load_settings([]))
