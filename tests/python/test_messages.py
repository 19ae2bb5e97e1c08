# SPDX-License-Identifier: MIT
"""What is said of mistakes in the use of the package: what is wrong, and what to do."""

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
from conftest import on_pythons, run_python


@dataclasses.dataclass
class DataSettings:
  ttl: int = 7


class PydanticSettings(pydantic.BaseModel):
  ttl: int = 7


def fresh() -> Any:
  class Own(Cachette):
    pass

  return Own


# ---- What load_config takes


@pytest.mark.parametrize(
  'settings',
  [{'ttl': 7}, [('ttl', 7)], (('ttl', '7'),), {'ttl': 7}.items(), DataSettings()]
  + [PydanticSettings()],
  ids=lambda settings: type(settings).__name__,
)
def test_load_config_takes_the_settings_themselves(settings: Any) -> None:
  own = fresh()
  assert own.load_config(settings) is settings
  assert own._config.get('ttl') == '7'


def test_load_config_takes_the_environment_itself(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setenv('CACHETTE_TTL', '7')
  own = fresh()
  own.load_config(os.environ)
  assert own._config.get('ttl') == '7'


@pytest.mark.parametrize('settings', [DataSettings, PydanticSettings, lambda: {'ttl': 7}, dict])
def test_load_config_calls_what_can_be_called(settings: Any) -> None:
  own = fresh()
  assert own.load_config(settings) is settings
  assert own._config.get('ttl') == ('60' if settings is dict else '7')


def test_load_config_is_a_decorator_still() -> None:
  own = fresh()

  @own.load_config
  def get_config() -> Dict[str, int]:
    return {'ttl': 7}

  assert get_config() == {'ttl': 7} and own._config.get('ttl') == '7'


@pytest.mark.parametrize('settings', [None, 5, 'redis', b'redis', [1], object()], ids=repr)
def test_load_config_says_what_it_takes(settings: Any) -> None:
  for given in (settings, lambda: settings):
    with pytest.raises(TypeError, match='must be a list of .* tuples, a mapping, or a settings'):
      fresh().load_config(given)


def test_load_config_of_a_class_that_a_function_gives_says_that_it_is_one() -> None:
  for settings in (DataSettings, PydanticSettings):
    with pytest.raises(TypeError, match=rf'got the class {settings.__name__}: call it'):
      fresh().load_config(lambda settings=settings: settings)


async def coroutine_function() -> Dict[str, int]:
  return {'ttl': 7}


async def asynchronous_generator() -> Any:
  yield 'ttl', 7


class Late:
  async def get(self) -> Dict[str, int]:
    return {'ttl': 7}


@pytest.mark.parametrize(
  'given', [coroutine_function, lambda: coroutine_function(), Late().get, asynchronous_generator]
)
def test_an_asynchronous_configuration_function_is_refused_without_a_warning(given: Any) -> None:
  own = fresh()
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    with pytest.raises(TypeError, match=r'configuration function must be a plain "def".*async def'):
      own.load_config(given)
  assert own._config.get('ttl') == '60'


def test_a_coroutine_as_configuration_is_refused_without_a_warning() -> None:
  told = run_python(
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
  assert told.count('must be a plain "def"') == 2


# ---- Without an instance


CALLS = [name for name in vars(SyncCalls) if not name.startswith('_')]


@pytest.mark.parametrize('name', CALLS)
def test_a_call_on_the_class_says_that_an_instance_is_needed(name: str) -> None:
  for args, named in ((('key',), {}), ((), {'key': 'key'}), ((), {}), (('key', 'value'), {})):
    with pytest.raises(TypeError, match=rf'on the class.*Cachette\(\)\.{name}\(\.\.\.\)') as told:
      getattr(Cachette, name)(*args, **named)
    assert f'{name}()' in str(told.value)


@pytest.mark.parametrize('name', [name for name in CALLS if name != 'get_or_set'])
def test_a_blocking_call_on_the_class_says_how_it_is_made(name: str) -> None:
  with pytest.raises(TypeError, match=rf'Cachette\.sync\.{name}\(\.\.\.\)'):
    getattr(SyncCalls, name)('key')


# ---- Arguments of the class


def test_options_given_to_the_class_are_told_where_they_belong() -> None:
  for cls in (Cachette, fresh()):
    match = rf'{cls.__name__}\(\) takes no arguments: .*"ttl".*{cls.__name__}\.load_config'
    with pytest.raises(TypeError, match=match):
      cls(ttl=5)
    for args in (('redis://:hunter2@h',), ({'ttl': 5},), (1, 2)):
      with pytest.raises(TypeError, match=r'takes no arguments: .*load_config') as told:
        cls(*args)
      assert 'hunter2' not in str(told.value)


def test_subclasses_are_built_as_they_say() -> None:
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

  class Told(Cachette):
    told: Any = None

    def __init_subclass__(cls, **keywords: Any) -> None:
      cls.told = keywords
      super().__init_subclass__()

  class Listening:
    told: Any = None

    def __init_subclass__(cls, **keywords: Any) -> None:
      cls.told = keywords

  class ByTold(Told, a=1):
    pass

  class Heard(Cachette, Listening, a=1):
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
  assert ByTold.told == Heard.told == {'a': 1}
  with pytest.raises(TypeError, match='abstract'):
    Abstract()  # type: ignore[abstract]
  with pytest.raises(TypeError):

    class Refused(Cachette, a=1):  # type: ignore[call-arg]
      pass


def test_a_class_that_is_changed_later_is_built_as_it_says_then(
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


# ---- Which class it is about


def test_a_fault_names_the_class_that_was_configured() -> None:
  class Sessions(Cachette):
    pass

  for cls in (Cachette, Sessions):
    with pytest.raises(pydantic.ValidationError) as caught:
      cls.load_config(lambda: [('ttl', 0)])
    assert caught.value.title == cls.__name__
    assert f'for {cls.__name__}\n' in str(caught.value)


@on_pythons(sys.version_info >= (3, 11), 'exceptions of older ones have no notes')
def test_a_config_error_names_the_class_in_a_note() -> None:
  told = run_python(
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
  assert told == (
    'cachette.ConfigError: The "ttl" value must between 1 or 3600 seconds. It is "0".\n'
    'in the configuration of Sessions\n\n'
  )


def test_a_type_error_names_the_class_that_was_configured() -> None:
  class Sessions(Cachette):
    pass

  with pytest.raises(TypeError, match=r'Sessions\.load_config'):
    Sessions.load_config(lambda: 5)
  with pytest.raises(TypeError, match=r'Sessions\.load_config'):
    Sessions.load_config(coroutine_function)


# ---- Choices


def fault_of(settings: Dict[str, Any]) -> str:
  with pytest.raises(pydantic.ValidationError) as caught:
    fresh().load_config(settings)
  (fault,) = caught.value.errors()
  return str(fault['msg'])


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
def test_a_choice_that_is_nearly_right_brings_the_one_that_was_meant(
  name: str, value: str, meant: str
) -> None:
  fault = fault_of({name: value})
  assert f'It is "{value}"; did you mean "{meant}"?' in fault
  (choices,) = [row['choices'] for row in options() if row['name'] == name]
  assert all(f'"{each}"' in fault for each in choices.split('|'))


def test_a_choice_that_is_far_from_all_brings_the_list_alone() -> None:
  for name, value in (('backend', 'postgres'), ('codec', 'yaml'), ('compression', 'lzma')):
    fault = fault_of({name: value})
    assert f' It is "{value}".' in fault and 'did you mean' not in fault


def test_an_unknown_codec_brings_those_of_the_application_too() -> None:
  Cachette.register_codec('reverse of messages', bytes, bytes)
  fault = fault_of({'codec': 'reverse-of-messages'})
  assert '"reverse of messages"' in fault and '"msgpack"' in fault


# ---- Models


class User(pydantic.BaseModel):
  name: str


@pytest.mark.parametrize('codec', ['json', 'orjson', 'msgpack'])
def test_a_model_that_a_codec_does_not_hold_brings_what_to_do(codec: str) -> None:
  own = fresh()
  own.load_config({'codec': codec})
  with pytest.raises(CodecError) as told:
    own.sync.put('user', User(name='Ada'))
  for remedy in ('model_dump(mode="json")', '@cached', '"pickle"', 'returns='):
    assert remedy in str(told.value)
  with pytest.raises(CodecError, match=r'model_dump\(mode="json"\)'):
    own.sync.put('users', [{'user': User(name='Ada')}])
  assert own.sync.get_or_set('user', lambda: User(name='Ada'), returns=User) == User(name='Ada')


def test_a_model_that_vanilla_does_not_hold_brings_what_to_do() -> None:
  own = fresh()
  own.load_config({'codec': 'vanilla'})
  with pytest.raises(CodecError, match='"json".*"pickle"'):
    own.sync.get_or_set('user', lambda: User(name='Ada'))
