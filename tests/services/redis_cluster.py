# SPDX-License-Identifier: MIT
"""Clusters of Redis or Valkey whose nodes can be killed, paused and moved."""

import binascii
import contextlib
import itertools
import random
import subprocess
import time
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Set

from services.process import find_free_ports, wait_until
from services.redis import RedisServer
from services.resp import Connection, ReplyError

SLOTS = 16384

# A replica takes over about two seconds after its primary was lost. Nodes list a replica to clients
# once it has received something, and the primary's ping each second is something.
SETTINGS = [
  *('--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf'),
  *('--cluster-node-timeout', '1000', '--repl-diskless-sync-delay', '0'),
  *('--repl-ping-replica-period', '1'),
]


def slot_of(key: str) -> int:
  """The slot of a key, or of its hash tag."""
  start = key.find('{')
  end = key.find('}', start + 1)
  tag = key[start + 1 : end] if start >= 0 and end > start + 1 else key
  return binascii.crc_hqx(tag.encode(), 0) % SLOTS


class ClusterNode(RedisServer):
  """A node of a cluster."""

  def __init__(self, kind: str, port: int, bus: int, *settings: str) -> None:
    self.kind, self.name, self.bus = kind, f'{kind}-server', bus
    self.id = ''
    super().__init__(*settings, port=port)

  def command(self) -> List[str]:
    return [*super().command(), *SETTINGS, '--cluster-port', str(self.bus)]

  def start(self) -> None:
    self.launch()  # the cluster waits for all of its nodes together

  def restart(self) -> None:
    """Starts the node again after a kill, and waits until it listens. It knows its cluster."""
    self.launch()
    self.wait_until_listening()

  @property
  def is_running(self) -> bool:
    return self.process is not None

  @property
  def is_primary(self) -> bool:
    return self.info('role') == 'master'

  def follows(self, primary: 'ClusterNode') -> bool:
    """Whether this is a replica of another node, and has its data."""
    is_up = self.info('master_link_status') == 'up'
    return is_up and self.info('master_port') == str(primary.port)

  @property
  def address(self) -> str:
    return f'127.0.0.1:{self.port}'

  def __repr__(self) -> str:
    return f'<{self.name} {self.address}>'


class TlsNode(ClusterNode):
  """A node whose clients and other nodes connect with TLS."""

  def command(self) -> List[str]:
    words = super().command()
    words[words.index('--port')] = '--tls-port'
    return [*words, '--port', '0', '--tls-cluster', 'yes', '--tls-replication', 'yes']


def tls_settings(paths: Dict[str, str]) -> List[str]:
  words = ['--tls-cert-file', paths['cert'], '--tls-key-file', paths['key']]
  return [*words, '--tls-ca-cert-file', paths['ca'], '--tls-auth-clients', 'no']


class RedisCluster:
  """A cluster on 127.0.0.1. When the with statement ends, it is killed.

  kind: redis or valkey. settings: command-line arguments of each node. replicas: of each primary.
  certificates: with them the nodes use TLS, in turns. Each has the paths `cert`, `key` and `ca`:
  a file with all of them.
  """

  def __init__(
    self,
    kind: str = 'redis',
    *settings: str,
    primaries: int = 3,
    replicas: int = 1,
    password: Optional[str] = None,
    certificates: Sequence[Dict[str, str]] = (),
  ) -> None:
    self.kind = kind
    if password is not None:
      settings += ('--requirepass', password, '--masterauth', password)
    self.is_tls = bool(certificates)
    self.nodes: List[ClusterNode] = []
    count = primaries * (1 + replicas)
    ports = find_free_ports(2 * count)
    try:
      for number, (port, bus) in enumerate(zip(ports[:count], ports[count:])):
        if certificates:
          paths = certificates[number % len(certificates)]
          self.nodes.append(TlsNode(kind, port, bus, *settings, *tls_settings(paths)))
        else:
          self.nodes.append(ClusterNode(kind, port, bus, *settings))
      self._form(primaries, password)
    except BaseException:
      self.remove()
      raise

  def _form(self, primaries: int, password: Optional[str]) -> None:
    """Makes one cluster of the nodes, as `redis-cli --cluster create` does, but sooner."""
    # A replica has the epoch of its primary. If it had a higher one before, Valkey may take what it
    # says about its role for old news, for ever.
    for epoch, node in enumerate([*self.nodes[primaries:], *self.nodes[:primaries]], 1):
      node.password = password
      node.wait_until_listening()
      node.id = node.call('cluster', 'myid')
      node.call('cluster', 'set-config-epoch', epoch)
    self.meet()
    for index, node in enumerate(self.nodes[:primaries]):
      first, end = (SLOTS * number // primaries for number in (index, index + 1))
      node.call('cluster', 'addslotsrange', first, end - 1)
    for index, replica in enumerate(self.nodes[primaries:]):
      primary = self.nodes[index % primaries]
      wait_until(lambda: self._replicate(replica, primary), 'nodes know each other')
    self.wait_until_up()

  @staticmethod
  def _replicate(replica: ClusterNode, primary: ClusterNode) -> bool:
    try:
      replica.call('cluster', 'replicate', primary.id)
    except ReplyError:
      # It does not know the primary yet. Nodes give a handshake up that takes longer than their
      # time-out, as on a busy machine. Then it must begin again.
      replica.call('cluster', 'meet', '127.0.0.1', primary.port, primary.bus)
      time.sleep(0.2)
      return False
    return True

  def meet(self) -> None:
    """Introduces each node to each other one, by its present address."""
    for node in self.nodes:
      for other in self.nodes:
        if node is not other:
          node.call('cluster', 'meet', '127.0.0.1', other.port, other.bus)

  # ---- Addresses

  @property
  def scheme(self) -> str:
    secure = {'redis': 'rediss', 'valkey': 'valkeys'}
    return f'{secure[self.kind] if self.is_tls else self.kind}+cluster'

  @property
  def url(self) -> str:
    """The URL of the cluster, with all nodes as seeds."""
    return self.url_of(self.nodes)

  def url_of(self, seeds: Iterable[ClusterNode], host: str = '127.0.0.1') -> str:
    return f'{self.scheme}://{",".join(f"{host}:{node.port}" for node in seeds)}'

  # ---- State

  def running(self) -> List[ClusterNode]:
    return [node for node in self.nodes if node.is_running]

  def primaries(self) -> List[ClusterNode]:
    """The running primaries that have slots."""
    return [node for node in self.running() if node.is_primary and self.slots_of(node)]

  def replicas(self) -> List[ClusterNode]:
    return [node for node in self.running() if not node.is_primary]

  def replica_of(self, primary: ClusterNode) -> ClusterNode:
    """A running replica of a primary, which has its data. Waits for one."""
    found: List[ClusterNode] = []

    def find() -> bool:
      found[:] = [node for node in self.replicas() if node.follows(primary)]
      return bool(found)

    wait_until(find, f'{primary} has a replica')
    return found[0]

  def slots_of(self, node: ClusterNode) -> Set[int]:
    """The slots that a node says it has."""
    found: Set[int] = set()
    for line in node.call('cluster', 'nodes').splitlines():
      words = line.split()
      if 'myself' in words[2]:
        for word in words[8:]:
          first, _, last = word.partition('-')
          found.update(range(int(first), int(last or first) + 1) if word[0] != '[' else ())
    return found

  def owner_of(self, key: str) -> ClusterNode:
    """The primary that has the slot of a key."""
    slot = slot_of(key)
    for node in self.primaries():
      if slot in self.slots_of(node):
        return node
    raise LookupError(f'no primary has the slot {slot}')

  def keys_on(self, node: ClusterNode, count: int = 1) -> List[str]:
    """Keys whose slots a primary has."""
    slots = self.slots_of(node)
    keys = (f'{random.getrandbits(64):x}' for _ in itertools.count())
    return list(itertools.islice((key for key in keys if slot_of(key) in slots), count))

  def wait_until_up(self) -> None:
    """Waits until all running nodes know each other, all slots are served, and each replica has the
    data of its primary: one that has not never takes over."""
    try:
      wait_until(self._is_up, 'the cluster is up')
    except RuntimeError as error:
      views = [str(node.call('cluster', 'nodes')) for node in self.running()]
      raise RuntimeError('\n'.join([str(error), *views])) from None

  def _is_up(self) -> bool:
    running = self.running()
    ports = {str(node.port) for node in running}
    for node in running:
      facts = dict(line.split(':', 1) for line in node.call('cluster', 'info').splitlines())
      if facts['cluster_state'] != 'ok' or facts['cluster_slots_ok'] != str(SLOTS):
        return False
      lines = [line.split() for line in node.call('cluster', 'nodes').splitlines()]
      flags = {line[1].partition('@')[0].rpartition(':')[2]: line[2] for line in lines}
      if any('handshake' in each for each in flags.values()):
        return False
      if any('fail' in flags.get(port, 'fail') for port in ports):
        return False
    for node in running:
      if not node.is_primary and node.info('master_link_status') != 'up':
        return False
    # All must list the same primaries and replicas to clients.
    views = [sorted(map(self._row, node.call('cluster', 'slots'))) for node in running]
    listed = {port for row in views[0] for port in row[1:]}
    useful = [node for node in running if not node.is_primary or self.slots_of(node)]
    return all(view == views[0] for view in views) and listed == {node.port for node in useful}

  @staticmethod
  def _row(row: Any) -> Any:
    """Of a row of CLUSTER SLOTS: its first slot, the port of the primary, those of the replicas."""
    first, _, primary, *replicas = row
    return (first, primary[1], *sorted(replica[1] for replica in replicas))

  def catch_up(self) -> None:
    """Waits until the replicas have all that their primaries have."""
    for replica in self.replicas():
      port = int(replica.info('master_port'))
      primary = next(node for node in self.running() if node.port == port)
      offset = int(primary.info('master_repl_offset'))
      wait_until(
        lambda: int(replica.info('slave_repl_offset') or -1) >= offset, 'replicas catch up'
      )

  # ---- Commands

  def execute(self, *words: str) -> str:
    """Runs a command on the primary that has its key, and returns the reply as redis-cli prints
    it."""
    port = str(self.running()[0].port)
    process = subprocess.run(
      ['redis-cli', '-c', '-p', port, *words], capture_output=True, text=True, check=True
    )
    return process.stdout.rstrip('\n')

  def on_primaries(self, *words: object) -> List[Any]:
    """Runs a command on each primary."""
    return [node.call(*words) for node in self.primaries()]

  def count(self, command: str, nodes: Optional[Sequence[ClusterNode]] = None) -> int:
    """How many times all nodes or some executed a command, such as `cluster|slots`."""
    total = 0
    for node in self.running() if nodes is None else nodes:
      value = node.info(f'cmdstat_{command}', 'commandstats')
      total += int(value.split(',')[0].partition('=')[2] or 0)
    return total

  # ---- Changes

  def announce(self, **names: str) -> None:
    """Sets what all nodes announce; cluster_announce_hostname='x' sets that option."""
    for node in self.running():
      for name, value in names.items():
        node.call('config', 'set', name.replace('_', '-'), value)

  def wait_for_takeover(self, replica: ClusterNode, pause: float = 0.02) -> float:
    """Waits until a replica has taken over, with pauses between the questions. Returns when."""

    def has_taken_over() -> bool:
      return replica.is_primary and bool(self.slots_of(replica))

    wait_until(has_taken_over, f'{replica} takes over', pause=pause)
    return time.monotonic()

  def lose(self, primary: ClusterNode) -> float:
    """Kills a primary, and waits until its replica has taken over. Returns when."""
    replica = self.replica_of(primary)
    primary.kill()
    return self.wait_for_takeover(replica)

  def fail_over(self, replica: ClusterNode, *how: str) -> float:
    """Lets a replica take over from its primary, which goes on as its replica. Returns when."""
    replica.call('cluster', 'failover', *how)
    return self.wait_for_takeover(replica)

  def migrate(
    self, slots: Sequence[int], source: ClusterNode, target: ClusterNode, at_once: int = 10
  ) -> None:
    """Moves slots with their keys from a primary to another, `at_once` keys at a time."""
    with contextlib.ExitStack() as stack:
      links = {node.id: stack.enter_context(Connection(node.socket)) for node in self.primaries()}
      start, end = links[source.id], links[target.id]
      others = [links[each] for each in links if each not in (source.id, target.id)]
      for slot in slots:
        end.call('cluster', 'setslot', slot, 'importing', source.id)
        start.call('cluster', 'setslot', slot, 'migrating', target.id)
        while keys := start.call('cluster', 'getkeysinslot', slot, at_once):
          start.call('migrate', '127.0.0.1', target.port, '', 0, 5000, 'keys', *keys)
        for link in (end, start, *others):
          link.call('cluster', 'setslot', slot, 'node', target.id)

  @contextlib.contextmanager
  def migrating(self, slot: int, source: ClusterNode, target: ClusterNode) -> Iterator[None]:
    """A slot that is between two primaries until the with statement ends: the source answers ASK
    for keys that it does not have. Then the slot is the target's."""
    target.call('cluster', 'setslot', slot, 'importing', source.id)
    source.call('cluster', 'setslot', slot, 'migrating', target.id)
    try:
      yield
    finally:
      while keys := source.call('cluster', 'getkeysinslot', slot, 100):
        source.call('migrate', '127.0.0.1', target.port, '', 0, 5000, 'keys', *keys)
      for node in (target, source, *self.primaries()):
        node.call('cluster', 'setslot', slot, 'node', target.id)

  def take_slot(self, slot: int, source: ClusterNode, target: ClusterNode) -> None:
    """Gives a slot to another primary, and leaves its keys where they are."""
    source.call('cluster', 'delslots', slot)
    target.call('cluster', 'setslot', slot, 'importing', source.id)
    target.call('cluster', 'setslot', slot, 'node', target.id)
    self.wait_until_up()

  def move(self) -> None:
    """Gives all nodes new addresses at once, as when all containers are started again."""
    for node in self.nodes:
      node.kill()
    ports = find_free_ports(2 * len(self.nodes))
    for node, port, bus in zip(self.nodes, ports, ports[len(self.nodes) :]):
      node.port, node.bus = port, bus
      node.launch()
    for node in self.nodes:
      node.wait_until_listening()
    self.meet()
    self.wait_until_up()

  def remove(self) -> None:
    for node in self.nodes:
      node.remove()

  def __enter__(self) -> 'RedisCluster':
    return self

  def __exit__(self, *_: Any) -> None:
    self.remove()
