# SPDX-License-Identifier: MIT
"""cachette 0.1.8 and this package read what the other has written, on one Redis server."""

import asyncio
import os
import pickle
import subprocess
import sys
from typing import Any, Dict

import pandas
import pytest
from cachette import Cachette
from conftest import ROOT
from pandas.testing import assert_frame_equal
from services.redis import RedisServer

CODECS = ['csv', 'feather', 'json', 'msgpack', 'orjson', 'parquet', 'pickle', 'vanilla']

# What runs in the old package's place: it puts the values that it is given, or fetches and gives
# them back, pickled either way.
OLD = """
import asyncio, pickle, sys
from cachette import Cachette

codec, url = sys.argv[1:]
values = pickle.load(sys.stdin.buffer)

@Cachette.load_config
def get_cachette_config():
  named = [] if codec == 'vanilla' else [('codec', codec)]
  return [('backend', 'redis'), ('redis_url', url), ('ttl', 300), *named]

async def main():
  fetched = {}
  for key, value in values.items():
    if value is None:
      fetched[key] = await Cachette().fetch(key)
    else:
      await Cachette().put(key, value)
  return fetched

sys.stdout.buffer.write(pickle.dumps(asyncio.run(main())))
"""


@pytest.fixture(scope='session')
def old_package() -> str:
  """The folder of the old package and the client that it needs."""
  folder = os.path.join(ROOT, 'build', 'cachette-0.1.8')
  if not os.path.isdir(os.path.join(folder, 'cachette')):
    install = ['-m', 'pip', 'install', '-q', '--no-deps', '--target', folder]
    subprocess.run([sys.executable, *install, 'cachette==0.1.8', 'redis==8.1.0'], check=True)
  return folder


def run_old(folder: str, codec: str, url: str, values: Dict[str, Any]) -> Dict[str, Any]:
  done = subprocess.run(
    [sys.executable, '-c', OLD, codec, url],
    input=pickle.dumps(values),
    env={**os.environ, 'PYTHONPATH': folder},
    capture_output=True,
    timeout=120,
  )
  assert done.returncode == 0, done.stderr.decode()
  fetched: Dict[str, Any] = pickle.loads(done.stdout)
  return fetched


def values_of(codec: str) -> Dict[str, Any]:
  if codec in ('csv', 'feather', 'parquet'):
    frame = pandas.DataFrame({'name': ['Ada', 'Grace'], 'born': [1815, 1906], 'x': [0.5, -1e300]})
    return {'frame': frame, 'empty': frame.iloc[:0].reset_index(drop=True)}
  if codec == 'vanilla':
    return {'text': 'grüß dich', 'long': 'x' * 100_000}
  values: Dict[str, Any] = {'dict': {'a': [1, None, 'ü', 1.5]}, 'text': 'text', 'number': 7}
  return {**values, 'object': {1, (2, 3)}} if codec == 'pickle' else values


def same(codec: str, fetched: Any, value: Any) -> None:
  if isinstance(value, pandas.DataFrame):
    assert_frame_equal(fetched, value, check_dtype=codec != 'csv', check_index_type=codec != 'csv')
  else:
    assert fetched == value and type(fetched) is type(value)


@pytest.mark.parametrize('codec', CODECS)
def test_old_and_new_read_each_other(redis: RedisServer, old_package: str, codec: str) -> None:
  class New(Cachette):
    pass

  New.load_config(lambda: {'backend': 'redis', 'redis_url': redis.url, 'codec': codec, 'ttl': 300})
  values = values_of(codec)

  async def read() -> Dict[str, Any]:
    found = await New().fetch_many([f'{codec}:old:{name}' for name in values])
    left, _ = await New().fetch_with_ttl(f'{codec}:old:{next(iter(values))}')
    assert left in range(280, 301)
    await New().put_many({f'{codec}:new:{name}': value for name, value in values.items()})
    return found

  run_old(old_package, codec, redis.url, {f'{codec}:old:{n}': v for n, v in values.items()})
  ours = asyncio.run(read())
  theirs = run_old(old_package, codec, redis.url, {f'{codec}:new:{n}': None for n in values})
  for name, value in values.items():
    same(codec, ours[f'{codec}:old:{name}'], value)
    same(codec, theirs[f'{codec}:new:{name}'], value)
