# SPDX-License-Identifier: MIT
"""Options as text, as in the environment, and warnings about probable mistakes."""

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

# These tests set options of backends without a backend; the warnings about that are tested below.
pytestmark = pytest.mark.filterwarnings('ignore:.*"backend" is not:UserWarning')

# Each kind of option with values, and the text by which the option then displays them.
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
  """An environment without variables of Cachette."""
  for name in list(os.environ):
    if name.upper().startswith('CACHETTE_'):
      monkeypatch.delenv(name)
  return monkeypatch


def load(settings: Any) -> Any:
  class Own(Cachette):
    pass

  Own.load_config(lambda: settings)
  return Own._config


# Every form in which settings can be passed.


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


FORMS: List[Callable[[Dict[str, Any]], Any]] = [
  *(dict, as_pairs, as_mapping, as_dataclass, as_model, as_settings)
]


@pytest.mark.parametrize('form', FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize('name', BY_TEXT)
def test_options_of_every_kind_accept_text(name: str, form: Any) -> None:
  for text, known in GOOD[TABLE[name]['type']]:
    assert load(form({name: text})).get(name) == known


@pytest.mark.parametrize('form', FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize('name', [*BY_TEXT, *CHOICES])
def test_invalid_text_is_an_error_with_name_and_value(name: str, form: Any) -> None:
  for text in BAD:
    with pytest.raises(pydantic.ValidationError) as caught:
      load(form({name: text}))
    (error,) = caught.value.errors()
    displayed = ''.join(
      each if ' ' <= each < '\x7f' else '?' for each in text.encode().decode('latin')
    )
    assert error['loc'] == (name,)
    assert f'"{name}"' in error['msg'] and f'It is "{displayed}"' in error['msg']


@pytest.mark.parametrize('name', CHOICES)
def test_choices_are_case_insensitive(name: str) -> None:
  for choice in TABLE[name]['choices'].split('|'):
    if name != 'backend':
      assert load({name: choice.upper()}).get(name) == choice


def test_other_integer_types_are_numbers() -> None:
  numpy = pytest.importorskip('numpy')
  settings = {'mongodb_pool_size': numpy.int64(9), 'memory_limit': numpy.uint32(1 << 21)}
  config = load(settings)
  assert (config.get('mongodb_pool_size'), config.get('memory_limit')) == ('9', '2097152')
  for wrong in (8.0, True, numpy.float64(8), numpy.array([8, 9])):
    with pytest.raises(ValueError, match='The "mongodb_pool_size" value must be an int, not'):
      load({'mongodb_pool_size': wrong})


# ---- The environment


def load_without_warning(settings: Any) -> Any:
  """Loads the configuration, which must not warn."""
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    return load(settings)


def test_the_environment_is_read_by_prefix(environment: pytest.MonkeyPatch) -> None:
  environment.setenv('CACHETTE_TTL', '7')
  environment.setenv('cachette_Timeout', ' 0.5 ')
  environment.setenv('CACHETTE_BACKEND', 'redis')
  environment.setenv('CACHETTE_REDIS_URL', 'redis://:secret@localhost')
  environment.setenv('CACHETTE_TLS_VERIFY', 'no')
  config = load_without_warning(os.environ)
  found = [config.get(each) for each in ('ttl', 'timeout', 'backend', 'tls_verify')]
  assert found == ['7', '0.5', 'redis', 'no']


@pytest.mark.parametrize('name', [row['name'] for row in options()])
def test_a_variable_without_the_prefix_is_not_an_option(
  name: str, environment: pytest.MonkeyPatch
) -> None:
  environment.setenv('CACHETTE_TTL', '7')
  for each in (name, name.upper()):
    environment.setenv(each, 'by accident: :1')
  assert load_without_warning(os.environ).get('ttl') == '7'
  assert load_without_warning(dict(os.environ, **{name: None})).get('codec') == 'vanilla'


def test_an_environment_without_prefixed_variables_has_no_options() -> None:
  assert load_without_warning(os.environ).get('backend') == 'inmemory'


def test_os_environb_is_read(environment: pytest.MonkeyPatch) -> None:
  environment.setenv('CACHETTE_TTL', '7')
  assert load_without_warning(os.environb).get('ttl') == '7'


@pytest.mark.parametrize('form', [dict, as_pairs, as_mapping, collections.OrderedDict])
def test_a_copy_of_the_environment_is_read_like_the_environment(
  form: Any, environment: pytest.MonkeyPatch
) -> None:
  environment.setenv('CACHETTE_TTL', '7')
  environment.setenv('TTL', 'by accident')
  environment.setenv('REDIS_URL', 'redis://somewhere')
  config = load_without_warning(form(dict(os.environ)))
  assert config.get('ttl') == '7'


def test_lower_case_options_are_read_beside_a_copy_of_the_environment(
  environment: pytest.MonkeyPatch,
) -> None:
  environment.setenv('CACHETTE_TTL', '7')
  config = load_without_warning({'ttl': 5, 'codec': 'json', **os.environ})
  assert (config.get('ttl'), config.get('codec')) == ('7', 'json')
  assert load_without_warning({**os.environ, 'ttl': 5}).get('ttl') == '5'


def test_an_error_in_the_environment_names_option_and_value(
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


def test_a_misspelled_variable_is_a_warning(environment: pytest.MonkeyPatch) -> None:
  environment.setenv('CACHETTE_TLL', '7')
  environment.setenv('CACHETTE_REDISURL', 'redis://:hunter2@h')
  with pytest.warns(UserWarning) as caught:
    load(os.environ)
  assert [str(each.message) for each in caught] == [
    'CACHETTE_REDISURL is not an option; did you mean CACHETTE_REDIS_URL?',
    'CACHETTE_TLL is not an option; did you mean CACHETTE_TTL?',
  ]


def test_unrelated_variables_with_the_prefix_are_ignored(environment: pytest.MonkeyPatch) -> None:
  for name in ('TEST_BACKENDS', 'TEST_MEMCACHED_HOST', 'TEST_REDIS_URL', 'HOME', 'VERSION', ''):
    environment.setenv(f'CACHETTE_{name}', 'x')
  load_without_warning(os.environ)


def test_the_environment_configures_a_program() -> None:
  output = run_python(
    """
    import os
    from cachette import Cachette
    Cachette.load_config(lambda: os.environ)
    print(Cachette())
    """,
    env={'CACHETTE_TTL': '7', 'CACHETTE_CODEC': 'json', 'TTL': '9', 'BACKEND': 'redis'},
  )
  assert output == "<Cachette backend='inmemory' codec='json' ttl=7>\n"


# ---- Probable mistakes

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
  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    load(settings)
  return caught


@pytest.mark.parametrize('form', FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize('name', OF_BACKENDS)
def test_a_backend_option_without_a_backend_is_a_warning(name: str, form: Any) -> None:
  backend, value = OF_BACKENDS[name]
  (warning,) = warned(form({name: value, 'ttl': 7}))
  assert warning.category is UserWarning
  assert str(warning.message) == (
    f'"{name}" is set, but "backend" is not, so entries stay in memory. Set "backend" to '
    f'"{backend}", or to "inmemory" if that is intended.'
  )


def test_several_backend_options_are_one_warning() -> None:
  (warning,) = warned([('memcached_host', 'h'), ('redis_url', 'redis://h'), ('backend', None)])
  assert '"redis_url", "memcached_host" are set' in str(warning.message)


def test_a_complete_configuration_does_not_warn() -> None:
  load_without_warning({'backend': 'inmemory', 'redis_url': 'redis://h'})
  load_without_warning({'BACKEND': 'memcached', 'memcached_host': 'h', 'redis_url': 'redis://h'})
  load_without_warning(
    {'redis_url': None, 'pickle_path': '', 'mongodb_pool_size': '8', 'memcached_tls': False}
  )
  load_without_warning({'region': 'eu-west-1', 'table_name': 'mine', 'ttl': 7})
  load_without_warning([])
  load_without_warning({})


def test_a_backend_option_in_the_environment_is_a_warning(
  environment: pytest.MonkeyPatch,
) -> None:
  environment.setenv('CACHETTE_REDIS_URL', 'redis://h')
  (warning,) = warned(os.environ)
  assert 'Set "backend" to "redis"' in str(warning.message)


@dataclasses.dataclass
class Strange:
  host: str = 'localhost'
  cache_ttl: int = 7


@pytest.mark.parametrize('form', FORMS[-3:], ids=lambda form: form.__name__)
def test_a_settings_object_without_options_is_a_warning(form: Any) -> None:
  (warning,) = warned(form({'host': 'localhost', 'cache_ttl': 7}))
  assert warning.category is UserWarning
  assert str(warning.message) == (
    'No field of Settings is an option, so all options keep their defaults. Name the fields like '
    'the options, such as "backend" and "ttl".'
  )


def test_one_option_field_is_enough_to_avoid_the_warning() -> None:
  load_without_warning(as_dataclass({'host': 'localhost', 'TTL': 7}))
  load_without_warning(as_dataclass({'host': 'localhost', 'redis_url': None}))


def test_a_warning_points_to_the_caller_of_load_config() -> None:
  class Own(Cachette):
    pass

  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')

    @Own.load_config
    def get_config() -> Strange:
      return Strange()

    Own.load_config(lambda: {'redis_url': 'redis://h'})
    lines = range(get_config.__code__.co_firstlineno, sys._getframe().f_lineno)
  assert len(caught) == 2
  assert all(each.filename == __file__ and each.lineno in lines for each in caught)


def test_a_warning_as_an_error_leaves_the_previous_configuration() -> None:
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
def test_tls_files_without_tls_are_a_warning(settings: Any, remedy: Optional[str]) -> None:
  class Own(Cachette):
    pass

  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    with contextlib.suppress(ValueError):  # the file does not exist
      Own.load_config({**settings, 'tls_ca_file': __file__})
    Own.load_config(lambda: settings)
  messages = [str(each.message) for each in caught if 'not encrypted' in str(each.message)]
  assert (remedy is None) == (messages == [])
  assert remedy is None or messages[0].startswith('"tls_ca_file" is set') and remedy in messages[0]
