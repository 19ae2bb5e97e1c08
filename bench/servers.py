# SPDX-License-Identifier: MIT
"""Fetches and puts on local servers and in a file, compared with other clients."""

import contextlib
import os
import sys
import tempfile
from statistics import median

from rounds import (
  ROOT,
  Worker,
  install,
  measure_rounds,
  print_table,
  ratios,
  time_text,
  verdict,
  with_version,
)

sys.path.insert(0, os.path.join(ROOT, 'tests'))


@contextlib.contextmanager
def serve_redis():
  from services.redis import RedisServer

  with RedisServer() as server:
    yield server.url


@contextlib.contextmanager
def serve_memcached():
  from services.memcached import MemcachedServer

  with MemcachedServer() as server:
    yield server.host


@contextlib.contextmanager
def serve_mongodb():
  from services.mongodb import mongodb_url

  with mongodb_url() as url:
    yield url


@contextlib.contextmanager
def serve_dynamodb():
  from services.dynamodb import dynamodb_url

  with dynamodb_url() as url:
    yield url


@contextlib.contextmanager
def serve_file():
  with tempfile.TemporaryDirectory(prefix='cachette-bench-') as folder:
    yield os.path.join(folder, 'cache.db')


# What is measured on each backend: the server, the other packages, and the cases (see gets.py),
# each with its targets: package -> how many times faster we should be.
BACKENDS = {
  'redis': {
    'title': 'a redis-server on this machine',
    'serve': serve_redis,
    'peers': {'redis-py': 'redis[hiredis]==8.1.0', 'valkey-glide': 'valkey-glide==2.6.0'},
    'cases': {
      '1': {'redis-py': 1 / 0.7},
      '64': {'redis-py': 12, 'valkey-glide': 4},
      '256': {'redis-py': 18},
      '1:uvloop': {},
      '64:uvloop': {},
      '256:uvloop': {},
    },
  },
  'memcached': {
    'title': 'a memcached on this machine',
    'serve': serve_memcached,
    'peers': {
      'aiomcache': 'aiomcache==0.8.2',
      'emcache': 'emcache==1.3.1',
      'pymemcache': 'pymemcache==4.0.0',
    },
    'cases': {'1': {'aiomcache': 1 / 0.7}, '64': {'aiomcache': 5}},
  },
  'mongodb': {
    'title': 'a mongod on this machine',
    'serve': serve_mongodb,
    'peers': {'pymongo': 'pymongo==4.13.2', 'motor': 'motor==3.7.1'},
    'cases': {'1': {'pymongo': 1, 'motor': 1}, '64': {'pymongo': 2, 'motor': 2}, '64:put': {}},
  },
  'dynamodb': {
    'title': 'a DynamoDB Local on this machine',
    'serve': serve_dynamodb,
    'peers': {'aiobotocore': 'aiobotocore==3.10.0'},
    'cases': {'1': {}, '64': {'aiobotocore': 3}, '64:put': {}},
  },
  'file': {
    'title': 'a file',
    'serve': serve_file,
    'peers': {'diskcache': 'diskcache==5.6.3'},
    'cases': {'1': {}, '64': {'diskcache': 3}, '64:put': {}},
  },
}


def label_of(case):
  """A readable label of a case."""
  tasks, *words = case.split(':')
  label = 'one task' if tasks == '1' else f'{tasks} tasks'
  return ', '.join([label, *('puts' if word == 'put' else word for word in words)])


def make_row(results, backend, case, peers, targets):
  """Returns a row of the table, and the calls per second by client with its version."""
  ours = [each['seconds'] for each in results[backend, case]]
  rates = {'cachette': 1 / median(ours)}
  user = median(each['user'] for each in results[backend, case])
  row, verdicts = [label_of(case), f'{rates["cachette"]:,.0f}/s', time_text(user)], []
  for name in peers:
    found = [each for each in results.get((name, case), []) if each]
    if not found:
      row += ['', '', '']
      continue
    theirs = [each['seconds'] for each in found]
    rate = rates[with_version(name, peers)] = 1 / median(theirs)
    faster = ratios(theirs, ours)[1]
    row += [f'{rate:,.0f}/s', f'{faster:.1f}']
    row += [f'{median(each["user"] for each in found) / max(user, 1e-9):.1f}']
    if name in targets:
      target = targets[name]
      verdicts.append(verdict(f'{target:.3g} times {name}', faster >= target))
  return [*row, '; '.join(verdicts)], rates


def bench_backend(backend, ours, peer, quick):
  """Prints a table. Returns case -> client -> calls per second."""
  spec = BACKENDS[backend]
  pythons = {backend: ours}
  if peer:
    packages = {**spec['peers'], 'uvloop': 'uvloop'} if backend == 'redis' else spec['peers']
    pythons.update(install(peer, packages))
    pythons.pop('uvloop', None)
  cases = [case for case in spec['cases'] if not quick or 'uvloop' not in case]
  results = {(name, case): [] for name in pythons for case in cases}
  with spec['serve']() as address:
    for _ in range(1 if quick else 7):
      for case in cases:
        for name, python in pythons.items():
          with Worker(python, 'gets.py', quick, name, env={'ADDRESS': address}) as worker:
            results[name, case].append(worker.measure(case))
  rows, figures = [], {}
  for case in cases:
    row, figures[case] = make_row(results, backend, case, spec['peers'], spec['cases'][case])
    rows.append(row)
  head = ['', 'ours', 'user time']
  for name in spec['peers']:
    head += [name, 'ratio', 'of user time']
  print_table(
    f'Python, {spec["title"]}, 100-byte values: fetches in a second', [*head, 'target'], rows
  )
  return figures


def bench_many(ours, peer, quick):
  """Fetches a hundred keys from Redis in one call."""
  client = {'redis-py': BACKENDS['redis']['peers']['redis-py']}
  pythons = {'cachette': ours, **(install(peer, client) if peer else {})}
  cases = [('cachette', 'many'), ('cachette', 'each')]
  cases += [('redis-py', 'many')] if 'redis-py' in pythons else []
  with serve_redis() as url:
    seconds = measure_rounds(pythons, 'redis_many.py', cases, 20, quick, {'REDIS_URL': url})
  ours_many = seconds['cachette', 'many']
  rows = [['fetch_many', time_text(median(ours_many)), '', '']]
  for (name, case), title, target in zip(cases[1:], ('100 fetches', 'MGET of redis-py'), (10, 2)):
    faster = ratios(seconds[name, case], ours_many)[1]
    rows.append(
      [
        title,
        time_text(median(seconds[name, case])),
        f'{faster:.1f}',
        verdict(f'at least {target} times', faster >= target),
      ]
    )
  print_table(
    'Python, a redis-server on this machine: 100 keys of 100-byte values',
    ['', 'time', 'times fetch_many', 'target'],
    rows,
  )
