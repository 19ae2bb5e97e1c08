# SPDX-License-Identifier: MIT
"""Fetches on a cluster of six nodes of Redis, compared with one node and with redis-py, and what is
noticed of a primary that is killed."""

import os
import sys
import threading
import time
from statistics import median

from rounds import ROOT, Worker, install, print_table, ratio_text, ratios, time_text, verdict

sys.path.insert(0, os.path.join(ROOT, 'tests'))

CLIENT = {'redis-py': 'redis[hiredis]==8.1.0'}
CASES = {'1': 'one task', '64': '64 tasks'}


def measure_fetches(pythons, env, quick):
  """Returns (client, case) -> measurements, in turns."""
  results = {(name, case): [] for name in pythons for case in CASES}
  for _ in range(1 if quick else 15):
    for case in CASES:
      for name, python in pythons.items():
        with Worker(python, 'redis_cluster.py', quick, name, env=env) as worker:
          results[name, case].append(worker.measure(case))
  return results


def fetch_rows(results, pythons):
  rows = []
  for case, title in CASES.items():
    seconds = {name: [each['seconds'] for each in results[name, case]] for name in pythons}
    ours = seconds['cluster']
    times = ratios(ours, seconds['one node'])
    row = [title, f'{1 / median(ours):,.0f}/s', f'{1 / median(seconds["one node"]):,.0f}/s']
    ours_user, one_user = (
      median(each['user'] for each in results[name, case]) for name in ('cluster', 'one node')
    )
    row += [ratio_text(times, 2), f'{ours_user / max(one_user, 1e-9):.2f}']
    if case == '1':
      verdicts = [verdict('at most 1.05 times', times[1] <= 1.05)]
    else:
      verdicts = [verdict('at most 1.25 times', times[1] <= 1.25)]
    if 'redis-py' in seconds:
      faster = ratios(seconds['redis-py'], ours)
      row += [f'{1 / median(seconds["redis-py"]):,.0f}/s', ratio_text(faster, 1)]
      if case == '64':
        verdicts.append(verdict('10 times redis-py', faster[1] >= 10))
    else:
      row += ['', '']
    rows.append([*row, '; '.join(verdicts)])
  return rows


def lose_a_primary(cluster, python, env, quick):
  """Kills a primary under load. Returns what the worker noticed, and when the replica took over."""
  lost, other = cluster.primaries()[:2]
  replica = cluster.replica_of(lost)
  found = {}

  def disturb():
    time.sleep(1)
    found['killed'] = time.monotonic()
    lost.kill()
    found['taken over'] = cluster.wait_for_takeover(replica, pause=0.001)

  case = f'watch:6:{cluster.keys_on(lost)[0]}:{cluster.keys_on(other)[0]}'
  with Worker(python, 'redis_cluster.py', quick, 'cluster', env=env) as worker:
    thread = threading.Thread(target=disturb)
    thread.start()
    found.update(worker.measure(case))
    thread.join()
  lost.restart()
  cluster.wait_until_up()
  return found


def failover_rows(found):
  lags = [
    min(moment for moment in each['written'] if moment > each['killed'] + 0.5) - each['taken over']
    for each in found
  ]
  waits = [each['taken over'] - each['killed'] for each in found]
  within = verdict('within 300 ms', max(lags) <= 0.3)
  failed = [sum(each[what] for each in found) for what in ('writes', 'reads')]
  return [
    ['the replica takes over after', time_text(median(waits)), time_text(max(waits)), ''],
    [
      'from then to the first write',
      *(f'{each(lags) * 1e3:.0f} ms' for each in (median, max)),
      within,
    ],
    ['writes that failed', str(failed[0]), '', ''],
    ['reads of another node that failed', str(failed[1]), '', verdict('none', failed[1] == 0)],
  ]


def bench_cluster(ours, peer, quick):
  from services.redis import RedisServer
  from services.redis_cluster import RedisCluster

  pythons = {'one node': ours, 'cluster': ours, **(install(peer, CLIENT) if peer else {})}
  with RedisServer() as server, RedisCluster() as cluster:
    env = {'ONE': server.url, 'SEVERAL': cluster.url}
    results = measure_fetches(pythons, env, quick)
    found = [lose_a_primary(cluster, ours, env, quick) for _ in range(1 if quick else 5)]
  print_table(
    'Python, a cluster of six redis-servers on this machine, 100-byte values: fetches in a second',
    [
      '',
      'cluster',
      'one node',
      'times as long',
      'of user time',
      'redis-py',
      'times faster',
      'target',
    ],
    fetch_rows(results, pythons),
  )
  print_table(
    'The same cluster, and a primary that is killed under load',
    ['', 'median', 'longest', 'target'],
    failover_rows(found),
  )
