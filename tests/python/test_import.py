# SPDX-License-Identifier: MIT
"""The package imports quickly, is complete, and has its metadata."""

import doctest
import importlib
import os
import pkgutil
import re

import cachette
import pytest
from conftest import ROOT, run_python

HEAVY = """
  pydantic pydantic_core json pickle dataclasses csv sqlite3 decimal orjson msgpack pandas pyarrow
  numpy multiprocessing email http urllib ctypes unittest xml
""".split()


def test_importing_the_package_imports_no_heavy_module() -> None:
  output = run_python("""
    import sys, asyncio, typing
    before = set(sys.modules)
    import cachette
    print(*sorted(set(sys.modules) - before))
    """)
  taken = output.split()
  assert not [each for each in taken if each.partition('.')[0] in HEAVY]
  others = [each for each in taken if each.partition('.')[0] not in ('cachette', 'collections')]
  assert others == []


def test_calls_with_the_vanilla_codec_import_no_heavy_module() -> None:
  output = run_python("""
    import sys, asyncio
    from cachette import Cachette
    @Cachette.load_config
    def get_cachette_config():
      return [('backend', 'inmemory'), ('ttl', 5)]
    before = set(sys.modules)
    async def main():
      await Cachette().put('key', 'value')
      assert await Cachette().fetch('key') == 'value'
      await Cachette().flush()
    asyncio.run(main())
    print(*sorted(set(sys.modules) - before))
    """)
  assert not [each for each in output.split() if each.partition('.')[0] in HEAVY]


def test_importing_the_package_opens_no_descriptor() -> None:
  if not os.path.isdir('/proc/self/fd'):
    pytest.skip('descriptors are counted through /proc')
  assert (
    run_python("""
    import asyncio, os, threading
    before = os.listdir('/proc/self/fd')
    import cachette
    assert os.listdir('/proc/self/fd') == before
    assert threading.active_count() == 1 and len(os.listdir('/proc/self/task')) == 1
    print('nothing')
    """)
    == 'nothing\n'
  )


def test_every_public_name_exists_and_is_documented() -> None:
  assert sorted(cachette.__all__) == cachette.__all__ or len(set(cachette.__all__)) == 8
  for name in cachette.__all__:
    each = getattr(cachette, name)
    assert isinstance(each, str) or each.__doc__
  found: dict = {}
  exec('from cachette import *', found)
  assert set(cachette.__all__) <= set(found)


def test_the_version_equals_that_of_the_build() -> None:
  assert re.fullmatch(r'\d+\.\d+\.\d+', cachette.__version__)
  with open(os.path.join(ROOT, 'meson.build'), encoding='utf-8') as build:
    assert f"version: '{cachette.__version__}'" in build.read()


def test_the_package_is_typed() -> None:
  folder = os.path.dirname(cachette.__file__)
  for name in ('py.typed', '_cachette.pyi'):
    assert os.path.exists(os.path.join(folder, name))


@pytest.mark.parametrize(
  'name',
  [
    'cachette',
    *(  # except the store modules beside the package, which are not Python modules
      f'cachette.{each.name}'
      for each in pkgutil.iter_modules(cachette.__path__)
      if each.name.isidentifier()
    ),
  ],
)
def test_the_docstring_examples_run(name: str) -> None:
  failed, _ = doctest.testmod(importlib.import_module(name), verbose=False)
  assert failed == 0


def test_there_are_examples_in_the_docstrings() -> None:
  assert doctest.testmod(cachette).attempted >= 4
