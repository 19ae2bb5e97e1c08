# SPDX-License-Identifier: MIT
"""Redis servers."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import Iterator, Optional


def find_free_port() -> int:
  with socket.socket() as probe:
    probe.bind(('127.0.0.1', 0))
    port: int = probe.getsockname()[1]
    return port


def _die_with_the_tests() -> None:
  """Has the kernel kill the server when the tests are killed, who then cannot."""
  if sys.platform == 'linux':
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class RedisServer:
  """A redis-server that can be stopped and started again on its port."""

  def __init__(self, *settings: str, port: Optional[int] = None) -> None:
    """settings: words of its command line. port: 0 if it listens elsewhere only."""
    if shutil.which('redis-server') is None:
      raise RuntimeError('redis-server is not installed; Debian has it as redis-server')
    self.settings = settings
    self.port = find_free_port() if port is None else port
    self.directory = tempfile.mkdtemp(prefix='cachette-redis-')
    self.socket = os.path.join(self.directory, 'socket')
    self.process: Optional[subprocess.Popen[bytes]] = None
    self.start()

  @property
  def url(self) -> str:
    return f'redis://127.0.0.1:{self.port}'

  def start(self) -> None:
    """Starts it, and waits until it listens."""
    own = ['--port', str(self.port), '--bind', '127.0.0.1', '--unixsocket', self.socket]
    own += ['--save', '', '--appendonly', 'no', '--dir', self.directory]
    self.process = subprocess.Popen(
      ['redis-server', *own, *self.settings],
      stdout=subprocess.DEVNULL,
      preexec_fn=_die_with_the_tests,
    )
    deadline = time.monotonic() + 30
    while True:
      assert self.process.poll() is None, 'redis-server ended'
      with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(self.socket)
        return
      assert time.monotonic() < deadline, 'redis-server does not listen'
      time.sleep(0.01)

  def say(self, *words: str) -> str:
    """What the server answers to a command, as redis-cli prints it."""
    done = subprocess.run(
      ['redis-cli', '-s', self.socket, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.rstrip('\n')

  def signal(self, number: int) -> None:
    assert self.process is not None
    self.process.send_signal(number)
    if number == signal.SIGSTOP:
      os.waitpid(self.process.pid, os.WUNTRACED)  # until it stands

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
def redis_server(*settings: str, port: Optional[int] = None) -> Iterator[RedisServer]:
  """A redis-server for the time of a with statement."""
  server = RedisServer(*settings, port=port)
  try:
    yield server
  finally:
    server.remove()
