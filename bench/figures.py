# SPDX-License-Identifier: MIT
"""Stores the measured values in a JSON file, and draws them with plots.py."""

import json
import os
import platform
import re

from rounds import ROOT, call, install, version

MATPLOTLIB = 'matplotlib==3.10.8'

CHARTS = {
  'in_process': {'title': 'In this process', 'unit': 'ns a call; less is better'},
  'throughput': {'title': '64 tasks', 'unit': 'fetches in a second; more is better'},
  'latency': {'title': 'One task', 'unit': 'µs a fetch; less is better'},
  'hit_ratio': {'title': 'Hit ratio', 'unit': 'percent, over entries that fit'},
}


def describe_machine():
  """The processor and the relevant software versions."""
  model = platform.processor() or platform.machine()
  try:
    with open('/proc/cpuinfo') as file:
      model = next(line.split(':')[1].strip() for line in file if line.startswith('model name'))
  except (OSError, StopIteration):
    pass
  python = f'{platform.python_implementation()} {platform.python_version()}'
  return f'{model}, {os.cpu_count()} cores, {platform.system()}, {python}, cachette {own_version()}'


def own_version():
  """The version in meson.build."""
  with open(os.path.join(ROOT, 'meson.build')) as file:
    return re.search(r"version: '([\d.]+)'", file.read()).group(1)


class Figures:
  """Charts by name, in a folder. Charts of earlier runs remain until they are measured again."""

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
    """Adds panels to a chart, and replaces those with the same names."""
    if panels:
      kind = 'lines' if name == 'hit_ratio' else 'bars'
      chart = self.charts.setdefault(name, {**CHARTS[name], 'kind': kind, 'panels': {}})
      chart['panels'].update(panels)

  def record_backend(self, backend, cases):
    """Records calls per second: case of gets.py -> client with its version -> rate."""
    self.record('throughput', {backend: cases['64']})
    self.record('latency', {backend: {name: 1e6 / each for name, each in cases['1'].items()}})

  def draw(self, python):
    """Saves the charts, and draws them with a Python that has matplotlib or can install it."""
    os.makedirs(self.folder, exist_ok=True)
    with open(self.kept, 'w') as file:
      json.dump({'machine': describe_machine(), 'charts': self.charts}, file, indent=1)
    if version(python, 'matplotlib') is None and not install(python, {'matplotlib': MATPLOTLIB}):
      return
    if call(python, os.path.join(ROOT, 'bench', 'plots.py'), self.kept, self.folder):
      print(f'\nDrawn in {os.path.relpath(self.folder)}/')
