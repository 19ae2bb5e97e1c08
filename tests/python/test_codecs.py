# SPDX-License-Identifier: MIT
"""Codecs: values round-trip, and unsupported values are a CodecError with its cause."""

import asyncio
import itertools
import json
import pickle
import time
from typing import Any, Dict, List, Tuple

import pytest
from cachette import Cachette, CodecError
from conftest import MakeClass, about, name_of, run_python
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

names = (f'own{number}' for number in itertools.count())
shared_settings = settings(
  max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

texts = st.text(st.characters(exclude_categories=['Cs'])) | st.text('ab').map(lambda x: x * 1000)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
jsonables = st.recursive(
  scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20
)
objects = st.recursive(
  scalars | st.binary() | st.decimals(allow_nan=False) | st.dates() | st.uuids(),
  lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(texts, inner),
  max_leaves=20,
)


def round_trip(cache: Cachette, value: Any) -> Any:
  async def main() -> Tuple[Any, Tuple[int, Any]]:
    await cache.put('key', value)
    return await cache.fetch('key'), await cache.fetch_with_ttl('key')

  start = time.monotonic()
  fetched, (left, again) = asyncio.run(main())
  assert about(60, start) == left and type(again) is type(fetched) and again == fetched
  return fetched


@given(value=texts)
@shared_settings
def test_vanilla_round_trips_str(cache: Cachette, value: str) -> None:
  assert round_trip(cache, value) == value


@pytest.mark.parametrize(
  'value', [5, -1.5, True, None, [1, 'two'], {'a': 1}, b'bytes', ...], ids=repr
)
def test_vanilla_stores_str_of_other_values(cache: Cachette, value: Any) -> None:
  assert round_trip(cache, value) == str(value)


def test_vanilla_stores_str_of_a_str_subclass(cache: Cachette) -> None:
  class Loud(str):
    def __str__(self) -> str:
      return self.upper()

  assert round_trip(cache, Loud('loud')) == 'LOUD'


@given(value=jsonables)
@shared_settings
def test_json_round_trips_what_json_can_represent(backend: Dict[str, Any], value: Any) -> None:
  assert round_trip(configured('json', backend), value) == value


@given(value=objects)
@shared_settings
def test_pickle_round_trips_objects(backend: Dict[str, Any], value: Any) -> None:
  assert round_trip(configured('pickle', backend), value) == value


_configured: Dict[Tuple[str, str], Cachette] = {}


def configured(codec: str, backend: Dict[str, Any]) -> Cachette:
  """One cache for all examples."""
  key = (codec, name_of(backend))
  if key not in _configured:

    class Own(Cachette):
      pass

    Own.load_config(lambda: {**backend, 'codec': codec})
    _configured[key] = Own()
  return _configured[key]


def put_raw(make_class: MakeClass, codec: str, raw: bytes) -> Cachette:
  """A cache of the codec, with raw bytes stored under "key"."""
  name = next(names)
  Cachette.register_codec(name, lambda value: value, bytes)
  writer = make_class(codec=name, memory_name=name)()
  reader = make_class(codec=codec, memory_name=name)()
  asyncio.run(writer.put('key', raw))
  return reader


def test_the_stored_bytes_are_exactly_those_of_the_codec(make_class: MakeClass) -> None:
  name = next(names)
  Cachette.register_codec(name, lambda value: value, bytes)
  for codec, value, raw in [
    ('vanilla', 'grüß', 'grüß'.encode()),
    ('json', {'a': [1, None]}, json.dumps({'a': [1, None]}).encode()),
    ('pickle', (1, 2), pickle.dumps((1, 2))),
  ]:
    shared = next(names)
    writer, reader = (
      make_class(codec=codec, memory_name=shared)(),
      make_class(codec=name, memory_name=shared)(),
    )
    asyncio.run(writer.put('key', value))
    assert asyncio.run(reader.fetch('key')) == raw


@pytest.mark.parametrize(
  ('codec', 'raw', 'cause'),
  [
    ('vanilla', b'\xff\xfe', UnicodeDecodeError),
    ('vanilla', b'a' * 5000 + b'\xff', UnicodeDecodeError),
    ('json', b'{', json.JSONDecodeError),
    ('json', b'', json.JSONDecodeError),
    ('pickle', b'', EOFError),
    ('pickle', b'cno_such_module\nName\n.', ModuleNotFoundError),
  ],
)
def test_invalid_bytes_are_a_codec_error_with_its_cause(
  make_class: MakeClass, codec: str, raw: bytes, cause: type
) -> None:
  cache = put_raw(make_class, codec, raw)
  for awaitable in (cache.fetch('key', default=1), cache.fetch_with_ttl('key')):
    with pytest.raises(CodecError) as caught:
      asyncio.run(awaitable)
    assert isinstance(caught.value.__cause__, cause)
    reason = str(caught.value.__cause__) or cause.__name__
    assert str(caught.value) == f'The "{codec}" codec cannot decode the value of "key": {reason}'
  assert asyncio.run(cache.clear(key='key')) == 1


@pytest.mark.parametrize(
  ('codec', 'value', 'cause'),
  [
    ('vanilla', '\udc80', UnicodeEncodeError),
    ('json', {1, 2}, TypeError),
    ('json', object(), TypeError),
    ('pickle', lambda: None, Exception),
  ],
  ids=['vanilla', 'json-set', 'json-object', 'pickle'],
)
def test_an_unsupported_value_is_a_codec_error_with_its_cause(
  make_class: MakeClass, codec: str, value: Any, cause: type
) -> None:
  cache = make_class(codec=codec)()
  asyncio.run(cache.put('key', 'before'))
  with pytest.raises(CodecError) as caught:
    asyncio.run(cache.put('key', value))
  reason = f'The "{codec}" codec cannot encode the value of "key": {caught.value.__cause__}. '
  assert str(caught.value).startswith(reason)  # the advice follows; see test_refused.py
  assert isinstance(caught.value.__cause__, cause)
  assert asyncio.run(cache.fetch('key')) == 'before'


def test_an_exception_without_a_message_is_named_and_a_long_message_cut(
  make_class: MakeClass,
) -> None:
  class Silent(Exception):
    def __str__(self) -> str:
      raise RuntimeError

  for raised, message in (
    (KeyError(), 'KeyError'),
    (Silent(), 'Silent'),
    (OSError('x' * 999), 'x' * 200),
  ):

    def dumps(value: Any, raised: Exception = raised) -> bytes:
      raise raised

    Cachette.register_codec('failing', dumps, bytes)
    cls = make_class(codec='failing')
    with pytest.raises(CodecError) as caught:
      cls.sync.put('key', 'value')
    assert str(caught.value) == f'The "failing" codec cannot encode the value of "key": {message}'


def test_the_exception_of_a_str_method_is_the_cause(cache: Cachette) -> None:
  class Broken:
    def __str__(self) -> str:
      raise LookupError('no text')

  with pytest.raises(CodecError) as caught:
    asyncio.run(cache.put('key', Broken()))
  assert repr(caught.value.__cause__) == "LookupError('no text')"
  assert caught.value.__cause__.__traceback__ is not None


@pytest.mark.parametrize('exception', [KeyboardInterrupt, SystemExit, MemoryError])
def test_exceptions_unrelated_to_the_value_are_not_codec_errors(
  cache: Cachette, exception: type
) -> None:
  class Broken:
    def __str__(self) -> str:
      raise exception

  async def main() -> None:
    with pytest.raises(exception):
      await cache.put('key', Broken())

  asyncio.run(main())


# ---- Custom codecs


def test_a_registered_codec_encodes_and_decodes(make_class: MakeClass) -> None:
  name = next(names)
  Cachette.register_codec(name, lambda value: repr(value).encode(), lambda raw: eval(raw))
  cache = make_class(codec=name.upper())()
  assert round_trip(cache, {1, 2}) == {1, 2}
  assert f"codec='{name}'" in repr(cache)


@pytest.mark.parametrize('kind', [bytes, bytearray, memoryview])
def test_a_codec_may_return_any_bytes_like_object(make_class: MakeClass, kind: Any) -> None:
  name = next(names)
  Cachette.register_codec(name, kind, lambda raw: (type(raw), raw))
  cache = make_class(codec=name)()
  for value in (b'', b'short', b'long' * 2000):
    assert round_trip(cache, value) == (bytes, value)


def test_a_codec_that_does_not_return_bytes_is_a_codec_error(make_class: MakeClass) -> None:
  name = next(names)
  Cachette.register_codec(name, str, str)
  with pytest.raises(CodecError) as caught:
    asyncio.run(make_class(codec=name)().put('key', 'value'))
  assert isinstance(caught.value.__cause__, TypeError)


def test_a_stop_iteration_of_a_codec_is_a_codec_error(make_class: MakeClass) -> None:
  def stop(_: Any) -> Any:
    raise StopIteration('value')

  name = next(names)
  Cachette.register_codec(name, stop, stop)
  with pytest.raises(CodecError) as caught:
    asyncio.run(make_class(codec=name)().put('key', 'value'))
  assert isinstance(caught.value.__cause__, StopIteration)


def test_a_codec_may_replace_a_built_in_one(make_class: MakeClass) -> None:
  message = run_python("""
    import asyncio
    from cachette import Cachette
    for name in ('json', 'Vanilla'):
      Cachette.register_codec(name, lambda value: b'own', lambda raw: raw)
      Cachette.load_config(lambda: [('codec', name)])
      asyncio.run(Cachette().put('key', 'value'))
      print(asyncio.run(Cachette().fetch('key')), Cachette())
    """)
  assert message == (
    "b'own' <Cachette backend='inmemory' codec='json' ttl=60>\n"
    "b'own' <Cachette backend='inmemory' codec='vanilla' ttl=60>\n"
  )


def test_a_codec_may_use_and_reconfigure_caches(make_class: MakeClass) -> None:
  name = next(names)
  decoded: List[Any] = []

  def dumps(value: Any) -> bytes:
    decoded[0].load_config(lambda: [('codec', name)])
    asyncio.get_running_loop()
    decoded[0]().fetch('inner').close()
    return bytes(value)

  Cachette.register_codec(name, dumps, bytes)
  decoded.append(make_class(codec=name))

  async def main() -> None:
    for _ in range(10):
      await decoded[0]().put('key', b'value')
      await decoded[0]().fetch('key')

  asyncio.run(main())


@pytest.mark.parametrize('name', ['', 5, None, b'name'])
def test_a_codec_needs_a_name(name: Any) -> None:
  with pytest.raises(ValueError):
    Cachette.register_codec(name, bytes, bytes)


def test_a_codec_needs_two_functions() -> None:
  with pytest.raises(TypeError):
    Cachette.register_codec('name', None, bytes)  # type: ignore[arg-type]
  with pytest.raises(TypeError):
    Cachette.register_codec('name', bytes, 5)  # type: ignore[arg-type]
