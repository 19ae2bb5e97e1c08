# SPDX-License-Identifier: MIT
"""What users see of CacheMiddleware: Cache-Status, the log and the counters."""

import logging
from typing import Any

import pytest
from asgi import (
  FRESH,
  App,
  Wrap,
  get,
  in_loop,
  send_body,
  stats_of,
)
from cachette.http import HttpStats


@in_loop
async def test_each_answer_has_cache_status_unless_it_is_switched_off(wrap: Wrap) -> None:
  app = App(FRESH)
  for setting, name in ((True, 'cachette'), ('edge', 'edge'), (False, None)):
    cached = wrap(app, cache_status=setting)
    etag = (await get(cached, f'/{setting}'))['etag'] or ''
    for path, headers, method in (
      (f'/{setting}', {}, 'GET'),
      (f'/{setting}', {}, 'POST'),
      (f'/{setting}/b', {'cookie': 'a=b'}, 'GET'),
      (f'/{setting}/c', {'if-none-match': etag}, 'GET'),
      (f'/{setting}/d', {'cache-control': 'only-if-cached'}, 'GET'),
    ):
      response = await get(cached, path, headers, method=method)
      if name is None:
        assert response['cache-status'] is None
      else:
        assert response.cache_status.startswith(f'{name};')


@in_loop
async def test_the_reason_is_logged_once_for_each_route(
  wrap: Wrap, caplog: pytest.LogCaptureFixture
) -> None:
  class Route:  # like those of Starlette and FastAPI, it has no hash
    path = '/items/{id}'
    __hash__ = None  # type: ignore[assignment]

  class Routed(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      scope['route'] = Route()
      await super().respond(scope, receive, send)

  app = Routed({**FRESH, 'set-cookie': 'a=b'})
  cached = wrap(app)
  with caplog.at_level(logging.INFO, 'cachette.http'):
    for i in range(5):
      await get(cached, f'/items/{i}')
    app.headers = [('cache-control', 'no-store')]
    await get(cached, '/items/5')
  lines = [record.getMessage() for record in caplog.records]
  assert len(lines) == 2
  assert '/items/{id}' in lines[0] and 'cookie' in lines[0]
  assert 'no-store' in lines[1]


@in_loop
async def test_what_was_done_is_counted(wrap: Wrap) -> None:
  app = App(FRESH)
  cached = wrap(app)
  await get(cached)
  await get(cached)
  await get(cached, method='HEAD')
  await send_body(cached, 'POST')
  app.headers = [('cache-control', 'private')]
  await get(cached, '/private')
  assert stats_of(cached) == HttpStats(
    hits=2,
    misses=2,
    stale=0,
    revalidated=0,
    passed={'method': 1, 'private': 1},
    coalesced=0,
    stored=1,
    bytes=5,
    errors=0,
  )
