# SPDX-License-Identifier: MIT
"""`Cachette()` is an ordinary class to Python and to everything that inspects classes."""

import abc
import asyncio
import copy
import functools
import inspect
import pickle
import pydoc
import re
import threading
import typing
import unittest.mock
import weakref
from typing import Any, List

import pytest
from cachette import Cachette
from conftest import run_python, unwraps_classes

METHODS = {
  'fetch': '(self, key: str, default: Any = None) -> Any',
  'fetch_with_ttl': '(self, key: str) -> Tuple[int, Any]',
  'put': '(self, key: str, value: Any, ttl: Seconds = None) -> None',
  'delete': '(self, key: str) -> bool',
  'clear': '(self, namespace: Optional[str] = None, key: Optional[str] = None) -> int',
  'flush': '(self) -> int',
  'flush_expired': '(self) -> int',
}


class Sub(Cachette):
  """A subclass without additions."""


class WithInit(Cachette):
  """A subclass that takes arguments."""

  def __init__(self, prefix: str = 'none', *, limit: int = 5) -> None:
    self.prefix = prefix
    self.limit = limit


class WithNew(Cachette):
  """A subclass with its own `__new__`."""

  def __new__(cls, prefix: str) -> 'WithNew':
    return super().__new__(cls)


# ---- Signatures


@pytest.mark.parametrize('cls', [Cachette, Sub])
def test_cachette_takes_no_arguments(cls: Any) -> None:
  assert str(inspect.signature(cls)) == '()'
  assert isinstance(cls(), Cachette)
  for args, kwargs in [((1,), {}), ((), {'key': 1}), ((None,), {})]:
    with pytest.raises(TypeError, match='takes no arguments'):
      cls(*args, **kwargs)


def test_a_subclass_with_an_init_has_its_signature() -> None:
  signature = inspect.signature(WithInit)
  assert list(signature.parameters) == ['prefix', 'limit']
  created = WithInit('here', limit=7)
  assert (created.prefix, created.limit) == ('here', 7)
  assert inspect.unwrap(WithInit) is WithInit
  assert list(inspect.signature(WithNew).parameters) == ['prefix']
  assert inspect.unwrap(WithNew) is WithNew
  assert asyncio.run(WithNew('here').fetch('not there')) is None


def test_a_subclass_of_a_subclass_with_an_init_has_its_signature() -> None:
  class Deeper(WithInit):
    pass

  assert list(inspect.signature(Deeper).parameters) == ['prefix', 'limit']
  assert inspect.unwrap(Deeper) is Deeper


def test_a_metaclass_creates_the_instances_of_its_class() -> None:
  class Meta(type):
    created: List[Any] = []

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
      Meta.created.append(cls)
      return super().__call__(*args, **kwargs)

  class Own(Cachette, metaclass=Meta):
    pass

  Own()
  assert Meta.created == [Own]


@unwraps_classes
def test_cachette_unwraps_to_a_coroutine_function() -> None:
  for cls in (Cachette, Sub):
    assert inspect.iscoroutinefunction(inspect.unwrap(cls))


def test_cachette_is_a_class_whose_instances_wrap_nothing() -> None:
  assert inspect.isclass(Cachette)
  assert not hasattr(Cachette(), '__wrapped__')
  assert not hasattr(Cachette(), '__signature__')


@unwraps_classes
def test_the_unwrapped_function_returns_an_instance_of_the_class() -> None:
  for cls in (Cachette, Sub):
    build: Any = inspect.unwrap(cls)
    assert type(asyncio.run(build())) is cls


def signature_text(function: Any) -> str:
  """Its signature. The type of a TTL prints differently across Python versions."""
  text = str(inspect.signature(function)).replace('typing.', '')
  return re.sub(r'ttl: .* = None', 'ttl: Seconds = None', text)


@pytest.mark.parametrize('name', METHODS)
def test_each_method_has_a_signature_and_a_docstring(name: str) -> None:
  for owner, instance in ((Cachette, Cachette()), (type(Cachette.sync), Cachette.sync)):
    method = getattr(owner, name)
    assert signature_text(method) == METHODS[name]
    assert signature_text(getattr(instance, name)) == re.sub(r'self(, )?', '', METHODS[name])
    assert inspect.getdoc(method) == inspect.getdoc(getattr(Cachette, name)) != ''
    assert typing.get_type_hints(method) == typing.get_type_hints(getattr(instance, name)) != {}


def test_help_prints_the_class_and_its_methods() -> None:
  text = pydoc.plain(pydoc.render_doc(Cachette)).replace('typing.', '')
  assert 'class Cachette' in text and 'A cache whose backend, codec and time to live' in text
  for name in METHODS:
    assert re.search(rf'async {name}\([\s|]*self', text)  # long signatures span lines
  assert 'load_config(settings' in text and 'register_codec(' in text
  assert 'class Sub' in pydoc.plain(pydoc.render_doc(Sub))
  assert 'limit' in pydoc.plain(pydoc.render_doc(WithInit))


def test_its_source_and_file_are_those_of_the_class() -> None:
  assert inspect.getfile(Cachette.load_config).endswith('_core.py')
  assert (Cachette.__module__, Cachette.__qualname__) == ('cachette', 'Cachette')
  typing.get_type_hints(Cachette)
  typing.get_type_hints(Sub)


# ---- Instances


def test_an_instance_can_be_copied_and_pickled() -> None:
  for created in (Cachette(), Sub(), WithInit('here')):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
      again = pickle.loads(pickle.dumps(created, protocol))
      assert type(again) is type(created) and again.__dict__ == created.__dict__
    assert type(copy.copy(created)) is type(created)
    assert type(copy.deepcopy(created)) is type(created)
  assert pickle.loads(pickle.dumps(Cachette)) is Cachette


def test_an_instance_has_weak_references_a_hash_and_attributes() -> None:
  created = Cachette()
  gone = weakref.ref(created)
  assert gone() is created and {created: 1}[created] == 1
  created.noted = 1  # type: ignore[attr-defined]
  del created
  assert gone() is None


def test_the_repr_names_class_backend_codec_and_ttl() -> None:
  class Own(Cachette):
    pass

  Own.load_config(lambda: [('codec', 'json'), ('ttl', 7)])
  assert repr(Own()) == "<Own backend='inmemory' codec='json' ttl=7>"


def test_cachette_can_be_one_of_several_bases() -> None:
  class Service(abc.ABC):
    @abc.abstractmethod
    def serve(self) -> str: ...

  class Own(Cachette, Service):
    def serve(self) -> str:
      return 'served'

  class Slotted(Cachette):
    __slots__ = ('name',)

  T = typing.TypeVar('T')

  class Typed(Cachette, typing.Generic[T]):
    pass

  assert Own().serve() == 'served'
  with pytest.raises(TypeError):
    type('Unfinished', (Cachette, Service), {})()
  for created in (Own(), Slotted(), Typed[int]()):
    assert asyncio.run(created.fetch('no such key', 5)) == 5


def test_a_method_can_be_overridden_and_called_through_super() -> None:
  class Own(Cachette):
    async def fetch(self, key: str, default: Any = None) -> Any:
      return await super().fetch('prefix:' + key, default)

    def put(self, key: str, value: Any, ttl: Any = None) -> Any:
      return super().put('prefix:' + key, value, ttl)

  Own.load_config(lambda: [])

  async def main() -> None:
    await Own().put('key', 'value')
    assert await Own().fetch('key') == 'value'
    assert await Cachette.fetch(Own(), 'prefix:key') == 'value'

  asyncio.run(main())


def test_a_method_rejects_an_object_that_is_not_a_cachette() -> None:
  with pytest.raises(TypeError):
    Cachette.fetch(object(), 'key')  # type: ignore[arg-type]


def test_functools_and_mock_accept_cachette() -> None:
  assert isinstance(functools.partial(Cachette)(), Cachette)

  @functools.wraps(Cachette)
  def wrapper() -> Cachette:
    return Cachette()

  assert isinstance(wrapper(), Cachette)
  assert isinstance(functools.lru_cache(maxsize=None)(Cachette)(), Cachette)

  for spec in (Cachette, Sub):
    mock = unittest.mock.create_autospec(spec)
    mock().fetch.return_value = 'value'
    assert asyncio.run(mock().fetch('key')) == 'value'
    with pytest.raises(AttributeError):
      mock().no_such_call()
  instance = unittest.mock.create_autospec(Cachette, instance=True)
  asyncio.run(instance.put('key', 'value', ttl=3))
  with pytest.raises(TypeError):
    instance.put('key')
  instance.put.assert_awaited_once_with('key', 'value', ttl=3)
  with unittest.mock.patch.object(Cachette, 'flush') as flush:
    asyncio.run(Cachette().flush())
    flush.assert_awaited_once_with()


def test_instances_can_be_created_and_used_on_any_thread() -> None:
  class Own(Cachette):
    pass

  Own.load_config(lambda: [])
  created: List[Cachette] = []
  thread = threading.Thread(target=lambda: created.append(Own()))
  thread.start()
  thread.join()

  async def main() -> None:
    await created[0].put('key', 'value')
    assert await Own().fetch('key') == 'value'

  asyncio.run(main())
  found: List[Any] = []
  thread = threading.Thread(target=lambda: found.append(asyncio.run(created[0].fetch('key'))))
  thread.start()
  thread.join()
  assert found == ['value']


def test_load_config_and_register_codec_work_on_an_instance_too() -> None:
  class Own(Cachette):
    pass

  Own().load_config(lambda: [('ttl', 7)])
  assert 'ttl=7' in repr(Own())
  assert 'ttl=60' in repr(Sub())


def test_signatures_are_correct_under_the_future_import_of_annotations() -> None:
  run_python("""
    from __future__ import annotations
    import inspect
    from cachette import Cachette
    class Own(Cachette):
      name: str
    assert str(inspect.signature(Own)) == '()'
    """)


def test_two_caches_use_two_backends_side_by_side(redis: Any) -> None:
  class Near(Cachette):
    pass

  class Far(Cachette):
    pass

  Near.load_config(lambda: {'codec': 'json', 'ttl': 5})
  Far.load_config(
    lambda: {'backend': 'redis', 'redis_url': redis.url, 'codec': 'pickle', 'key_prefix': 'far:'}
  )

  async def main() -> None:
    await asyncio.gather(Near().put('key', [1]), Far().put('key', {2}))
    assert await asyncio.gather(Near().fetch('key'), Far().fetch('key')) == [[1], {2}]
    assert await Near().fetch_with_ttl('key') == (5, [1])
    assert await Far().fetch_with_ttl('key') == (60, {2})
    assert await Near().clear(key='key') == 1
    assert await Far().fetch('key') == {2}
    assert await Far().flush() == 1

  asyncio.run(main())
  assert Near.stats().hits == 2 and Far.stats().hits == 3
  assert Near.stats().entries == 0 and Far.stats().entries is None
