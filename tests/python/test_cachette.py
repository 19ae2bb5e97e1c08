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
  """A subclass without anything of its own."""


class WithInit(Cachette):
  """A subclass that takes arguments."""

  def __init__(self, prefix: str = 'none', *, limit: int = 5) -> None:
    self.prefix = prefix
    self.limit = limit


class WithNew(Cachette):
  """A subclass that makes its instances itself."""

  def __new__(cls, prefix: str) -> 'WithNew':
    return super().__new__(cls)


# ---- Signatures


@pytest.mark.parametrize('cls', [Cachette, Sub])
def test_it_takes_no_arguments(cls: Any) -> None:
  assert str(inspect.signature(cls)) == '()'
  assert isinstance(cls(), Cachette)
  for args, kwargs in [((1,), {}), ((), {'key': 1}), ((None,), {})]:
    with pytest.raises(TypeError, match='takes no arguments'):
      cls(*args, **kwargs)


def test_a_subclass_with_an_init_has_its_signature() -> None:
  signature = inspect.signature(WithInit)
  assert list(signature.parameters) == ['prefix', 'limit']
  made = WithInit('here', limit=7)
  assert (made.prefix, made.limit) == ('here', 7)
  assert inspect.unwrap(WithInit) is WithInit
  assert list(inspect.signature(WithNew).parameters) == ['prefix']
  assert inspect.unwrap(WithNew) is WithNew
  assert asyncio.run(WithNew('here').fetch('not there')) is None


def test_a_subclass_of_a_subclass_with_an_init_has_its_signature() -> None:
  class Deeper(WithInit):
    pass

  assert list(inspect.signature(Deeper).parameters) == ['prefix', 'limit']
  assert inspect.unwrap(Deeper) is Deeper


def test_a_class_with_a_metaclass_is_built_by_it() -> None:
  class Meta(type):
    made: List[Any] = []

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
      Meta.made.append(cls)
      return super().__call__(*args, **kwargs)

  class Own(Cachette, metaclass=Meta):
    pass

  Own()
  assert Meta.made == [Own]


@unwraps_classes
def test_it_unwraps_to_a_coroutine_function() -> None:
  for cls in (Cachette, Sub):
    assert inspect.iscoroutinefunction(inspect.unwrap(cls))


def test_it_is_a_class_and_its_instances_wrap_nothing() -> None:
  assert inspect.isclass(Cachette)
  assert not hasattr(Cachette(), '__wrapped__')
  assert not hasattr(Cachette(), '__signature__')


@unwraps_classes
def test_what_it_unwraps_to_builds_the_very_class() -> None:
  for cls in (Cachette, Sub):
    build: Any = inspect.unwrap(cls)
    assert type(asyncio.run(build())) is cls


def signature_text(function: Any) -> str:
  """Its signature; Pythons write the type of a time to live in ways of their own."""
  text = str(inspect.signature(function)).replace('typing.', '')
  return re.sub(r'ttl: .* = None', 'ttl: Seconds = None', text)


@pytest.mark.parametrize('name', METHODS)
def test_each_method_has_its_signature_and_a_text(name: str) -> None:
  for owner, instance in ((Cachette, Cachette()), (type(Cachette.sync), Cachette.sync)):
    method = getattr(owner, name)
    assert signature_text(method) == METHODS[name]
    assert signature_text(getattr(instance, name)) == re.sub(r'self(, )?', '', METHODS[name])
    assert inspect.getdoc(method) == inspect.getdoc(getattr(Cachette, name)) != ''
    assert typing.get_type_hints(method) == typing.get_type_hints(getattr(instance, name)) != {}


def test_help_shows_the_class_and_its_methods() -> None:
  text = pydoc.plain(pydoc.render_doc(Cachette)).replace('typing.', '')
  assert 'class Cachette' in text and 'A cache whose backend, codec and time to live' in text
  for name in METHODS:
    assert re.search(rf'async {name}\([\s|]*self', text)  # long ones have lines for parameters
  assert 'load_config(settings' in text and 'register_codec(' in text
  assert 'class Sub' in pydoc.plain(pydoc.render_doc(Sub))
  assert 'limit' in pydoc.plain(pydoc.render_doc(WithInit))


def test_its_source_and_file_are_those_of_the_class() -> None:
  assert inspect.getfile(Cachette.load_config).endswith('_core.py')
  assert (Cachette.__module__, Cachette.__qualname__) == ('cachette', 'Cachette')
  typing.get_type_hints(Cachette)
  typing.get_type_hints(Sub)


# ---- What Python does with objects


def test_it_can_be_copied_and_pickled() -> None:
  for made in (Cachette(), Sub(), WithInit('here')):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
      again = pickle.loads(pickle.dumps(made, protocol))
      assert type(again) is type(made) and again.__dict__ == made.__dict__
    assert type(copy.copy(made)) is type(made)
    assert type(copy.deepcopy(made)) is type(made)
  assert pickle.loads(pickle.dumps(Cachette)) is Cachette


def test_it_can_be_referred_to_weakly_hashed_and_given_attributes() -> None:
  made = Cachette()
  gone = weakref.ref(made)
  assert gone() is made and {made: 1}[made] == 1
  made.noted = 1  # type: ignore[attr-defined]
  del made
  assert gone() is None


def test_its_repr_names_class_backend_codec_and_ttl() -> None:
  class Own(Cachette):
    pass

  Own.load_config(lambda: [('codec', 'json'), ('ttl', 7)])
  assert repr(Own()) == "<Own backend='inmemory' codec='json' ttl=7>"


def test_it_can_be_a_base_beside_others() -> None:
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
  for made in (Own(), Slotted(), Typed[int]()):
    assert asyncio.run(made.fetch('no such key', 5)) == 5


def test_a_method_can_be_overridden_and_called_by_super() -> None:
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


def test_a_method_refuses_what_is_no_cachette() -> None:
  with pytest.raises(TypeError):
    Cachette.fetch(object(), 'key')  # type: ignore[arg-type]


def test_functools_and_mock_take_it() -> None:
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


def test_it_can_be_built_and_used_on_any_thread() -> None:
  class Own(Cachette):
    pass

  Own.load_config(lambda: [])
  made: List[Cachette] = []
  thread = threading.Thread(target=lambda: made.append(Own()))
  thread.start()
  thread.join()

  async def main() -> None:
    await made[0].put('key', 'value')
    assert await Own().fetch('key') == 'value'

  asyncio.run(main())
  found: List[Any] = []
  thread = threading.Thread(target=lambda: found.append(asyncio.run(made[0].fetch('key'))))
  thread.start()
  thread.join()
  assert found == ['value']


def test_load_config_and_register_codec_work_on_an_instance_too() -> None:
  class Own(Cachette):
    pass

  Own().load_config(lambda: [('ttl', 7)])
  assert 'ttl=7' in repr(Own())
  assert 'ttl=60' in repr(Sub())


def test_a_future_import_of_annotations_does_not_confuse_signatures() -> None:
  run_python("""
    from __future__ import annotations
    import inspect
    from cachette import Cachette
    class Own(Cachette):
      name: str
    assert str(inspect.signature(Own)) == '()'
    """)


def test_two_caches_stand_side_by_side_on_two_backends(redis: Any) -> None:
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
