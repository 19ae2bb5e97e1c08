# SPDX-License-Identifier: MIT
"""Options as text, as the environment has them; and warnings of what is probably not meant."""

import dataclasses
import types
from typing import Any, Callable, Dict, List

import pydantic
import pydantic_settings
import pytest
from cachette import Cachette
from cachette._cachette import options

TABLE = {row['name']: row for row in options()}

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
