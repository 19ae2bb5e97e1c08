# SPDX-License-Identifier: MIT
"""The HTTP middleware, compared with the application alone and with other caches of responses."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from statistics import median

from rounds import (
  PEER,
  ROOT,
  Worker,
  call,
  count_instructions,
  install,
  measure_rounds,
  print_table,
  ratio_text,
  ratios,
  time_text,
  verdict,
  version,
  with_version,
)
from servers import serve_redis

PACKAGES = {
  'hishel': 'hishel[async]==2.0.0',
  'starlette-caches': 'starlette-caches==0.4.1',
  'fastapi-cache2': 'fastapi-cache2==0.2.2',
  'fastapi-cachex': 'fastapi-cachex==0.5.1',
  'cashews': 'cashews==7.6.0',
}

# Needs Starlette before 1.0, and so an environment of its own.
ALONE = 'starlette-caches'

# Applications of http_apps.py and their labels; others are labelled with their version.
LABELS = {
  'plain': 'no cache',
  'dict': 'a dict in Python',
  'cachette': 'cachette',
  'fastapi': 'FastAPI, no cache',
  'cachette-fastapi': 'cachette, in FastAPI',
}
IN_FASTAPI = ('fastapi-cache2', 'fastapi-cachex', 'cashews')  # decorators of a route

SERVER = ('uvicorn', 'httptools')


def bench_asgi(ours, peer, quick):
  """Prints the tables. Returns the panels of a chart."""
  figures = bench_hits(ours, peer, quick)
  bench_passed(ours, quick)
  bench_instructions(ours, quick)
  bench_server(ours, quick)
  bench_redis(ours, quick)
  bench_memory(ours, quick)
  return figures


# ---- Without a server ----------------------------------------------------------------


def set_up_peers(ours, peer):
  """Returns application -> interpreter of the other caches that could be installed."""
  if not peer:
    return {}
  packages = {name: each for name, each in PACKAGES.items() if name != ALONE}
  pythons = install(peer, {**packages, 'jinja2': 'jinja2'})  # fastapi-cache2 does not run without
  folder = f'{PEER}-{ALONE}'
  python = os.path.join(folder, 'bin', 'python')
  if os.path.exists(python) or call(ours, '-m', 'venv', folder):
    pythons.update(install(python, {ALONE: PACKAGES[ALONE]}))
  return {
    name: pythons[name] for name in PACKAGES if name in pythons and does_run(pythons[name], name)
  }


def does_run(python, name):
  with Worker(python, 'http_calls.py', True, name) as worker:
    runs = worker.measure('hit') is not None
  if not runs:
    print(f'{PACKAGES[name]} does not run; figures are without it.', flush=True)
  return runs


def bench_hits(ours, peer, quick):
  own = ['plain', 'dict', 'cachette']
  if version(ours, 'fastapi') is not None:
    own += ['fastapi', 'cachette-fastapi']
  pythons = {**dict.fromkeys(own, ours), **set_up_peers(ours, peer)}
  cases = [(name, 'hit') for name in pythons]
  seconds = {}
  for _ in range(1 if quick else 3):
    for each, taken in measure_rounds(pythons, 'http_calls.py', cases, 10, quick).items():
      seconds.setdefault(each[0], []).extend(taken)
  rows, panel = [], {}
  for name in pythons:
    taken = median(seconds[name])
    label = LABELS.get(name) or with_version(name, PACKAGES)
    panel[label] = taken * 1e6
    rows.append(
      [
        label + (', a decorator in FastAPI' if name in IN_FASTAPI else ''),
        time_text(taken),
        f'{taken / median(seconds["cachette"]):.2f}',
        verdict('at most 4 us', taken <= 4e-6) if name == 'cachette' else '',
      ]
    )
  print_table(
    'HTTP middleware, a hit in memory, without a server: `await app(scope, receive, send)`',
    ['', 'a call', 'of ours', 'target'],
    rows,
  )
  return {'a hit': panel}


def bench_passed(ours, quick):
  """Measures what the middleware adds to what it does not cache."""
  cases = {
    'options': 'OPTIONS',
    'post': 'POST',
    'no-store': 'GET with Cache-Control: no-store',
    'cookie': 'GET with a cookie, whose response is not public',
    'unstored': 'GET whose response has no-store',
  }
  names = ('plain', 'cachette')
  pairs = [(name, case) for case in cases for name in names]
  seconds = measure_rounds(dict.fromkeys(names, ours), 'http_calls.py', pairs, 30, quick)
  rows = []
  for case, label in cases.items():
    plain, cached = seconds['plain', case], seconds['cachette', case]
    added = median(after - before for before, after in zip(plain, cached))
    judged = verdict('at most 3 us', added <= 3e-6)
    rows.append(
      [label, time_text(median(plain)), time_text(median(cached)), *_signed(added, judged)]
    )
  print_table(
    'HTTP middleware, what it adds to a request that it passes on, without a server',
    ['', 'application', 'with cachette', 'added', 'target'],
    rows,
  )


def _signed(seconds, judged):
  return [('-' if seconds < 0 else '') + time_text(abs(seconds)), judged]


def bench_instructions(ours, quick):
  """Counts the instructions of a hit, which do not depend on what else the machine does."""
  if quick or not shutil.which('valgrind'):
    print('\nInstructions of a call in Python are counted where valgrind is installed.')
    return
  program = os.path.join(ROOT, 'bench', 'python', 'http_calls.py')
  cases = [('plain', 'hit'), ('dict', 'hit'), ('cachette', 'hit'), ('plain', 'post')]
  cases += [('cachette', 'post')]
  rows = []
  for name, case in cases:
    few, many = (
      count_instructions(ours, program, name, '--run', case, str(count)) for count in (200, 1200)
    )
    label = LABELS[name] + (', a POST' if case == 'post' else '')
    rows.append([label, f'{(many - few) / 1000:,.0f}'])
  print_table('The same, instructions a call (callgrind)', ['', 'instructions'], rows)


# ---- Behind uvicorn ---------------------------------------------------------------------


def hit_fields(port):
  """The fields of a hit, without those that uvicorn adds to a response of the application."""
  for _ in range(2):
    with urllib.request.urlopen(f'http://127.0.0.1:{port}/', timeout=10) as response:
      fields = [[name.lower(), value] for name, value in response.getheaders()]
  return [field for field in fields if field[0] not in ('date', 'server', 'connection')]


def load(python, port, seconds):
  """Sends requests, and returns how many were answered. wrk takes whole seconds only."""
  if shutil.which('wrk') and seconds >= 1:
    command = ['wrk', '-t1', '-c8', f'-d{seconds:.0f}s', f'http://127.0.0.1:{port}/']
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return int(text.partition(' requests in')[0].split()[-1])
  program = os.path.join(ROOT, 'bench', 'python', 'http_load.py')
  done = subprocess.run(
    [python, program, str(port), str(seconds)], check=True, stdout=subprocess.PIPE, text=True
  )
  return int(done.stdout)


def bench_server(ours, quick):
  """Compares the processor time of hits with that of the application, which sends the same fields.

  The servers are loaded in turns, each round in another order.
  """
  missing = [package for package in SERVER if version(ours, package) is None]
  if missing:
    print(f'\n{missing[0]} is not installed beside the package; its figures are left out.')
    return
  names = ('plain', 'dict', 'cachette')
  seconds, rounds = (0.2, 1) if quick else (1, 20)
  times = {kind: {name: [] for name in names} for kind in ('user', 'system')}
  with ExitStack() as stack:

    def start(name, fields=None):
      env = {'FIELDS': json.dumps(fields)} if fields else {}
      return stack.enter_context(Worker(ours, 'http_server.py', quick, name, env=env))

    servers = {'cachette': start('cachette')}
    ports = {'cachette': servers['cachette'].measure('port')['port']}
    fields = hit_fields(ports['cachette'])
    for name in names[:2]:
      servers[name] = start(name, [each for each in fields if name == 'plain' or each[0] != 'age'])
      ports[name] = servers[name].measure('port')['port']
    for name in names:
      load(ours, ports[name], seconds)
    for index in range(rounds):
      for name in names if index % 2 == 0 else names[::-1]:
        before = servers[name].measure('times')
        count = load(ours, ports[name], seconds)
        after = servers[name].measure('times')
        for kind, taken in times.items():
          taken[name].append(max(after[kind] - before[kind], 1e-6) / count)
  rows, user = [], times['user']
  for name in names:
    slower = ratios(user[name], user['plain'])
    rows.append(
      [
        LABELS[name],
        time_text(median(user[name])),
        time_text(min(user[name])),
        time_text(median(times['system'][name])),
        ratio_text(slower, 2) if name != 'plain' else '',
        verdict('ratio at most 1.15', slower[1] <= 1.15) if name == 'cachette' else '',
      ]
    )
  print_table(
    f'HTTP middleware, a hit behind uvicorn {version(ours, "uvicorn")} (httptools): processor\n'
    f'time of a request; each response has the same {len(fields)} fields',
    ['', 'user', 'least', 'system', 'ratio of user', 'target'],
    rows,
  )


# ---- On a server of the cache, and streams -------------------------------------------------


def bench_redis(ours, quick):
  seconds = {'fetch': [], 'hit': []}
  user = {'fetch': [], 'hit': []}
  with serve_redis() as url, Worker(ours, 'http_redis.py', quick, env={'ADDRESS': url}) as worker:
    for _ in range(1 if quick else 15):
      for case in seconds:
        measured = worker.measure(case)
        seconds[case].append(measured['seconds'])
        user[case].append(measured['user'])
  share = ratios(seconds['fetch'], seconds['hit'])
  labels = {'fetch': 'fetch alone', 'hit': 'a hit of the middleware'}
  rows = [
    [
      label,
      f'{1 / median(seconds[case]):,.0f}/s',
      time_text(median(user[case])),
      ratio_text(share, 2) if case == 'hit' else '',
      verdict('at least 0.6', share[1] >= 0.6) if case == 'hit' else '',
    ]
    for case, label in labels.items()
  ]
  print_table(
    'HTTP middleware, a redis-server on this machine, 64 tasks, without an HTTP server',
    ['', 'in a second', 'user time', 'of fetch', 'target'],
    rows,
  )


def bench_memory(ours, quick):
  rows = []
  for case, label in (('fast', 'a client that takes each part at once'), ('slow', 'a slow client')):
    for name in ('plain', 'cachette'):
      taken = []
      for _ in range(1 if quick else 3):
        with Worker(ours, 'http_memory.py', quick, name) as worker:
          taken.append(worker.measure(case)['bytes'])
      most = median(taken)
      judged = verdict('at most 2 MiB', most <= 2 << 20) if name == 'cachette' else ''
      rows.append([f'{LABELS[name]}, {label}', f'{most / (1 << 20):.2f} MiB', judged])
  size = '4 MiB' if quick else '1 GiB'
  print_table(
    f'HTTP middleware, a stream of {size}: growth of the process', ['', 'at most', 'target'], rows
  )


if __name__ == '__main__':
  sys.exit('Run it as: make bench BENCH=asgi')
