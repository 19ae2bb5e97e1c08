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

app = FastAPI()


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


@app.get('/demo/stats')
async def stats() -> Dict[str, Any]:
  return {**Cachette.stats()._asdict(), 'backend': fastapi_app.Settings().backend}


app.mount('/', fastapi_app.app)
