# SPDX-License-Identifier: MIT
"""memcached servers."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, Iterator, Optional


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


def make_sasl_users(folder: Path, users: Dict[str, str]) -> Dict[str, str]:
  """Makes a SASL database; gives the environment of a server that uses it."""
  database = folder / 'sasl-users'
  for user, password in users.items():
    subprocess.run(
      ['saslpasswd2', '-p', '-a', 'memcached', '-c', '-f', str(database), user],
      input=password.encode(),
      check=True,
      env={**os.environ, 'PATH': f'{os.environ["PATH"]}{os.pathsep}/usr/sbin'},
    )
  database.chmod(0o644)
  config = f'mech_list: plain\nsasldb_path: {database}\n'
  (folder / 'memcached.conf').write_text(config, encoding='utf-8')
  return {'SASL_CONF_PATH': str(folder)}


class MemcachedServer:
  """A memcached that can be stopped and started again on its port."""

  def __init__(self, *settings: str, env: Optional[Dict[str, str]] = None) -> None:
    """settings: words of its command line. env: of its environment, beside what stands there."""
    if shutil.which('memcached') is None:
      raise RuntimeError('memcached is not installed; Debian has it as memcached')
    self.settings = settings
    self.env = {**os.environ, **(env or {})}
    self.port = find_free_port()
    self.process: Optional[subprocess.Popen[bytes]] = None
    self.start()

  @property
  def host(self) -> str:
    return f'127.0.0.1:{self.port}'

  def start(self) -> None:
    """Starts it, and waits until it listens."""
    own = ['-p', str(self.port), '-l', '127.0.0.1', '-U', '0', '-u', 'root']
    self.process = subprocess.Popen(
      ['memcached', *own, *self.settings],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
      env=self.env,
      preexec_fn=_die_with_the_tests,
    )
    deadline = time.monotonic() + 30
    while True:
      assert self.process.poll() is None, 'memcached ended'
      with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', self.port), 1):
        return
      assert time.monotonic() < deadline, 'memcached does not listen'
      time.sleep(0.01)

  def say(self, lines: str) -> str:
    """What the server answers, as far as it comes at once."""
    with socket.create_connection(('127.0.0.1', self.port), 5) as connection:
      connection.sendall(lines.encode())
      return connection.recv(65536).decode()

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


@contextlib.contextmanager
def memcached_server(
  *settings: str, env: Optional[Dict[str, str]] = None
) -> Iterator[MemcachedServer]:
  """A memcached for the time of a with statement."""
  server = MemcachedServer(*settings, env=env)
  try:
    yield server
  finally:
    server.kill()
