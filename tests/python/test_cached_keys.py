# SPDX-License-Identifier: MIT
"""Keys of decorated functions: from a template, from a function, and from the arguments."""

import asyncio
import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import pathlib
import pickle
import uuid
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Type

import pytest
from cachette import Cachette
from conftest import run_python
from hypothesis import given, settings
from hypothesis import strategies as st


def run(awaitable: Any) -> Any:
  return asyncio.run(awaitable)


class Local(Cachette):
  """An in-memory cache of any object."""


Local.load_config(lambda: {'codec': 'pickle'})


@pytest.fixture(autouse=True)
def _empty() -> None:
  run(Local().flush())


def one(value: Any) -> None:
  """A function whose keys are compared."""


one_key: Callable[[Any], str] = Local.cached(one).key


# ---- Custom keys


def test_a_template_is_formatted_with_the_bound_arguments() -> None:
  @Local.cached(key='user:{id}:{fresh!r}:{user.real:>{width}}')
  async def load(id: int, user: int = 7, *, fresh: bool = False, width: int = 3) -> None: ...

  assert load.key(5) == load.key(id=5) == 'user:5:False:  7'
  assert load.key(5, 8, fresh=True, width=1) == 'user:5:True:8'


def test_a_template_may_use_args_and_kwargs() -> None:
  @Local.cached(key='{args[0]}-{kwargs[name]}')
  async def load(*args: int, **kwargs: str) -> None: ...

  assert load.key(1, 2, name='x') == '1-x'


@pytest.mark.parametrize(
  ('options', 'error', 'message'),
  [
    (
      {'key': 'user:{name}'},
      ValueError,
      r'key of .*load\(\) uses "\{name\}", which is not a param',
    ),
    ({'key': 'user:{}'}, ValueError, r'uses "\{\}", which is not a parameter'),
    ({'key': 'user:{0}'}, ValueError, r'uses "\{0\}", which is not a parameter'),
    ({'key': '{id:{width}}'}, ValueError, r'uses "\{width\}", which is not a parameter'),
    ({'key': 'user:{id'}, ValueError, r'key of .*load\(\) is not a valid template'),
    ({'key': 5}, TypeError, 'must be a template or a function, not int'),
    (
      {'exclude': ('db',)},
      ValueError,
      r'exclude of .*load\(\) names "db", which is not a parameter',
    ),
    ({'exclude': 'id'}, TypeError, 'must be a tuple of names'),
    ({'exclude': (5,)}, TypeError, 'must be a tuple of names'),
    ({'namespace': ''}, ValueError, 'namespace of .* must not be empty'),
    ({'namespace': 5}, TypeError, 'namespace of .* must be a str, not int'),
    ({'ttl': 0}, ValueError, 'ttl must be a positive number'),
    ({'ttl': '60'}, TypeError, 'ttl must be a number of seconds'),
  ],
  ids=str,
)
def test_wrong_options_raise_at_decoration(
  options: Dict[str, Any], error: Type[Exception], message: str
) -> None:
  with pytest.raises(error, match=message):

    @Local.cached(**options)
    async def load(id: int) -> None: ...


def test_only_functions_can_be_decorated() -> None:
  def generator() -> Any:
    yield 1

  async def async_generator() -> Any:
    yield 1

  for wrong in (generator, async_generator, lambda: 1, len, functools.partial(one), Local):
    with pytest.raises(TypeError):
      Local.cached(wrong)
  assert Local.cached(key='key')(lambda: 1).key() == 'key'


def test_a_key_function_receives_the_arguments_of_the_call() -> None:
  @Local.cached(key=lambda *args, **kwargs: f'{args}{kwargs}', namespace='ns')
  async def load(a: int, b: int = 2) -> int:
    return a + b

  assert load.key(1, b=3) == "ns:(1,){'b': 3}"
  assert run(load(1, b=3)) == 4
  assert run(Local().clear('ns')) == 1


def test_a_key_function_that_does_not_return_str_is_an_error() -> None:
  async def make_key(a: int) -> str:
    return 'key'

  for key in (lambda a: a, make_key):

    @Local.cached(key=key)
    async def load(a: int) -> None: ...

    with pytest.raises(TypeError, match=r'key function of .*load\(\) must return a str, not'):
      run(load(1))


def test_a_namespace_clears_all_keys_of_a_function() -> None:
  @Local.cached(namespace='ns')
  async def load(a: int) -> int:
    return a

  async def main() -> None:
    for number in range(5):
      await load(number)
    assert load.key(1).startswith(f'ns:{__name__}.{load.__qualname__}:')
    assert await Local().clear('ns') == 5

  run(main())


# ---- Keys of arguments


def test_the_key_names_the_function() -> None:
  name, _, digest = one_key(5).partition(':')
  assert name == f'{__name__}.one'
  assert len(digest) == 32 and int(digest, 16) >= 0


def test_positional_and_keyword_arguments_give_the_same_key() -> None:
  def f(a: Any, /, b: Any, c: Any = 3, *rest: Any, d: Any, e: Any = 5, **more: Any) -> None: ...

  key = Local.cached(f).key
  assert key(1, 2, d=4) == key(1, 2, 3, d=4) == key(1, b=2, d=4, c=3, e=5) == key(1, e=5, d=4, b=2)
  assert key(1, 2, 3, d=4, x=1, y=2) == key(1, 2, 3, y=2, d=4, x=1)
  different = [
    key(1, 2, 3, d=4),
    key(1, 2, 3, 4, d=4),
    key(1, 2, 3, 4, 5, d=4),
    key(1, 2, 3, (4, 5), d=4),
    key(1, 2, 3, d=4, x=1),
    key(1, 2, 3, d=4, x=1, y=2),
    key(1, 2, 3, d=4, x=2, y=1),
    key(2, 1, 3, d=4),
  ]
  assert len(set(different)) == len(different)


def test_wrong_arguments_raise_the_type_error_of_python() -> None:
  @Local.cached
  async def load(a: int, *, b: int) -> None: ...

  for args, kwargs in (((), {}), ((1,), {}), ((1, 2), {'b': 3}), ((1,), {'b': 2, 'c': 3})):
    with pytest.raises(TypeError) as expected:
      load.__wrapped__(*args, **kwargs)
    for call in (load, load.key):
      with pytest.raises(TypeError) as raised:
        asyncio.run(call(*args, **kwargs))
      assert str(raised.value) == str(expected.value)


def test_parameters_may_have_any_name() -> None:
  def f(type: Any, len: Any, str: Any, int: Any, key: Any, self: Any, ttl: Any = 1) -> None: ...

  assert Local.cached(f).key(1, 2, 3, 4, 5, 6) == Local.cached(f).key(*range(1, 7), ttl=1)


def test_defaults_of_any_type_reach_the_function_unchanged() -> None:
  marker = object()

  @Local.cached(exclude=('default',))
  async def load(a: int, default: Any = marker) -> bool:
    return default is marker

  assert run(load(1)) is True


class Colour(enum.Enum):
  RED = 1
  BLUE = 2


class Number(enum.IntEnum):
  RED = 1


class Flags(enum.Flag):
  A = 1
  B = 2


class Point(NamedTuple):
  x: int
  y: int


class Pair(NamedTuple):
  x: int
  y: int


class Name(str):
  pass


@dataclasses.dataclass
class Size:
  x: int
  y: int


@dataclasses.dataclass
class Other:
  x: int
  y: int


zone = datetime.timezone(datetime.timedelta(hours=1))
moment = datetime.datetime(2024, 5, 6, 7, 8, 9)
DISTINCT: List[Any] = [
  None, True, False, 0, 1, -1, 2**70, 10**5000, 0.0, -0.0, 1.0, float('inf'), float('nan'),
  '', '0', '1', 'None', 'True', '1.0', 'ü', '\ud800', b'', b'1', b'\xff', 'ÿ', 'i1;', 's1:1',
  (), [], {}, set(), frozenset(), (1,), [1], {1}, frozenset([1]), (1, 2), (2, 1), ((1,), 2),
  ((1, 2),), ((), 1), ('1', 2), ('12',), ('1', '2'), ['a', 'b'], ['a,b'], [[1], [2]], [[1, 2]],
  [[], [1, 2]], {1: 2}, {2: 1}, {'1': 2}, {1: '2'}, {1: 2, 3: 4}, {1: 4, 3: 2}, {1: {2: 3}},
  {(1,): 2},
  [(1, 2)], [(2, 1)], {True: 1}, {1.0: 1},
  datetime.date(2024, 5, 6), moment, moment.replace(tzinfo=zone), moment.replace(fold=1),
  moment.replace(tzinfo=datetime.timezone.utc), '2024-05-06', datetime.time(7, 8),
  datetime.time(7, 8, tzinfo=zone), datetime.timedelta(1), datetime.timedelta(seconds=1),
  decimal.Decimal('1'), decimal.Decimal('1.0'), decimal.Decimal('NaN'),
  uuid.UUID(int=1), uuid.UUID(int=2), str(uuid.UUID(int=1)),
  Colour.RED, Colour.BLUE, Number.RED, Flags.A, Flags.A | Flags.B, 'RED',
  pathlib.PurePosixPath('a'), pathlib.PureWindowsPath('a'), 'a', pathlib.Path('b'),
  Point(1, 2), Pair(1, 2), Size(1, 2), Size(2, 1), Other(1, 2), Name('a'),
  {'x': 1, 'y': 2}, collections.OrderedDict(x=1, y=2), collections.Counter('a'),
]  # fmt: skip


def test_different_values_have_different_keys() -> None:
  keys = [one_key(value) for value in DISTINCT]
  clashes = [
    (DISTINCT[keys.index(key)], value)
    for index, (key, value) in enumerate(zip(keys, DISTINCT))
    if keys.index(key) != index
  ]
  assert clashes == []
  assert [one_key(value) for value in reversed(DISTINCT)] == keys[::-1]


def test_equal_values_of_a_type_have_one_key() -> None:
  many = list(map(str, range(50)))
  assert one_key({'a': 1, 'b': 2}) == one_key({'b': 2, 'a': 1})
  assert one_key(set(many)) == one_key(set(reversed(many)))
  assert one_key(Size(1, 2)) == one_key(Size(1, 2))
  assert one_key(pathlib.Path('a')) == one_key(pathlib.PurePosixPath('a'))


def test_pydantic_models_have_keys() -> None:
  pydantic = pytest.importorskip('pydantic')

  class Inner(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    secret: pydantic.SecretStr  # type: ignore[name-defined]
    url: pydantic.HttpUrl  # type: ignore[name-defined]

  class User(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    model_config = {'extra': 'allow'}
    id: int
    tags: List[str] = []
    inner: Optional[Inner] = None

  class Admin(User):
    pass

  inner = [Inner(secret=each, url='http://a.example/') for each in ('one', 'two')]
  users = [
    User(id=1),
    User(id=2),
    User(id=1, tags=['a']),
    Admin(id=1),
    User(id=1, more=2),
    {'id': 1},
  ]
  users += [User(id=1, inner=each) for each in inner]
  assert len({one_key(user) for user in users}) == len(users)
  assert one_key(User(id=1)) == one_key(User(id=1, tags=[]))


class Opaque:
  pass


class Loaded(str):
  def __init__(self, value: str) -> None:
    self.more = value


@dataclasses.dataclass
class Strange(Dict[str, int]):
  x: int = 1


@pytest.mark.parametrize(
  ('value', 'message'),
  [
    (Opaque(), 'is an Opaque'),
    ([1, Opaque()], 'holds an Opaque'),
    ({'a': {'b': Opaque()}}, 'holds an Opaque'),
    (Size(1, Opaque()), 'holds an Opaque'),  # type: ignore[arg-type]
    (object(), 'is an object'),
    (len, 'is a builtin_function_or_method'),
    (int, 'is a type'),
    (Size, 'is a type'),
    (bytearray(), 'is a bytearray'),
    (1j, 'is a complex'),
    (Loaded('a'), 'is a Loaded'),
    (Strange(), 'is a Strange'),
    (iter([]), 'is a list_iterator'),
  ],
  ids=lambda value: str(type(value)),
)
def test_a_value_without_a_key_is_an_error_that_names_its_parameter(
  value: Any, message: str
) -> None:
  for _ in range(2):
    with pytest.raises(TypeError) as raised:
      one_key(value)
    assert f'The parameter "value" of {__name__}.one() {message}, which cannot be part of' in str(
      raised.value
    )
    assert 'Exclude the parameter with exclude=' in str(raised.value)


# Values of which two are equal only if their types are too; bool and int, for example, differ by
# their text.
plain = (
  st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
)
hashable = st.recursive(
  plain | st.decimals(allow_nan=False) | st.dates() | st.datetimes() | st.times() | st.uuids(),
  lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
  max_leaves=5,
)
values = st.recursive(
  hashable,
  lambda inner: (
    st.lists(inner, max_size=4)
    | st.dictionaries(hashable, inner, max_size=3)
    | st.sets(hashable, max_size=3)
  ),
  max_leaves=10,
)


def describe(value: Any) -> Any:
  """Distinguishes a value from all others, without its key."""
  if isinstance(value, (list, tuple)):
    return [type(value).__name__, *map(describe, value)]
  if isinstance(value, (set, frozenset)):
    return [type(value).__name__, sorted((describe(each) for each in value), key=repr)]
  if isinstance(value, dict):
    return ['dict', sorted(([describe(k), describe(v)] for k, v in value.items()), key=repr)]
  return [type(value).__name__, repr(value)]


@given(values, values)
@settings(max_examples=500, deadline=None)
def test_keys_are_equal_if_and_only_if_the_arguments_are(a: Any, b: Any) -> None:
  assert (one_key(a) == one_key(b)) == (describe(a) == describe(b))
  assert one_key(a) == one_key(pickle.loads(pickle.dumps(a)))


def many(a: Any, b: Any = None, *rest: Any, **more: Any) -> None:
  """A function whose keys are compared."""


many_key: Callable[..., str] = Local.cached(many).key
calls = st.tuples(
  st.lists(plain, min_size=1, max_size=4),
  st.dictionaries(st.text('xyz', min_size=1, max_size=3), plain, max_size=3),
)


@given(calls, calls)
@settings(max_examples=500, deadline=None)
def test_calls_have_equal_keys_if_and_only_if_they_are_equal(one: Any, two: Any) -> None:
  def bound(call: Any) -> Any:
    filled = inspect.signature(many).bind(*call[0], **call[1])
    filled.apply_defaults()
    return describe(filled.arguments)

  assert (many_key(*one[0], **one[1]) == many_key(*two[0], **two[1])) == (bound(one) == bound(two))


def test_keys_are_equal_in_every_process() -> None:
  program = """
    import datetime, decimal, enum, pathlib, uuid
    from dataclasses import dataclass
    from cachette import cached
    class Colour(enum.Enum):
      RED = 1
    @dataclass
    class Size:
      names: set
    @cached
    async def f(*values, **more): ...
    words = {str(number) for number in range(50)}
    print(f.key(
      None, True, 1, 1.5, 'text', b'bytes', words, frozenset(words), dict.fromkeys(words, words),
      [1], (2,), datetime.datetime(2024, 5, 6, tzinfo=datetime.timezone.utc),
      decimal.Decimal('1.5'), uuid.UUID(int=5), pathlib.Path('a'), Colour.RED, Size(words),
      **{each: each for each in words}))
    """
  keys = {
    run_python(program, env={'PYTHONHASHSEED': seed}) for seed in ('0', '1', '12345', 'random')
  }
  assert len(keys) == 1
  assert keys.pop().startswith('__main__.f:')


def test_the_format_of_keys_does_not_change() -> None:
  """A change of these keys empties the caches of all users who upgrade."""
  assert one_key(5).endswith(':502cdae5be5edc8f06b260aedefa6aee')
  assert one_key({'a': [1.5, None, ('x', b'y')]}).endswith(':c8fe16fe0bf87405da0c925cedc3f2ac')


def test_many_different_arguments_do_not_use_up_memory() -> None:
  @Local.cached
  async def load(number: int) -> int:
    return number

  memo = inspect.getclosurevars(load.key).nonlocals['_cachette_memo_get'].__self__
  keys = {load.key(number) for number in range(5000)}
  assert len(keys) == 5000 and 0 < len(memo) <= 1024
  load.key('x' * 10_000)
  assert all(len(str(each)) < 1000 for each in memo)


def test_importing_the_package_imports_nothing_for_keys() -> None:
  output = run_python("""
    import sys, asyncio
    from cachette import cached
    @cached(key='{a}')
    async def f(a): return 'value'
    assert asyncio.run(f(1)) == 'value'
    print(*sorted({'decimal', 'dataclasses', 'uuid', 'pathlib', 'pydantic'} & set(sys.modules)))
    """)
  assert output == '\n'


def test_a_function_without_parameters_has_one_key() -> None:
  def f() -> None: ...

  assert Local.cached(f).key() == Local.cached(f).key()
