# SPDX-License-Identifier: MIT
"""How a program of this folder talks to `bench/run`.

It reads the name of a case from each line of standard input, times it once, and answers with a
line of JSON. So two of them, in the environments of ours and of a peer, are asked in turns a few
milliseconds apart, and what disturbs the machine disturbs both alike. By hand:
echo fetch_hit | python calls.py
"""

import json
import sys
from statistics import median
from time import perf_counter
from typing import Awaitable, Callable, Dict

SECONDS = 0.001 if '--quick' in sys.argv else 0.02


def serve(measure: Callable[[str], float]) -> None:
  """Answers each case that is asked for with seconds, until there are no more."""
  for line in sys.stdin:
    print(json.dumps({'case': line.strip(), 'seconds': measure(line.strip())}), flush=True)


async def time_chunks(chunk: Callable[[], Awaitable[object]]) -> float:
  """The median of what a chunk of calls takes, called over and over for SECONDS.

  So fast and slow calls are given the same time, and neither an interruption nor what the processor
  must learn anew after a pause counts.
  """
  taken = []
  begin = end = perf_counter()
  while end - begin < SECONDS:
    start = perf_counter()
    await chunk()
    end = perf_counter()
    taken.append(end - start)
  return median(taken)


def serve_cases(measure: Callable[[str, bool], Dict[str, float]]) -> None:
  """As serve(), for a case of which several figures are taken at once."""
  for line in sys.stdin:
    case = line.strip()
    print(json.dumps({'case': case, **measure(case, '--quick' in sys.argv)}), flush=True)
