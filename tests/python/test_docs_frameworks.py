# SPDX-License-Identifier: MIT
"""The first example on the page of each framework serves requests, and caches a function."""

import json
import pathlib

import pytest
from conftest import ROOT
from servers import request, serve
from test_readme import read_blocks

PAGES = sorted(path.stem for path in pathlib.Path(ROOT, 'docs', 'frameworks').glob('*.md'))
QUERY = "return {'number': number, 'name': 'Ada'}"


@pytest.mark.parametrize('page', PAGES)
def test_the_first_example_caches_a_user(page: str, tmp_path: pathlib.Path) -> None:
  code = read_blocks(f'docs/frameworks/{page}.md')[0].code
  assert QUERY in code
  counted = code.replace(QUERY, "return {'number': number, 'name': str(next(queries))}")
  text = f'import itertools\n\nqueries = itertools.count()\n{counted}'
  (tmp_path / 'app.py').write_text(text, encoding='utf-8')
  with serve('app:app', str(tmp_path)) as port:

    def get_name() -> str:
      status, body = request(port, 'GET', '/users/1')
      assert status == 200, body
      name: str = json.loads(body)['name']
      return name

    assert [get_name(), get_name()] == ['0', '0']
    status, body = request(port, 'DELETE', '/users/1')
    assert status == 200 and json.loads(body) in (True, {'deleted': True})
    assert get_name() == '1'
