# SPDX-License-Identifier: MIT
"""Tries an installed package on every backend, and says where its libraries come from.

  python installed.py SETTINGS MODULE ...

SETTINGS is JSON, the settings for each backend that needs any; MODULE the modules that must be
there. It wants nothing but Python, for it is run where there is nothing else; see scripts/wheel.
"""

import ctypes
import json
import os
import pathlib
import sys
import sysconfig
from typing import Any, Dict, List

import cachette
from cachette import Cachette

FOLDER = pathlib.Path(cachette.__file__).resolve().parent

# What a wheel may expect of any system (PEP 600): glibc's libraries, and the runtime of C++.
GIVEN = ('ld-linux', 'libc.', 'libdl.', 'libm.', 'libpthread.', 'libresolv.', 'librt.', 'libnss_')
GIVEN += ('libgcc_s.', 'libstdc++.')


def use(backend: str, settings: Dict[str, Any]) -> None:
  """Puts a value, and reads it back."""

  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': backend, 'timeout': 20, 'codec': 'vanilla', **settings})
  for value in ('grüß dich', 'x' * 100_000):
    Own.sync.put('greeting', value)
    assert Own.sync.fetch('greeting') == value, backend
  assert Own.sync.clear(key='greeting') == 1, backend


class Loaded(ctypes.Structure):
  """The first of dl_phdr_info, of <link.h>."""

  _fields_ = [('address', ctypes.c_size_t), ('name', ctypes.c_char_p)]


def loaded_libraries() -> List[pathlib.Path]:
  """What the dynamic linker has loaded. It is asked, for there may be no /proc."""
  paths: List[pathlib.Path] = []

  @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Loaded), ctypes.c_size_t, ctypes.c_void_p)
  def note(loaded: Any, size: int, data: Any) -> int:
    if b'.so' in (loaded.contents.name or b''):
      paths.append(pathlib.Path(os.path.realpath(os.fsdecode(loaded.contents.name))))
    return 0

  ctypes.CDLL(None).dl_iterate_phdr(note, None)
  return paths


def foreign_libraries() -> List[str]:
  """What is loaded and neither the package's own, nor Python's, nor what any system has."""
  own = {FOLDER, FOLDER.parent / 'cachette.libs'}
  python = {sysconfig.get_config_var('DESTSHARED'), sysconfig.get_path('stdlib')}
  return sorted(
    str(path)
    for path in loaded_libraries()
    if path.parent not in own
    and not any(folder and str(path).startswith(folder) for folder in python)
    and not path.name.startswith(GIVEN)
  )


def main() -> None:
  before = set(foreign_libraries())  # those of Python itself
  settings: Dict[str, Dict[str, Any]] = json.loads(sys.argv[1])
  modules = sorted(path.stem.partition('-')[2] for path in FOLDER.glob('cachette-*.so'))
  assert modules == sorted(sys.argv[2:]), modules
  assert set(modules) <= set(settings), 'there is a module that is not tried'
  backends = ['inmemory', *settings]
  for backend in backends:
    use(backend, settings.get(backend, {}))
  assert any(path.parent == FOLDER for path in loaded_libraries()), 'nothing was loaded?'
  foreign = sorted(set(foreign_libraries()) - before)
  assert not foreign, f"the system's own libraries were used: {foreign}"
  print(f'in a bare tree with Python {sys.version.split()[0]}: {", ".join(backends)} work')


if __name__ == '__main__':
  main()
