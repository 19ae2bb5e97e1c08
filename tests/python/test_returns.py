# SPDX-License-Identifier: MIT
"""Given the return type of a function, the text codecs return values of that type."""

import asyncio
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import pathlib
import sys
import textwrap
import types
import uuid
from typing import (
  Any,
  AsyncIterator,
  Callable,
  Dict,
  FrozenSet,
  Generic,
  Iterable,
  List,
  Mapping,
  NamedTuple,
  Optional,
  Sequence,
  Set,
  Tuple,
  Type,
  TypeVar,
  Union,
)

import pydantic
import pytest
from cachette import Cachette, CodecError
from conftest import MakeClass, id_of, inmemory_only, run_python
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from typing_extensions import Annotated, Literal, TypedDict

CODECS = pytest.mark.parametrize('codec', ['json', 'orjson', 'msgpack'])


def run(awaitable: Any) -> Any:
  return asyncio.run(awaitable)


class User(BaseModel):
  id: int
  name: str = 'ada'
  born: Optional[datetime.datetime] = None
  tags: Set[str] = set()


class Strict(BaseModel):
  model_config = ConfigDict(strict=True)
  id: uuid.UUID
  born: datetime.datetime
  sizes: Tuple[int, ...]


class Renamed(BaseModel):
  user_id: int = Field(alias='userId')
  name: str = Field(default='x', serialization_alias='theName')
  age: int = Field(default=5, validation_alias='theAge')


class Doubled(BaseModel):
  model_config = ConfigDict(extra='forbid')
  number: int

  @pydantic.computed_field  # type: ignore[prop-decorator]
  @property
  def double(self) -> int:
    return 2 * self.number


class Node(BaseModel):
  value: int
  next: Optional['Node'] = None


class Color(enum.Enum):
  red = 'r'
  blue = 2


@dataclasses.dataclass
class Point:
  x: int
  y: Tuple[int, ...] = ()
  when: Optional[datetime.date] = None


@dataclasses.dataclass(frozen=True)
class Line:
  points: List[Point]


class Movie(TypedDict):
  title: str
  shown: datetime.date


class Pair(NamedTuple):
  left: int
  right: decimal.Decimal


Item = TypeVar('Item')


class Page(BaseModel, Generic[Item]):
  items: List[Item]


NOW = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=datetime.timezone.utc)
ID = uuid.UUID(int=7)
DAY = NOW.date()

VALUES: List[Tuple[Any, Any]] = [
  (User, User(id=1, born=NOW, tags={'a', 'b'})),
  (Strict, Strict(id=ID, born=NOW, sizes=(1, 2))),
  (Renamed, Renamed(userId=3, theAge=7)),
  (Doubled, Doubled(number=4)),
  (Node, Node(value=1, next=Node(value=2))),
  (Page[User], Page[User](items=[User(id=1)])),
  (List[User], [User(id=1), User(id=2)]),
  (Dict[str, User], {'a': User(id=1)}),
  (Dict[int, str], {1: 'a', 2: 'b'}),
  (Dict[uuid.UUID, Point], {ID: Point(1)}),
  (Dict[Color, List[int]], {Color.red: [1]}),
  (Optional[User], None),
  (Optional[User], User(id=1)),
  (Union[User, Point], Point(1, (2,))),
  (Union[int, str], '5'),
  (Union[int, str], 5),
  (Union[uuid.UUID, str], ID),
  (Point, Point(1, (2, 3), DAY)),
  (Line, Line([Point(1), Point(2, (3,))])),
  (Movie, {'title': 'Metropolis', 'shown': DAY}),
  (List[Movie], [{'title': 'Metropolis', 'shown': DAY, 'more': 'than it says'}]),
  (Pair, Pair(1, decimal.Decimal('1.10'))),
  (uuid.UUID, ID),
  (datetime.datetime, NOW),
  (datetime.datetime, NOW.replace(tzinfo=None)),
  (datetime.date, DAY),
  (datetime.time, NOW.time()),
  (datetime.timedelta, datetime.timedelta(days=-3, microseconds=7)),
  (decimal.Decimal, decimal.Decimal('1.10')),
  (Tuple[int, str], (1, 'a')),
  (Tuple[User, ...], (User(id=1),)),
  (Set[int], {1, 2}),
  (FrozenSet[str], frozenset('ab')),
  (Color, Color.blue),
  (Literal['a', 'b'], 'a'),
  (pathlib.PurePosixPath, pathlib.PurePosixPath('/a/b')),
  (ipaddress.IPv4Address, ipaddress.IPv4Address('10.0.0.1')),
  (Mapping[str, datetime.date], {'a': DAY}),
  (Sequence[uuid.UUID], [ID]),
  (Annotated[List[Point], 'more'], [Point(1)]),
  (bytes, b'\xff\x00'),
  (Dict[str, bytes], {'a': b'text', 'b': b'\xff'}),
  (Optional[bytes], b'text'),
  (float, float('1.5')),
  (int, 5),
  (str, 'text'),
  (bool, True),
  (type(None), None),
]
if sys.version_info >= (3, 10):
  VALUES += [
    (list[User] | None, [User(id=1)]),
    (dict[str, int] | None, {'a': 1}),
    (tuple[int, ...], (1, 2)),
  ]
values = pytest.mark.parametrize('kind, value', VALUES, ids=lambda each: id_of(each)[:40])


def same(one: Any, other: Any) -> bool:
  """Equal, and of equal types at every level."""
  if type(one) is not type(other):
    return False
  if isinstance(one, (list, tuple)):
    return len(one) == len(other) and all(map(same, one, other))
  if isinstance(one, dict):
    return same(list(one), list(other)) and same(list(one.values()), list(other.values()))
  return bool(one == other)


def annotated(function: Any, returns: Any) -> Any:
  function.__annotations__['return'] = returns
  return function


def cached_both(cls: Any, make: Callable[[], Any], hint: Any = None, **options: Any) -> Any:
  """A coroutine function and a plain function; what they return on a miss and on a hit."""

  async def load():  # type: ignore[no-untyped-def]
    return make()

  def load_now():  # type: ignore[no-untyped-def]
    return make()

  given = []
  for number, function in enumerate((load, load_now)):
    if hint is not None:
      annotated(function, hint)
    decorated = cls.cached(key=f'{function.__name__}:{number}', **options)(function)
    for _ in range(2):
      given.append(run(decorated()) if number == 0 else decorated())
  return given


# ---- Restored types


@CODECS
@values
@inmemory_only
def test_an_annotation_restores_its_type(
  make_class: MakeClass, codec: str, kind: Any, value: Any
) -> None:
  for found in cached_both(make_class(codec=codec), lambda: value, kind):
    assert same(found, value)


@CODECS
@values
@inmemory_only
def test_the_parameter_returns_restores_its_type(
  make_class: MakeClass, codec: str, kind: Any, value: Any
) -> None:
  cls: Any = make_class(codec=codec)
  for found in cached_both(cls, lambda: value, returns=kind):
    assert same(found, value)
  for get in (
    lambda: run(cls().get_or_set('key', lambda: value, returns=kind)),
    lambda: cls.sync.get_or_set('key', lambda: value, returns=kind),
  ):
    for _ in range(2):
      assert same(get(), value)
    assert same(run(cls().get_or_set('key', 'unused', None, kind)), value)
    run(cls().flush())


@pytest.mark.parametrize('codec', ['json', 'orjson', 'msgpack'])
def test_types_are_restored_on_every_backend(make_class: MakeClass, codec: str) -> None:
  cls: Any = make_class(codec=codec)
  value = [User(id=1, born=NOW), User(id=2)]
  for found in cached_both(cls, lambda: value, List[User]):
    assert same(found, value)
  for _ in range(2):
    assert same(run(cls().get_or_set('key', lambda: value, returns=List[User])), value)
  plain = run(cls().fetch('key'))
  assert plain[0]['id'] == 1 and type(plain[0]) is dict  # for other backends it is data


def test_each_caller_receives_a_separate_object(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='json')

  async def main() -> None:
    go = asyncio.Event()

    async def compute() -> Any:
      await go.wait()
      return User(id=1, tags={'a'})

    calls = [asyncio.create_task(cls().get_or_set('key', compute, returns=User)) for _ in range(20)]
    await asyncio.sleep(0.05)
    go.set()
    users = await asyncio.gather(*calls)
    assert users == [User(id=1, tags={'a'})] * 20
    assert len({id(each.tags) for each in users}) == 20

  run(main())


@inmemory_only
def test_types_are_restored_for_all_kinds_of_methods(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='json')

  class Shop:
    @cls.cached(exclude=('self',))
    async def owner(self) -> User:
      return User(id=1)

    @cls.cached(exclude=('kind',))
    @classmethod
    async def founder(kind) -> User:
      return User(id=2)

    @cls.cached
    @staticmethod
    def guest() -> Optional[User]:
      return User(id=3)

  for _ in range(2):
    assert run(Shop().owner()) == User(id=1)
    assert run(Shop.founder()) == User(id=2)
    assert Shop.guest() == User(id=3)


@inmemory_only
@pytest.mark.parametrize('codec', ['pickle', 'own'])
def test_other_codecs_ignore_the_type(make_class: MakeClass, codec: str) -> None:
  Cachette.register_codec('own', lambda value: repr(value).encode(), lambda data: data.decode())
  cls: Any = make_class(codec=codec)
  value = {'id': 1}
  expected: Any = value if codec == 'pickle' else repr(value)
  assert cached_both(cls, lambda: value, User) == [expected] * 4
  assert cached_both(cls, lambda: value, returns=User) == [expected] * 4


@inmemory_only
def test_a_custom_codec_that_replaces_a_text_codec_ignores_the_type(
  make_class: MakeClass,
) -> None:
  code = """
    import asyncio, dataclasses
    from cachette import Cachette
    Cachette.register_codec('json', lambda value: repr(value).encode(), lambda data: data.decode())
    Cachette.load_config(lambda: {'codec': 'json'})
    @dataclasses.dataclass
    class Point:
      x: int
    @Cachette.cached
    def load() -> Point:
      return Point(1)
    print(repr(load()), repr(load()))
    """
  assert run_python(code) == "'Point(x=1)' 'Point(x=1)'\n"


@inmemory_only
def test_the_vanilla_codec_ignores_the_type(make_class: MakeClass) -> None:
  cls: Any = make_class()
  assert cached_both(cls, lambda: 'name', str) == ['name'] * 4
  run(cls().flush())
  with pytest.raises(CodecError, match='stores only text'):
    cached_both(cls, lambda: ID, uuid.UUID)


# ---- Annotations of all kinds


def module_of(source: str) -> Any:
  module = types.ModuleType('of_a_test')
  sys.modules['of_a_test'] = module
  exec(compile(textwrap.dedent(source), 'of_a_test', 'exec'), vars(module))
  return module


@inmemory_only
def test_annotations_may_be_strings_and_forward_references(make_class: MakeClass) -> None:
  cls = make_class(codec='json')
  module = module_of("""
    from __future__ import annotations
    from pydantic import BaseModel
    from typing import Annotated, List, Optional
    def decorate(cls):
      @cls.cached
      async def one() -> Later: return Later(id=1)
      @cls.cached
      def many() -> Optional[List[Later]]: return [Later(id=1)]
      @cls.cached
      def quoted() -> 'Later': return Later(id=1)
      class Inner(BaseModel):
        id: int
      @cls.cached
      def inner() -> Inner: return Inner(id=1)
      return one, many, quoted, inner
    """)
  one, many, quoted, inner = module.decorate(cls)
  exec('class Later(BaseModel):\n  id: int\n', vars(module))
  for _ in range(2):
    assert run(one()) == module.Later(id=1)
    assert many() == [module.Later(id=1)]
    assert quoted() == module.Later(id=1)
    assert type(inner()).__name__ == 'Inner'  # defined in the frame of the decoration


class Arbitrary:
  """A type that pydantic does not know."""


def returns_value(value: Any) -> Callable[[], Any]:
  return lambda: value


@CODECS
@inmemory_only
@pytest.mark.parametrize(
  'hint',
  [
    'NoSuchName',
    'no such syntax (',
    Arbitrary,
    List[Arbitrary],
    Any,
    object,
    dict,
    'dict',
    Dict[str, Any],
    Iterable[int],
    AsyncIterator[int],
    Item,
    Callable[[], int],
    Type[int],
    5,
    'Iterable[int]',
  ],
  ids=str,
)
def test_an_unusable_annotation_is_ignored(make_class: MakeClass, codec: str, hint: Any) -> None:
  cls: Any = make_class(codec=codec)
  for value in ({'a': [1]}, [1, 2]):
    assert cached_both(cls, lambda: value, hint) == [value] * 4
    run(cls().flush())


@inmemory_only
def test_an_endpoint_that_returns_a_response_is_cached_as_before(make_class: MakeClass) -> None:
  responses = pytest.importorskip('starlette.responses')
  cls: Any = make_class(codec='pickle')
  found = cached_both(cls, lambda: responses.PlainTextResponse('hello'), responses.Response)
  assert [each.body for each in found] == [b'hello'] * 4


def test_fastapi_responds_with_the_fields_of_the_model() -> None:
  fastapi = pytest.importorskip('fastapi')
  httpx = pytest.importorskip('httpx')

  class Local(Cachette):
    """Stores models as JSON."""

  Local.load_config(lambda: {'codec': 'orjson'})
  app, runs = fastapi.FastAPI(), []

  @app.get('/users/{number}')
  @Local.cached(ttl=60)
  async def read(number: int) -> User:
    runs.append(number)
    return User(id=number, born=NOW)

  async def main() -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:
      first = (await client.get('/users/5')).json()
      assert first == (await client.get('/users/5')).json()
      assert first['id'] == 5
    assert await read(5) == User(id=5, born=NOW)

  run(main())
  assert runs == [5]


# ---- Values of another type


WRONG: List[Tuple[Any, Any]] = [
  (User, None),
  (User, 'text'),
  (int, '01234'),
  (str, 5),
  (List[int], ['01', '2']),
  (List[User], [{'no': 'user'}]),
  (User, {'id': 'x'}),
  (Movie, {'title': 'Metropolis', 'shown': 'never'}),
  (Movie, {'title': 'Metropolis'}),
  (datetime.datetime, 'tomorrow'),
  (uuid.UUID, 5),
  (Dict[int, str], {'a': 'b'}),
]


@CODECS
@inmemory_only
@pytest.mark.parametrize('kind, value', WRONG, ids=lambda each: id_of(each)[:40])
def test_a_value_of_another_type_is_stored_unchanged_and_logged_once(
  make_class: MakeClass, caplog: pytest.LogCaptureFixture, codec: str, kind: Any, value: Any
) -> None:
  cls: Any = make_class(codec=codec)
  for found in cached_both(cls, lambda: value, kind):
    assert same(found, value)
  logged = [each.getMessage() for each in caplog.records if each.name == 'cachette']
  native = [int, str, List[int], *([Dict[int, str]] if codec == 'msgpack' else [])]
  assert len(logged) == (0 if kind in native else 2)  # one line for each function
  assert all('load' in line and 'returns=' in line for line in logged)
  assert cls.stats().fallbacks == 0


@inmemory_only
def test_types_are_restored_after_a_value_of_another_type(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='json')
  users: List[Optional[User]] = [None, User(id=1)]

  @cls.cached(key='{number}')
  async def find(number: int) -> User:
    return users[number]  # type: ignore[return-value]

  for _ in range(2):
    assert run(find(0)) is None
    assert run(find(1)) == User(id=1)
  assert run(find(0)) is None


@inmemory_only
def test_a_value_that_parses_as_the_type_has_it_on_miss_and_hit(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='json')
  assert cached_both(cls, lambda: {'id': 5}, User) == [User(id=5)] * 4
  assert cached_both(cls, lambda: NOW.isoformat(), datetime.datetime) == [NOW] * 4
  assert cached_both(cls, lambda: [1, 2], Set[int]) == [{1, 2}] * 4


class Special(User):
  more: int = 5


class Secret(BaseModel):
  word: SecretStr


class Hidden(BaseModel):
  seen: int
  unseen: int = Field(default=1, exclude=True)


class Growing(BaseModel):
  name: str

  @pydantic.field_validator('name')
  @classmethod
  def grow(cls, name: str) -> str:
    return name + '!'


class One(BaseModel):
  id: int


class Other(BaseModel):
  id: int


@CODECS
@inmemory_only
@pytest.mark.parametrize(
  'kind, value',
  [
    (Secret, Secret(word='hunter2')),
    (List[Secret], [Secret(word='hunter2')]),
    (Hidden, Hidden(seen=1, unseen=2)),
    (Growing, Growing(name='x')),
    (Union[One, Other], Other(id=1)),
    (List[Union[One, Other]], [Other(id=1)]),
  ],
  ids=lambda each: str(each)[:40],
)
def test_a_value_that_would_not_round_trip_is_rejected(
  make_class: MakeClass, codec: str, kind: Any, value: Any
) -> None:
  cls: Any = make_class(codec=codec)
  with pytest.raises(CodecError, match='pickle') as caught:
    cached_both(cls, lambda: value, kind)
  assert 'hunter2' not in str(caught.value)
  with pytest.raises(CodecError):
    cls.sync.get_or_set('key', value, returns=kind)
  assert run(cls().flush()) == 0


@inmemory_only
def test_an_instance_of_a_subclass_becomes_the_type_and_is_logged_once(
  make_class: MakeClass, caplog: pytest.LogCaptureFixture
) -> None:
  cls: Any = make_class(codec='json')
  assert [type(each) for each in cached_both(cls, lambda: Special(id=1), User)] == [User] * 4
  logged = [each.getMessage() for each in caplog.records if each.name == 'cachette']
  assert len(logged) == 2 and all('Special' in line and 'User' in line for line in logged)


@inmemory_only
def test_a_value_that_a_validator_normalizes_is_equal_on_miss_and_hit(
  make_class: MakeClass,
) -> None:
  cls: Any = make_class(codec='json')
  upper = Annotated[str, pydantic.AfterValidator(str.upper)]
  assert cached_both(cls, lambda: ['a'], List[upper]) == [['A']] * 4  # type: ignore[valid-type]


@inmemory_only
def test_nan_and_infinity_in_models(make_class: MakeClass) -> None:
  class Reading(BaseModel):
    value: float

  for codec in ('json', 'msgpack'):
    for found in cached_both(make_class(codec=codec), lambda: Reading(value=float('nan')), Reading):
      assert type(found) is Reading and found.value != found.value
  with pytest.raises(CodecError):  # orjson encodes it as null
    cached_both(make_class(codec='orjson'), lambda: Reading(value=float('nan')), Reading)


# ---- Older entries


@CODECS
@inmemory_only
def test_an_entry_that_no_longer_matches_the_type_is_computed_again_and_counted(
  make_class: MakeClass, codec: str
) -> None:
  cls: Any = make_class(codec=codec)

  @cls.cached(key='key')
  async def load() -> User:
    return User(id=2)

  for old in ({'name': 'of before'}, {'id': 'x'}, [1], 'text', None):
    run(cls().put('key', old))
    before = cls.stats().fallbacks
    assert run(load()) == User(id=2)
    assert cls.stats().fallbacks == before + 1
    assert run(load()) == User(id=2)
    assert cls.stats().fallbacks == before + 1


@inmemory_only
def test_a_damaged_entry_is_computed_again(make_class: MakeClass) -> None:
  import os

  name = f'shared-{os.urandom(8).hex()}'
  writer: Any = make_class(memory_name=name)
  reader: Any = make_class(memory_name=name, codec='json')
  for text in ('', '{"id": 1', '{"id": 1}, {"id": 2}', '{"id": 1}]', '\x00', 'null'):
    writer.sync.put('key', text)
    assert reader.sync.get_or_set('key', lambda: User(id=3), returns=User) == User(id=3)
    assert run(reader().get_or_set('key', 'unused', returns=User)) == User(id=3)


@inmemory_only
def test_a_caller_that_joins_with_another_type_computes_separately(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='json')

  async def main() -> None:
    go = asyncio.Event()

    async def compute() -> Any:
      await go.wait()
      return Point(1)

    first = asyncio.create_task(cls().get_or_set('key', compute, returns=Point))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(cls().get_or_set('key', lambda: User(id=1), returns=User))
    third = asyncio.create_task(cls().get_or_set('key', lambda: 'unused'))
    await asyncio.sleep(0.01)
    go.set()
    assert await first == Point(1)
    assert await second == User(id=1)
    assert await third == {'x': 1, 'y': [], 'when': None}

  run(main())


# ---- Without pydantic, and costs


def test_without_pydantic_annotations_are_ignored_and_returns_is_an_error() -> None:
  output = run_python("""
    import sys
    sys.modules['pydantic'] = None  # an import fails
    import dataclasses, logging
    from typing import List
    from cachette import Cachette, CodecError
    logging.disable()
    Cachette.load_config(lambda: {'codec': 'json'})
    @dataclasses.dataclass
    class Point:
      x: int
    @Cachette.cached
    def load() -> List[Point]:
      return [{'x': 1}]
    print(load(), load())
    @Cachette.cached(returns=List[Point])
    def load_stated():
      return [{'x': 1}]
    for call in (load_stated, lambda: Cachette.sync.get_or_set('key', [1], returns=Point)):
      try:
        call()
      except CodecError as error:
        print(error)
    """)
  lines = output.splitlines()
  assert lines[0] == "[{'x': 1}] [{'x': 1}]"
  assert len(lines) == 3
  assert all('returns=' in line and 'pip install pydantic' in line for line in lines[1:])


@inmemory_only
def test_an_unsupported_type_in_returns_is_an_error(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='json')
  with pytest.raises(CodecError, match='returns=.*Arbitrary'):
    run(cls().get_or_set('key', 5, returns=Arbitrary))
  with pytest.raises(CodecError, match='returns=.*Arbitrary'):
    cached_both(cls, lambda: 5, returns=Arbitrary)


def test_pydantic_is_imported_only_when_needed() -> None:
  output = run_python("""
    import sys, asyncio
    from typing import Any, Dict, List, Optional
    from cachette import Cachette
    Cachette.load_config(lambda: {'codec': 'json'})
    class Local(Cachette): pass
    Local.load_config(lambda: {'codec': 'pickle'})
    @Cachette.cached
    def one() -> Dict[str, List[Optional[int]]]: return {'a': [1, None]}
    @Cachette.cached
    def two() -> 'Any': return 5
    @Cachette.cached
    def three() -> dict: return {}
    @Local.cached
    def four() -> set: return {1}
    for each in (one, two, three, four):
      each(), each()
    print('pydantic' in sys.modules)
    @Cachette.cached
    def five() -> set: return {1}
    print(five(), five(), 'pydantic' in sys.modules)
    """)
  assert output == 'False\n{1} {1} True\n'


@inmemory_only
def test_the_type_adapter_is_created_once(
  make_class: MakeClass, monkeypatch: pytest.MonkeyPatch
) -> None:
  made = []
  original = pydantic.TypeAdapter.__init__

  def counting(self: Any, *args: Any, **kwargs: Any) -> None:
    made.append(args)
    original(self, *args, **kwargs)

  monkeypatch.setattr(pydantic.TypeAdapter, '__init__', counting)
  cls: Any = make_class(codec='json')

  @cls.cached(key='{number}')
  def load(number: int) -> Line:
    return Line([])

  for number in (1, 1, 2, 2):
    load(number)
    cls.sync.get_or_set(f'x{number}', Line([]), returns=Line)
  assert len(made) <= 4  # for the function and for returns=, each validated and created


@inmemory_only
def test_concurrent_threads_restore_types(make_class: MakeClass) -> None:
  from concurrent.futures import ThreadPoolExecutor

  cls: Any = make_class(codec='json')

  @cls.cached(key='{number}')
  def load(number: int) -> Line:
    return Line([Point(number)])

  with ThreadPoolExecutor(8) as pool:
    assert list(pool.map(load, [each % 5 for each in range(200)])) == [
      Line([Point(each % 5)]) for each in range(200)
    ]


@inmemory_only
@pytest.mark.parametrize('returns', ['Nope', List['Nope']])  # type: ignore[name-defined] # noqa: F821
def test_a_type_in_returns_with_an_undefined_name_is_an_error(
  make_class: MakeClass, returns: Any
) -> None:
  sync = make_class(codec='json').sync
  with pytest.raises(CodecError, match='is not supported by pydantic: a name in it is not defined'):
    sync.get_or_set('key', lambda: {'a': 1}, returns=returns)
  assert sync.fetch('key') is None
