# SPDX-License-Identifier: MIT
"""MongoDB servers."""

import contextlib
import os
import pathlib
from typing import Iterator, List

from services.process import Server

# `scripts/setup servers` puts it there.
MONGOD = pathlib.Path(__file__).resolve().parent.parent.parent / '.servers' / 'mongod'


class MongodServer(Server):
  """A mongod; one that was killed has the data that it had when it is started again."""

  name = 'mongod'

  @property
  def url(self) -> str:
    return f'mongodb://127.0.0.1:{self.port}'

  def command(self) -> List[str]:
    if not MONGOD.exists():
      raise RuntimeError(f'there is no {MONGOD}; `scripts/setup servers` fetches it')
    own = ['--port', str(self.port), '--bind_ip', '127.0.0.1', '--dbpath', self.directory]
    own += ['--nounixsocket', '--wiredTigerCacheSizeGB', '0.25']
    return [str(MONGOD), *own, '--setParameter', 'ttlMonitorSleepSecs=1']


@contextlib.contextmanager
def mongodb_url() -> Iterator[str]:
  """The URL of a server that tests share: of a mongod of ours, or the one that the environment
  names in CACHETTE_TEST_MONGODB_URL."""
  named = os.environ.get('CACHETTE_TEST_MONGODB_URL')
  if named:
    yield named
    return
  with MongodServer() as server:
    yield server.url
