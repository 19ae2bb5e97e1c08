# SPDX-License-Identifier: MIT
"""The pages about HTTP caching: what curl shows, the applications, and what they name."""

import http.client
import pathlib
import re
import subprocess
import sys
import textwrap
from typing import Dict, List, Tuple

import pytest
from cachette import http as cachette_http
from cachette.http import HttpStats, Policy
from conftest import ROOT
from servers import serve
from test_readme import Block, read_blocks

DOCS = pathlib.Path(ROOT, 'docs')
GUIDE = 'docs/guides/http-caching.md'
FRAMEWORKS = sorted(path.stem for path in (DOCS / 'frameworks').glob('*.md'))
PAGES = {
  page: pathlib.Path(ROOT, page).read_text(encoding='utf-8')
  for page in (GUIDE, *sorted(f'docs/http/{path.name}' for path in (DOCS / 'http').glob('*.md')))
}


def get(port: int, path: str, **fields: str) -> Tuple[int, Dict[str, str], bytes]:
  connection = http.client.HTTPConnection('127.0.0.1', port, timeout=30)
  connection.request('GET', path, headers=fields)
  response = connection.getresponse()
  answer = response.status, {name.lower(): value for name, value in response.getheaders()}
  body = response.read()
  connection.close()
  return (*answer, body)


# ---- What curl shows


def without_times(text: str) -> List[str]:
  """Returns lines in which times, which differ in each run, are replaced."""
  text = re.sub(r'(?m)^date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$', 'date: DATE', text)
  text = re.sub(r'(?m)^age: \d+$', 'age: AGE', text)
  text = re.sub(r';ttl=-\d+', ';ttl=STALE', text)
  return re.sub(r';ttl=\d+', ';ttl=FRESH', text).strip().splitlines()


def test_curl_shows_what_the_guide_says(tmp_path: pathlib.Path) -> None:
  blocks = read_blocks(GUIDE)
  app, start = blocks[0], blocks[1]
  assert app.is_app and start.language == 'sh'
  (tmp_path / 'app.py').write_text(app.code, encoding='utf-8')
  install, prepare, command = start.code.splitlines()
  assert install == 'pip install fastapi uvicorn'
  assert command.startswith('uvicorn app:app ')
  subprocess.run(['sh', '-c', prepare], cwd=tmp_path, check=True)
  steps = [
    (command.code, shown.code)
    for command, shown in zip(blocks[2:], blocks[3:])
    if (command.language, shown.language) == ('sh', 'text')
  ]
  assert len(steps) == 5
  with serve('app:app', str(tmp_path), logged='The client got a stale response') as port:
    for commands, shown in steps:
      done = subprocess.run(
        ['sh', '-c', commands.replace('8000', str(port))],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding='utf-8',
        timeout=60,
      )
      assert without_times(done.stdout) == without_times(shown), commands


def test_curl_purges_as_the_page_says(
  tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  page = read_blocks('docs/http/purge.md')
  (app,) = [each for each in page if 'purge_app(' in each.code]
  (command,) = [each.code for each in page if each.language == 'sh']
  code = (
    f"{app.code}\n\n@app.get('/products/{{name}}')\ndef get_product(name: str):\n  return name\n"
  )
  code = code.replace('CacheMiddleware)', 'CacheMiddleware, policy=Policy(default_ttl=60))')
  code = code.replace('import CacheMiddleware,', 'import CacheMiddleware, Policy,')
  (tmp_path / 'app.py').write_text(code, encoding='utf-8')
  monkeypatch.setenv('PURGE_TOKEN', 'secret')
  with serve('app:app', str(tmp_path)) as port:
    command = command.replace('https://example.com', f'http://127.0.0.1:{port}')
    command = command.replace('curl', "curl --silent --fail --write-out '%{http_code}'")

    def is_hit() -> bool:
      status, fields, _ = get(port, '/products/tea')
      assert status == 200
      return ';hit' in fields['cache-status']

    assert [is_hit(), is_hit()] == [False, True]
    printed = subprocess.check_output(['sh', '-c', command], encoding='utf-8', timeout=60)
    assert printed.endswith('200')
    assert [is_hit(), is_hit()] == [False, True]


# ---- The applications


def block_with(page: str, mark: str) -> Block:
  (block,) = [each for each in read_blocks(page) if mark in each.code]
  return block


@pytest.mark.parametrize('page', FRAMEWORKS)
def test_each_framework_caches_a_response_with_three_lines(
  page: str, tmp_path: pathlib.Path
) -> None:
  block = block_with(f'docs/frameworks/{page}.md', '@cache_response')
  code = block.code.replace("'coffee'", "f'coffee {next(runs)}'")
  assert code != block.code
  text = f'import itertools\n\nruns = itertools.count(1)\n{code}'
  (tmp_path / 'app.py').write_text(text, encoding='utf-8')
  with serve('app:app', str(tmp_path)) as port:
    first, second = get(port, '/products'), get(port, '/products')
    assert (first[0], b'coffee 1' in first[2]) == (200, True)
    assert first[1]['cache-status'].endswith(';stored')
    assert second[2] == first[2] and ';hit;' in second[1]['cache-status']
    etag = first[1]['etag']
    assert get(port, '/products', **{'If-None-Match': etag})[0] == 304
    private = get(port, '/products', Cookie='session=1')
    assert b'coffee 2' in private[2] and 'credentials' in private[1]['cache-status']


# Applications, and requests to them. `status` is Cache-Status without what is in it in each answer.
REQUESTS = {
  ('README.md', '@cache_response'): """
    assert [status('/products'), status('/products')] == ['uri-miss;stored', 'hit']
  """,
  (GUIDE, 'APIRouter('): """
    assert [status('/products/1'), status('/products/1')] == ['uri-miss;stored', 'hit']
    assert status('/products/1/stock') == status('/products/1/stock')
    assert status('/products/1/stock').endswith('detail=no-store')
  """,
  (GUIDE, 'class Pages'): """
    status('/')
    assert Pages.stats().http.misses == 1
  """,
  ('docs/http/users.md', 'list_products'): """
    session, other = {'Cookie': 'session=1'}, {'Cookie': 'analytics=1'}
    assert status('/products', session) == 'uri-miss;stored'
    assert {status('/products', fields) for fields in (session, other, {})} == {'hit'}
    assert client.get('/cart', headers=session).json() == {'user': '1'}
    assert 'stored' not in status('/cart', session) + status('/cart')
  """,
  ('docs/http/cdn.md', "'CDN-Cache-Control'] ="): """
    answer = client.get('/products')
    assert answer.headers['Cache-Control'] == 'max-age=120'
    assert answer.headers['CDN-Cache-Control'] == 'max-age=600'
    ttl = client.get('/products').headers['Cache-Status'].partition('ttl=')[2]
    assert 50 < int(ttl) <= 60
    import asyncio
    from cachette.http import purge
    asyncio.run(purge(tags=['products']))
    assert status('/products') == 'uri-miss;stored'
  """,
  ('docs/http/cdn.md', 'App-Cache-Control'): """
    assert [status('/'), status('/')] == ['uri-miss;stored', 'hit']
  """,
  ('docs/http/policy.md', 'default_ttl=10'): """
    assert status('/openapi.json') == 'uri-miss;stored'
    assert status('/openapi.json?utm_source=a') == 'hit'
    assert 'stored' not in status('/openapi.json?q=1', {'Cookie': 'session=1'})
  """,
  ('docs/http/purge.md', 'purge_app('): """
    app.add_api_route('/products', lambda: 1)
    body = {'type': 'uri', 'selectors': ['http://testserver/products']}
    assert client.post('/purge/', json=body).status_code == 401
    token = {'Authorization': 'Bearer secret'}
    assert client.post('/purge/', json=body, headers=token).status_code == 200
    assert client.post('/purge/', json={'type': 'uri'}, headers=token).status_code == 400
    assert client.post('/purge/', json={**body, 'type': 'x'}, headers=token).status_code == 501
    assert client.post('/purge/', data='x', headers=token).status_code == 415
    assert client.get('/purge/', headers=token).status_code == 405
  """,
  ('docs/http/request-control.md', 'class Reports'): """
    runs = []
    def count(old=load_report):
      runs.append(1)
      return {'sales': len(runs)}
    load_report = count
    reload = {'Cache-Control': 'no-cache'}
    assert client.get('/sales').json() == client.get('/sales').json() == {'sales': 1}
    assert client.get('/sales', headers=reload).json() == {'sales': 2}
    assert client.get('/sales').json() == {'sales': 2}
  """,
  ('docs/guides/http-caching.md', 'async def app(scope'): """
    assert [status('/'), status('/')] == ['uri-miss;stored', 'hit']
  """,
}

AROUND = """
from starlette.testclient import TestClient

client = TestClient(app)

def status(path, headers={}):
  value = client.get(path, headers=headers).headers['Cache-Status']
  parts = value.split(';')[1:]
  return ';'.join(
    part.replace('fwd=', '') for part in parts if not part.startswith(('fwd-status', 'ttl='))
  )

"""


@pytest.mark.parametrize(('page', 'mark'), REQUESTS)
def test_an_application_answers_as_told(page: str, mark: str) -> None:
  code = block_with(page, mark).code + AROUND + textwrap.dedent(REQUESTS[page, mark])
  done = subprocess.run(
    [sys.executable, '-c', code],
    env={'PURGE_TOKEN': 'secret'},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    encoding='utf-8',
    timeout=60,
  )
  assert done.returncode == 0, done.stdout


# ---- What the pages name


@pytest.mark.parametrize('name', cachette_http.__all__)
def test_every_name_is_on_a_page(name: str) -> None:
  assert re.search(rf'\b{name}\b', '\n'.join(PAGES.values()))


@pytest.mark.parametrize('option', sorted(Policy.__init__.__kwdefaults__ or {}))
def test_every_option_has_a_row_with_its_default(option: str) -> None:
  default = (Policy.__init__.__kwdefaults__ or {})[option]
  options = PAGES['docs/http/policy.md'].partition('## Policy.rfc()')[0]
  (row,) = re.findall(rf'^\| `{option}` \| ([^|]*) \|', options, re.MULTILINE)
  written = {'1 MiB': 2**20}.get(row, row.strip('`'))
  if isinstance(default, (int, float)) and not isinstance(default, bool):
    assert float(written) == float(default)
  else:
    assert written == repr(default)


def test_the_options_of_rfc_are_those_that_differ() -> None:
  page = PAGES['docs/http/policy.md'].partition('## Policy.rfc()')[2].partition('## One')[0]
  rows = re.findall(r'^\| (`.*?) \|', page, re.MULTILINE)
  named = {name for row in rows for name in re.findall(r'`(\w+)`', row)}
  usual, rfc = Policy(), Policy.rfc()
  options = Policy.__init__.__kwdefaults__ or {}
  assert named == {name for name in options if getattr(usual, name) != getattr(rfc, name)}


@pytest.mark.parametrize('field', HttpStats._fields)
def test_every_counter_is_on_the_page_about_debugging(field: str) -> None:
  assert f'\n| `{field}` |' in PAGES['docs/http/debug.md']


def reasons() -> List[str]:
  header = pathlib.Path(ROOT, 'include', 'cachette', 'http.h').read_text(encoding='utf-8')
  table = header.partition('#define CACHETTE_HTTP_REASONS(X)')[2].partition('#define')[0]
  return re.findall(r'X\(\w+, "([^"]+)"', table)


@pytest.mark.parametrize('reason', reasons())
def test_every_reason_says_what_to_do(reason: str) -> None:
  assert f'\n| `{reason}` |' in PAGES['docs/http/not-cached.md']


def test_there_are_reasons() -> None:
  assert len(reasons()) > 25
