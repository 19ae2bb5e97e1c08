# SPDX-License-Identifier: MIT
"""Shared by the tests of the policies of routes.

A small middleware does for these tests what CacheMiddleware does with the policies of routes: it
offers a box to each run of the application, and keeps the boxes.
"""

import asyncio
import inspect
from typing import Any, Callable, List

import pytest
from cachette.http import _routes as routes
from cachette.http._plans import CURRENT, Box

boxes: List[Box] = []


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
  """No middleware was noticed yet, and no box is kept."""
  monkeypatch.setattr(routes._Noticed, 'middleware', False)
  boxes.clear()


class Recorder:
  """Offers a box to each run, and keeps it."""

  is_cache_middleware = True

  def __init__(self, app: Any) -> None:
    self.app = app

  async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
    token = CURRENT.set(Box(scope))
    if scope['type'] == 'http':
      box = CURRENT.get()
      assert box is not None
      boxes.append(box)
    try:
      await self.app(scope, receive, send)
    finally:
      CURRENT.reset(token)


def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Box:
  """Calls a handler under a middleware, and returns the box."""
  box = Box({'type': 'http'})
  token = CURRENT.set(box)
  try:
    result = function(*args, **kwargs)
    if inspect.iscoroutine(result):
      asyncio.run(result)
  finally:
    CURRENT.reset(token)
  return box


async def ok(number: int = 0) -> int:
  return number


def get(app: Any, *paths: str) -> List[Any]:
  """Gets paths, each in a request of its own, and returns the answers."""
  import httpx  # not every test needs it

  async def main() -> List[Any]:
    inner = app.app if isinstance(app, Recorder) else app
    if hasattr(inner, 'start') and not inner.started:
      await inner.start()
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:
      return [await client.get(path) for path in paths]

  return asyncio.run(main())
