# SPDX-License-Identifier: MIT
"""Each benchmark runs briefly and prints its table. The measured values are not checked."""

import os
import pathlib
import re
import subprocess
import sys
from xml.etree import ElementTree

from conftest import ROOT, linux_only


@linux_only
def test_every_benchmark_prints_its_table_and_draws_its_charts(tmp_path: pathlib.Path) -> None:
  process = subprocess.run(
    [
      *(sys.executable, os.path.join(ROOT, 'bench', 'run')),
      *('--quick', '--no-peer', '--plots', str(tmp_path)),
    ],
    env={**os.environ, 'PATH': os.path.dirname(sys.executable) + os.pathsep + os.environ['PATH']},
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert process.returncode == 0, process.stdout + process.stderr
  for row in [
    r'fetch, hit, one key +\d',
    r'get, 1,000,000 keys +\d',
    r'a tenth writes +\d',
    r'an empty loop +\d',
    r'of which overhead +\d',
    r'live keys and values at the end, of the limit +\d',
    r'256 +\d+ +\d+ +\d+%',
    r'1, values of 1 MiB +\d',
    r'decide: the verdict of a hit +\d',
    r'await fetch\(key\), hit +\d',
    r'A GET in FastAPI',
    r'a dict in Python +\d',
    r'POST +\d',
    r'a hit of the middleware +[\d,]+/s',
    r'cachette, a slow client +-?\d',
    r'parquet, 10 rows of 4 columns +\d',
    r'cachette +[\d.,]+ [nu]s +[\d.,]+ [nu]s',
    r'256 tasks +[\d,]+/s',
    r'Python, a mongod on this machine',
    r'64 tasks, puts +[\d,]+/s',
  ]:
    assert re.search('^' + row, process.stdout, re.MULTILINE), (row, process.stdout)
  for name in ('in_process', 'http_hits', 'throughput', 'latency'):
    plot = ElementTree.parse(tmp_path / f'{name}.svg').getroot()
    assert 'cachette' in ''.join(plot.itertext())
