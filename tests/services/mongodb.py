# SPDX-License-Identifier: MIT
"""A mongod of the tests' own."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from typing import Iterator, Optional

from services.redis import _die_with_the_tests, find_free_port

# `scripts/setup test` puts it there.
MONGOD = pathlib.Path(__file__).resolve().parent.parent.parent / '.servers' / 'mongod'


class MongodServer:
  """A mongod that can be stopped and started again on its port, with the data that it had."""

  def __init__(self, *settings: str) -> None:
    """settings: words of its command line."""
    if not MONGOD.exists():
      raise RuntimeError(f'there is no {MONGOD}; `scripts/setup test` fetches it')
    self.settings = settings
    self.port = find_free_port()
    self.directory = tempfile.mkdtemp(prefix='cachette-mongod-')
    self.process: Optional[subprocess.Popen[bytes]] = None
    self.start()

  @property
  def url(self) -> str:
    return f'mongodb://127.0.0.1:{self.port}'

  def start(self) -> None:
    """Starts it, and waits until it listens."""
    own = ['--port', str(self.port), '--bind_ip', '127.0.0.1', '--dbpath', self.directory]
    own += ['--logpath', os.path.join(self.directory, 'log'), '--logappend', '--nounixsocket']
    own += ['--wiredTigerCacheSizeGB', '0.25', '--setParameter', 'ttlMonitorSleepSecs=1']
    self.process = subprocess.Popen(
      [str(MONGOD), *own, *self.settings],
      stdout=subprocess.DEVNULL,
      preexec_fn=_die_with_the_tests,
    )
    deadline = time.monotonic() + 30
    while True:
      assert self.process.poll() is None, 'mongod ended'
      with contextlib.suppress(OSError):
        socket.create_connection(('127.0.0.1', self.port), 1).close()
        return
      assert time.monotonic() < deadline, 'mongod does not listen'
      time.sleep(0.02)

  def stop(self) -> None:
    """Stops it, as one that hangs, and waits until it stands still."""
    assert self.process is not None
    self.process.send_signal(signal.SIGSTOP)
    _, status = os.waitpid(self.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)

  def go_on(self) -> None:
    assert self.process is not None
    self.process.send_signal(signal.SIGCONT)

  def kill(self) -> None:
    """Kills it, and waits until it is dead."""
    if self.process is not None:
      self.process.kill()
      self.process.send_signal(signal.SIGCONT)
      self.process.wait()
      self.process = None

  def remove(self) -> None:
    self.kill()
    shutil.rmtree(self.directory, ignore_errors=True)


@contextlib.contextmanager
def mongod_server(*settings: str) -> Iterator[MongodServer]:
  """A mongod for the time of a with statement."""
  server = MongodServer(*settings)
  try:
    yield server
  finally:
    server.remove()


@contextlib.contextmanager
def mongodb_url() -> Iterator[str]:
  """The URL of a server that tests share: of a mongod of ours, or the one that the environment
  names in CACHETTE_TEST_MONGODB_URL."""
  named = os.environ.get('CACHETTE_TEST_MONGODB_URL')
  if named:
    yield named
    return
  with mongod_server() as server:
    yield server.url
