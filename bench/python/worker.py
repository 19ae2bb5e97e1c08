# SPDX-License-Identifier: MIT
"""The protocol between a program of this folder and `bench/run`.

The program reads the name of a case from each line of standard input, times it once, and prints a
line of JSON. So bench/run can alternate between two programs, in our environment and in a peer's,
every few milliseconds, and a disturbance of the machine affects both. By hand: echo fetch_hit |
python calls.py
"""

import json
import sys
from statistics import median
from time import perf_counter
from typing import Awaitable, Callable, Dict

SECONDS = 0.001 if '--quick' in sys.argv else 0.02


def serve(measure: Callable[[str], float]) -> None:
  """Prints the seconds of each requested case, until the end of the input."""
  for line in sys.stdin:
    print(json.dumps({'case': line.strip(), 'seconds': measure(line.strip())}), flush=True)


async def time_chunks(chunk: Callable[[], Awaitable[object]]) -> float:
  """Runs a chunk of calls repeatedly for SECONDS, and returns its median time.

  So fast and slow calls get the same time, and interruptions and cold caches do not count.
  """
  taken = []
  first = end = perf_counter()
  while end - first < SECONDS:
    start = perf_counter()
    await chunk()
    end = perf_counter()
    taken.append(end - start)
  return median(taken)


def serve_cases(measure: Callable[[str, bool], Dict[str, float]]) -> None:
  """Like serve(), for cases with several measurements."""
  for line in sys.stdin:
    case = line.strip()
    print(json.dumps({'case': case, **measure(case, '--quick' in sys.argv)}), flush=True)
