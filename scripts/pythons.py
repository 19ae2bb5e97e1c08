# SPDX-License-Identifier: MIT
"""The supported CPythons of this machine, oldest first."""

import glob
import itertools
import json
import os
import pathlib
import subprocess
from typing import Dict, List, NamedTuple, Tuple

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Where pyenv and uv install Pythons, besides PATH.
FOLDERS = [
  *os.environ.get('PATH', os.defpath).split(os.pathsep),
  os.path.join(os.environ.get('PYENV_ROOT', '~/.pyenv'), 'versions', '*', 'bin'),
  os.path.join('~/.local/share/uv/python', '*', 'bin'),
]
OLDEST = 9  # as requires-python in pyproject.toml

# A Python's version and whether it can build an extension.
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
  """The first Python found of each version."""
  pythons: Dict[Tuple[int, int], Python] = {}
  for path in candidates():
    minor = int(path.rpartition('.')[2])
    if minor < OLDEST or (3, minor) in pythons:
      continue
    # A shim of pyenv for a Python that is not active exists, but fails.
    process = subprocess.run([path, '-c', QUESTION], capture_output=True, text=True)
    if process.returncode != 0:
      continue
    usable, version, prefix = json.loads(process.stdout)
    if usable and version == [3, minor]:
      pythons[3, minor] = Python((3, minor), path, prefix)
  return [pythons[version] for version in sorted(pythons)]
