# SPDX-License-Identifier: MIT
"""RequestControl around applications of each framework, and as their middleware.

Each test skips if its framework is not installed.
"""

import asyncio
import threading
from typing import Any, Type

import pytest
from cachette import Cachette
from cachette.http import RequestControl
from conftest import MakeClass

httpx = pytest.importorskip('httpx')

few_backends = pytest.mark.parametrize('backend', ['inmemory', 'redis'], indirect=True)


class Pages:
  """Two routes of an application: one in the event loop, one in a thread."""

  def __init__(self, own: Type[Cachette]) -> None:
    self.own = own
    self.runs = 0

  def compute(self) -> str:
    self.runs += 1
    return f'run {self.runs}'

  async def page(self) -> str:
    return str(await self.own().get_or_set('page', self.compute))

  def threaded(self) -> str:
    assert threading.current_thread() is not threading.main_thread()
    return str(self.own.sync.get_or_set('page', self.compute))


def make_fastapi(pages: Pages) -> Any:
  fastapi = pytest.importorskip('fastapi')
  app = fastapi.FastAPI()
  text = fastapi.responses.PlainTextResponse

  @app.get('/page', response_class=text)
  async def page() -> Any:
    return await pages.page()

  @app.get('/threaded', response_class=text)
  def threaded() -> Any:
    return pages.threaded()

  return app


def make_fastapi_with_middleware(pages: Pages) -> Any:
  app = make_fastapi(pages)
  app.add_middleware(RequestControl)

  @app.middleware('http')
  async def pass_on(request: Any, call_next: Any) -> Any:  # runs the application in a task
    return await call_next(request)

  return app


def make_litestar(pages: Pages, **settings: Any) -> Any:
  litestar = pytest.importorskip('litestar')

  async def page() -> str:
    return await pages.page()

  def threaded() -> str:
    return pages.threaded()

  text = litestar.MediaType.TEXT
  return litestar.Litestar(
    [
      litestar.get('/page', media_type=text)(page),
      litestar.get('/threaded', media_type=text, sync_to_thread=True)(threaded),
    ],
    **settings,
  )


def make_litestar_with_middleware(pages: Pages) -> Any:
  return make_litestar(pages, middleware=[RequestControl])


def make_quart(pages: Pages) -> Any:
  quart = pytest.importorskip('quart')
  app = quart.Quart(__name__)

  async def page() -> str:
    return await pages.page()

  def threaded() -> str:
    return pages.threaded()

  app.get('/page')(page)
  app.get('/threaded')(threaded)
  return app


def make_blacksheep(pages: Pages) -> Any:
  blacksheep = pytest.importorskip('blacksheep')
  from blacksheep.server.routing import Router

  app = blacksheep.Application(router=Router())

  async def page() -> str:
    return await pages.page()

  async def threaded() -> str:
    return await asyncio.to_thread(pages.threaded)

  app.router.add_get('/page', page)
  app.router.add_get('/threaded', threaded)
  return app


@few_backends
@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.parametrize('route', ['/page', '/threaded'])
@pytest.mark.parametrize(
  ('make_app', 'wrapped'),
  [
    (make_fastapi, True),
    (make_fastapi_with_middleware, False),
    (make_litestar, True),
    (make_litestar_with_middleware, False),
    (make_quart, True),
    (make_blacksheep, True),
  ],
)
def test_frameworks(make_class: MakeClass, make_app: Any, wrapped: bool, route: str) -> None:
  pages = Pages(make_class(request_control=True))

  async def main() -> None:
    app = make_app(pages)
    if hasattr(app, 'start'):
      await app.start()
    transport = httpx.ASGITransport(
      app=RequestControl(app) if wrapped else app, raise_app_exceptions=False
    )
    async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:

      async def get(control: str = '') -> Any:
        answer = await client.get(route, headers={'Cache-Control': control} if control else {})
        return answer.text if answer.status_code == 200 else answer.status_code

      assert await get('only-if-cached') == 504
      assert await get('no-store') == 'run 1'
      assert await get('only-if-cached') == 504
      assert await get() == 'run 2'
      assert await get('max-age=30') == 'run 2'
      assert await get('only-if-cached') == 'run 2'
      assert await get('no-cache') == 'run 3'
      assert await get('max-age=0') == 'run 4'
      assert await get('min-fresh=70') == 'run 5'
      assert await get() == 'run 5'
      mixed = await asyncio.gather(*(get(each) for each in ('no-cache', '', 'only-if-cached') * 10))
      assert 504 not in mixed
      assert all(each.startswith('run ') for each in mixed)

  asyncio.run(main())
