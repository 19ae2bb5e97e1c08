# SPDX-License-Identifier: MIT
"""The messages about mistakes in the use of the package: what is wrong, and what to do."""

import abc
import asyncio
import copy
import dataclasses
import inspect
import os
import pickle
import sys
import typing
import warnings
from typing import Any, Dict

import pydantic
import pytest
from cachette import Cachette, CodecError
from cachette._cachette import options
from cachette._sync import SyncCalls
from conftest import id_of, on_pythons, run_python


@dataclasses.dataclass
class DataSettings:
  ttl: int = 7


class PydanticSettings(pydantic.BaseModel):
  ttl: int = 7


def new_class() -> Any:
  class Own(Cachette):
    pass

  return Own


# ---- Arguments of load_config


@pytest.mark.parametrize(
  'settings',
  [{'ttl': 7}, [('ttl', 7)], (('ttl', '7'),), {'ttl': 7}.items(), DataSettings()]
  + [PydanticSettings()],
  ids=lambda settings: type(settings).__name__,
)
def test_load_config_accepts_settings_directly(settings: Any) -> None:
  own = new_class()
  assert own.load_config(settings) is settings
  assert own._config.get('ttl') == '7'


def test_load_config_accepts_os_environ(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setenv('CACHETTE_TTL', '7')
  own = new_class()
  own.load_config(os.environ)
  assert own._config.get('ttl') == '7'


@pytest.mark.parametrize('settings', [DataSettings, PydanticSettings, lambda: {'ttl': 7}, dict])
def test_load_config_calls_a_callable(settings: Any) -> None:
  own = new_class()
  assert own.load_config(settings) is settings
  assert own._config.get('ttl') == ('60' if settings is dict else '7')


def test_load_config_works_as_a_decorator() -> None:
  own = new_class()

  @own.load_config
  def get_config() -> Dict[str, int]:
    return {'ttl': 7}

  assert get_config() == {'ttl': 7} and own._config.get('ttl') == '7'


@pytest.mark.parametrize('settings', [None, 5, 'redis', b'redis', [1], object()], ids=id_of)
def test_the_error_of_load_config_lists_what_it_accepts(settings: Any) -> None:
  for function in (settings, lambda: settings):
    with pytest.raises(TypeError, match='must be a list of .* tuples, a mapping, or a settings'):
      new_class().load_config(function)


def test_load_config_of_a_returned_class_is_an_error_that_says_so() -> None:
  for settings in (DataSettings, PydanticSettings):
    with pytest.raises(TypeError, match=rf'got the class {settings.__name__}: call it'):
      new_class().load_config(lambda settings=settings: settings)


async def coroutine_function() -> Dict[str, int]:
  return {'ttl': 7}


async def asynchronous_generator() -> Any:
  yield 'ttl', 7


class Late:
  async def get(self) -> Dict[str, int]:
    return {'ttl': 7}


@pytest.mark.parametrize(
  'function', [coroutine_function, lambda: coroutine_function(), Late().get, asynchronous_generator]
)
def test_an_async_configuration_function_is_rejected_without_a_warning(function: Any) -> None:
  own = new_class()
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    with pytest.raises(TypeError, match=r'configuration function must be a plain "def".*async def'):
      own.load_config(function)
  assert own._config.get('ttl') == '60'


def test_a_coroutine_as_configuration_is_rejected_without_a_warning() -> None:
  message = run_python(
    """
    from cachette import Cachette

    async def get_config():
      return {}

    for given in (get_config, get_config()):
      try:
        Cachette.load_config(given)
      except TypeError as error:
        print(error)
    """
  )
  assert message.count('must be a plain "def"') == 2


# ---- Without an instance


CALLS = [name for name in vars(SyncCalls) if not name.startswith('_')]


@pytest.mark.parametrize('name', CALLS)
def test_a_call_on_the_class_says_that_an_instance_is_needed(name: str) -> None:
  for args, named in ((('key',), {}), ((), {'key': 'key'}), ((), {}), (('key', 'value'), {})):
    with pytest.raises(TypeError, match=rf'on the class.*Cachette\(\)\.{name}\(\.\.\.\)') as caught:
      getattr(Cachette, name)(*args, **named)
    assert f'{name}()' in str(caught.value)


@pytest.mark.parametrize('name', [name for name in CALLS if name != 'get_or_set'])
def test_a_blocking_call_on_the_class_says_how_it_is_made(name: str) -> None:
  with pytest.raises(TypeError, match=rf'Cachette\.sync\.{name}\(\.\.\.\)'):
    getattr(SyncCalls, name)('key')


# ---- Arguments of the class


def test_options_passed_to_the_class_are_an_error_that_names_load_config() -> None:
  for cls in (Cachette, new_class()):
    match = rf'{cls.__name__}\(\) takes no arguments: .*"ttl".*{cls.__name__}\.load_config'
    with pytest.raises(TypeError, match=match):
      cls(ttl=5)
    for args in (('redis://:hunter2@h',), ({'ttl': 5},), (1, 2)):
      with pytest.raises(TypeError, match=r'takes no arguments: .*load_config') as caught:
        cls(*args)
      assert 'hunter2' not in str(caught.value)


def test_subclasses_may_define_their_own_construction() -> None:
  class WithInit(Cachette):
    def __init__(self, number: int = 5) -> None:
      super().__init__()
      self.number = number

  class WithNew(Cachette):
    def __new__(cls, number: int = 5) -> Any:
      made = super().__new__(cls)
      made.number = number
      return made

  class Mixin:
    made = 0

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
      made = super().__new__(cls)
      made.made = 1
      return made

  class Behind(Cachette, Mixin):
    def __init__(self, number: int = 5) -> None:
      self.number = number

  class Before(Mixin, Cachette):
    def __init__(self, number: int = 5) -> None:
      self.number = number

  class Initialised:
    def __init__(self, number: int = 5) -> None:
      self.number = number

  class ByMixin(Cachette, Initialised):
    pass

  class Receiving(Cachette):
    received: Any = None

    def __init_subclass__(cls, **keywords: Any) -> None:
      cls.received = keywords
      super().__init_subclass__()

  class Listening:
    received: Any = None

    def __init_subclass__(cls, **keywords: Any) -> None:
      cls.received = keywords

  class ByReceiving(Receiving, a=1):
    pass

  class Inheriting(Cachette, Listening, a=1):
    pass

  class Abstract(Cachette, abc.ABC):
    @abc.abstractmethod
    def missing(self) -> None: ...

  class Generic(Cachette, typing.Generic[typing.TypeVar('T')]):  # type: ignore[misc]
    pass

  for cls in (WithInit, WithNew, Behind, Before, ByMixin):
    assert cls().number == 5 and cls(7).number == cls(number=7).number == 7
    assert asyncio.run(cls(7).fetch('no such key')) is None
  assert Behind().made == Before().made == 1
  assert isinstance(Generic(), Cachette) and isinstance(Generic[int](), Cachette)
  assert list(inspect.signature(WithInit).parameters) == ['number']
  assert list(inspect.signature(Cachette).parameters) == []
  with pytest.raises(TypeError):
    Generic(ttl=5)  # type: ignore[call-arg]
  with pytest.raises(TypeError):
    ByMixin(1, 2)
  assert ByReceiving.received == Inheriting.received == {'a': 1}
  with pytest.raises(TypeError, match='abstract'):
    Abstract()  # type: ignore[abstract]
  with pytest.raises(TypeError):

    class Refused(Cachette, a=1):  # type: ignore[call-arg]
      pass


def test_a_later_change_of_a_class_applies_to_its_construction(
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  class Changed(Cachette):
    number = 0

  def init(self: Any, number: int) -> None:
    self.number = number

  assert Changed().number == 0
  monkeypatch.setattr(Changed, '__init__', init, raising=False)
  assert Changed(5).number == 5


def test_a_cache_is_copied_and_pickled() -> None:
  assert type(copy.copy(Cachette())) is type(copy.deepcopy(Cachette())) is Cachette
  for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
    assert type(pickle.loads(pickle.dumps(Cachette(), protocol))) is Cachette


# ---- The class in the message


def test_an_error_names_the_configured_class() -> None:
  class Sessions(Cachette):
    pass

  for cls in (Cachette, Sessions):
    with pytest.raises(pydantic.ValidationError) as caught:
      cls.load_config(lambda: [('ttl', 0)])
    assert caught.value.title == cls.__name__
    assert f'for {cls.__name__}\n' in str(caught.value)


@on_pythons(sys.version_info >= (3, 11), 'exceptions of older ones have no notes')
def test_a_config_error_names_the_class_in_a_note() -> None:
  message = run_python(
    """
    import sys, traceback
    sys.modules['pydantic'] = None
    from cachette import Cachette
    class Sessions(Cachette):
      pass
    try:
      Sessions.load_config({'ttl': 0})
    except ValueError as error:
      print(''.join(traceback.format_exception_only(error)))
    """
  )
  assert message == (
    'cachette.ConfigError: The "ttl" value must between 1 or 3600 seconds. It is "0".\n'
    'in the configuration of Sessions\n\n'
  )


def test_a_type_error_names_the_configured_class() -> None:
  class Sessions(Cachette):
    pass

  with pytest.raises(TypeError, match=r'Sessions\.load_config'):
    Sessions.load_config(lambda: 5)
  with pytest.raises(TypeError, match=r'Sessions\.load_config'):
    Sessions.load_config(coroutine_function)


# ---- Choices


def error_of(settings: Dict[str, Any]) -> str:
  with pytest.raises(pydantic.ValidationError) as caught:
    new_class().load_config(settings)
  (message,) = caught.value.errors()
  return str(message['msg'])


MISSPELT = [
  ('backend', 'redsi', 'redis'),
  ('backend', 'Rediss', 'redis'),
  ('backend', 'memory', 'inmemory'),
  ('backend', 'mongo', 'mongodb'),
  ('backend', 'memcache', 'memcached'),
  ('codec', 'cvs', 'csv'),
  ('codec', 'pickel', 'pickle'),
  ('codec', 'msgpak', 'msgpack'),
  ('compression', 'gzlib', 'zlib'),
  ('memcached_auth', 'ascci', 'ascii'),
]


@pytest.mark.parametrize(('name', 'value', 'meant'), MISSPELT)
def test_a_misspelled_choice_suggests_the_right_one(name: str, value: str, meant: str) -> None:
  message = error_of({name: value})
  assert f'It is "{value}"; did you mean "{meant}"?' in message
  (choices,) = [row['choices'] for row in options() if row['name'] == name]
  assert all(f'"{each}"' in message for each in choices.split('|'))


def test_an_unrelated_choice_lists_the_choices_without_a_suggestion() -> None:
  for name, value in (('backend', 'postgres'), ('codec', 'yaml'), ('compression', 'lzma')):
    message = error_of({name: value})
    assert f' It is "{value}".' in message and 'did you mean' not in message


def test_an_unknown_codec_lists_custom_codecs_too() -> None:
  Cachette.register_codec('reverse of messages', bytes, bytes)
  message = error_of({'codec': 'reverse-of-messages'})
  assert '"reverse of messages"' in message and '"msgpack"' in message


# ---- Models


class User(pydantic.BaseModel):
  name: str


@pytest.mark.parametrize('codec', ['json', 'orjson', 'msgpack'])
def test_the_error_about_an_unsupported_model_has_advice(codec: str) -> None:
  own = new_class()
  own.load_config({'codec': codec})
  with pytest.raises(CodecError) as caught:
    own.sync.put('user', User(name='Ada'))
  for remedy in ('model_dump(mode="json")', '@cached', '"pickle"', 'returns='):
    assert remedy in str(caught.value)
  with pytest.raises(CodecError, match=r'model_dump\(mode="json"\)'):
    own.sync.put('users', [{'user': User(name='Ada')}])
  assert own.sync.get_or_set('user', lambda: User(name='Ada'), returns=User) == User(name='Ada')


def test_the_error_about_a_model_with_vanilla_has_advice() -> None:
  own = new_class()
  own.load_config({'codec': 'vanilla'})
  with pytest.raises(CodecError, match='"json".*"pickle"'):
    own.sync.get_or_set('user', lambda: User(name='Ada'))
