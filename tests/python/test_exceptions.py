# SPDX-License-Identifier: MIT
"""The exceptions are one small tree, and support pickle and copy."""

import copy
import multiprocessing
import pickle
from typing import Any, Tuple, Type

import cachette
import pytest
from cachette import (
  BackendError,
  BackendTimeout,
  BackendUnavailable,
  Cachette,
  CachetteError,
  CodecError,
  ConfigError,
)

TREE: Tuple[Tuple[Type[CachetteError], Tuple[type, ...]], ...] = (
  (CachetteError, (Exception,)),
  (ConfigError, (CachetteError, ValueError)),
  (BackendError, (CachetteError,)),
  (BackendUnavailable, (BackendError, ConnectionError)),
  (BackendTimeout, (BackendError, TimeoutError)),
  (CodecError, (CachetteError,)),
)
ALL = [each for each, _ in TREE]


@pytest.mark.parametrize(
  ('exception', 'bases'), TREE, ids=lambda value: getattr(value, '__name__', '')
)
def test_the_tree_is_as_documented(exception: type, bases: Tuple[type, ...]) -> None:
  assert exception.__bases__ == bases
  assert exception.__name__ in cachette.__all__
  assert exception.__doc__


def round_trip(exception: BaseException, protocol: int) -> Any:
  return pickle.loads(pickle.dumps(exception, protocol))


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('kind', ALL)
def test_exceptions_can_be_pickled_with_their_cause(
  kind: Type[CachetteError], protocol: int
) -> None:
  try:
    try:
      raise LookupError('the cause')
    except LookupError as cause:
      raise kind('what happened') from cause
  except CachetteError as raised:
    error = raised
  error.noted = ['an attribute']  # type: ignore[attr-defined]
  again = round_trip(error, protocol)
  assert type(again) is kind
  assert (again.args, str(again)) == (('what happened',), 'what happened')
  assert again.noted == ['an attribute']
  assert type(again.__cause__) is LookupError and again.__cause__.args == ('the cause',)


@pytest.mark.parametrize('args', [(), ('one',), ('one', 'two'), (5, 'one', None)], ids=repr)
@pytest.mark.parametrize('kind', ALL)
def test_exceptions_can_be_pickled_without_a_cause(kind: Type[CachetteError], args: Any) -> None:
  again = round_trip(kind(*args), pickle.DEFAULT_PROTOCOL)
  assert type(again) is kind and again.args == args and again.__cause__ is None
  assert str(again) == str(kind(*args))


@pytest.mark.parametrize('kind', ALL)
def test_exceptions_can_be_copied_with_their_cause(kind: Type[CachetteError]) -> None:
  error = kind('what happened')
  error.__cause__ = LookupError('the cause')
  for again in (copy.copy(error), copy.deepcopy(error)):
    assert type(again) is kind and again.args == error.args
    assert type(again.__cause__) is LookupError


def test_nested_causes_are_preserved() -> None:
  error, middle = BackendUnavailable('outer'), BackendTimeout('middle')
  error.__cause__, middle.__cause__ = middle, CodecError('inner')
  again = round_trip(error, pickle.DEFAULT_PROTOCOL)
  assert isinstance(again.__cause__.__cause__, CodecError)


def test_a_subclass_in_an_application_can_be_pickled() -> None:
  again = round_trip(Own('what happened', 7), pickle.DEFAULT_PROTOCOL)
  assert type(again) is Own and again.args == ('what happened', 7)


class Own(BackendError):
  pass


def fail_to_fetch() -> None:
  class Elsewhere(Cachette):
    pass

  Elsewhere.load_config(lambda: {'backend': 'redis', 'redis_url': 'redis://127.0.0.1:1'})
  try:
    Elsewhere.sync.fetch('key')
  except BackendError as error:
    raise error from LookupError('the cause')


def test_an_exception_can_come_from_another_process() -> None:
  with multiprocessing.get_context('spawn').Pool(1) as pool:
    with pytest.raises(BackendError, match='Cannot connect to 127.0.0.1:1'):
      pool.apply(fail_to_fetch)


def test_the_module_name_of_an_exception_can_be_imported() -> None:
  for each in ALL:
    assert getattr(cachette, each.__name__) is each
