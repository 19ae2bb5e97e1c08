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


def code_of(name: str) -> str:
  """The code at the top of a header."""
  header = pathlib.Path(ROOT, 'include', name).read_text(encoding='utf-8')
  top = header.partition('\n * An exchange')[0].partition('\n * Invariants')[0]
  return '\n'.join(re.findall(r'^ \* {5}(.*)$|^ \*$', top, re.MULTILINE))


def example_of_the_header() -> str:
  """The program at the top of cachette.h, completed so that it compiles."""
  code = code_of('cachette.h')
  assert 'cachette_open' in code
  includes = ''.join(f'#include <{name}.h>\n' for name in ('cachette', 'stdio', 'stdlib'))
  return includes + 'int main(void) {\n' + code + '\nreturn 0;\n}\n'


# An origin that fails, and a store that is empty.
AROUND_HTTP = """
#include <cachette/http.h>
#include <stdio.h>

static int64_t now_ms(void) { return 1; }

static cachette_slice fetch_record(const unsigned char *key) {
  (void)key;
  return (cachette_slice){NULL, 0};
}

static const cachette_http_response *ask_origin(cachette_http_exchange *exchange) {
  printf("ask %d\\n", exchange->action == CACHETTE_HTTP_MISS);
  return NULL;
}

static void send_on(cachette_http_exchange *exchange, const cachette_http_response *response) {
  printf("send %d\\n", exchange->action == CACHETTE_HTTP_PASS && response == NULL);
}

static void send_stored(cachette_http_exchange *exchange) { printf("%d\\n", exchange->status); }
static void clear_records(cachette_http_exchange *exchange) { send_stored(exchange); }
static void store_record(cachette_http_exchange *exchange) { send_stored(exchange); }

static int answer(cachette_http_request request) {
"""


def example_of_http() -> str:
  """The same for cachette/http.h."""
  code = code_of('cachette/http.h')
  assert 'cachette_http_begin' in code
  get = '.method = cachette_str("GET"), .scheme = cachette_str("http"), .path = cachette_str("/")'
  request = f'(cachette_http_request){{{get}, .authority = cachette_str("localhost")}}'
  return f'{AROUND_HTTP}{code}\nreturn 0;\n}}\n\nint main(void) {{ return answer({request}); }}\n'


def test_the_c_blocks_build_as_told_and_run(tmp_path_factory: pytest.TempPathFactory) -> None:
  manual = read_blocks('docs/c.md')
  folder = tmp_path_factory.mktemp('c')
  beside = os.path.dirname(sys.executable)
  env: Dict[str, str] = {**os.environ, 'PATH': f'{beside}{os.pathsep}{os.environ["PATH"]}'}
  for tool in ('meson', 'ninja', 'cc', 'pkg-config'):
    if shutil.which(tool, path=env['PATH']) is None:
      pytest.skip(f'{tool} is not installed')
  hello, http = (each.code for each in manual if each.language == 'c')
  programs = {
    'hello': (hello, 'hello\n'),
    'example': (example_of_the_header(), ''),
    'http': (http, HTTP_PRINTS),
    'http_example': (example_of_http(), 'ask 1\nsend 1\n'),
  }
  (commands,) = [each.code for each in manual if 'meson setup' in each.code]
  place = f'{shlex.quote(ROOT)} --prefix={folder}/prefix --libdir=lib'
  commands = commands.replace('meson setup build', f'meson setup build {place}')
  (build,) = [each for each in commands.splitlines() if each.startswith('cc ')]
  for name, (code, _) in programs.items():
    (folder / f'{name}.c').write_text(code, encoding='utf-8')
    commands += f'{build.replace("hello", name)} -Wall -Werror\n'
  env['PKG_CONFIG_PATH'] = f'{folder}/prefix/lib/pkgconfig'
  env['LD_LIBRARY_PATH'] = f'{folder}/prefix/lib'
  run_shell(commands, folder, env)
  for name, (_, printed) in programs.items():
    assert run_shell(f'./{name}', folder, env) == printed
  pages = folder / 'prefix' / 'share' / 'man' / 'man3'
  assert 'cachette **handle' in (pages / 'cachette_open.3').read_text(encoding='utf-8')
  assert 'cachette_slice record' in (pages / 'cachette_http_decide.3').read_text(encoding='utf-8')


HTTP_PRINTS = """miss: 1
store for 60 s
hit: 1
Cache-Control: max-age=60
content-length: 5
date: Mon, 21 Sep 2026 14:13:20 GMT
age: 10
cache-status: cachette;hit;ttl=50
"""


def run_shell(commands: str, folder: pathlib.Path, env: Dict[str, str]) -> str:
  done = subprocess.run(
    ['sh', '-ec', commands],
    cwd=folder,
    env=env,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    encoding='utf-8',
    timeout=300,
  )
  assert done.returncode == 0, done.stdout
  return done.stdout


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
