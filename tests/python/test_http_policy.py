# SPDX-License-Identifier: MIT
"""The class `cachette.http.Policy`: its options, their checks, and what the library gets."""

import copy
import dataclasses
import datetime
import decimal
import fractions
import inspect
import pickle
from typing import Any, Dict

import pytest
from cachette import http
from cachette._cachette import HttpPolicy
from cachette.http import Policy
from cachette.http._policy import _members
from conftest import id_of, run_python

timedelta = datetime.timedelta

# Each option with good values: what is given, and what the policy then has.
GOOD = {
  'default_ttl': [
    *((None, None), (0, 0), (60, 60), (0.5, 0.5), (2**31, 2**31)),
    *((timedelta(minutes=1), 60.0), (fractions.Fraction(1, 2), 0.5), (decimal.Decimal(3), 3.0)),
  ],
  'stale_while_revalidate': [(0, 0), (30, 30), (timedelta(seconds=30), 30.0)],
  'stale_if_error': [(0, 0), (86_400, 86_400), (timedelta(days=1), 86_400.0)],
  'heuristic': [(True, True), (False, False)],
  'methods': [
    (['GET'], ('GET',)),
    (('HEAD', 'GET'), ('GET', 'HEAD')),
    ({'post', 'query', 'GET'}, ('GET', 'QUERY', 'POST')),
    (iter(['GET', 'GET']), ('GET',)),
    (('QUERY',), ('QUERY',)),
  ],
  'targeted': [
    ((), ()),
    (['CDN-Cache-Control', 'Example'], ('CDN-Cache-Control', 'Example')),
  ],
  'set_cookie': [(each, each) for each in ('refuse', 'strip', 'store')],
  'key_cookies': [((), ()), (['language'], ('language',))],
  'session_cookies': [(None, None), (['id', 'SID'], ('id', 'SID'))],
  'trust_cookies': [(True, True), (False, False)],
  'request_control': [(each, each) for each in ('safe', 'full', 'ignore')],
  'max_stale': [(True, True), (False, False)],
  'query': [(each, each) for each in ('keep', 'drop', 'sort')],
  'no_vary_search': [('', ''), ('params=("utm_source")', 'params=("utm_source")')],
  'normalize': [
    ((), ()),
    (['Accept-Language', 'accept-encoding'], ('accept-encoding', 'accept-language')),
  ],
  'vary_allow': [((), ()), (['Authorization'], ('authorization',)), (('cookie',), ('cookie',))],
  'max_body': [(1, 1), (2**20, 2**20), (2**63 - 1, 2**63 - 1)],
  'etag': [(each, each) for each in ('weak', 'strong', 'none')],
  'coalesce': [(True, True), (False, False)],
  'wait': [(0, 0), (2.5, 2.5), (timedelta(seconds=1), 1.0)],
  'cache_status': [(True, True), (False, False), ('edge.example', 'edge.example'), ('*', '*')],
  'shared': [(True, True), (False, False)],
  'store_timeout': [(0.01, 0.01), (timedelta(milliseconds=20), 0.02)],
  'store_partial': [(True, True), (False, False)],
  'forward_preconditions': [(True, True), (False, False)],
  'trust_must_revalidate': [(True, True), (False, False)],
}

SECONDS_RANGE = 'must be a number of seconds from 0 to 2,147,483,648 (68 years), not '
TYPE, VALUE = TypeError, ValueError


def bad_seconds(name: str) -> Any:
  return [
    (-1, VALUE, f'{name} {SECONDS_RANGE}-1.'),
    (float('nan'), VALUE, f'{name} {SECONDS_RANGE}nan.'),
    (float('inf'), VALUE, f'{name} {SECONDS_RANGE}inf.'),
    (2**31 + 1, VALUE, f'{name} {SECONDS_RANGE}2147483649.'),
    (timedelta(seconds=-1), VALUE, f'{name} {SECONDS_RANGE}datetime.timedelta('),
    ('60', TYPE, f"{name} must be a number of seconds, not str ('60'): give an int, a float or a"),
    (True, TYPE, f'{name} must be a number of seconds, not bool (True)'),
  ]


def bad_bool(name: str) -> Any:
  return [
    (1, TYPE, f'{name} must be True or False, not int (1).'),
    ('no', TYPE, f"{name} must be True or False, not str ('no')."),
    (None, TYPE, f'{name} must be True or False, not NoneType (None).'),
  ]


def bad_list(name: str) -> Any:
  return [
    ('GET', TYPE, f"{name} must be a list or tuple of str, not a str: write ['GET']."),
    (b'GET', TYPE, f"{name} must be a list or tuple of str, not bytes (b'GET')."),
    (5, TYPE, f'{name} must be a list or tuple of str, not int (5).'),
    ([5], TYPE, f'{name} must contain only str, not int (5).'),
  ]


def bad_names(name: str, kind: str) -> Any:
  names = ['', 'a b', 'a=b', 'a\r\nb', 'ä', 'a:']
  text = 'which is not the name of a'
  return [([each], VALUE, f'{name} has {each!r}, {text} {kind}.') for each in names]


def bad_choice(name: str, known: str) -> Any:
  return [
    ('other', VALUE, f"{name} must be {known}, not 'other'."),
    (None, TYPE, f'{name} must be {known}, not NoneType (None).'),
    (True, TYPE, f'{name} must be {known}, not bool (True).'),
  ]


def bad_choices(name: str, known: str) -> Any:
  return [*bad_list(name), (['x'], VALUE, f"{name} has 'x'. It can have {known}.")]


# Each option with bad values: what is given, and the error.
BAD = {
  'default_ttl': bad_seconds('default_ttl'),
  'stale_while_revalidate': bad_seconds('stale_while_revalidate'),
  'stale_if_error': bad_seconds('stale_if_error'),
  'heuristic': bad_bool('heuristic'),
  'methods': [
    *bad_list('methods'),
    (['PUT'], VALUE, "methods has 'PUT'. It can have 'GET', 'HEAD', 'QUERY' or 'POST'."),
    ([], VALUE, 'methods is empty, so nothing would be cached. Set it to ["GET", "HEAD"].'),
    (['HEAD'], VALUE, 'methods has HEAD but not GET. HEAD is answered from what GET stored: add'),
  ],
  'targeted': [
    *bad_list('targeted'),
    *bad_names('targeted', 'field'),
    (['cache-Control'], VALUE, 'targeted has Cache-Control, which is for all caches. Remove it'),
  ],
  'set_cookie': bad_choice('set_cookie', "'refuse', 'strip' or 'store'"),
  'key_cookies': [*bad_list('key_cookies'), *bad_names('key_cookies', 'cookie')],
  'session_cookies': [
    *bad_list('session_cookies'),
    *bad_names('session_cookies', 'cookie'),
    (
      [],
      VALUE,
      'session_cookies is empty. Set it to the names of cookies that are credentials, or',
    ),
  ],
  'trust_cookies': bad_bool('trust_cookies'),
  'request_control': bad_choice('request_control', "'safe', 'full' or 'ignore'"),
  'max_stale': bad_bool('max_stale'),
  'query': bad_choice('query', "'keep', 'drop' or 'sort'"),
  'no_vary_search': [
    (None, TYPE, 'no_vary_search must be a str, not NoneType (None).'),
    ('\ud800', VALUE, "no_vary_search has '\\ud800', which is not valid Unicode."),
    ('params=(', VALUE, '"no_vary_search" is "params=(", which is not a valid value of No-Vary'),
  ],
  'normalize': bad_choices('normalize', "'accept-encoding' or 'accept-language'"),
  'vary_allow': bad_choices('vary_allow', "'cookie' or 'authorization'"),
  'max_body': [
    (0, VALUE, 'max_body must be a positive number of bytes, not 0.'),
    (-1, VALUE, 'max_body must be a positive number of bytes, not -1.'),
    (2**63, VALUE, 'max_body must be a positive number of bytes, not 9223372036854775808.'),
    (1.5, TYPE, 'max_body must be an int, a number of bytes, not float (1.5).'),
    (True, TYPE, 'max_body must be an int, a number of bytes, not bool (True).'),
    ('1M', TYPE, "max_body must be an int, a number of bytes, not str ('1M')."),
  ],
  'etag': bad_choice('etag', "'weak', 'strong' or 'none'"),
  'coalesce': bad_bool('coalesce'),
  'wait': bad_seconds('wait'),
  'cache_status': [
    (None, TYPE, 'cache_status must be True, False or the name of the cache, not NoneType (None).'),
    ('', VALUE, "cache_status has '', which cannot name a cache. Begin it with a letter"),
    ('a' * 101, VALUE, 'cache_status is a name of 101 characters. Use at most 100.'),
    ('1st', VALUE, "cache_status has '1st', which cannot name a cache."),
    ('my cache', VALUE, "cache_status has 'my cache', which cannot name a cache."),
    ('a\n', VALUE, "cache_status has 'a\\n', which cannot name a cache."),
  ],
  'shared': bad_bool('shared'),
  'store_timeout': [
    *bad_seconds('store_timeout'),
    (0, VALUE, 'store_timeout must be a positive number of seconds, not 0.'),
  ],
  'store_partial': bad_bool('store_partial'),
  'forward_preconditions': bad_bool('forward_preconditions'),
  'trust_must_revalidate': bad_bool('trust_must_revalidate'),
}


def each_of(cases: Dict[str, Any]) -> Any:
  rows = [(name, *row) for name, rows in cases.items() for row in rows]
  return [pytest.param(*row, id=f'{row[0]}-{id_of(row[1])[:30]}') for row in rows]


def test_the_cases_are_of_all_options() -> None:
  names = [field.name for field in dataclasses.fields(Policy)]
  assert sorted(GOOD) == sorted(BAD) == sorted(names)


@pytest.mark.parametrize(('name', 'given', 'kept'), each_of(GOOD))
def test_a_good_value_is_kept(name: str, given: Any, kept: Any) -> None:
  value = getattr(Policy(**{name: given}), name)
  assert value == kept
  assert type(value) is type(kept)


@pytest.mark.parametrize(('name', 'given', 'kind', 'message'), each_of(BAD))
def test_a_bad_value_is_refused(name: str, given: Any, kind: Any, message: str) -> None:
  with pytest.raises(kind) as caught:
    Policy(**{name: given})
  assert type(caught.value) is kind
  assert message in str(caught.value)


def test_a_long_value_is_cut_in_the_message() -> None:
  with pytest.raises(ValueError) as caught:
    Policy(query='x' * 1000)  # type: ignore[arg-type]
  assert len(str(caught.value)) < 120


def test_options_that_contradict_each_other_are_refused() -> None:
  with pytest.raises(ValueError, match='trust_cookies is True, .* session_cookies names some'):
    Policy(trust_cookies=True, session_cookies=['id'])


def test_options_are_given_by_name() -> None:
  with pytest.raises(TypeError, match='positional'):
    Policy(60)  # type: ignore[misc]
  with pytest.raises(TypeError, match='default_tll'):
    Policy(default_tll=60)  # type: ignore[call-arg]


def test_every_option_is_documented_with_a_default() -> None:
  defaults = Policy.__init__.__kwdefaults__
  text = inspect.getdoc(Policy)  # without the indentation, which Python 3.13 does not keep
  assert defaults is not None and text is not None
  for field in dataclasses.fields(Policy):
    assert field.name in defaults
    assert f'\n  {field.name}: ' in text
  assert list(inspect.signature(Policy).parameters) == list(defaults)


# ---- The object


CHANGED: Dict[str, Any] = {'default_ttl': 60, 'methods': ['GET'], 'cache_status': 'edge'}


def test_a_policy_is_immutable() -> None:
  policy = Policy()
  with pytest.raises(dataclasses.FrozenInstanceError):
    policy.query = 'drop'  # type: ignore[misc]
  with pytest.raises(dataclasses.FrozenInstanceError):
    del policy.query
  methods = ['GET']
  policy = Policy(methods=methods)  # type: ignore[arg-type]
  methods.append('POST')
  assert policy.methods == ('GET',)


def test_equal_policies_are_equal() -> None:
  assert Policy() == Policy(default_ttl=None)
  assert Policy(**CHANGED) == Policy(**CHANGED) != Policy()
  assert hash(Policy(**CHANGED)) == hash(Policy(**CHANGED))


def test_the_repr_has_what_is_not_a_default() -> None:
  assert repr(Policy()) == 'Policy()'
  text = "Policy(default_ttl=60, methods=('GET',), cache_status='edge')"
  assert repr(Policy(**CHANGED)) == text
  assert eval(text) == Policy(**CHANGED)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_policy_is_pickled_and_copied(protocol: int) -> None:
  policy = Policy(**CHANGED)
  for each in (pickle.loads(pickle.dumps(policy, protocol)), copy.copy(policy)):
    assert each == policy
    assert isinstance(each.to_c(), HttpPolicy)
  assert copy.deepcopy(policy) == policy


def test_replace_checks_the_change() -> None:
  policy = dataclasses.replace(Policy(**CHANGED), default_ttl=timedelta(minutes=2))
  assert policy == Policy(**{**CHANGED, 'default_ttl': 120})
  with pytest.raises(ValueError, match='query must be'):
    dataclasses.replace(policy, query='other')


# ---- What the library gets


def test_the_policy_of_the_library_is_made_once() -> None:
  policy = Policy()
  assert isinstance(policy.to_c(), HttpPolicy)
  assert policy.to_c() is policy.to_c()
  assert dataclasses.replace(policy).to_c() is not policy.to_c()


ZERO = {
  **dict.fromkeys(('sharing', 'set_cookie', 'query', 'request_control', 'normalize'), 0),
  **dict.fromkeys(('vary_allow', 'default_ttl_ms', 'stale_while_revalidate_ms'), 0),
  **dict.fromkeys(('stale_if_error_ms',), 0),
  **dict.fromkeys(('heuristic', 'max_stale', 'cache_post', 'forward_preconditions'), False),
  **dict.fromkeys(('store_partial', 'trust_cookies', 'trust_must_revalidate'), False),
  **{name: [] for name in ('targeted', 'key_cookies', 'session_cookies')},
  **{'no_vary_search': '', 'name': '', 'max_body': 2**20},
}


@pytest.mark.parametrize(
  ('options', 'members'),
  [
    ({}, {}),
    ({'default_ttl': 1.5}, {'default_ttl_ms': 1500}),
    ({'default_ttl': 1e-9}, {'default_ttl_ms': 1}),
    ({'default_ttl': 0.1 + 0.2}, {'default_ttl_ms': 300}),
    ({'default_ttl': timedelta(microseconds=1)}, {'default_ttl_ms': 1}),
    ({'default_ttl': 2**31}, {'default_ttl_ms': 2**31 * 1000}),
    ({'stale_while_revalidate': 30}, {'stale_while_revalidate_ms': 30_000}),
    ({'stale_if_error': 3600}, {'stale_if_error_ms': 3_600_000}),
    ({'heuristic': True}, {'heuristic': True}),
    ({'methods': ['GET', 'QUERY']}, {}),
    ({'methods': ['GET', 'POST']}, {'cache_post': True}),
    ({'targeted': ['A', 'B']}, {'targeted': ['A', 'B']}),
    ({'set_cookie': 'strip'}, {'set_cookie': 1}),
    ({'set_cookie': 'store'}, {'set_cookie': 2}),
    ({'key_cookies': ['a']}, {'key_cookies': ['a']}),
    ({'session_cookies': ['a']}, {'session_cookies': ['a']}),
    ({'trust_cookies': True}, {'trust_cookies': True}),
    ({'request_control': 'full'}, {'request_control': 1}),
    ({'request_control': 'ignore'}, {'request_control': 2}),
    ({'max_stale': True}, {'max_stale': True}),
    ({'query': 'drop'}, {'query': 1}),
    ({'query': 'sort'}, {'query': 2}),
    ({'no_vary_search': 'key-order'}, {'no_vary_search': 'key-order'}),
    ({'normalize': ['accept-encoding']}, {'normalize': 1}),
    ({'normalize': ['accept-language']}, {'normalize': 2}),
    ({'normalize': ['accept-encoding', 'accept-language']}, {'normalize': 3}),
    ({'vary_allow': ['cookie']}, {'vary_allow': 1}),
    ({'vary_allow': ['authorization']}, {'vary_allow': 2}),
    ({'max_body': 5}, {'max_body': 5}),
    ({'cache_status': 'edge'}, {'name': 'edge'}),
    ({'cache_status': False}, {}),
    ({'shared': False}, {'sharing': 1}),
    ({'store_partial': True}, {'store_partial': True}),
    ({'forward_preconditions': True}, {'forward_preconditions': True}),
    ({'trust_must_revalidate': True}, {'trust_must_revalidate': True}),
    ({'etag': 'none', 'coalesce': False, 'wait': 1, 'store_timeout': 1}, {}),
  ],
)
def test_options_become_members(options: Dict[str, Any], members: Dict[str, Any]) -> None:
  assert _members(Policy(**options)) == {**ZERO, **members}


def test_the_policy_of_the_rfcs() -> None:
  """The members are those that cachette_http_policy_rfc() sets."""
  assert _members(Policy.rfc()) == {
    **ZERO,
    'set_cookie': 2,
    'request_control': 1,
    'normalize': 2,
    'vary_allow': 3,
    'stale_if_error_ms': 86_400_000,
    'heuristic': True,
    'max_stale': True,
    'forward_preconditions': True,
    'store_partial': True,
    'trust_cookies': True,
    'trust_must_revalidate': True,
    'targeted': ['CDN-Cache-Control'],
  }


def test_the_policy_of_the_rfcs_can_be_changed() -> None:
  policy = Policy.rfc(heuristic=False, default_ttl=5)
  assert policy == dataclasses.replace(Policy.rfc(), heuristic=False, default_ttl=5)
  with pytest.raises(ValueError, match='set_cookie'):
    Policy.rfc(set_cookie='x')


# ---- The package


def test_importing_cachette_does_not_import_its_part_for_http() -> None:
  code = """
    import sys, cachette
    assert not [name for name in sys.modules if name.startswith('cachette.http')]
    assert 'http' not in dir(cachette)
    import cachette.http
    assert 'http' in dir(cachette) and not hasattr(cachette.http, 'testing')
    print(len([name for name in sys.modules if name.split('.')[0] in ('fastapi', 'starlette')]))
  """
  assert run_python(code) == '0\n'


def test_every_public_name_exists_and_is_documented() -> None:
  assert dir(http) == sorted(http.__all__)
  for name in http.__all__:
    each = getattr(http, name)
    assert each.__doc__ and each.__module__ == 'cachette.http'
