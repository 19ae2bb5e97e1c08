# SPDX-License-Identifier: MIT
"""The documentation: it builds without warnings, loads nothing from elsewhere, and its code
runs."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import zipfile
from html.parser import HTMLParser
from typing import Dict, Iterator, List, Tuple

import cachette
import pytest
from cachette._cachette import options
from conftest import ROOT
from services.process import find_free_port
from test_readme import Block, read_blocks

DOCS = pathlib.Path(ROOT, 'docs')
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in DOCS.rglob('*.md'))
BLOCKS = [
  (page, block) for page in PAGES for block in read_blocks(page) if '--8<--' not in block.code
]


def blocks_of(language: str) -> List[Tuple[str, Block]]:
  return [each for each in BLOCKS if each[1].language == language]


def block_id(each: Tuple[str, Block]) -> str:
  return f'{each[0]}, line {each[1].line}'


# ---- The site


@pytest.fixture(scope='module')
def site(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """The built site. A warning, such as of a dead link or anchor, is an error."""
  folder = tmp_path_factory.mktemp('site')
  done = subprocess.run(
    [sys.executable, '-m', 'mkdocs', '--quiet', 'build', '--strict', '--site-dir', str(folder)],
    cwd=ROOT,
    env={**os.environ, 'NO_MKDOCS_2_WARNING': '1'},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    encoding='utf-8',
    timeout=120,
  )
  assert done.returncode == 0, done.stdout
  return folder


class Links(HTMLParser):
  """The resources that a page loads, and its links."""

  def __init__(self) -> None:
    super().__init__()
    self.loads: List[str] = []
    self.links: List[str] = []

  def handle_starttag(self, tag: str, attrs: List[Tuple[str, 'str | None']]) -> None:
    names: Dict[str, str] = {name: value or '' for name, value in attrs}
    if 'src' in names:
      self.loads.append(names['src'])
    if tag == 'link' and names.get('rel') in ('stylesheet', 'icon', 'preconnect'):
      self.loads.append(names['href'])
    if tag == 'a' and 'href' in names:
      self.links.append(names['href'])


def pages_of(site: pathlib.Path) -> Iterator[Tuple[pathlib.Path, Links]]:
  for path in site.rglob('*.html'):
    links = Links()
    links.feed(path.read_text(encoding='utf-8'))
    yield path, links


def is_redirect(path: pathlib.Path) -> bool:
  """Whether this is only the former address of a page."""
  return 'http-equiv="refresh"' in path.read_text(encoding='utf-8')


def test_every_page_is_there_and_finds_what_it_loads(site: pathlib.Path) -> None:
  pages = {path: links for path, links in pages_of(site) if not is_redirect(path)}
  assert {path.relative_to(site).as_posix() for path in pages} - {'404.html'} == {
    page[len('docs/') : -len('.md')] + '.html' for page in PAGES
  }
  for path, links in pages.items():
    for each in links.loads:
      assert not re.match('(https?:)?//', each), f'{path.name} loads {each}'
      if path.name != '404.html':
        assert (path.parent / each.partition('?')[0]).exists(), f'{path.name}: {each}'


def test_the_site_has_no_dead_internal_links(site: pathlib.Path) -> None:
  for path, links in pages_of(site):
    for each in links.links:
      file, _, anchor = each.partition('#')
      if path.name == '404.html' or re.match('(https?:)?//|mailto:', each) or each in ('.', '..'):
        continue
      target = (path.parent / file) if file else path
      assert target.exists(), f'{path.name}: {each}'
      if anchor and target.suffix == '.html':
        text = target.read_text(encoding='utf-8')
        assert f'id="{anchor}"' in text, f'{path.name}: {each}'


def test_the_search_works_without_a_server(site: pathlib.Path) -> None:
  index = (site / 'search' / 'search_index.js').read_text(encoding='utf-8')
  for option in options():
    assert option['name'] in index
  for name in (*cachette.__all__, 'isolated_cache'):
    assert name in index or name == '__version__'


# ---- The manual of the C library


@pytest.mark.parametrize(
  ('name', 'file', 'main', 'sentence'),
  [
    ('cachette.h', 'c-reference.html', 'cachette', 'Hit and miss are results, not errors.'),
    ('cachette/http.h', 'c-http-reference.html', 'cachette_http', 'These functions decide;'),
  ],
)
def test_the_manual_contains_the_whole_header(
  site: pathlib.Path, tmp_path: pathlib.Path, name: str, file: str, main: str, sentence: str
) -> None:
  header = pathlib.Path(ROOT, 'include', name).read_text(encoding='utf-8')
  functions = re.findall(r'^CACHETTE_API [^(]*?\b(cachette_\w+)\(', header, re.MULTILINE)
  types = re.findall(r'^(?:enum|struct|typedef struct) (cachette_\w+) \{', header, re.MULTILINE)
  assert len(functions) > 20 and len(types) > 8
  page = (site / file).read_text(encoding='utf-8')
  script = os.path.join(ROOT, 'scripts', 'c_reference.py')
  subprocess.run([sys.executable, script, 'man', str(tmp_path)], check=True)
  for each in {*functions, *types}:
    assert f'<h3 id="{each}">' in page
    text = (tmp_path / f'{each}.3').read_text(encoding='utf-8')
    assert text.startswith(f'.TH {each} 3 ') and f'.SH NAME\n{each} \\- ' in text
    assert f'\n#include <{name}>\n' in text
    requests = set(re.findall(r'^[.\']([^ \n]*)', text, re.MULTILINE))
    assert requests <= {'TH', 'SH', 'PP', 'TP', 'IP', 'EX', 'EE'}, each
  overview = (tmp_path / f'{main}.3').read_text(encoding='utf-8')
  assert all(f'\\fB\\%{each}\\fR(3)' in overview for each in functions)
  assert sentence in overview


# ---- The code

PRINTED = {
  "print(await cachette.get_or_set('user:1'": 'asking the database\n'
  + 2 * "{'number': 1, 'name': 'Ada'}\n",
  'print(await find_user(number=1))': 'asking the database\n'
  + 2 * "{'number': 1, 'name': 'Ada'}\n",
  'Cachette.sync.increment': "1 {'user:1': 'Ada', 'user:2': 'Grace'}\n2\n",
  'building the report': 'building the report\n42\n42\n',
  'with testing.isolated()': 'None\n',
  'run(find_name(1))': 'Ada\n',
  'Try.load_config': 'mongodb is there\ndynamodb is there\nfile is there\n',
  'def load_prices': "asking the database\n1000 answers\n{'tea': 3, 'coffee': 4}\n",
  'fetches were hits': '0 of 0 fetches were hits\n',
  'redis://127.0.0.1:1': 'Cachette continues without its cache: BackendUnavailable: '
  'Cannot connect to 127.0.0.1:1: connection refused.\nhello\n'
  'the cache is down: Cannot connect to 127.0.0.1:1: connection refused.\n1 fallback\n',
  'stats.fallbacks': '0 hits, 0 misses, 0 errors, 0 fallbacks\n',
}


def find_output(code: str) -> str:
  """Returns the output that the comments of a block promise: `print(1 + 1)  # 2`."""
  return ''.join(f'{line}\n' for line in re.findall(r'^ *print\(.*\)  # (.*)$', code, re.MULTILINE))


def is_special(block: Block) -> bool:
  """Another test runs this block."""
  return block.is_app or 'isolated_cache' in block.code


@pytest.mark.parametrize(
  'each', [each for each in blocks_of('python') if not is_special(each[1])], ids=block_id
)
def test_a_python_block_runs(each: Tuple[str, Block]) -> None:
  done = subprocess.run(
    [sys.executable, '-W', 'error', '-c', each[1].code],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    encoding='utf-8',
    timeout=60,
  )
  assert done.returncode == 0, done.stdout
  expected = [text for mark, text in PRINTED.items() if mark in each[1].code]
  assert done.stdout == (find_output(each[1].code) or ''.join(expected))


@pytest.mark.parametrize(
  'each', [each for each in blocks_of('python') if 'def test_' in each[1].code], ids=block_id
)
def test_the_tests_of_a_page_pass(each: Tuple[str, Block], tmp_path: pathlib.Path) -> None:
  (tmp_path / 'test_page.py').write_text(each[1].code, encoding='utf-8')
  done = subprocess.run(
    [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'test_page.py'],
    cwd=tmp_path,
    stdout=subprocess.PIPE,
    encoding='utf-8',
    timeout=60,
  )
  assert done.returncode == 0, done.stdout


# Applications of the guides, and requests to them.
REQUESTS = {
  "'/visits/{page}'": """
    assert client.post('/visits/home').status_code == 202
    assert Cachette.sync.increment('visits:home', 0) == 1
  """,
  "'/report'": """
    assert client.get('/report').json() == Cachette.sync.fetch('report') == 'all is well'
  """,
  "'/prices'": """
    with client.websocket_connect('/prices?user=ada') as websocket:
      for _ in range(100):
        websocket.send_text('tea')
        assert websocket.receive_json() == {'article': 'tea', 'price': 12.5}
      websocket.send_text('tea')
      assert websocket.receive() == {'type': 'websocket.close', 'code': 1008, 'reason': ''}
    assert Cachette.sync.increment('rate:ada', 0) == 101
  """,
  "@app.get('/users/{number}')\n@cached": """
    assert client.get('/users/1').json() == client.get('/users/1').json()
    assert Cachette.sync.exists('user:1') and Cachette.stats().hits == 1
  """,
  "'/sessions/{token}'": """
    Sessions.sync.put('t', {'user': 1})
    assert client.get('/sessions/t').json() == {'user': 1}
    assert client.get('/sessions/u').json() == {}
  """,
  "'/cache-stats'": """
    Cachette.sync.put('key', 'value')
    assert client.get('/cache-stats').json()['puts'] == 1
  """,
}


@pytest.mark.parametrize('mark', REQUESTS)
def test_an_application_of_a_guide_answers_as_told(mark: str) -> None:
  (block,) = [
    block for _, block in blocks_of('python') if mark in block.code and not is_special(block)
  ]
  client = 'from fastapi.testclient import TestClient\nwith TestClient(app) as client:\n'
  done = subprocess.run(
    [sys.executable, '-c', block.code + client + textwrap.indent(REQUESTS[mark], ' ')],
    stderr=subprocess.PIPE,
    encoding='utf-8',
    timeout=60,
  )
  assert done.returncode == 0, done.stderr


def test_the_quick_start_does_what_it_says(tmp_path: pathlib.Path) -> None:
  (block,) = [
    block for page, block in blocks_of('python') if block.is_app and page == 'docs/index.md'
  ]
  checkout = copy_checkout(tmp_path / 'checkout')
  (install, serve, change) = [
    block.code for page, block in blocks_of('sh') if page == 'docs/index.md'
  ]
  environment = {**os.environ, 'PIP_FIND_LINKS': str(make_older_package(tmp_path / 'links'))}
  environment.pop('PYTHONPATH', None)

  def paste(commands: str) -> str:
    done = subprocess.run(
      ['sh', '-c', commands],
      cwd=checkout,
      env={**environment, 'PIP_DISABLE_PIP_VERSION_CHECK': '1'},
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      encoding='utf-8',
      timeout=280,
    )
    return done.stdout

  output = paste(install.replace('python3', sys.executable))
  text = (DOCS / 'index.md').read_text(encoding='utf-8')
  ((folder, show, expected),) = re.findall(r'`(\w+)(/bin/pip show \w+)`[^`]*`([^`]*)`', text)
  assert f'Version: {cachette.__version__}' in paste(folder + show).splitlines(), output
  assert expected == f'Version: {cachette.__version__}'
  assert f'Put this into `{folder}/app.py`' in text
  (checkout / folder / 'app.py').write_text(block.code, encoding='utf-8')
  port = find_free_port()
  commands = serve.replace('/uvicorn ', f'/uvicorn --port {port} ') + change
  told = paste(commands.replace('8000', str(port)) + 'kill $!')
  assert told.count('{"number":1,"name":"Ada"}') == 2, told
  assert told.count('{"number":1,"name":"Alan"}') == 1, told


def copy_checkout(folder: pathlib.Path) -> pathlib.Path:
  """Copies a fresh checkout: without anything that was built or installed in this one."""
  ignored = shutil.ignore_patterns(
    *('.git', '.venv*', 'build*', 'dist', '.servers', 'quickstart', '__pycache__', '.*_cache')
  )
  shutil.copytree(ROOT, folder, ignore=ignored, symlinks=True)
  return folder


def make_older_package(folder: pathlib.Path) -> pathlib.Path:
  """A folder with what a package index has under the same name: an older wheel."""
  folder.mkdir()
  info = 'cachette-0.1.8.dist-info'
  files = {
    'cachette/__init__.py': "raise ImportError('this is the older package')\n",
    f'{info}/METADATA': 'Metadata-Version: 2.1\nName: cachette\nVersion: 0.1.8\n',
    f'{info}/WHEEL': 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    f'{info}/RECORD': '',
  }
  with zipfile.ZipFile(folder / 'cachette-0.1.8-py3-none-any.whl', 'w') as wheel:
    for name, text in files.items():
      wheel.writestr(name, text)
  return folder


@pytest.mark.parametrize('page', ['README.md', *PAGES])
def test_no_documented_command_installs_the_older_package(page: str) -> None:
  """`pip install cachette` alone installs what a package index has under this name."""
  text = pathlib.Path(ROOT, page).read_text(encoding='utf-8')
  for command in re.findall(r'pip install [^`\n]*', text):
    for word in shlex.split(command)[2:]:
      assert not re.fullmatch(r'cachette(\[[a-z,]*\])?', word), command


def test_the_quick_start_has_seven_commands() -> None:
  lines = [
    line
    for page, block in blocks_of('sh')
    if page == 'docs/index.md'
    for line in block.code.splitlines()
  ]
  assert len(lines) == 7
  assert [line.split()[0] for line in lines] == [
    'python3',
    'quickstart/bin/pip',
    'quickstart/bin/uvicorn',
    *4 * ['curl'],
  ]


def test_every_block_is_of_a_language_that_is_tested() -> None:
  assert {block.language for _, block in BLOCKS} <= {'python', 'sh', 'c', 'ini', 'text'}
  # test_dynamodb_profiles.py has AWS's files as that page shows them.
  assert {page for page, _ in blocks_of('ini')} == {'docs/backends/dynamodb.md'}
  # test_tutorial.py runs the commands of the tutorial, and compares what they print.
  assert 'docs/start/tutorial.md' in {page for page, _ in blocks_of('text')}
  # So does test_docs_http.py with those of its pages.
  other_tests = {'docs/start/tutorial.md', 'docs/guides/http-caching.md', 'docs/http/purge.md'}
  shell = {page for page, _ in blocks_of('sh')} - other_tests
  assert shell == {'docs/index.md', 'docs/start/install.md', 'docs/c.md', 'docs/benchmarks.md'}
