# SPDX-License-Identifier: MIT
"""Memcached servers."""

import os
import socket
import subprocess
from pathlib import Path
from typing import Dict, List

from services.process import Server, find_program


def make_sasl_users(folder: Path, users: Dict[str, str]) -> Dict[str, str]:
  """Creates a SASL database, and returns the environment for a server that uses it."""
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


class MemcachedServer(Server):
  name = 'memcached'

  @property
  def host(self) -> str:
    return f'127.0.0.1:{self.port}'

  def command(self) -> List[str]:
    options = ['-p', str(self.port), '-l', '127.0.0.1', '-U', '0', '-u', 'root']
    return [find_program('memcached'), *options]

  def send(self, lines: str) -> str:
    """Sends command lines, and returns what the server answers in one read."""
    with socket.create_connection(('127.0.0.1', self.port), 5) as connection:
      connection.sendall(lines.encode())
      return connection.recv(65536).decode()
