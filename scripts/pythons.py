# SPDX-License-Identifier: MIT
"""The CPythons of this machine that the package supports, the oldest first."""

import glob
import itertools
import json
import os
import pathlib
import subprocess
from typing import Dict, List, NamedTuple, Tuple

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Where those who keep several Pythons have them, beside PATH: pyenv and uv.
FOLDERS = [
  *os.environ.get('PATH', os.defpath).split(os.pathsep),
  os.path.join(os.environ.get('PYENV_ROOT', '~/.pyenv'), 'versions', '*', 'bin'),
  os.path.join('~/.local/share/uv/python', '*', 'bin'),
]
OLDEST = 9  # as pyproject.toml has it in requires-python

# What a Python says of itself; of use is one with which an extension can be built.
QUESTION = """
import ensurepip, json, os, platform, sys, sysconfig, venv
header = os.path.join(sysconfig.get_paths()['include'], 'Python.h')
plain = not sysconfig.get_config_var('Py_DEBUG') and not sysconfig.get_config_var('Py_GIL_DISABLED')
fine = platform.python_implementation() == 'CPython' and os.path.exists(header) and plain
print(json.dumps([fine, sys.version_info[:2], sys.base_prefix]))
"""


class Python(NamedTuple):
  version: Tuple[int, int]
  path: str
  """Its program."""
  prefix: str
  """The folder in which it is installed."""

  @property
  def name(self) -> str:
    return '.'.join(map(str, self.version))


def candidates() -> List[str]:
  """Programs that are named like a Python, those on PATH first."""
  pattern = 'python3.[0-9]*'
  found = (sorted(glob.glob(os.path.expanduser(os.path.join(f, pattern)))) for f in FOLDERS)
  return [path for path in itertools.chain(*found) if path.rpartition('.')[2].isdigit()]


def find_pythons() -> List[Python]:
  """One for each version: of several, the one that is found first."""
  pythons: Dict[Tuple[int, int], Python] = {}
  for path in candidates():
    minor = int(path.rpartition('.')[2])
    if minor < OLDEST or (3, minor) in pythons:
      continue
    # One of pyenv's shims is there for a Python that is not in use, too: it fails.
    asked = subprocess.run([path, '-c', QUESTION], capture_output=True, text=True)
    if asked.returncode != 0:
      continue
    fine, version, prefix = json.loads(asked.stdout)
    if fine and version == [3, minor]:
      pythons[3, minor] = Python((3, minor), path, prefix)
  return [pythons[version] for version in sorted(pythons)]
