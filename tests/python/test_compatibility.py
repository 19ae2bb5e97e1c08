# SPDX-License-Identifier: MIT
"""cachette 0.1.8 and this package read each other's data on the same server."""

import asyncio
import fcntl
import os
import pickle
import subprocess
import sys
from typing import Any, Dict, List

import pandas
import pytest
from cachette import Cachette, CodecError
from conftest import ROOT
from pandas.testing import assert_frame_equal
from services.redis import RedisServer

CODECS = ['csv', 'feather', 'json', 'msgpack', 'orjson', 'parquet', 'pickle', 'vanilla']

# This program runs in place of the old package: it puts the values that it receives, or fetches
# them and returns them, pickled. It exits at once, because Arrow's threads may abort an interpreter
# that exits slowly.
OLD = """
import asyncio, os, pickle, sys
from cachette import Cachette

codec, backend, url = sys.argv[1:]
values = pickle.load(sys.stdin.buffer)

@Cachette.load_config
def get_cachette_config():
  named = [] if codec == 'vanilla' else [('codec', codec)]
  return [('backend', backend), (f'{backend}_url', url), ('ttl', 300), *named]

cache = Cachette()  # for MongoDB it runs its own loop

async def main():
  fetched = {}
  for key, value in values.items():
    if value is None:
      fetched[key] = await cache.fetch(key)
    else:
      await cache.put(key, value)
  return fetched

sys.stdout.buffer.write(pickle.dumps(asyncio.run(main())))
sys.stdout.buffer.flush()
os._exit(0)
"""


# These versions of the MongoDB clients still work with the test server.
PACKAGES = ['cachette==0.1.8', 'redis==8.1.0', 'motor==3.3.2', 'pymongo==4.6.3', 'dnspython==2.6.1']


@pytest.fixture(scope='session')
def old_package() -> str:
  """A folder with the old package and the clients that it needs."""
  folder = os.path.join(ROOT, 'build', 'cachette-0.1.8')
  with open(f'{folder}.lock', 'w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)  # another process may install them at the same time
    if not os.path.isdir(os.path.join(folder, 'dns')):
      install = ['-m', 'pip', 'install', '-q', '--no-deps', '--target', folder]
      subprocess.run([sys.executable, *install, *PACKAGES], check=True)
  return folder


def run_old(
  folder: str, codec: str, backend: str, url: str, values: Dict[str, Any]
) -> Dict[str, Any]:
  done = subprocess.run(
    [sys.executable, '-c', OLD, codec, backend, url],
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
    empty = {'empty': frame.iloc[:0].reset_index(drop=True)}  # CSV does not preserve their types
    return {'frame': frame, **({} if codec == 'csv' else empty)}
  if codec == 'vanilla':
    return {'text': 'grüß dich', 'long': 'x' * 100_000}
  values: Dict[str, Any] = {'dict': {'a': [1, None, 'ü', 1.5]}, 'text': 'text', 'number': 7}
  return {**values, 'object': {1, (2, 3)}} if codec == 'pickle' else values


def same(codec: str, fetched: Any, value: Any) -> None:
  if isinstance(value, pandas.DataFrame):
    assert_frame_equal(fetched, value, check_exact=True)
  else:
    assert fetched == value and type(fetched) is type(value)


def check(folder: str, codec: str, backend: str, url: str) -> None:
  class New(Cachette):
    pass

  New.load_config(
    lambda: {'backend': backend, f'{backend}_url': url, 'codec': codec, 'ttl': 300, 'timeout': 5}
  )
  values = values_of(codec)

  async def read() -> Dict[str, Any]:
    found = await New().fetch_many([f'{codec}:old:{name}' for name in values])
    left, _ = await New().fetch_with_ttl(f'{codec}:old:{next(iter(values))}')
    assert left in range(280, 301)
    await New().put_many({f'{codec}:new:{name}': value for name, value in values.items()})
    return found

  run_old(folder, codec, backend, url, {f'{codec}:old:{n}': v for n, v in values.items()})
  ours = asyncio.run(read())
  theirs = run_old(folder, codec, backend, url, {f'{codec}:new:{n}': None for n in values})
  for name, value in values.items():
    same(codec, ours[f'{codec}:old:{name}'], value)
    same(codec, theirs[f'{codec}:new:{name}'], value)


@pytest.mark.parametrize('codec', CODECS)
def test_old_and_new_read_each_others_data(
  redis: RedisServer, old_package: str, codec: str
) -> None:
  check(old_package, codec, 'redis', redis.url)


@pytest.mark.parametrize('codec', ['vanilla', 'pickle', 'feather'])
def test_old_and_new_read_each_others_data_on_mongodb(
  mongodb: str, old_package: str, codec: str
) -> None:
  check(old_package, codec, 'mongodb', mongodb)


# Returns what the old package's codecs write and read, pickled.
OLD_CODECS = """
import importlib, os, pickle, sys

folder = 'dataframe.' if sys.argv[1] in ('csv', 'feather', 'parquet') else ''
module = importlib.import_module(f'cachette.codecs.{folder}{sys.argv[1]}')
codec = getattr(module, module.__all__[0])()
encoded = [codec.dumps(value) for value in pickle.load(sys.stdin.buffer)]
fetched = []
for raw in encoded:
  try:
    fetched.append(codec.loads(raw))
  except Exception as error:
    fetched.append(error)
sys.stdout.buffer.write(pickle.dumps((encoded, fetched)))
sys.stdout.buffer.flush()
os._exit(0)
"""


def odd_values_of(codec: str) -> List[Any]:
  """Values for which two encodings would produce different bytes."""
  values: List[Any] = list(values_of(codec).values())
  if codec in ('csv', 'feather', 'parquet'):
    frame = values[0]
    values.append(frame.assign(when=pandas.Timestamp('2024-01-01', tz='UTC'), empty=None))
    values.append(frame.iloc[:0].reset_index(drop=True))
    values.append(frame.rename(columns={'name': 'a, "b"\nü'}))
    if codec != 'feather':
      values.append(frame.set_index('name'))
    return values
  if codec == 'vanilla':
    return [*values, '', 5, None, 1.5, [1, 'ü'], b'bytes']
  values += [None, True, -1, 0.1, 1e300, '', [], {}, (1, 2), {'ü': {'\0': '\U0001f600'}}, 2**63]
  if codec in ('json', 'msgpack', 'pickle'):
    values += [float('nan'), {1: 'number'}]
  return [*values, b'\0\xff'] if codec in ('msgpack', 'pickle') else values


@pytest.mark.parametrize('codec', CODECS)
def test_the_bytes_equal_those_of_the_old_package(old_package: str, codec: str) -> None:
  values = odd_values_of(codec)
  done = subprocess.run(
    [sys.executable, '-c', OLD_CODECS, codec],
    input=pickle.dumps(values),
    env={**os.environ, 'PYTHONPATH': old_package},
    capture_output=True,
    timeout=120,
  )
  assert done.returncode == 0, done.stderr.decode()
  encoded, fetched = pickle.loads(done.stdout)

  class Raw(Cachette):
    pass

  class Coded(Cachette):
    pass

  Cachette.register_codec('raw', bytes, bytes)
  Raw.load_config(lambda: {'codec': 'raw', 'memory_name': 'compatibility'})
  Coded.load_config(lambda: {'codec': codec, 'memory_name': 'compatibility'})
  refused = 0
  for value, raw, theirs in zip(values, encoded, fetched):
    try:
      Coded.sync.put('key', value)
      assert Raw.sync.fetch('key') == raw
    except (
      CodecError
    ):  # skips values that would not round-trip; the old package's data is still readable
      refused += 1
      Raw.sync.put('key', raw)
    ours = Coded.sync.fetch('key')
    if isinstance(theirs, Exception):  # the old package cannot read its own data here: int keys
      assert codec == 'msgpack' and ours == value == {1: 'number'}
    elif isinstance(theirs, pandas.DataFrame):
      assert_frame_equal(ours, theirs)
    else:
      assert repr(ours) == repr(theirs)
  assert refused == (2 if codec == 'csv' else 0)


def test_the_old_package_reads_numbers_that_msgpack_encodes_differently(
  redis: RedisServer, old_package: str
) -> None:
  class New(Cachette):
    pass

  New.load_config(lambda: {'backend': 'redis', 'redis_url': redis.url, 'codec': 'msgpack'})
  numbers = {f'digit:{number}': number for number in range(46, 60)}
  New.sync.put_many(numbers)
  request = dict.fromkeys(numbers)
  assert run_old(old_package, 'msgpack', 'redis', redis.url, request) == numbers
  run_old(old_package, 'msgpack', 'redis', redis.url, {'old:47': 47, 'old:55': 55, 'old:58': 58})
  assert New.sync.fetch_many(['old:47', 'old:55', 'old:58']) == {
    'old:47': 47,
    'old:55': 7,  # a single digit, like a counter; see docs/guides/choose-a-codec.md
    'old:58': 58,
  }


def test_the_old_package_reads_an_index_with_a_freq(old_package: str, redis: RedisServer) -> None:
  class New(Cachette):
    pass

  frame = pandas.DataFrame({'a': [1, 2]}, index=pandas.date_range('2024', periods=2))
  for codec in ('feather', 'parquet'):
    New.load_config(lambda: {'backend': 'redis', 'redis_url': redis.url, 'codec': codec})
    New.sync.put(codec, frame)
    fetched = run_old(old_package, codec, 'redis', redis.url, {codec: None})[codec]
    assert_frame_equal(fetched, frame, check_freq=False)
