# SPDX-License-Identifier: MIT
"""`load_config`: what it reads, what it rejects with which messages, and what it replaces."""

import asyncio
import collections
import enum
import gc
import json
import pathlib
import traceback
import types
from dataclasses import InitVar, dataclass, field
from typing import Any, ClassVar, List, Optional, Tuple, Type

import pydantic
import pydantic_settings
import pytest
from cachette import BackendError, Cachette, CachetteError, ConfigError
from cachette._cachette import load, options
from conftest import about, count_descriptors, id_of, linux_only, run_python

TTL = 'The "ttl" value must between 1 or 3600 seconds.'  # the messages are those of 0.1.x
LONGER = ' The ttl of a single call, such as put(key, value, ttl), may be longer.'
TIMEOUT = 'The "timeout" value must be between 0.001 and 3600 seconds.'
REDIS = 'The "redis_url" cannot be null when using redis as backend.'
VALKEY = 'The "valkey_url" cannot be null when using valkey as backend.'
MEMCACHED = 'The "memcached_host" cannot be null when using memcached as backend.'
MONGODB = 'The "mongodb_url" cannot be null when using MongoDB as backend.'
DATABASE = 'The "database_name" cannot be null when using MongoDB as backend.'
TABLE = 'The "table_name" cannot be null when using MongoDB as backend.'
PICKLE = 'The "pickle_path" cannot be null when using pickle as backend.'

# Settings, and exactly the errors that they have.
FAULTY = [
  ([('ttl', 0)], [f'{TTL} It is "0".']),
  ([('ttl', 3601)], [f'{TTL} It is "3601".{LONGER}']),
  ([('ttl', -1)], [f'{TTL} It is "-1".']),
  ([('TTL', 10**30)], [f'{TTL} It is "{10**30}".']),
  ([('backend', 'redis')], [REDIS]),
  ([('backend', 'redis'), ('redis_url', None)], [REDIS]),
  ([('backend', 'redis'), ('redis_url', '')], [REDIS]),
  ([('backend', 'valkey')], [VALKEY]),
  ([('backend', 'valkey'), ('redis_url', 'redis://here')], [VALKEY]),
  ([('backend', 'memcached')], [MEMCACHED]),
  ([('backend', 'mongodb')], [MONGODB]),
  ([('backend', 'mongodb'), ('mongodb_url', 'mongodb://h'), ('database_name', None)], [DATABASE]),
  ([('backend', 'mongodb'), ('mongodb_url', 'mongodb://h'), ('table_name', None)], [TABLE]),
  (
    [('backend', 'mongodb'), ('table_name', None), ('database_name', None), ('ttl', 0)],
    [f'{TTL} It is "0".', TABLE, DATABASE, MONGODB],
  ),
  ([('backend', 'pickle')], [PICKLE]),
  ([('backend', 'REDIS'), ('Ttl', 9999)], [f'{TTL} It is "9999".{LONGER}', REDIS]),
  ([('ttl', 'soon')], [f'{TTL} It is "soon".']),
  ([('ttl', True)], ['The "ttl" value must be a number of seconds or a timedelta, not bool.']),
  ([('backend', 7)], ['The "backend" value must be a str, not int.']),
  ([('redis_url', b'redis://h')], ['The "redis_url" value must be a str, not bytes.']),
  ([('region', ['eu'])], ['The "region" value must be a str, not list.']),
  ([('timeout', 'soon')], [f'{TIMEOUT} It is "soon".']),
  ([('timeout', 0)], [f'{TIMEOUT} It is "0".']),
  ([('timeout', -0.5)], [f'{TIMEOUT} It is "-0.5".']),
  ([('timeout', float('inf'))], [f'{TIMEOUT} It is "inf".']),
  ([('timeout', float('nan'))], [f'{TIMEOUT} It is "nan".']),
  (
    [('memory_limit', 1.5)],
    ['The "memory_limit" value must be an int (bytes) or a str such as "64M", not float.'],
  ),
  ([('tll', 60)], ['There is no option "tll"; did you mean "ttl"?']),
  ([('redis_ur', None)], ['There is no option "redis_ur"; did you mean "redis_url"?']),
  (
    [('Backends', 'inmemory'), ('ttl', 0), ('codex', 'json')],
    [
      'There is no option "Backends"; did you mean "backend"?',
      f'{TTL} It is "0".',
      'There is no option "codex"; did you mean "codec"?',
    ],
  ),
]


def configured(settings: Any) -> type:
  """A class with its own configuration."""
  cls = types.new_class('Own', (Cachette,))
  cls.load_config(lambda: settings)  # type: ignore[attr-defined]
  return cls


def errors_of(settings: Any) -> List[str]:
  """The messages of the pydantic.ValidationError that the settings must raise."""
  with pytest.raises(pydantic.ValidationError) as caught:
    configured(settings)
  found = [error['msg'] for error in caught.value.errors()]
  prefix = 'Value error, '
  assert all(each.startswith(prefix) for each in found)
  return [each[len(prefix) :] for each in found]


# ---- Valid settings


@dataclass
class DataSettings:
  ttl: int = 7
  TABLE_NAME: str = 'mine'
  debug: bool = True
  redis_url: Optional[str] = None


class PydanticSettings(pydantic_settings.BaseSettings):
  ttl: int = 7
  TABLE_NAME: str = 'mine'
  debug: bool = True
  redis_url: Optional[str] = None


class PydanticModel(pydantic.BaseModel):
  ttl: int = 7
  table_name: str = 'mine'
  pages: int = 3


@pytest.mark.parametrize(
  'settings',
  [
    [('ttl', 7), ('table_name', 'mine')],
    [['ttl', 7], ['TABLE_NAME', 'mine']],
    (('TtL', 7), ('Table_Name', 'mine')),
    iter([('ttl', 7), ('table_name', 'mine')]),
    {'ttl': 7, 'table_name': 'mine'},
    {'ttl': 7, 'table_name': 'mine'}.items(),
    types.MappingProxyType({'ttl': 7, 'table_name': 'mine'}),
    collections.ChainMap({'ttl': 7}, {'table_name': 'mine'}),
    DataSettings(),
    PydanticSettings(),
    PydanticModel(),
  ],
  ids=lambda settings: type(settings).__name__,
)
def test_every_kind_of_settings_is_read(settings: Any) -> None:
  config = configured(settings)._config  # type: ignore[attr-defined]
  assert (config.get('ttl'), config.get('table_name')) == ('7', 'mine')


def test_pydantic_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setenv('TTL', '123')
  monkeypatch.setenv('BACKEND', 'redis')
  monkeypatch.setenv('REDIS_URL', 'redis://:secret@localhost:6379/0')

  class Settings(pydantic_settings.BaseSettings):
    ttl: int
    backend: str
    redis_url: pydantic.RedisDsn

  config = configured(Settings())._config  # type: ignore[attr-defined,call-arg]
  assert (config.get('ttl'), config.get('backend')) == ('123', 'redis')


def test_secrets_urls_paths_and_enums_are_read_as_str() -> None:
  class Backend(str, enum.Enum):
    PICKLE = 'pickle'

  class Settings(pydantic.BaseModel):
    backend: Backend = Backend.PICKLE
    pickle_path: pathlib.Path = pathlib.Path('/tmp/cache.pickle')
    redis_url: pydantic.SecretStr = pydantic.SecretStr('redis://:secret@h')
    mongodb_url: pydantic.AnyUrl = pydantic.AnyUrl('mongodb://u:secret@h')

  config = configured(Settings())._config  # type: ignore[attr-defined]
  assert (config.get('backend'), config.get('pickle_path')) == ('pickle', '/tmp/cache.pickle')


def test_class_and_init_variables_of_a_dataclass_are_ignored() -> None:
  @dataclass
  class Settings:
    default_ttl: ClassVar[int] = 3
    seed: InitVar[int]
    ttl: int = field(init=False)

    def __post_init__(self, seed: int) -> None:
      self.ttl = seed + self.default_ttl

  assert configured(Settings(4))._config.get('ttl') == '7'  # type: ignore[attr-defined]


def test_fields_of_a_settings_object_that_are_not_options_are_ignored() -> None:
  class Settings(pydantic_settings.BaseSettings):
    tll: int = 99999
    database_password: str = 'secret'
    nested: PydanticModel = PydanticModel()

  with pytest.warns(UserWarning, match='No field of Settings is an option'):
    configured(Settings())


def test_an_error_in_a_settings_object_is_reported() -> None:
  assert errors_of(DataSettings(ttl=0)) == [f'{TTL} It is "0".']
  assert errors_of(PydanticSettings(ttl=0)) == [f'{TTL} It is "0".']


def test_the_function_is_called_once_and_returned() -> None:
  calls = []

  class Own(Cachette):
    pass

  @Own.load_config
  def get_cachette_config() -> List[Tuple[str, int]]:
    calls.append(1)
    return [('ttl', 7)]

  assert isinstance(get_cachette_config, types.FunctionType)
  assert get_cachette_config() == [('ttl', 7)]
  assert len(calls) == 2


def test_the_last_of_two_settings_with_one_name_is_used() -> None:
  assert configured([('ttl', 7), ('TTL', 8)])._config.get('ttl') == '8'  # type: ignore[attr-defined]


def test_all_backends_and_codecs_are_accepted_in_any_case() -> None:
  table = {row['name']: row for row in options()}
  urls = {row['name']: 'redis://there' for row in options() if row['needed_by']}
  urls.update({'region': 'eu-west-1', 'database_name': 'there', 'table_name': 'there'})
  urls.update({'mongodb_url': 'mongodb://there', 'memcached_host': 'there', 'pickle_path': 'there'})
  for backend in table['backend']['choices'].split('|'):
    for codec in table['codec']['choices'].split('|'):
      configured({**urls, 'backend': backend.upper(), 'codec': codec.title()})


@pytest.mark.parametrize('limit', [1 << 20, '1048576', '1024K', '1M', '2g', '16m'])
def test_a_memory_limit_is_an_int_or_text_with_a_suffix(limit: Any) -> None:
  configured({'memory_limit': limit})


@pytest.mark.parametrize('limit', [0, -1, 1, '1', '', 'M', '64MB', '-64M', '1.5M', ' 64M', 10**30])
def test_a_memory_limit_out_of_range_is_an_error(limit: Any) -> None:
  (message,) = errors_of({'memory_limit': limit})
  assert message.startswith('The "memory_limit" value must be a size from')


@pytest.mark.parametrize('timeout', [1, 0.001, 0.25, 3600])
def test_a_timeout_is_an_int_or_a_float(timeout: Any) -> None:
  configured({'timeout': timeout})


# ---- Errors


@pytest.mark.parametrize(('settings', 'messages'), FAULTY, ids=lambda value: str(value)[:60])
def test_each_error_has_its_message_in_a_validation_error(
  settings: List[Tuple[str, Any]], messages: List[str]
) -> None:
  assert errors_of(settings) == messages
  assert errors_of(dict(settings)) == messages


@pytest.mark.parametrize('digits', [5000, 100_000])
def test_a_number_of_any_size_is_out_of_range(digits: int) -> None:
  assert errors_of({'ttl': 10**digits}) == [f'{TTL} It is "9999999999999999999...".']
  assert errors_of({'ttl': -(10**digits)}) == [f'{TTL} It is "-9999999999999999999...".']
  assert len(errors_of({'timeout': 10**digits, 'memory_limit': 10**digits})) == 2


def test_an_int_subclass_is_its_number() -> None:
  class Ttl(enum.IntEnum):
    SHORT = 7

  assert configured({'ttl': Ttl.SHORT})._config.get('ttl') == '7'  # type: ignore[attr-defined]


def test_without_pydantic_a_config_error_has_the_same_messages() -> None:
  output = run_python(
    """
    import json, sys
    sys.modules['pydantic'] = None
    from cachette import Cachette, CachetteError, ConfigError
    inf, nan = float('inf'), float('nan')
    for settings, messages in eval(sys.stdin.read()):
      class Own(Cachette):
        pass
      try:
        Own.load_config(lambda: settings)
      except ValueError as error:
        assert type(error) is ConfigError and isinstance(error, CachetteError)
        assert error.__cause__ is None and error.__suppress_context__
        assert str(error) == '\\n'.join(messages), (settings, str(error))
      else:
        raise AssertionError(settings)
    print('all refused')
    """.replace('sys.stdin.read()', repr(repr(FAULTY)))
  )
  assert output == 'all refused\n'


def test_a_validation_error_names_each_option_and_is_a_value_error() -> None:
  with pytest.raises(ValueError) as caught:
    configured([('ttl', 0), ('backend', 'valkey')])
  assert isinstance(caught.value, pydantic.ValidationError)
  assert [error['loc'] for error in caught.value.errors()] == [('ttl',), ('valkey_url',)]
  assert TTL in str(caught.value) and VALKEY in str(caught.value)
  json.loads(caught.value.json())


def test_an_unknown_choice_is_an_error_that_lists_the_choices() -> None:
  (message,) = errors_of([('codec', 'yaml')])
  assert message.startswith(  # the list ends with the codecs that other tests have registered
    'The "codec" value must be one of "csv", "feather", "json", "msgpack", "orjson", "parquet", '
    '"pickle" or "vanilla". It is "yaml".'
  )
  (message,) = errors_of([('backend', 'postgres')])
  assert message == (
    'The "backend" value must be one of "inmemory", "dynamodb", "memcached", "mongodb", "redis", '
    '"valkey", "pickle", "file" or "none". It is "postgres".'
  )


@pytest.mark.parametrize('name', [row['name'] for row in options()])
def test_none_means_absent_if_the_backend_does_not_need_the_option(name: str) -> None:
  cls = configured([(name, None)])
  assert asyncio.run(cls().fetch('key', 'default')) == 'default'


def test_dynamodb_needs_no_region_or_url_since_the_environment_may_have_them() -> None:
  configured([('backend', 'dynamodb'), ('region', 'eu-west-1'), ('dynamodb_url', None)])
  configured([('backend', 'dynamodb'), ('dynamodb_url', 'http://localhost:8000'), ('region', None)])
  configured([('backend', 'dynamodb'), ('region', None)])


@pytest.mark.parametrize(
  'name', ['', 'x' * 1000, 'é' * 100, 'a' + 'é' * 100, '鍵' * 100, 'ttl\0x', '\udc80'], ids=ascii
)
def test_unknown_names_of_any_length_and_script_are_an_error(name: str) -> None:
  (message,) = errors_of([(name, 5)])
  assert message.startswith('There is no option "')


@pytest.mark.parametrize('text', ['a\0b', 'a\nb', '\x7f', 'redis://:secret@h/\udc80'])
def test_text_that_no_server_accepts_is_an_error_that_does_not_contain_it(text: str) -> None:
  with pytest.raises(pydantic.ValidationError) as caught:
    configured([('redis_url', text)])
  assert len(caught.value.errors()) == 1
  assert 'secret' not in repr(caught.value)


SECRETS = [
  [('redis_url', ['redis://user:hunter2@h'])],
  [('redis_url', b'redis://user:hunter2@h')],
  [('redis_url', 'redis://user:hunter2@h\n')],
  [('redis_url', 'redis://user:hunter2@h'), ('ttl', 0)],
  [('backend', 'mongodb'), ('mongodb_url', 'mongodb://u:hunter2@h'), ('table_name', None)],
  [('backend', 'valkey'), ('redis_url', 'redis://user:hunter2@h')],
  {'valkey_url': {'password': 'hunter2'}},
  {'mongodb_url': pydantic.SecretBytes(b'hunter2')},
]


@pytest.mark.parametrize('settings', SECRETS, ids=lambda value: str(value)[:60])
def test_an_error_does_not_contain_the_password(settings: Any) -> None:
  with pytest.raises(pydantic.ValidationError) as caught:
    configured(settings)
  error = caught.value
  displayed = [str(error), repr(error), repr(error.errors()), error.json()]
  displayed += traceback.format_exception(type(error), error, None)
  assert not any('hunter2' in each for each in displayed)


def test_the_repr_and_stats_do_not_contain_the_password() -> None:
  cls = configured([('backend', 'redis'), ('redis_url', 'redis://user:hunter2@h')])
  config = cls._config  # type: ignore[attr-defined]
  assert 'hunter2' not in repr(cls()) + repr(config) + repr(config.get('redis_url'))
  with pytest.raises(BackendError) as caught:
    asyncio.run(cls().fetch('key'))
  assert 'hunter2' not in repr(caught.value)


@pytest.mark.parametrize(
  'settings',
  [
    None,
    7,
    'ttl',
    b'ttl',
    ['ttl'],
    [('ttl',)],
    [('ttl', 1, 2)],
    [(7, 7)],
    {7: 7},
    [None],
    object(),
  ],
  ids=id_of,
)
def test_an_invalid_configuration_object_is_a_type_error(settings: Any) -> None:
  with pytest.raises(TypeError, match='must be a list of .* tuples, a mapping, or a settings'):
    configured(settings)


def test_a_type_error_names_the_type_that_was_returned() -> None:
  with pytest.raises(TypeError, match='got NoneType'):
    configured(None)
  with pytest.raises(TypeError, match=r'got dict\.'):
    configured({7: 7})


def test_an_exception_of_the_function_propagates() -> None:
  class Own(Cachette):
    pass

  def broken() -> None:
    raise LookupError('no settings')

  with pytest.raises(LookupError, match='no settings'):
    Own.load_config(broken)


# ---- Replaced configurations


def test_a_second_load_config_applies_to_existing_instances() -> None:
  cls = configured([('codec', 'vanilla')])
  cache = cls()
  asyncio.run(cache.put('key', 1))
  assert asyncio.run(cache.fetch('key')) == '1'
  cls.load_config(lambda: [('codec', 'json'), ('ttl', 7)])  # type: ignore[attr-defined]
  assert asyncio.run(cache.fetch('key')) is None
  asyncio.run(cache.put('key', [1]))
  assert asyncio.run(cache.fetch_with_ttl('key')) == (about(7), [1])


def test_a_failed_load_config_leaves_the_previous_configuration() -> None:
  cls = configured([('ttl', 7)])
  asyncio.run(cls().put('key', 'value'))
  for bad in ([('ttl', 0)], None):
    with pytest.raises((ValueError, TypeError)):
      cls.load_config(lambda bad=bad: bad)  # type: ignore[attr-defined,misc]
  assert asyncio.run(cls().fetch_with_ttl('key')) == (about(7), 'value')


@linux_only
def test_a_second_load_config_closes_what_the_first_opened() -> None:
  cls = configured([])
  asyncio.run(cls().put('key', 'value'))
  asyncio.run(Cachette().fetch('key'))
  gc.collect()
  before = count_descriptors()
  for _ in range(100):
    cls.load_config(lambda: [])  # type: ignore[attr-defined]
    asyncio.run(cls().put('key', 'value'))
  assert count_descriptors() == before


@linux_only
def test_a_deallocated_class_closes_what_it_opened() -> None:
  asyncio.run(Cachette().fetch('key'))
  gc.collect()
  before = count_descriptors()
  for _ in range(50):
    asyncio.run(configured([])().put('key', 'value'))
  asyncio.run(Cachette().fetch('key'))
  gc.collect()
  assert count_descriptors() <= before


def test_the_defaults_are_inmemory_vanilla_and_a_minute() -> None:
  output = run_python("""
    import asyncio
    from cachette import Cachette

    async def main():
      cache = Cachette()
      await cache.put('key', 5)
      print(await cache.fetch_with_ttl('key'), repr(cache))

    asyncio.run(main())
    """)
  assert output == "(60, '5') <Cachette backend='inmemory' codec='vanilla' ttl=60>\n"


def test_subclasses_with_a_configuration_are_independent_caches() -> None:
  async def main() -> None:
    one, two = configured([])(), configured([('ttl', 7)])()
    await Cachette().flush()
    await one.put('key', 'one')
    await two.put('key', 'two')
    assert await one.fetch_with_ttl('key') == (about(60), 'one')
    assert await two.fetch_with_ttl('key') == (about(7), 'two')
    assert await Cachette().fetch('key') is None
    assert await one.flush() == 1
    assert await two.fetch('key') == 'two'

  asyncio.run(main())


def test_a_subclass_without_load_config_shares_the_inherited_cache() -> None:
  class Parent(Cachette):
    pass

  class Child(Parent):
    pass

  async def main() -> None:
    Parent.load_config(lambda: [('ttl', 7)])
    await Parent().put('key', 'value')
    assert await Child().fetch_with_ttl('key') == (about(7), 'value')
    Parent.load_config(lambda: [('ttl', 8)])
    assert await Child().fetch('key') is None
    await Child().put('key', 'value')
    assert await Parent().fetch_with_ttl('key') == (about(8), 'value')
    Child.load_config(lambda: [('ttl', 9)])
    assert await Child().fetch('key') is None
    assert await Parent().fetch('key') == 'value'

  asyncio.run(main())


def test_classes_with_the_same_memory_name_share_entries() -> None:
  async def main() -> None:
    one, two = (
      configured({'memory_name': 'shared here'})(),
      configured({'memory_name': 'shared here', 'ttl': 7})(),
    )
    await one.put('key', 'value')
    await two.put('other', 'value')
    assert await two.fetch_with_ttl('key') == (about(60), 'value')
    assert await one.fetch_with_ttl('other') == (about(7), 'value')
    assert await configured({'memory_name': 'elsewhere'})().fetch('key') is None

  asyncio.run(main())


def test_classes_with_the_same_memory_name_must_have_the_same_limit() -> None:
  async def main() -> None:
    one = configured({'memory_name': 'agreed ' + 'é' * 60, 'memory_limit': '2M'})()
    two = configured({'memory_name': 'agreed ' + 'é' * 60, 'memory_limit': '3M'})()
    await one.put('key', 'value')
    with pytest.raises(ConfigError, match='memory_limit'):
      await two.fetch('key')

  asyncio.run(main())


def test_a_config_error_is_a_cachette_error_and_a_value_error() -> None:
  assert issubclass(ConfigError, CachetteError) and issubclass(ConfigError, ValueError)


class NeitherTrueNorFalse:
  def __bool__(self) -> bool:
    raise ValueError('neither')


@pytest.mark.parametrize(
  ('pairs', 'lenient', 'error'),
  [
    (['ttl'], False, TypeError),
    ([('ttl',)], False, TypeError),
    ([], NeitherTrueNorFalse(), ValueError),
  ],
)
def test_the_extension_raises_the_error_of_a_wrong_argument(
  pairs: Any, lenient: Any, error: Type[Exception]
) -> None:
  with pytest.raises(error):
    load(pairs, lenient, None)
