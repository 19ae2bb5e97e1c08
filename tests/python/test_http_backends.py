# SPDX-License-Identifier: MIT
"""The HTTP cache on each backend: what users see, from the first miss to a purge."""

import asyncio
from typing import Any

from asgi_client import Client
from cachette.http import CacheMiddleware, Policy, purge
from conftest import MakeClass
from http_apps import Shop, make_bare

SIZES = [0, 1, 399_000, 500_000, 3_000_000]


def test_the_core_works(make_class: MakeClass) -> None:
  cls, shop = make_class(), Shop()
  app = make_bare(shop, {'cache': cls, 'policy': Policy(store_timeout=10)})

  async def main() -> None:
    async with Client(app) as client:
      miss, hit = await client.get('/page'), await client.get('/page')
      assert (miss.body, miss.is_hit, hit.body, hit.is_hit) == (b'page 1', False, b'page 1', True)
      assert (await client.get('/page', if_none_match=hit['etag'])).status == 304
      assert (await client.get('/page', range='bytes=0-3')).body == b'page'
      for count, language in enumerate(('de', 'fr'), 1):
        for is_hit in (False, True):
          answer = await client.get('/language', accept_language=language)
          assert answer.body == f'{language} language {count}'.encode()
          assert answer.is_hit == is_hit
      await client.get('/stream')
      assert (await client.get('/stream')).is_hit
      await client.get('/items/1')
      await client.request('POST', '/items/1', body=b'new')
      assert (await client.get('/items/1')).body == b'item 1 2'
      await purge(tags=['item:1'], cache=cls)
      assert (await client.get('/items/1')).body == b'item 1 3'
      assert (await client.get('/page')).is_hit
      await purge(all=True, cache=cls)
      assert (await client.get('/page')).body == b'page 2'
    stats = cls.stats().http
    assert stats is not None and stats.errors == 0

  asyncio.run(main())


def body_of(size: int) -> bytes:
  return (bytes(range(256)) * (size // 256 + 1))[:size]


def test_bodies_of_all_sizes(make_class: MakeClass) -> None:
  cls = make_class()

  async def app(scope: Any, receive: Any, send: Any) -> None:
    body = body_of(int(scope['path'][1:]))
    headers = [(b'cache-control', b'max-age=60'), (b'content-length', b'%d' % len(body))]
    await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
    await send({'type': 'http.response.body', 'body': body})

  async def main() -> None:
    client = Client(CacheMiddleware(app, Policy(store_timeout=10, max_body=4_000_000), cls))
    for size in SIZES:
      whole = body_of(size)
      for is_hit in (False, True):
        answer = await client.get(f'/{size}')
        assert answer.body == whole and answer.is_hit == is_hit, (size, is_hit)
      if size > 300_000:
        part = await client.get(f'/{size}', range='bytes=300000-300009')
        assert (part.status, part.body) == (206, whole[300_000:300_010])

  asyncio.run(main())
