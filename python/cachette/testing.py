# SPDX-License-Identifier: MIT
"""Helpers for the tests of applications: a separate cache for each test, a clock, and a switch.

With pytest you need no import. A test with the fixture `isolated_cache` has all of them:

    def test_that_a_page_is_kept_for_a_minute(isolated_cache, client):
      assert client.get('/page').text == client.get('/page').text
      isolated_cache.clock.advance(60)
      ...
"""

import contextlib
import threading
from typing import Dict, Iterator, List, Optional, Tuple, Type

from . import _core, _fallbacks
from ._cachette import Config, configure
from ._core import Cachette
from ._times import Time, seconds_of

__all__ = ['Clock', 'Isolation', 'isolated']

_lock = threading.RLock()


def __dir__() -> List[str]:
  """Without the names that this module imports."""
  return __all__


class Clock:
  """The clock that measures times to live. It stands still until a test advances it."""

  def __init__(self) -> None:
    self._configs: List[Config] = []
    self._ms = 0

  def advance(self, seconds: Time) -> None:
    """Advances the clock. Entries that expire by then are gone.

    Args:
      seconds: The time to advance, 0 or more, as a number or a timedelta. It is rounded to
        milliseconds.

    Raises:
      ValueError: `seconds` is negative.
      TypeError: `seconds` is not a time.
    """
    number = seconds_of('seconds', seconds)
    if number < 0:
      raise ValueError(f'a clock cannot go back: seconds must be 0 or more, not {seconds!r}')
    with _lock:
      self._ms += round(number * 1000)
      for config in self._configs:
        config.advance(round(number * 1000))

  def _join(self, config: Config) -> None:
    config.stop_clock()
    config.advance(self._ms)
    self._configs.append(config)


class Isolation:
  """The result of `isolated` and of the fixture `isolated_cache`."""

  clock: Clock
  """The clock of the isolated caches."""

  def __init__(self, classes: Tuple[Type[Cachette], ...]) -> None:
    self.clock = Clock()
    self._classes = classes
    # The previous configuration of each class; None if it inherits one.
    self._previous: Dict[Type[Cachette], Optional[Config]] = {}
    self._loaded: Dict[Type[Cachette], Config] = {}  # loaded by the application since
    self._isolated: Dict[Type[Cachette], Config] = {}
    self._hidden: Dict[Type[Cachette], Config] = {}  # configurations to restore when off() ends
    self._off_depth = 0  # active off() blocks
    self._configure = _core.use_config

  @contextlib.contextmanager
  def off(self) -> Iterator[None]:
    """Turns caching off within a `with` statement: each fetch is a miss, and nothing is stored.

    Calls still succeed. Entries that were put before are available again afterwards.
    """
    with _lock:
      self._off_depth += 1
      if self._off_depth == 1:
        for cls, own in self._isolated.items():
          self._hide(cls, vars(cls)['_config'], own)
    try:
      yield
    finally:
      with _lock:
        self._off_depth -= 1
        while self._off_depth == 0 and self._hidden:
          configure(*self._hidden.popitem())

  def _hide(self, cls: Type[Cachette], current: Config, own: Config) -> None:
    self._hidden[cls] = current
    configure(cls, own.like('none'))

  def _isolate(self, cls: Type[Cachette], config: Config) -> None:
    own = self._isolated[cls] = config.like('inmemory')
    self.clock._join(own)
    if self._off_depth:
      self._hide(cls, own, own)
    else:
      configure(cls, own)
    _fallbacks.reset(cls)

  def _load(self, cls: Type[Cachette], config: Config) -> None:
    """Replaces use_config(): it runs when the application loads a configuration meanwhile."""
    with _lock:
      if self._classes and not issubclass(cls, self._classes):
        self._configure(cls, config)
        return
      self._loaded[cls] = config
      self._isolate(cls, config)

  def _begin(self) -> None:
    with _lock:
      for cls in _with_subclasses(*(self._classes or [Cachette])):
        if '_config' in vars(cls):
          self._previous[cls] = config = vars(cls)['_config']
          self._isolate(cls, config)
      for cls in self._classes:
        if not any('_config' in vars(each) and each in self._isolated for each in cls.__mro__):
          self._previous[cls] = None
          self._isolate(cls, cls._config)
      self._configure = _core.use_config
      _core.use_config = self._load

  def _end(self) -> None:
    with _lock:
      _core.use_config = self._configure
      for cls, previous in self._previous.items():
        if cls not in self._loaded:
          configure(cls, previous)
      for cls, config in self._loaded.items():
        self._configure(cls, config)


def _with_subclasses(*classes: Type[Cachette]) -> List[Type[Cachette]]:
  """Returns the classes and all their subclasses, each once."""
  found = dict.fromkeys(classes)
  for cls in list(found):
    found.update(dict.fromkeys(_with_subclasses(*cls.__subclasses__())))
  return list(found)


@contextlib.contextmanager
def isolated(*classes: Type[Cachette]) -> Iterator[Isolation]:
  """Replaces each cache with an empty in-memory one within a `with` statement.

  Codec, time to live, `secret`, `memory_limit` and the other options stay as the application has
  configured them; only the backend changes. A configuration that the application loads meanwhile is
  checked, but does not connect to a server. It takes effect after the `with` statement.

  Calls may be nested. All threads of the process see the isolated caches, so tests that run in
  threads at the same time share them.

  Args:
    classes: `Cachette` or your own subclasses, each with its subclasses. Without arguments, all
      caches are isolated.

  Returns:
    A context manager, which returns an `Isolation`.

  >>> from cachette import Cachette, testing
  >>> with testing.isolated() as isolation:
  ...   Cachette.sync.put('greeting', 'hello', ttl=60)
  ...   isolation.clock.advance(59)
  ...   print(Cachette.sync.fetch('greeting'))
  ...   isolation.clock.advance(1)
  ...   print(Cachette.sync.fetch('greeting'))
  hello
  None
  """
  isolation = Isolation(classes)
  isolation._begin()
  try:
    yield isolation
  finally:
    isolation._end()
