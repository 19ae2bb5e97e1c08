# SPDX-License-Identifier: MIT
"""Shared by the benchmarks: the peers' environment, timing in turns, and tables.

Our programs and those of the peers are timed in turns of a few milliseconds, so that a disturbance
of the machine affects all of them. Times are medians, and so are the ratios of adjacent
measurements.
"""

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack, suppress
from statistics import quantiles

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEER = os.path.join(ROOT, '.venv-peer')
PEER_PACKAGE = 'cachette==0.1.8'
PEER_NAME = 'cachette 0.1.8'

# ---- The peers' environment -------------------------------------------------------


def call(*command):
  """Runs a command. Its output is displayed only if it fails."""
  done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
  if done.returncode != 0:
    sys.stderr.write(done.stdout)
  return done.returncode == 0


def version(python, package):
  """The version of a package in an environment, or None."""
  if not os.path.exists(python):
    return None
  code = f'from importlib.metadata import version; print(version("{package}"))'
  done = subprocess.run(
    [python, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
  )
  return done.stdout.strip() if done.returncode == 0 else None


def set_up_peer(python):
  """Returns the interpreter of the peer's environment, which is created if necessary, or None if
  that fails.

  The environment has the same framework versions as ours, so that only the caches differ.
  """
  peer = os.path.join(PEER, 'bin', 'python')
  wanted = [PEER_PACKAGE]
  for framework in ('fastapi', 'starlette', 'pydantic'):
    ours = version(python, framework)
    if ours is not None:
      wanted.append(f'{framework}=={ours}')
  if all(version(peer, each.split('==')[0]) == each.split('==')[1] for each in wanted):
    return peer
  print(f'Setting up {os.path.relpath(PEER)}/ with {", ".join(wanted)}.', flush=True)
  if call(python, '-m', 'venv', PEER) and call(peer, '-m', 'pip', 'install', '-q', *wanted):
    return peer
  print('The peer could not be installed; figures are without it.', flush=True)
  return None


def install(python, packages):
  """Installs the peers. Returns name -> interpreter for those that succeeded."""
  found = {}
  for name, package in packages.items():
    plain, _, wanted = re.sub(r'\[.*\]', '', package).partition('==')  # without extras
    if version(python, plain) == wanted or call(python, '-m', 'pip', 'install', '-q', package):
      found[name] = python
    else:
      print(f'{package} could not be installed; figures are without it.', flush=True)
  return found


def with_version(name, packages):
  """The name of a package with its version."""
  return f'{name} {packages[name].partition("==")[2]}' if name in packages else name


# ---- Rounds ---------------------------------------------------------------------


class Worker:
  """A running program of bench/python/ that times a case on request."""

  def __init__(self, python, program, quick, *arguments, env=None):
    self.process = subprocess.Popen(
      [python, os.path.join(ROOT, 'bench', 'python', program), *arguments] + ['--quick'] * quick,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=None if python != os.path.join(PEER, 'bin', 'python') else subprocess.DEVNULL,
      text=True,
      env={**os.environ, **(env or {})},
    )

  def measure(self, case):
    """The measurements of a case by name; None if the program does not support it."""
    try:
      self.process.stdin.write(case + '\n')
      self.process.stdin.flush()
      return json.loads(self.process.stdout.readline())
    except (OSError, ValueError):
      return None

  def time(self, case):
    """Returns seconds."""
    return self.measure(case)['seconds']

  def __enter__(self):
    return self

  def __exit__(self, *_):
    with suppress(OSError):
      self.process.communicate()


def run_rounds(pythons, program, cases, fresh, rounds, quick):
  """Returns (name, case) -> list of seconds, in the order of the rounds.

  fresh: how often the programs are started, because the memory layout of a process affects its
  speed. rounds: how often each case is timed after a start.
  """
  seconds = {(name, case): [] for name in pythons for case in cases}
  for _ in range(1 if quick else fresh):
    with ExitStack() as stack:
      workers = {
        name: stack.enter_context(Worker(python, program, quick))
        for name, python in pythons.items()
      }
      for _ in range(1 if quick else rounds):
        for case in cases:
          for name, worker in workers.items():
            seconds[name, case].append(worker.time(case))
  return seconds


def ratios(numerators, denominators):
  """The quartiles of the ratios of adjacent measurements; the second is the median."""
  each = [numerator / denominator for numerator, denominator in zip(numerators, denominators)]
  return quantiles(each, n=4, method='inclusive') if len(each) > 1 else each * 3


def measure_rounds(pythons, program, cases, rounds, quick, env=None):
  """Times each (name, case) in the programs of several libraries, which run side by side. Returns
  seconds."""
  seconds = {each: [] for each in cases}
  with ExitStack() as stack:
    workers = {
      name: stack.enter_context(Worker(python, program, quick, name, env=env))
      for name, python in pythons.items()
    }
    for _ in range(1 if quick else rounds):
      for name, case in cases:
        seconds[name, case].append(workers[name].time(case))
  return seconds


def count_instructions(*command):
  """Returns the instructions of a run of a program (callgrind), those of its start included.

  Python's are the same in each run, since its hashes are.
  """
  valgrind = ['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null']
  done = subprocess.run(
    [*valgrind, *command],
    check=True,
    stderr=subprocess.PIPE,
    text=True,
    env={**os.environ, 'PYTHONHASHSEED': '0'},
  )
  return int(re.search(r'Collected : (\d+)', done.stderr).group(1))


# ---- Tables ----------------------------------------------------------------------


def time_text(seconds):
  """Three significant digits and a unit."""
  for unit, scale in (('ns', 1e9), ('us', 1e6), ('ms', 1e3)):
    if seconds * scale < 1000:
      return f'{seconds * scale:.3g} {unit}'
  return f'{seconds:.3g} s'


def verdict(text, met):
  return f'{text}: {"met" if met else "not met"}'


def print_table(title, head, rows):
  """Prints rows of text under a header, with aligned columns."""
  print(f'\n{title}')
  table = [head, *rows]
  widths = [max(len(row[column]) for row in table) for column in range(len(head))]
  for row in table:
    cells = [row[0].ljust(widths[0])]
    cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1])]
    print('  '.join([*cells, row[-1]]).rstrip(), flush=True)


def ratio_text(quartiles, digits):
  """The median and, in brackets, the quartiles."""
  low, middle, high = (f'{each:.{digits}f}' for each in quartiles)
  return f'{middle} ({low} to {high})'
