# SPDX-License-Identifier: MIT
"""Keeps what was measured in a JSON file, for plots.py to draw."""

import json
import os
import platform
import re

from plots import draw
from rounds import ROOT

CHARTS = {
  'in_process': {'title': 'In the process', 'unit': 'nanoseconds per call; less is better'},
  'http_hits': {'title': 'A response from the cache', 'unit': 'microseconds; less is better'},
  'throughput': {'title': '64 tasks', 'unit': 'fetches per second; more is better'},
  'latency': {'title': 'One task', 'unit': 'microseconds per fetch; less is better'},
  'hit_ratio': {'title': 'Hit ratio', 'unit': 'percent of fetches that hit, by size of the cache'},
}


def describe_machine():
  """Returns the processor and the versions of the software."""
  model = platform.processor() or platform.machine()
  try:
    with open('/proc/cpuinfo') as file:
      model = next(line.split(':')[1].strip() for line in file if line.startswith('model name'))
  except (OSError, StopIteration):
    pass
  python = f'{platform.python_implementation()} {platform.python_version()}'
  return f'{model}, {os.cpu_count()} cores, {platform.system()}, {python}, cachette {own_version()}'


def own_version():
  """Returns the version in meson.build."""
  with open(os.path.join(ROOT, 'meson.build')) as file:
    return re.search(r"version: '([\d.]+)'", file.read()).group(1)


class Figures:
  """Charts by name, in a folder. A chart of an earlier run stays until it is measured again."""

  def __init__(self, folder):
    self.folder = folder
    self.kept = os.path.join(folder, 'figures.json')
    self.charts = {}
    try:
      with open(self.kept) as file:
        self.charts = json.load(file)['charts']
    except (OSError, ValueError, KeyError):
      pass

  def record(self, name, panels):
    """Adds panels to a chart, or replaces those of the same names."""
    if panels:
      kind = 'lines' if name == 'hit_ratio' else 'bars'
      chart = self.charts.setdefault(name, {**CHARTS[name], 'kind': kind, 'panels': {}})
      chart['panels'].update(panels)

  def record_backend(self, backend, cases):
    """Records calls per second, by the case of gets.py and the client with its version."""
    self.record('throughput', {backend: cases['64']})
    self.record('latency', {backend: {name: 1e6 / each for name, each in cases['1'].items()}})

  def draw(self):
    """Writes the JSON file, and an SVG file for each chart."""
    os.makedirs(self.folder, exist_ok=True)
    with open(self.kept, 'w') as file:
      json.dump({'machine': describe_machine(), 'charts': self.charts}, file, indent=1)
    for name, chart in self.charts.items():
      with open(os.path.join(self.folder, f'{name}.svg'), 'w', encoding='utf-8') as file:
        file.write(draw(chart))
    print(f'\nDrawn in {os.path.relpath(self.folder)}/')
