# SPDX-License-Identifier: MIT
"""The code blocks of README.md, and of the page on the C library, do what they say."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from typing import Dict, Iterator, List, NamedTuple

import cachette
import pytest
from cachette import _cachette
from conftest import ROOT
from servers import request, serve


class Block(NamedTuple):
  line: int
  language: str
  code: str

  @property
  def is_app(self) -> bool:
    return 'FastAPI()' in self.code


def read_blocks(name: str) -> List[Block]:
  """The fenced blocks of a Markdown file."""
  with open(os.path.join(ROOT, name), encoding='utf-8') as file:
    text = file.read()
  found = re.finditer(r'^```(\w*)(?: [^\n]*)?\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
  return [Block(text.count('\n', 0, each.start()) + 1, each[1], each[2]) for each in found]


BLOCKS = read_blocks('README.md')


def of(language: str) -> List[Block]:
  return [each for each in BLOCKS if each.language == language]


def block_id(block: Block) -> str:
  return f'line {block.line}'


def test_every_block_is_of_a_language_that_is_tested() -> None:
  assert {block.language for block in BLOCKS} == {'python', 'sh'}


def test_it_has_at_most_150_lines() -> None:
  with open(os.path.join(ROOT, 'README.md'), encoding='utf-8') as file:
    assert len(file.readlines()) <= 150


# ---- Python

PRINTED = {'cachette.delete(': 'Ada\nnobody\n'}


@pytest.mark.parametrize('block', [each for each in of('python') if not each.is_app], ids=block_id)
def test_a_python_block_runs(block: Block) -> None:
  process = subprocess.run(
    [sys.executable, '-W', 'error', '-c', block.code],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    encoding='utf-8',
  )
  assert process.returncode == 0, process.stdout
  expected = [text for mark, text in PRINTED.items() if mark in block.code]
  assert process.stdout == ''.join(expected)


@pytest.fixture(scope='module')
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
  """The port of the README's application."""
  pytest.importorskip('fastapi')
  pytest.importorskip('uvicorn')
  folder = tmp_path_factory.mktemp('readme')
  (block,) = [each for each in of('python') if each.is_app]
  code = block.code.replace("'Ada'", "f'Ada {next(calls)}'")
  code = f'import itertools\n\ncalls = itertools.count(1)\n{code}'
  (folder / 'app.py').write_text(code, encoding='utf-8')
  with serve('app:app', str(folder)) as port:
    yield port


def test_the_fastapi_block_answers_from_the_cache(port: int) -> None:
  for _ in range(2):
    assert request(port, 'GET', '/users/1') == (200, b'{"number":1,"name":"Ada 1"}')


# ---- The shell


def read_targets() -> List[str]:
  with open(os.path.join(ROOT, 'Makefile'), encoding='utf-8') as makefile:
    return re.findall(r'^([a-z][\w-]*):', makefile.read(), re.MULTILINE)


MAKE_LINES = [
  (name, line)
  for name in ('README.md', 'CONTRIBUTING.md')
  for block in read_blocks(name)
  for line in block.code.splitlines()
  if line.startswith('make ')
]


@pytest.mark.parametrize(('name', 'line'), MAKE_LINES)
def test_each_mentioned_make_target_exists(name: str, line: str) -> None:
  targets = [word for word in shlex.split(line, comments=True)[1:] if '=' not in word]
  assert targets and set(targets) <= set(read_targets())


def test_every_line_for_the_shell_is_one_that_is_tested() -> None:
  """Those of pip: from a checkout by test_docs.py, from a wheel by scripts/wheel."""
  tested = ('make ', 'pip install ', 'uvicorn app:app')
  for block in of('sh'):
    for line in block.code.splitlines():
      assert line.startswith(tested), f'README.md, block of line {block.line}: {line}'
  assert os.path.exists(os.path.join(ROOT, 'pyproject.toml'))


# ---- C


def example_of_the_header() -> str:
  """The program at the top of cachette.h, completed so that it compiles."""
  header = pathlib.Path(ROOT, 'include', 'cachette.h').read_text(encoding='utf-8')
  code = re.findall(r'^ \*     (.*)$', header.partition(' * Invariants')[0], re.MULTILINE)
  assert 'cachette_open' in '\n'.join(code)
  includes = ''.join(f'#include <{name}.h>\n' for name in ('cachette', 'stdio', 'stdlib'))
  return includes + 'int main(void) {\n' + '\n'.join(code) + '\nreturn 0;\n}\n'


def commands_of_example(commands: str) -> str:
  """The line that builds the page's program, for that of the header, which says nothing."""
  (line,) = [each for each in commands.splitlines() if each.startswith('cc ')]
  return line.replace('hello', 'example') + '\n./example'


def test_the_c_blocks_build_as_told_and_run(tmp_path_factory: pytest.TempPathFactory) -> None:
  manual = read_blocks('docs/c.md')
  folder = tmp_path_factory.mktemp('c')
  beside = os.path.dirname(sys.executable)
  env: Dict[str, str] = {**os.environ, 'PATH': f'{beside}{os.pathsep}{os.environ["PATH"]}'}
  for tool in ('meson', 'ninja', 'cc', 'pkg-config'):
    if shutil.which(tool, path=env['PATH']) is None:
      pytest.skip(f'{tool} is not installed')
  (block,) = [each for each in manual if each.language == 'c']
  (folder / 'hello.c').write_text(block.code, encoding='utf-8')
  (folder / 'example.c').write_text(example_of_the_header(), encoding='utf-8')
  (commands,) = [each.code for each in manual if 'meson setup' in each.code]
  place = f'{shlex.quote(ROOT)} --prefix={folder}/prefix --libdir=lib'
  commands = commands.replace('meson setup build', f'meson setup build {place}')
  env['PKG_CONFIG_PATH'] = f'{folder}/prefix/lib/pkgconfig'
  env['LD_LIBRARY_PATH'] = f'{folder}/prefix/lib'
  process = subprocess.run(
    ['sh', '-ec', f'{commands}\n./hello\n{commands_of_example(commands)}'],
    cwd=folder,
    env=env,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    encoding='utf-8',
    timeout=300,
  )
  assert process.returncode == 0, process.stdout
  assert process.stdout.endswith('\nhello\n')
  manual = folder / 'prefix' / 'share' / 'man' / 'man3' / 'cachette_open.3'
  assert 'cachette **handle' in manual.read_text(encoding='utf-8')


# ---- The text


def test_the_table_of_options_equals_that_of_the_library() -> None:
  script = os.path.join(ROOT, 'scripts', 'options-table')
  assert subprocess.run([sys.executable, script, '--check']).returncode == 0


def test_every_public_name_is_mentioned() -> None:
  pages = pathlib.Path(ROOT, 'docs').rglob('*.md')
  text = '\n'.join(page.read_text(encoding='utf-8') for page in pages)
  for name in cachette.__all__:
    assert name in text or name == '__version__'
  for name in vars(_cachette.Cache):
    assert name.startswith('_') or f'{name}(' in text
