# SPDX-License-Identifier: MIT
"""The Python API is documented: on its page, in help() and in the stubs. Every call has types."""

import gc
import importlib.util
import inspect
import os
import pathlib
import pydoc
import re
import subprocess
import sys
import typing
from typing import Any, Iterator, List, Tuple

import cachette
import pytest
from cachette import Cachette, _cachette, testing
from conftest import ROOT, run_python

PAGE = pathlib.Path(ROOT, 'docs', 'reference', 'python.md').read_text(encoding='utf-8')


def load_hook() -> Any:
  path = os.path.join(ROOT, 'scripts', 'python_reference.py')
  spec = importlib.util.spec_from_file_location('python_reference', path)
  assert spec is not None and spec.loader is not None
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


hook = load_hook()
ENTRIES: List[str] = hook.names_of(PAGE)
FUNCTIONS = [name for name in ENTRIES if inspect.isroutine(hook.find(name))]


def public(owner: Any) -> List[str]:
  return [name for name in dir(owner) if not name.startswith('_')]


# ---- The page


def test_every_public_name_is_on_the_page() -> None:
  names = {*cachette.__all__, *(f'Cachette.{name}' for name in public(Cachette))}
  names |= {f'testing.{name}' for name in testing.__all__} | {'isolated_cache'}
  names |= {f'testing.Clock.{name}' for name in public(testing.Clock)}
  names |= {f'testing.Isolation.{name}' for name in public(testing.Isolation)}
  missing = names - set(ENTRIES) - {'__version__', 'cached'}  # which have sentences of their own
  assert missing == set()
  assert 'cachette.__version__' in PAGE and '`from cachette import cached`' in PAGE
  assert len(ENTRIES) == len(set(ENTRIES))


def test_the_page_names_every_call_that_blocks() -> None:
  for name in public(Cachette.sync):
    assert f'`{name}`' in PAGE.partition('`Cachette.sync` has these calls')[2].partition('##')[0]


@pytest.mark.parametrize('name', FUNCTIONS)
def test_a_docstring_tells_each_argument(name: str) -> None:
  if name in ('isolated_cache', 'decorated.key', 'decorated.invalidate'):
    return
  function = hook.find(name)
  doc = inspect.getdoc(function) or ''
  told = [
    line.partition(':')[0].strip()
    for line in doc.partition('Args:\n')[2].partition('\n\n')[0].split('\n')
    if line.startswith('  ') and not line.startswith('    ')
  ]
  assert told == [each for each in inspect.signature(function).parameters if each != 'self']


def test_the_page_shows_no_private_name() -> None:
  text = hook.on_page_markdown(PAGE)
  assert not re.search(r'cachette\._[a-z]', text) and '<!-- api' not in text
  assert 'async def fetch(key: str, default: Any = None) -> Any' in text
  assert 'async def put(key: str, value: Any, ttl: Optional[Time] = None) -> None' in text
  assert 'def isolated(*classes: Type[Cachette]) -> ContextManager[Isolation]' in text
  assert '- `default`: The result of a miss.' in text
  assert '| `hits` | Keys that were fetched and found. |' in text


def test_a_name_without_a_docstring_fails_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setattr(testing.Clock.advance, '__doc__', None)
  with pytest.raises(ValueError, match='testing.Clock.advance has no docstring'):
    hook.on_page_markdown('<!-- api: testing.Clock.advance -->')


# ---- Stubs


def test_the_stubs_carry_the_docstrings() -> None:
  script = os.path.join(ROOT, 'scripts', 'docstrings')
  done = subprocess.run([sys.executable, script, '--check'], stdout=subprocess.PIPE)
  assert done.returncode == 0, done.stdout


@pytest.mark.parametrize('name', public(Cachette.sync))
def test_a_call_that_blocks_has_the_signature_of_the_other(name: str) -> None:
  blocking, other = getattr(type(Cachette.sync), name), getattr(Cachette, name)
  assert inspect.signature(blocking) == inspect.signature(other)
  assert typing.get_type_hints(blocking) == typing.get_type_hints(other)


# ---- Types at run time


def c_types() -> List[type]:
  """Returns the types of the extension, some of which no module has as an attribute."""
  found = [each for each in gc.get_objects() if type(each) is type]
  own = [each for each in found if each.__module__ == 'cachette._cachette']
  return [_cachette.Cache, _cachette.Sync, type(Cachette.fetch), *own]


def test_all_types_of_the_extension_are_found() -> None:
  names = {'Cache', 'Config', 'Future', 'Lease', 'LoopHandle', 'Method', 'Pending', 'Ready', 'Sync'}
  assert names <= {each.__name__ for each in c_types()}


def c_functions() -> Iterator[Tuple[str, Any]]:
  for owner in (_cachette, *c_types()):
    for name, each in vars(owner).items():
      if inspect.isroutine(each) and not isinstance(each, type(object.__repr__)):
        if name not in ('__new__', '__reduce__'):  # Python makes them
          yield f'{owner.__name__}.{name}', getattr(owner, name)


@pytest.mark.parametrize(('name', 'function'), list(c_functions()), ids=lambda each: str(each)[:40])
def test_every_function_of_the_extension_has_a_signature_and_a_text(
  name: str, function: Any
) -> None:
  inspect.signature(function)
  assert function.__doc__


@pytest.mark.parametrize('name', FUNCTIONS)
def test_type_hints_of_every_public_function_can_be_evaluated(name: str) -> None:
  # The key of an example has no types. The module of the fixture imports nothing for its types.
  if name not in ('decorated.key', 'isolated_cache'):
    assert 'return' in typing.get_type_hints(hook.find(name))


@pytest.mark.parametrize('name', cachette.__all__)
def test_type_hints_of_every_public_class_can_be_evaluated(name: str) -> None:
  if isinstance(getattr(cachette, name), type):
    typing.get_type_hints(getattr(cachette, name))


# ---- dir() and help()


def test_dir_shows_no_internals() -> None:
  told = run_python(
    """
    import cachette
    print(set(dir(cachette)) - set(cachette.__all__))
    from cachette import testing
    print(set(dir(cachette)) - set(cachette.__all__), dir(testing) == sorted(testing.__all__))
    """
  )
  assert told == "set()\n{'testing'} True\n"
  assert public(Cachette.sync) == [name for name in public(Cachette.sync) if name in dir(Cachette)]


@pytest.mark.parametrize('name', [*cachette.__all__, 'Cachette.sync'])
def test_help_shows_no_internals(name: str) -> None:
  found: Any = hook.find(name)
  if not isinstance(found, str):
    text = pydoc.plain(pydoc.render_doc(found))
    text = re.sub(r' from cachette\._\S+', '', text)  # Python 3.13 adds where a method comes from
    assert not re.search(r'cachette\._[a-z]', text)
