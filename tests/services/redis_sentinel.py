# SPDX-License-Identifier: MIT
"""A primary with replicas, and the sentinels that watch them."""

import os
import random
import time
from typing import Any, List, Optional, Tuple

from services.process import find_free_ports, wait_until
from services.redis import RedisServer
from services.resp import ReplyError

NAME = 'mymaster'


class DataServer(RedisServer):
  """A primary or a replica."""

  def __init__(self, kind: str, port: int, *settings: str) -> None:
    self.kind, self.name = kind, f'{kind}-server'
    super().__init__('--repl-diskless-sync-delay', '0', *settings, port=port)

  def start(self) -> None:
    self.launch()  # all servers start together

  def restart(self) -> None:
    """Starts the server again after a kill, and waits until it listens."""
    self.launch()
    self.wait_until_listening()

  @property
  def is_primary(self) -> bool:
    return self.info('role') == 'master'

  def __repr__(self) -> str:
    return f'<{self.name} 127.0.0.1:{self.port}>'


class Sentinel(DataServer):
  """A sentinel."""

  def __init__(self, kind: str, port: int, id: str, lines: List[str]) -> None:
    self.id, self.lines = id, lines
    super().__init__(kind, port)

  @property
  def config(self) -> str:
    return os.path.join(self.directory, 'sentinel.conf')

  def command(self) -> List[str]:
    if not os.path.exists(self.config):  # which the sentinel writes again
      own = [f'port {self.port}', 'bind 127.0.0.1', f'unixsocket {self.socket}']
      own += [f'dir {self.directory}', f'sentinel myid {self.id}']
      with open(self.config, 'w', encoding='utf-8') as file:
        file.write('\n'.join([*own, *self.lines, '']))
    return [super().command()[0], self.config, '--sentinel']

  def launch(self) -> None:
    self.settings = ()
    super().launch()


class RedisSentinel:
  """One primary, its replicas and three sentinels, of Redis or Valkey, on 127.0.0.1.

  settings: command-line arguments of the primary and the replicas. password: theirs.
  sentinel_password: that of the sentinels. other: the name of a second primary, with a replica.
  """

  def __init__(
    self,
    kind: str = 'redis',
    *settings: str,
    replicas: int = 2,
    password: Optional[str] = None,
    sentinel_password: Optional[str] = None,
    other: Optional[str] = None,
  ) -> None:
    self.kind, self.password, self.sentinel_password = kind, password, sentinel_password
    self.servers: List[DataServer] = []
    self.sentinels: List[Sentinel] = []
    self.others: List[DataServer] = []
    if password is not None:
      settings += ('--requirepass', password, '--masterauth', password)
    ports = find_free_ports(replicas + 6)
    try:
      self.servers = self._group(ports[: replicas + 1], settings)
      self.others = self._group(ports[-5:-3], settings) if other is not None else []
      peers = [(port, f'{random.getrandbits(160):040x}') for port in ports[-3:]]
      for port, id in peers:
        rest = [each for each in peers if each[0] != port]
        lines = self._watch(NAME, self.servers, rest)
        if other is not None:
          lines += self._watch(other, self.others, rest)
        if sentinel_password is not None:
          lines.append(f'requirepass {sentinel_password}')
          lines.append(f'sentinel sentinel-pass {sentinel_password}')
        self.sentinels.append(Sentinel(kind, port, id, lines))
      for server in self._all():
        server.password = sentinel_password if isinstance(server, Sentinel) else password
        server.wait_until_listening()
      self.wait_until_up()
    except BaseException:
      self.remove()
      raise

  def _group(self, ports: List[int], settings: Tuple[str, ...]) -> List[DataServer]:
    """Starts a primary and its replicas."""
    servers = [DataServer(self.kind, ports[0], *settings)]
    for port in ports[1:]:
      servers.append(DataServer(self.kind, port, *settings, '--replicaof', f'127.0.0.1 {ports[0]}'))
    return servers

  def _watch(self, name: str, servers: List[DataServer], peers: List[Tuple[int, str]]) -> List[str]:
    """Lines of a sentinel's configuration. It knows all others, which it finds in ten seconds
    else."""
    lines = [
      f'sentinel monitor {name} 127.0.0.1 {servers[0].port} 2',
      f'sentinel down-after-milliseconds {name} 1000',
      f'sentinel failover-timeout {name} 5000',
    ]
    if self.password is not None:
      lines.append(f'sentinel auth-pass {name} {self.password}')
    lines += [f'sentinel known-replica {name} 127.0.0.1 {each.port}' for each in servers[1:]]
    return lines + [f'sentinel known-sentinel {name} 127.0.0.1 {each} {id}' for each, id in peers]

  def _all(self) -> List[DataServer]:
    return [*self.servers, *self.others, *self.sentinels]

  # ---- Addresses

  @property
  def url(self) -> str:
    """The URL of the primary by its name, with all sentinels."""
    return self.url_of(self.sentinels)

  def url_of(self, sentinels: List[Sentinel], name: str = NAME) -> str:
    user = '' if self.password is None else f':{self.password}@'
    hosts = ','.join(f'127.0.0.1:{each.port}' for each in sentinels)
    return f'{self.kind}+sentinel://{user}{hosts}/{name}'

  # ---- State

  def _named(self, name: str) -> List[int]:
    """The ports of the primary that the running sentinels name."""
    running = [each for each in self.sentinels if each.process is not None]
    command = ('sentinel', 'get-master-addr-by-name', name)
    return [int(each.call(*command)[1]) for each in running]

  def primary_of(self, name: str) -> DataServer:
    """The server that most sentinels name."""
    ports = self._named(name)
    port = max(ports, key=ports.count)
    return next(each for each in [*self.servers, *self.others] if each.port == port)

  @property
  def primary(self) -> DataServer:
    return self.primary_of(NAME)

  @property
  def replicas(self) -> List[DataServer]:
    primary = self.primary
    return [each for each in self.servers if each is not primary and each.process is not None]

  def wait_until_up(self) -> None:
    """Waits until the sentinels agree and know all servers, and the replicas have the data."""
    wait_until(self._is_up, 'the sentinels know all servers', 60)

  def _is_up(self) -> bool:
    running = [server for server in self.servers if server.process is not None]
    ports = set()
    for sentinel in self.sentinels:
      if sentinel.process is None:
        continue
      try:
        sentinel.call('sentinel', 'ckquorum', NAME)
      except ReplyError:
        return False
      words = sentinel.call('sentinel', 'master', NAME)
      facts = dict(zip(words[::2], words[1::2]))
      if facts['flags'] != 'master':
        return False
      ports.add(facts['port'])
      rows = sentinel.call('sentinel', 'replicas', NAME)
      known = [dict(zip(row[::2], row[1::2])) for row in rows]
      alive = {int(each['port']) for each in known if each['flags'] == 'slave'}
      if alive != {server.port for server in running} - {int(facts['port'])}:
        return False
    if len(ports) != 1:
      return False
    return all(
      server.info('master_link_status') == 'up'
      for server in running
      if str(server.port) not in ports
    )

  # ---- Commands

  def execute(self, *words: str) -> str:
    """Runs a command on the primary, and returns the reply as redis-cli prints it."""
    return self.primary.execute(*words)

  def fail_over(self, name: str = NAME) -> float:
    """Lets a replica take over from the primary of a name. Returns when it has."""
    old = self.primary_of(name)
    wait_until(lambda: self._fail_over(name), 'a failover is accepted')
    return self.wait_for_takeover(old, name)

  def _fail_over(self, name: str) -> bool:
    try:
      self.sentinels[0].call('sentinel', 'failover', name)
    except ReplyError:  # one is in progress, or no replica is good
      return False
    return True

  def wait_for_takeover(self, old: DataServer, name: str = NAME) -> float:
    """Waits until the sentinels agree on another primary, which is one. Returns when it was."""
    servers = self.servers if name == NAME else self.others

    def is_one() -> bool:
      return any(
        each.is_primary for each in servers if each is not old and each.process is not None
      )

    wait_until(is_one, f'another takes over from {old}')
    moment = time.monotonic()
    wait_until(
      lambda: len(set(self._named(name))) == 1 and self.primary_of(name) is not old,
      'the sentinels agree',
    )
    return moment

  def remove(self) -> None:
    for server in self._all():
      server.remove()

  def __enter__(self) -> 'RedisSentinel':
    return self

  def __exit__(self, *_: Any) -> None:
    self.remove()
