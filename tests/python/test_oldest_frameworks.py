# SPDX-License-Identifier: MIT
"""The oldest supported release of each framework. All other tests run on the newest.

pip installs each into a separate folder below build/, once. That needs a package index; without one
these tests fail.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
from typing import Dict, List

import pytest
from conftest import ROOT

FOLDER = pathlib.Path(ROOT, 'build', 'oldest', f'python{sys.version_info[0]}.{sys.version_info[1]}')

# The releases that docs/start/install.md names. Some have no build for newer Pythons, or import
# what these removed; there it is the oldest that works.
OLDEST: Dict[str, List[str]] = {
  'fastapi': ['fastapi==0.100.0', 'httpx<1'],
  'starlette': ['starlette==0.27.0', 'fastapi==0.100.0', 'httpx<1'],
  'litestar': ['litestar==2.0.0', 'httpx<1'],
  'quart': ['quart==0.19.0', 'flask<3.1'],
  'blacksheep': ['blacksheep==2.0.0'],
}
if sys.version_info >= (3, 13):
  OLDEST['blacksheep'] = ['blacksheep==2.0.8']
if sys.version_info >= (3, 14):
  OLDEST['fastapi'] = ['fastapi==0.119.0', 'httpx<1']
  OLDEST['starlette'] = ['starlette==0.48.0', 'fastapi==0.119.0', 'httpx<1']
  OLDEST['litestar'] = ['litestar==2.18.0', 'httpx<1']
  OLDEST['blacksheep'] = ['blacksheep==2.3.1']


def install(packages: List[str]) -> pathlib.Path:
  """A folder with these packages and their dependencies."""
  folder = FOLDER / re.sub('[^a-z0-9.=]+', '_', ' '.join(packages))
  if folder.exists():
    return folder
  making = FOLDER / f'{folder.name}.{os.getpid()}'
  words = [sys.executable, '-m', 'pip', '--quiet', '--disable-pip-version-check', 'install']
  process = subprocess.run(
    [*words, '--target', str(making), *packages],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    encoding='utf-8',
    errors='replace',
    timeout=280,
  )
  if process.returncode != 0:
    shutil.rmtree(making, ignore_errors=True)
    pytest.fail(
      f'pip, which needs a package index here, cannot install {packages}:\n{process.stdout}'
    )
  making.rename(folder)
  return folder


@pytest.mark.parametrize('framework', OLDEST)
def test_the_oldest_release_of_a_framework_passes_the_framework_tests(framework: str) -> None:
  name, _, version = OLDEST[framework][0].partition('==')
  env = {
    **os.environ,
    'PYTHONPATH': str(install(OLDEST[framework])),
    'PYTHONDONTWRITEBYTECODE': '1',
  }
  code = f'from importlib.metadata import version; print(version({name!r}))'
  output = subprocess.run([sys.executable, '-c', code], env=env, stdout=subprocess.PIPE, text=True)
  assert output.stdout == f'{version}\n'
  words = [sys.executable, '-m', 'pytest', '-q', '-rs', '-p', 'no:cacheprovider', '-k', framework]
  process = subprocess.run(
    [*words, 'test_frameworks.py', 'test_annotations.py', 'test_http_frameworks.py'],
    cwd=os.path.dirname(os.path.abspath(__file__)),
    env=env,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    encoding='utf-8',
    errors='replace',
    timeout=280,
  )
  assert process.returncode == 0 and 'skipped' not in process.stdout, process.stdout
  passed = re.search('^([0-9]+) passed', process.stdout, re.MULTILINE)
  assert passed is not None and int(passed[1]) >= 4, process.stdout
