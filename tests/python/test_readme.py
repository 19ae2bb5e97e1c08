# SPDX-License-Identifier: MIT
"""Every code block of README.md and of the documentation works as described."""

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
  found = re.finditer(r'^```(\w*)\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
  return [Block(text.count('\n', 0, each.start()) + 1, each[1], each[2]) for each in found]


BLOCKS = read_blocks('README.md')


def of(language: str) -> List[Block]:
  return [each for each in BLOCKS if each.language == language]


def block_id(block: Block) -> str:
  return f'line {block.line}'


def read_example() -> str:
  path = os.path.join(ROOT, 'examples', 'asgi', 'fastapi_app.py')
  with open(path, encoding='utf-8') as file:
    return file.read()


def test_every_block_is_in_a_tested_language() -> None:
  assert {block.language for block in BLOCKS} == {'python', 'sh', 'c'}


def test_the_fastapi_example_equals_the_file() -> None:
  (block,) = [each for each in of('python') if each.is_app]
  assert read_example() == '# SPDX-License-Identifier: MIT\n' + block.code


# ---- Python

PRINTED = {
  'def find_user(': 'asking the database\n'
  + 2 * "{'number': 1, 'name': 'Ada'}\n"
  + 'user:1 False\n',
  "put('user:1', 'Ada', ttl=2.5)": "Ada\nnobody\n(3, 'Ada')\n1\n",
  'Cachette.sync.': "1 {'user:1': 'Ada', 'user:2': 'Grace'}\n2\n",
}


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
  (folder / 'fastapi_app.py').write_text(block.code, encoding='utf-8')
  with serve('fastapi_app:app', str(folder)) as port:
    yield port


def test_the_fastapi_block_serves_requests(port: int) -> None:
  assert request(port, 'POST', '/', {'key': 'k', 'value': 'hello'}) == (200, b'OK')
  assert request(port, 'GET', '/k') == (200, b'hello')
  assert request(port, 'DELETE', '/k') == (200, b'{"cleared":1}')
  assert request(port, 'GET', '/k') == (200, b'')


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


def test_the_curl_commands_print_the_documented_output(port: int) -> None:
  if shutil.which('curl') is None:
    pytest.skip('curl is not installed')
  lines = [each for block in of('sh') for each in block.code.splitlines() if 'curl' in each]
  output = []
  for line in [*lines, 'curl http://127.0.0.1:8000/greeting']:
    assert 'http://127.0.0.1:8000/' in line
    command = [*shlex.split(line.replace(':8000/', f':{port}/')), '--silent', '--show-error']
    process = subprocess.run(command, stdout=subprocess.PIPE, encoding='utf-8', timeout=20)
    assert process.returncode == 0
    output.append(process.stdout)
  assert output == ['OK', 'hello', '{"cleared":1}', '']


def test_every_shell_command_is_tested() -> None:
  tested = ('make ', 'CACHETTE_BACKEND=redis ', 'curl ', 'pip install .', 'meson ', 'cc -o ')
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
  """The README's build command, applied to the header's example."""
  (line,) = [each for each in commands.splitlines() if each.startswith('cc ')]
  return line.replace('hello', 'example') + '\n./example'


def test_the_c_blocks_build_as_documented_and_run(tmp_path_factory: pytest.TempPathFactory) -> None:
  folder = tmp_path_factory.mktemp('c')
  beside = os.path.dirname(sys.executable)
  env: Dict[str, str] = {**os.environ, 'PATH': f'{beside}{os.pathsep}{os.environ["PATH"]}'}
  for tool in ('meson', 'ninja', 'cc', 'pkg-config'):
    if shutil.which(tool, path=env['PATH']) is None:
      pytest.skip(f'{tool} is not installed')
  (block,) = of('c')
  (folder / 'hello.c').write_text(block.code, encoding='utf-8')
  (folder / 'example.c').write_text(example_of_the_header(), encoding='utf-8')
  (commands,) = [each.code for each in of('sh') if 'meson setup' in each.code]
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
  with open(os.path.join(ROOT, 'README.md'), encoding='utf-8') as file:
    readme = file.read()
  for name in cachette.__all__:
    assert name in readme or name == '__version__'
  for name in vars(_cachette.Cache):
    assert name.startswith('_') or f'await {name}(' in readme
