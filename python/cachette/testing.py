# SPDX-License-Identifier: MIT
"""For the tests of applications: a cache for each test, a clock that it moves, a switch.

With pytest nothing is to be imported: a test that names the fixture `isolated_cache` has all of it.

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


class Clock:
  """Time as times to live count it: it stands still, until a test moves it on."""

  def __init__(self) -> None:
    self._configs: List[Config] = []
    self._ms = 0

  def advance(self, seconds: Time) -> None:
    """Moves it on; entries whose time is over then are gone.

    seconds: 0 or more, as fine as milliseconds; a number or a timedelta. Raises ValueError below 0.
    """
    number = seconds_of('seconds', seconds)
    if number < 0:
      raise ValueError(f'a clock does not go back: seconds must not be below 0, as {seconds!r} is')
    with _lock:
      self._ms += round(number * 1000)
      for config in self._configs:
        config.advance(round(number * 1000))

  def _join(self, config: Config) -> None:
    config.stop_clock()
    config.advance(self._ms)
    self._configs.append(config)


class Isolation:
  """What `isolated` and the fixture `isolated_cache` give."""

  clock: Clock
  """The clock of the caches that are isolated."""

  def __init__(self, classes: Tuple[Type[Cachette], ...]) -> None:
    self.clock = Clock()
    self._classes = classes
    # What was in force; None: what the class inherits.
    self._before: Dict[Type[Cachette], Optional[Config]] = {}
    self._loaded: Dict[Type[Cachette], Config] = {}  # what the application has loaded since
    self._own: Dict[Type[Cachette], Config] = {}
    self._hidden: Dict[Type[Cachette], Config] = {}  # what is in force again when off() ends
    self._off = 0  # how many of off() are under way
    self._configure = _core.use_config

  @contextlib.contextmanager
  def off(self) -> Iterator[None]:
    """Turns caching off for a time: each fetch is a miss, and nothing is kept.

    Calls succeed all the same. What was put before is there again afterwards.
    """
    with _lock:
      self._off += 1
      if self._off == 1:
        for cls, own in self._own.items():
          self._hide(cls, vars(cls)['_config'], own)
    try:
      yield
    finally:
      with _lock:
        self._off -= 1
        while self._off == 0 and self._hidden:
          configure(*self._hidden.popitem())

  def _hide(self, cls: Type[Cachette], shown: Config, own: Config) -> None:
    self._hidden[cls] = shown
    configure(cls, own.like('none'))

  def _isolate(self, cls: Type[Cachette], config: Config) -> None:
    own = self._own[cls] = config.like('inmemory')
    self.clock._join(own)
    if self._off:
      self._hide(cls, own, own)
    else:
      configure(cls, own)
    _fallbacks.forget(cls)

  def _load(self, cls: Type[Cachette], config: Config) -> None:
    """In the place of use_config(), when the application loads a configuration meanwhile."""
    with _lock:
      if self._classes and not issubclass(cls, self._classes):
        self._configure(cls, config)
        return
      self._loaded[cls] = config
      self._isolate(cls, config)

  def _begin(self) -> None:
    with _lock:
      for cls in _all_below(*(self._classes or [Cachette])):
        if '_config' in vars(cls):
          self._before[cls] = config = vars(cls)['_config']
          self._isolate(cls, config)
      for cls in self._classes:
        if not any('_config' in vars(each) and each in self._own for each in cls.__mro__):
          self._before[cls] = None
          self._isolate(cls, cls._config)
      self._configure = _core.use_config
      _core.use_config = self._load

  def _end(self) -> None:
    with _lock:
      _core.use_config = self._configure
      for cls, before in self._before.items():
        if cls not in self._loaded:
          configure(cls, before)
      for cls, config in self._loaded.items():
        self._configure(cls, config)


def _all_below(*classes: Type[Cachette]) -> List[Type[Cachette]]:
  """The classes and all that inherit from them, each once."""
  found = dict.fromkeys(classes)
  for cls in list(found):
    found.update(dict.fromkeys(_all_below(*cls.__subclasses__())))
  return list(found)


@contextlib.contextmanager
def isolated(*classes: Type[Cachette]) -> Iterator[Isolation]:
  """Gives each cache an empty one in memory in its place, for the time of a with statement.

  classes: `Cachette` or classes of your own, with those that inherit from them; none means all.
  What the application has configured stays, but for the backend: codec, time to live, `secret`,
  `memory_limit` and so on. Loading a configuration meanwhile checks it, so that its mistakes are
  found, but no server is connected to; it is in force afterwards. May be nested; threads of the
  process see it alike, so tests that run in threads at the same time share it.

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
