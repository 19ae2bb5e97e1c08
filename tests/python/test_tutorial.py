# SPDX-License-Identifier: MIT
"""The tutorial: a reader who follows it sees what it says. Its code is in examples/tutorial/."""

import contextlib
import difflib
import os
import pathlib
import re
import subprocess
import sys
from typing import Iterator, List, NamedTuple, Optional

import pytest
from conftest import ROOT
from servers import wait_for
from services.process import find_free_port
from services.redis import RedisServer

PAGE = pathlib.Path(ROOT, 'docs', 'start', 'tutorial.md')
BLOCK = re.compile(r'^```(\w+)(?: title="(\S+)")?(?: hl_lines="([^"]*)")?\n(.*?)^```$', re.M | re.S)


class Block(NamedTuple):
  language: str
  title: str
  highlighted: str
  code: str


def read_blocks() -> List[Block]:
  """Returns the blocks of the page, with the code of the files that they include."""
  found = BLOCK.findall(PAGE.read_text(encoding='utf-8'))
  return [Block(*each[:3], re.sub('--8<-- "(.*)"\n', include, each[3])) for each in found]


def include(snippet: 're.Match[str]') -> str:
  """Returns the lines that a snippet such as `file:first:last` names."""
  file, first, last = re.fullmatch(r'(.*?):(\d+)(?::(\d+))?', snippet[1]).groups()  # type: ignore[union-attr]
  lines = pathlib.Path(ROOT, file).read_text(encoding='utf-8').splitlines(keepends=True)
  return ''.join(lines[int(first) - 1 : int(last) if last else None])


BLOCKS = read_blocks()


class Reader:
  """Follows the page in a folder: saves files, runs a server in a terminal, and types commands."""

  def __init__(self, folder: pathlib.Path) -> None:
    self.folder = folder
    self.port = find_free_port()
    self.redis: Optional[RedisServer] = None
    self.server: Optional[subprocess.Popen[str]] = None
    self.log = folder / 'log'

  def command(self, code: str) -> str:
    """Returns a command of the page with the interpreter and ports of this test."""
    code = re.sub(r'\b(uvicorn|pytest)\b', rf'exec {sys.executable} -m \1', code)
    code = code.replace('uvicorn app', f'uvicorn --port {self.port} app')
    if self.redis is not None:
      code = code.replace('6379', str(self.redis.port))
      code = code.replace('redis-cli', f'redis-cli -p {self.redis.port}')
    return code.replace('8000', str(self.port)).replace('curl', 'curl -sS')

  def run(self, code: str) -> str:
    done = subprocess.run(
      ['sh', '-ec', self.command(code)],
      cwd=self.folder,
      env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'},
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      encoding='utf-8',
      timeout=60,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout

  def serve(self, code: str) -> None:
    self.stop()
    variables = re.findall(r'(CACHETTE_\w+)=(\S+)', self.command(code))
    with open(self.log, 'w', encoding='utf-8') as log:
      self.server = subprocess.Popen(
        ['sh', '-c', re.sub(r'CACHETTE_\w+=\S+ ', '', self.command(code))],
        cwd=self.folder,
        env={**os.environ, 'PYTHONUNBUFFERED': '1', **dict(variables)},
        stdout=log,
        stderr=log,
        encoding='utf-8',
      )
    wait_for(self.port, self.server)

  def stop(self) -> None:
    if self.server is not None:
      self.server.terminate()
      self.server.wait(timeout=30)
      self.server = None
      assert 'Traceback' not in self.log.read_text(encoding='utf-8')

  def save(self, block: Block) -> None:
    (self.folder / block.title).write_text(block.code, encoding='utf-8')

  def compare(self, text: str, output: str) -> None:
    """Checks that the page shows what the last command printed, or what is in the server's log."""
    if 'INFO:' in text:
      text, output = (
        re.sub(r':\d+ - ', ': - ', each) for each in (text, self.log.read_text(encoding='utf-8'))
      )
      assert output.endswith(text)
    else:
      assert output.strip() == text.strip()


@pytest.fixture
def reader(tmp_path: pathlib.Path) -> Iterator[Reader]:
  reader = Reader(tmp_path)
  with contextlib.ExitStack() as stack:
    stack.callback(lambda: reader.redis and reader.redis.remove())
    stack.callback(reader.stop)
    yield reader


def test_a_reader_sees_what_the_page_says(reader: Reader) -> None:
  output = ''
  for block in BLOCKS:
    if block.language == 'text':
      reader.compare(block.code, output)
    elif block.title:
      reader.save(block)
    elif block.code == 'redis-server\n':
      reader.redis = RedisServer()
    elif re.match('(CACHETTE_.* )?uvicorn ', block.code):
      reader.serve(block.code)
    elif block.language == 'sh' and '/.venv' not in block.code:
      output = reader.run(block.code)
      assert block.code != 'pytest\n' or '5 passed' in output
  assert 'Cachette continues without its cache' in reader.log.read_text(encoding='utf-8')


def test_the_tests_pass_without_the_server_that_is_configured(
  reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setenv('CACHETTE_BACKEND', 'redis')
  monkeypatch.setenv('CACHETTE_REDIS_URL', 'redis://127.0.0.1:1')
  for block in BLOCKS:
    if block.title:
      reader.save(block)
  assert '5 passed' in reader.run('pytest')


def test_a_write_succeeds_without_redis(reader: Reader) -> None:
  for block in BLOCKS:
    if block.title:
      reader.save(block)
  reader.serve('CACHETTE_BACKEND=redis CACHETTE_REDIS_URL=redis://127.0.0.1:1 uvicorn app:app')
  (create,) = [each.code for each in BLOCKS if 'Grace' in each.code and each.language == 'sh']
  assert reader.run(create) == '{"id":1,"name":"Grace"}'
  log = reader.log.read_text(encoding='utf-8')
  assert 'user 1 may be out of date for a minute: Cannot connect to 127.0.0.1:1' in log


def test_the_highlighted_lines_are_those_that_are_new() -> None:
  versions = [block for block in BLOCKS if block.title == 'app.py']
  assert len(versions) == 4
  for old, new in zip(versions, versions[1:]):
    assert new.highlighted == ' '.join(find_new_lines(old.code, new.code))


def find_new_lines(old: str, new: str) -> List[str]:
  """Returns the ranges of lines of `new` that are not in `old`, such as '3' and '5-7'."""
  lines = new.splitlines()
  matcher = difflib.SequenceMatcher(None, old.splitlines(), lines, autojunk=False)
  ranges = []
  for kind, _, _, first, last in matcher.get_opcodes():
    while last > first and not lines[last - 1]:
      last -= 1
    while last > first and not lines[first]:
      first += 1
    if kind != 'equal' and last > first:
      ranges.append(f'{first + 1}' if last == first + 1 else f'{first + 1}-{last}')
  return ranges


def test_the_page_begins_with_a_cached_query_and_shows_every_file() -> None:
  assert BLOCKS[0].code.startswith("@cached(key='users')\nasync def find_users(")
  text = PAGE.read_text(encoding='utf-8')
  for path in pathlib.Path(ROOT, 'examples', 'tutorial').glob('*.py'):
    assert f'"examples/tutorial/{path.name}:2"' in text
