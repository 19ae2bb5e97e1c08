# SPDX-License-Identifier: MIT
"""Options as text, as the environment has them; and warnings of what is probably not meant."""

import collections
import contextlib
import dataclasses
import os
import sys
import types
import warnings
from typing import Any, Callable, Dict, List, Optional

import pydantic
import pydantic_settings
import pytest
from cachette import Cachette
from cachette._cachette import options
from conftest import run_python

TABLE = {row['name']: row for row in options()}

# Here options of backends are given without a backend, on purpose; what is warned of is below.
pytestmark = pytest.mark.filterwarnings('ignore:.*no "backend":UserWarning')

# Text for each kind of option: what it may be, with the text by which the option is then known.
GOOD = {
  'seconds': [('60', '60'), ('1', '1'), ('2.5', '2.5'), ('3600', '3600')],
  'duration': [('1', '1'), ('0.25', '0.25'), ('3600', '3600')],
  'number': [('8', '8'), ('1', '1'), ('256', '256')],
  'size': [('2097152', '2097152'), ('2M', '2M'), ('1024k', '1024k')],
  'boolean': [(each, each) for each in ('true', 'FALSE', 'Yes', 'no', 'on', 'OFF', '0', '1')],
}
BAD = ['', 'abc', '1e999', 'nan', 'inf', '-1', '1,5', '0x10', '1 0', '\n', '１２']
BY_TEXT = [row['name'] for row in options() if row['type'] in GOOD]
CHOICES = [row['name'] for row in options() if row['type'] == 'choice']


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
  """An environment without variables of Cachette's."""
  for name in list(os.environ):
    if name.upper().startswith('CACHETTE_'):
      monkeypatch.delenv(name)
  return monkeypatch


def load(settings: Any) -> Any:
  class Own(Cachette):
    pass

  Own.load_config(lambda: settings)
  return Own._config


# In whatever way settings are given.


def as_pairs(settings: Dict[str, Any]) -> Any:
  return list(settings.items())


def as_mapping(settings: Dict[str, Any]) -> Any:
  return types.MappingProxyType(settings)


def as_dataclass(settings: Dict[str, Any]) -> Any:
  return dataclasses.make_dataclass('Settings', list(settings))(**settings)


def as_model(settings: Dict[str, Any]) -> Any:
  fields: Any = {name: (type(value), value) for name, value in settings.items()}
  return pydantic.create_model('Settings', **fields)()


def as_settings(settings: Dict[str, Any]) -> Any:
  fields: Any = {name: (type(value), value) for name, value in settings.items()}
  return pydantic.create_model('Settings', __base__=pydantic_settings.BaseSettings, **fields)()


WAYS: List[Callable[[Dict[str, Any]], Any]] = [
  *(dict, as_pairs, as_mapping, as_dataclass, as_model, as_settings)
]


@pytest.mark.parametrize('way', WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize('name', BY_TEXT)
def test_an_option_of_every_kind_may_be_text(name: str, way: Any) -> None:
  for text, known in GOOD[TABLE[name]['type']]:
    assert load(way({name: text})).get(name) == known


@pytest.mark.parametrize('way', WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize('name', [*BY_TEXT, *CHOICES])
def test_text_that_is_wrong_is_refused_by_name_and_value(name: str, way: Any) -> None:
  for text in BAD:
    with pytest.raises(pydantic.ValidationError) as caught:
      load(way({name: text}))
    (fault,) = caught.value.errors()
    shown = ''.join(each if ' ' <= each < '\x7f' else '?' for each in text.encode().decode('latin'))
    assert fault['loc'] == (name,)
    assert f'"{name}"' in fault['msg'] and f'It is "{shown}"' in fault['msg']


@pytest.mark.parametrize('name', CHOICES)
def test_a_choice_is_text_in_any_case(name: str) -> None:
  for choice in TABLE[name]['choices'].split('|'):
    if name != 'backend':
      assert load({name: choice.upper()}).get(name) == choice


def test_ints_of_other_types_are_numbers() -> None:
  numpy = pytest.importorskip('numpy')
  settings = {'mongodb_pool_size': numpy.int64(9), 'memory_limit': numpy.uint32(1 << 21)}
  config = load(settings)
  assert (config.get('mongodb_pool_size'), config.get('memory_limit')) == ('9', '2097152')
  for wrong in (8.0, True, numpy.float64(8), numpy.array([8, 9])):
    with pytest.raises(ValueError, match='The "mongodb_pool_size" value must be an int, not'):
      load({'mongodb_pool_size': wrong})


# ---- The environment


def quiet(settings: Any) -> Any:
  """The configuration, about which nothing is to be warned."""
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    return load(settings)


def test_the_environment_is_read_by_the_prefix(environment: pytest.MonkeyPatch) -> None:
  environment.setenv('CACHETTE_TTL', '7')
  environment.setenv('cachette_Timeout', ' 0.5 ')
  environment.setenv('CACHETTE_BACKEND', 'redis')
  environment.setenv('CACHETTE_REDIS_URL', 'redis://:secret@localhost')
  environment.setenv('CACHETTE_TLS_VERIFY', 'no')
  config = quiet(os.environ)
  found = [config.get(each) for each in ('ttl', 'timeout', 'backend', 'tls_verify')]
  assert found == ['7', '0.5', 'redis', 'no']


@pytest.mark.parametrize('name', [row['name'] for row in options()])
def test_a_variable_without_the_prefix_is_no_option(
  name: str, environment: pytest.MonkeyPatch
) -> None:
  environment.setenv('CACHETTE_TTL', '7')
  for each in (name, name.upper()):
    environment.setenv(each, 'by accident: :1')
  assert quiet(os.environ).get('ttl') == '7'
  assert quiet(dict(os.environ, **{name: None})).get('codec') == 'vanilla'


def test_an_environment_without_the_prefix_has_no_options() -> None:
  assert quiet(os.environ).get('backend') == 'inmemory'


def test_the_environment_as_bytes_is_read_too(environment: pytest.MonkeyPatch) -> None:
  environment.setenv('CACHETTE_TTL', '7')
  assert quiet(os.environb).get('ttl') == '7'


@pytest.mark.parametrize('way', [dict, as_pairs, as_mapping, collections.OrderedDict])
def test_a_copy_of_the_environment_is_read_as_one(
  way: Any, environment: pytest.MonkeyPatch
) -> None:
  environment.setenv('CACHETTE_TTL', '7')
  environment.setenv('TTL', 'by accident')
  environment.setenv('REDIS_URL', 'redis://somewhere')
  config = quiet(way(dict(os.environ)))
  assert config.get('ttl') == '7'


def test_options_in_small_letters_count_beside_a_copy_of_the_environment(
  environment: pytest.MonkeyPatch,
) -> None:
  environment.setenv('CACHETTE_TTL', '7')
  config = quiet({'ttl': 5, 'codec': 'json', **os.environ})
  assert (config.get('ttl'), config.get('codec')) == ('7', 'json')
  assert quiet({**os.environ, 'ttl': 5}).get('ttl') == '5'


def test_a_fault_of_the_environment_names_option_and_value(
  environment: pytest.MonkeyPatch,
) -> None:
  for text in BAD[:6]:
    environment.setenv('CACHETTE_TTL', text)
    with pytest.raises(ValueError, match=f'The "ttl" value .* It is "{text}"'):
      load(os.environ)
  environment.setenv('CACHETTE_TTL', '7')
  environment.setenv('CACHETTE_BACKEND', 'redis')
  with pytest.raises(ValueError, match='The "redis_url" cannot be null'):
    load(os.environ)


def test_a_variable_that_is_nearly_an_option_is_warned_of(environment: pytest.MonkeyPatch) -> None:
  environment.setenv('CACHETTE_TLL', '7')
  environment.setenv('CACHETTE_REDISURL', 'redis://:hunter2@h')
  with pytest.warns(UserWarning) as told:
    load(os.environ)
  assert [str(each.message) for each in told] == [
    'CACHETTE_REDISURL is not an option; did you mean CACHETTE_REDIS_URL?',
    'CACHETTE_TLL is not an option; did you mean CACHETTE_TTL?',
  ]


def test_other_variables_with_the_prefix_are_left_alone(environment: pytest.MonkeyPatch) -> None:
  for name in ('TEST_BACKENDS', 'TEST_MEMCACHED_HOST', 'TEST_REDIS_URL', 'HOME', 'VERSION', ''):
    environment.setenv(f'CACHETTE_{name}', 'x')
  quiet(os.environ)


def test_the_environment_configures_a_program() -> None:
  told = run_python(
    """
    import os
    from cachette import Cachette
    Cachette.load_config(lambda: os.environ)
    print(Cachette())
    """,
    env={'CACHETTE_TTL': '7', 'CACHETTE_CODEC': 'json', 'TTL': '9', 'BACKEND': 'redis'},
  )
  assert told == "<Cachette backend='inmemory' codec='json' ttl=7>\n"


# ---- What is probably not meant

OF_BACKENDS = {
  'redis_url': ('redis', 'redis://:hunter2@h'),
  'valkey_url': ('valkey', 'valkey://:hunter2@h'),
  'memcached_host': ('memcached', 'h'),
  'memcached_password': ('memcached', 'hunter2'),
  'memcached_tls': ('memcached', True),
  'mongodb_url': ('mongodb', 'mongodb://u:hunter2@h'),
  'mongodb_pool_size': ('mongodb', '9'),
  'dynamodb_url': ('dynamodb', 'http://h'),
  'pickle_path': ('file', '/tmp/cache'),
}


def warned(settings: Any) -> List[Any]:
  with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter('always')
    load(settings)
  return told


@pytest.mark.parametrize('way', WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize('name', OF_BACKENDS)
def test_an_option_of_a_backend_without_a_backend_is_warned_of(name: str, way: Any) -> None:
  backend, value = OF_BACKENDS[name]
  (told,) = warned(way({name: value, 'ttl': 7}))
  assert told.category is UserWarning
  assert str(told.message) == (
    f'"{name}" is set, but "backend" is not, so entries stay in memory. Set "backend" to '
    f'"{backend}", or to "inmemory" if that is intended.'
  )


def test_several_options_of_backends_are_one_warning() -> None:
  (told,) = warned([('memcached_host', 'h'), ('redis_url', 'redis://h'), ('backend', None)])
  assert '"redis_url", "memcached_host" are set' in str(told.message)


def test_nothing_is_warned_of_where_all_is_said() -> None:
  quiet({'backend': 'inmemory', 'redis_url': 'redis://h'})
  quiet({'BACKEND': 'memcached', 'memcached_host': 'h', 'redis_url': 'redis://h'})
  quiet({'redis_url': None, 'pickle_path': '', 'mongodb_pool_size': '8', 'memcached_tls': False})
  quiet({'region': 'eu-west-1', 'table_name': 'mine', 'ttl': 7})
  quiet([])
  quiet({})


def test_an_option_of_a_backend_in_the_environment_is_warned_of(
  environment: pytest.MonkeyPatch,
) -> None:
  environment.setenv('CACHETTE_REDIS_URL', 'redis://h')
  (told,) = warned(os.environ)
  assert 'Set "backend" to "redis"' in str(told.message)


@dataclasses.dataclass
class Strange:
  host: str = 'localhost'
  cache_ttl: int = 7


@pytest.mark.parametrize('way', WAYS[-3:], ids=lambda way: way.__name__)
def test_a_settings_object_without_an_option_is_warned_of(way: Any) -> None:
  (told,) = warned(way({'host': 'localhost', 'cache_ttl': 7}))
  assert told.category is UserWarning
  assert str(told.message) == (
    'No field of Settings is an option, so all options keep their defaults. Name the fields like '
    'the options, such as "backend" and "ttl".'
  )


def test_one_field_that_is_an_option_is_enough() -> None:
  quiet(as_dataclass({'host': 'localhost', 'TTL': 7}))
  quiet(as_dataclass({'host': 'localhost', 'redis_url': None}))


def test_a_warning_points_at_who_loads_the_configuration() -> None:
  class Own(Cachette):
    pass

  with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter('always')

    @Own.load_config
    def get_config() -> Strange:
      return Strange()

    Own.load_config(lambda: {'redis_url': 'redis://h'})
    lines = range(get_config.__code__.co_firstlineno, sys._getframe().f_lineno)
  assert len(told) == 2
  assert all(each.filename == __file__ and each.lineno in lines for each in told)


def test_a_warning_as_an_error_leaves_the_configuration_that_stands() -> None:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'ttl': 7})
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    with pytest.raises(UserWarning):
      Own.load_config(lambda: {'redis_url': 'redis://h'})
  assert Own._config.get('ttl') == '7'


@pytest.mark.parametrize(
  ('settings', 'remedy'),
  [
    ({'backend': 'redis', 'redis_url': 'redis://h'}, 'Begin the "redis_url" with "rediss://"'),
    ({'backend': 'valkey', 'valkey_url': 'VALKEY://h'}, 'Begin the "valkey_url" with "valkeys://"'),
    ({'backend': 'memcached', 'memcached_host': 'h'}, 'Set "memcached_tls" to true'),
    ({'backend': 'redis', 'redis_url': 'rediss://h'}, None),
    ({'backend': 'memcached', 'memcached_host': 'h', 'memcached_tls': True}, None),
    ({'backend': 'inmemory'}, None),
  ],
)
def test_files_for_tls_without_tls_are_warned_of(settings: Any, remedy: Optional[str]) -> None:
  class Own(Cachette):
    pass

  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    with contextlib.suppress(ValueError):  # there is no such file
      Own.load_config({**settings, 'tls_ca_file': __file__})
    Own.load_config(lambda: settings)
  told = [str(each.message) for each in caught if 'not encrypted' in str(each.message)]
  assert (remedy is None) == (told == [])
  assert remedy is None or told[0].startswith('"tls_ca_file" is set') and remedy in told[0]
