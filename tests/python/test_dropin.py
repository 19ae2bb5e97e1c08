# SPDX-License-Identifier: MIT
"""An application written for cachette 0.1.8, as its documentation describes, runs unchanged."""

import textwrap
from pathlib import Path
from typing import Any, List, Tuple

import pytest
from cachette import Cachette
from servers import request, serve
from services.redis import RedisServer

APPLICATION = """
  from cachette import Cachette
  from fastapi import FastAPI, Depends
  from fastapi.responses import PlainTextResponse
  from pydantic import BaseModel

  app = FastAPI()

  {configuration}

  class Payload(BaseModel):
    key: str
    value: str

  @app.post('/', response_class=PlainTextResponse)
  async def setter(payload: Payload, cachette: Cachette = Depends()):
    await cachette.put(payload.key, payload.value)
    return 'OK'

  @app.get('/{{key}}', response_class=PlainTextResponse, status_code=200)
  async def getter(key: str, cachette: Cachette = Depends()):
    value: str = await cachette.fetch(key)
    return value

  @app.delete('/{{key}}', status_code=200)
  async def destroy(key: str, cachette: Cachette = Depends()):
    cleared: int = await cachette.clear(key=key)
    return {{'cleared': cleared}}
"""

CONFIGURATIONS = {
  'none': '',
  'list': """
  @Cachette.load_config
  def get_cachette_config():
    return [('backend', 'redis'), ('redis_url', '{url}')]
  """,
  'settings': """
  class CachetteConfig(BaseModel):
    backend: str = 'redis'
    redis_url: str = '{url}'
    codec: str = 'pickle'
    ttl: int = 15

  @Cachette.load_config
  def get_cachette_config():
    return CachetteConfig()
  """,
}


@pytest.mark.parametrize('configuration', CONFIGURATIONS)
def test_the_documented_application_runs(
  tmp_path: Path, redis: RedisServer, configuration: str
) -> None:
  lines = CONFIGURATIONS[configuration].format(url=redis.url)
  code = APPLICATION.format(configuration=lines.lstrip())
  (tmp_path / 'old.py').write_text(textwrap.dedent(code), encoding='utf-8')
  with serve('old:app', str(tmp_path)) as port:
    assert request(port, 'DELETE', '/old') in [(200, b'{"cleared":0}'), (200, b'{"cleared":1}')]
    assert request(port, 'GET', '/old') == (200, b'')
    assert request(port, 'POST', '/', {'key': 'old', 'value': 'value'}) == (200, b'OK')
    assert request(port, 'GET', '/old') == (200, b'value')
    assert request(port, 'DELETE', '/old') == (200, b'{"cleared":1}')
    assert request(port, 'GET', '/old') == (200, b'')


REFUSED: List[Tuple[List[Tuple[str, Any]], str]] = [
  ([('backend', 'mysql')], 'backend'),
  ([('codec', 'yaml')], 'codec'),
  ([('ttl', 0)], 'ttl'),
  ([('ttl', 3601)], 'ttl'),
  ([('ttl', 'soon')], 'ttl'),
  ([('backend', 'redis'), ('redis_url', None)], 'redis_url'),
  ([('backend', 'memcached'), ('memcached_host', None)], 'memcached_host'),
  ([('backend', 'mongodb'), ('mongodb_url', None)], 'mongodb_url'),
  ([('backend', 'pickle'), ('pickle_path', None)], 'pickle_path'),
]


@pytest.mark.parametrize(('settings', 'name'), REFUSED)
def test_settings_that_the_old_package_rejected_raise_the_same_exception(
  settings: List[Tuple[str, Any]], name: str
) -> None:
  from pydantic import ValidationError

  class Own(Cachette):
    pass

  with pytest.raises(ValidationError) as caught:
    Own.load_config(lambda: settings)
  assert [error['loc'] for error in caught.value.errors()] == [(name,)]


def test_a_configuration_of_another_shape_is_a_type_error() -> None:
  class Own(Cachette):
    pass

  for settings in ('text', 5, [1, 2], None):
    with pytest.raises(TypeError):
      Own.load_config(lambda settings=settings: settings)
