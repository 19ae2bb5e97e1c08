# SPDX-License-Identifier: MIT
"""`make servers`, and compose.yaml."""

import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from typing import Dict, Iterator, Tuple

import pytest
import yaml
from conftest import CHOSEN_BACKENDS, run_python

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


SERVERS = [sys.executable, str(ROOT / 'scripts' / 'servers')]


@pytest.fixture(scope='module')
def exports() -> Iterator[Dict[str, Dict[str, str]]]:
  """The environment of each backend and form of it, from the lines that scripts/servers prints."""
  with subprocess.Popen(SERVERS, stdout=subprocess.PIPE, text=True) as process:
    assert process.stdout is not None
    found: Dict[str, Dict[str, str]] = {}
    for line in process.stdout:
      words = shlex.split(line)
      if words[:1] == ['export']:
        names = dict(word.split('=', 1) for word in words[1:])
        form = re.search(r'\+(\w+)://', line)  # such as redis+cluster://
        found[names['CACHETTE_BACKEND'] + (f'+{form.group(1)}' if form else '')] = names
      if line.startswith('Ctrl-C'):
        break
    try:
      yield found
    finally:
      process.send_signal(signal.SIGINT)
      assert process.wait(30) == 0
  for _, address in map(address_of, found.values()):
    with pytest.raises(OSError):
      socket.create_connection(address, 1)


def address_of(names: Dict[str, str]) -> Tuple[str, Tuple[str, int]]:
  """The option that names a server, and the first address."""
  ((option, value),) = [
    (name, value) for name, value in names.items() if name.endswith(('_URL', '_HOST'))
  ]
  found = re.search(r'([\d.]+):(\d+)', value)
  assert found is not None
  return option, (found.group(1), int(found.group(2)))


ONE_SERVER = ['redis', 'valkey', 'memcached', 'mongodb', 'dynamodb']
SEVERAL = [name for name in ('redis+cluster', 'redis+sentinel') if name in CHOSEN_BACKENDS]


@pytest.mark.parametrize('backend', ONE_SERVER + SEVERAL)
def test_an_example_works_on_each_server(exports: Dict[str, Dict[str, str]], backend: str) -> None:
  output = run_python(
    """
    import fastapi_app
    from cachette import Cachette

    Cachette.sync.put('greeting', 'hello')
    print(fastapi_app.Settings().backend, Cachette.sync.fetch('greeting'))
    """,
    env={**exports[backend], 'PYTHONPATH': str(ROOT / 'examples' / 'asgi')},
  )
  assert output.split() == [backend.partition('+')[0], 'hello']


def test_a_server_that_cannot_start_does_not_affect_the_others(tmp_path: pathlib.Path) -> None:
  (tmp_path / 'redis-server').symlink_to(shutil.which('redis-server') or '')
  with subprocess.Popen(
    SERVERS,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    env={**os.environ, 'PATH': str(tmp_path)},
  ) as process:
    assert process.stdout is not None
    output = ''.join(iter(process.stdout.readline, 'Ctrl-C ends them.\n'))
    process.terminate()
    assert process.wait(30) == 0
  assert 'There is no server for memcached: memcached is not installed' in output
  assert 'CACHETTE_BACKEND=redis' in output and 'CACHETTE_BACKEND=memcached' not in output


def test_compose_has_the_same_servers_with_health_checks() -> None:
  services = yaml.safe_load((ROOT / 'compose.yaml').read_text(encoding='utf-8'))['services']
  assert set(services) == {'redis', 'valkey', 'memcached', 'mongo', 'dynamodb-local'}
  taken = set()
  for name, service in services.items():
    (port,) = service['ports']
    assert port.startswith('127.0.0.1:'), f'{name} would listen to the world'
    taken.add(port.split(':')[1])
    assert service['healthcheck']['test'] and service['healthcheck']['retries'] > 0
    assert ':' in service['image']
  assert len(taken) == len(services) and '8000' not in taken


def test_a_server_that_exits_is_an_error_with_its_output() -> None:
  from services.redis import RedisServer

  with pytest.raises(RuntimeError, match='(?s)redis-server ended: .*no-such-directive'):
    RedisServer('--no-such-directive', 'yes')
