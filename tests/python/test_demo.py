# SPDX-License-Identifier: MIT
"""What `make demo` serves: the example, and a page for a browser."""

import html
import json
import os
import pathlib
import re
import shutil
import subprocess
from typing import Dict, Iterator

import pytest
from conftest import ROOT
from servers import request, serve

FOLDER = os.path.join(ROOT, 'examples', 'asgi', 'demo')
NAMES = ('chromium', 'chromium-browser', 'google-chrome')
BROWSER = next((path for path in map(shutil.which, NAMES) if path), None)


@pytest.fixture(scope='module')
def port() -> Iterator[int]:
  with serve('demo_app:app', FOLDER) as port:
    yield port


def test_the_example_answers_as_in_the_readme(port: int) -> None:
  assert request(port, 'POST', '/', {'key': 'alone', 'value': 'hello'}) == (200, b'OK')
  assert request(port, 'GET', '/alone') == (200, b'hello')
  assert request(port, 'DELETE', '/alone') == (200, b'{"cleared":1}')
  assert request(port, 'GET', '/alone') == (200, b'')


def test_the_page_is_complete_and_loads_nothing_from_elsewhere(port: int) -> None:
  status, page = request(port, 'GET', '/')
  assert status == 200
  assert not re.findall(rb'(?:src|href)="(?!data:)', page) and b'https:' not in page


def test_the_requests_of_the_page_are_answered(port: int) -> None:
  request(port, 'POST', '/', {'key': 'a/b', 'value': 'slashed'})
  found = json.loads(request(port, 'GET', '/demo/fetch/a%2Fb')[1])
  assert found['value'] == 'slashed' and found['seconds'] in (59, 60)
  assert 0 < found['microseconds'] < 1e6
  assert json.loads(request(port, 'GET', '/demo/fetch/absent')[1])['value'] is None
  assert request(port, 'DELETE', '/demo/clear/a%2Fb') == (200, b'{"cleared":1}')
  stats = json.loads(request(port, 'GET', '/demo/stats')[1])
  assert stats['backend'] == 'inmemory' and stats['hits'] >= 1 and stats['misses'] >= 1
  status, source = request(port, 'GET', '/demo/source')
  assert source == pathlib.Path(ROOT, 'examples', 'asgi', 'fastapi_app.py').read_bytes()


def test_a_report_is_stored_purged_and_served_stale() -> None:
  def get() -> bytes:
    status, body = request(port, 'GET', '/reports/sales')
    assert status == 200
    return body

  with serve('demo_app:app', FOLDER, logged='the report is broken') as port:
    first = get()
    assert get() == first
    assert request(port, 'POST', '/demo/purge')[0] == 200
    second = get()
    assert first != second == get()
    assert request(port, 'POST', '/demo/break')[0] == 200
    assert get() == get() == second
    assert request(port, 'POST', '/demo/purge')[0] == 200
    assert request(port, 'GET', '/reports/sales')[0] == 500
    assert request(port, 'POST', '/demo/mend')[0] == 200
    assert get() not in (first, second)


@pytest.mark.skipif(BROWSER is None, reason='there is no Chromium')
@pytest.mark.parametrize('size', ['1400,1000', '500,1000'])
def test_a_browser_displays_the_working_page(tmp_path: pathlib.Path, size: str) -> None:
  assert BROWSER is not None
  with serve('demo_app:app', FOLDER, logged='the report is broken') as port:
    done = subprocess.run(
      [
        *(BROWSER, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'),
        *(f'--user-data-dir={tmp_path}', '--virtual-time-budget=20000', '--dump-dom'),
        f'--window-size={size}',
        f'http://127.0.0.1:{port}/#tour',
      ],
      capture_output=True,
      encoding='utf-8',
      timeout=120,
    )
  dom = done.stdout
  assert 'data-tour="done"' in dom, done.stderr[-2000:] + dom[-2000:]
  displayed: Dict[str, str] = dict(re.findall(r'id="(\w+)"[^>]*>([^<]*)<', dom))
  assert displayed['hits'] == '102' and displayed['misses'] == '1' and displayed['ratio'] == '99%'
  assert re.fullmatch(r'[\d.]+ (µs|ms)', displayed['time'])
  assert displayed['backend'] == 'inmemory'
  result = html.unescape(displayed['said'])
  assert re.match(r'A hit: “<b>hello</b>”, in [\d.]+ (µs|ms); it lives for \d+ s more\.', result)
  assert dom.count('<rect ') == 60
  assert re.fullmatch('[2-9][0-9][0-9] ms', displayed['handler']), displayed
  assert re.fullmatch('[0-9.]+ (µs|ms)', displayed['cache'])
  assert re.fullmatch('[1-9][0-9][0-9] ms', displayed['gain'])
  assert re.fullmatch('[0-9]+,[0-9]{3} ms', displayed['saved'])
  assert displayed['status'].startswith('HTTP 200, Cache-Status: cachette;hit;ttl=')
  assert '@app.get(' in html.unescape(displayed['source'])
