# SPDX-License-Identifier: MIT
"""What `make demo` serves: fastapi_app.py, and a page at `/` that shows it at work."""

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
  """Fetches a value, with the time that it took in microseconds."""
  begin = time.perf_counter()
  seconds, value = await cachette.fetch_with_ttl(key)
  taken = (time.perf_counter() - begin) * 1e6
  return {'value': value, 'seconds': seconds, 'microseconds': taken}


@app.delete('/demo/clear/{key:path}')
async def clear(key: str, cachette: Cachette = Depends()) -> Dict[str, int]:
  """As in the example, also for keys with slashes."""
  return await fastapi_app.deleter(key, cachette)


@app.get('/demo/stats')
async def stats() -> Dict[str, Any]:
  return {**Cachette.stats()._asdict(), 'backend': fastapi_app.Settings().backend}


app.mount('/', fastapi_app.app)
