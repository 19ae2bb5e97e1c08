# SPDX-License-Identifier: MIT
"""MongoDB servers."""

import contextlib
import os
import pathlib
from typing import Iterator, List

from services.process import Server

# `scripts/setup servers` installs it here.
MONGOD = pathlib.Path(__file__).resolve().parent.parent.parent / '.servers' / 'mongod'


class MongodServer(Server):
  """A mongod. It retains its data when it is killed and started again."""

  name = 'mongod'

  @property
  def url(self) -> str:
    return f'mongodb://127.0.0.1:{self.port}'

  def command(self) -> List[str]:
    if not MONGOD.exists():
      raise RuntimeError(f'there is no {MONGOD}; `scripts/setup servers` fetches it')
    options = ['--port', str(self.port), '--bind_ip', '127.0.0.1', '--dbpath', self.directory]
    options += ['--nounixsocket', '--wiredTigerCacheSizeGB', '0.25']
    return [str(MONGOD), *options, '--setParameter', 'ttlMonitorSleepSecs=1']


@contextlib.contextmanager
def mongodb_url() -> Iterator[str]:
  """The URL of a shared server: CACHETTE_TEST_MONGODB_URL if it is set, else a mongod started
  here."""
  named = os.environ.get('CACHETTE_TEST_MONGODB_URL')
  if named:
    yield named
    return
  with MongodServer() as server:
    yield server.url
