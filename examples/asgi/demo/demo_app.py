# SPDX-License-Identifier: MIT
"""The demo that `make demo` serves: fastapi_app.py, with a page at `/` that uses it."""

import pathlib
import sys
import time
from typing import Any, Dict

from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse, PlainTextResponse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import fastapi_app  # noqa: E402
from cachette import Cachette  # noqa: E402
from cachette.http import purge  # noqa: E402

app = FastAPI()
make_report = fastapi_app.make_report


def time_responses(app: Any) -> Any:
  """Adds the time that an application took for a response, in milliseconds."""

  async def timed(scope: Any, receive: Any, send: Any) -> None:
    start = time.perf_counter()

    async def send_timed(message: Any) -> None:
      if message['type'] == 'http.response.start':
        elapsed = (time.perf_counter() - start) * 1e3
        timing = (b'server-timing', b'app;dur=%.3f' % elapsed)
        message = {**message, 'headers': [*message['headers'], timing]}
      await send(message)

    await app(scope, receive, send_timed)

  return timed


@app.get('/', response_class=FileResponse, include_in_schema=False)
async def page() -> str:
  return str(HERE / 'page.html')


@app.get('/demo/source', response_class=PlainTextResponse)
async def source() -> str:
  return (HERE.parent / 'fastapi_app.py').read_text(encoding='utf-8')


@app.get('/demo/fetch/{key:path}')
async def fetch(key: str, cachette: Cachette = Depends()) -> Dict[str, Any]:
  """Fetches a value, and measures the time of the fetch in microseconds."""
  start = time.perf_counter()
  seconds, value = await cachette.fetch_with_ttl(key)
  elapsed = (time.perf_counter() - start) * 1e6
  return {'value': value, 'seconds': seconds, 'microseconds': elapsed}


@app.delete('/demo/clear/{key:path}')
async def clear(key: str, cachette: Cachette = Depends()) -> Dict[str, int]:
  """Clears a key like the example, and also accepts keys with slashes."""
  return await fastapi_app.deleter(key, cachette)


@app.post('/demo/purge')
async def purge_reports() -> None:
  await purge(tags=['reports'])


@app.post('/demo/break')
async def break_reports() -> None:
  """Lets the handler fail, and what is stored be stale."""

  async def fail(name: str) -> str:
    raise RuntimeError('the report is broken')

  fastapi_app.make_report = fail
  await purge(tags=['reports'], soft=True)


@app.post('/demo/mend')
async def mend_reports() -> None:
  fastapi_app.make_report = make_report


@app.get('/demo/stats')
async def stats() -> Dict[str, Any]:
  return {**Cachette.stats()._asdict(), 'backend': fastapi_app.Settings().backend}


app.mount('/', time_responses(fastapi_app.app))
