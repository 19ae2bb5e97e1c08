# SPDX-License-Identifier: MIT
import asyncio
from datetime import datetime
from typing import Dict, Optional

from cachette import Cachette
from cachette.http import CacheMiddleware, cache_response
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel
from pydantic_settings import BaseSettings, SettingsConfigDict

app = FastAPI()
app.add_middleware(CacheMiddleware)


class Settings(BaseSettings):
  """Read from the environment: CACHETTE_BACKEND, CACHETTE_REDIS_URL and so on."""

  model_config = SettingsConfigDict(env_prefix='CACHETTE_')

  backend: str = 'inmemory'
  ttl: int = 60
  memory_limit: str = '64M'
  redis_url: Optional[str] = None
  valkey_url: Optional[str] = None
  memcached_host: Optional[str] = None
  memcached_username: Optional[str] = None
  memcached_password: Optional[str] = None
  memcached_auth: str = 'auto'
  mongodb_url: Optional[str] = None
  dynamodb_url: Optional[str] = None
  region: Optional[str] = None
  table_name: str = 'cachette'
  pickle_path: Optional[str] = None


@Cachette.load_config
def get_cachette_config() -> Settings:
  return Settings()


class Payload(BaseModel):
  key: str
  value: str


@app.post('/', response_class=PlainTextResponse)
async def setter(payload: Payload, cachette: Cachette = Depends()) -> str:
  await cachette.put(payload.key, payload.value)
  return 'OK'


@app.post('/later', response_class=PlainTextResponse, status_code=202)
async def setter_later(
  payload: Payload, tasks: BackgroundTasks, cachette: Cachette = Depends()
) -> str:
  tasks.add_task(cachette.put, payload.key, payload.value)  # runs after the response
  return 'OK'


async def make_report(name: str) -> str:
  await asyncio.sleep(0.2)  # for slow work
  return f'{name} at {datetime.now():%H:%M:%S.%f}'


@app.get('/reports/{name}', response_class=PlainTextResponse)
@cache_response(60, swr=30, sie=3600, tags=['reports'])
async def report(name: str) -> str:
  return await make_report(name)


@app.get('/{key}', response_class=PlainTextResponse)
async def getter(key: str, cachette: Cachette = Depends()) -> Optional[str]:
  value: Optional[str] = await cachette.fetch(key)
  return value


@app.delete('/{key}')
async def deleter(key: str, cachette: Cachette = Depends()) -> Dict[str, int]:
  return {'cleared': await cachette.clear(key=key)}
