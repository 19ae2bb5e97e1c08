# SPDX-License-Identifier: MIT
from typing import Dict, List, Optional, Tuple

from cachette import Cachette
from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

app = FastAPI()


@Cachette.load_config
def get_cachette_config() -> List[Tuple[str, object]]:
  return [('backend', 'inmemory'), ('ttl', 60)]


class Payload(BaseModel):
  key: str
  value: str


@app.post('/', response_class=PlainTextResponse)
async def setter(payload: Payload, cachette: Cachette = Depends()) -> str:
  await cachette.put(payload.key, payload.value)
  return 'OK'


@app.get('/{key}', response_class=PlainTextResponse)
async def getter(key: str, cachette: Cachette = Depends()) -> Optional[str]:
  value: Optional[str] = await cachette.fetch(key)
  return value


@app.delete('/{key}')
async def deleter(key: str, cachette: Cachette = Depends()) -> Dict[str, int]:
  return {'cleared': await cachette.clear(key=key)}
