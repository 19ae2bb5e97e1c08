# SPDX-License-Identifier: MIT
"""A DynamoDB Local of the tests' own, and raw calls of its API."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time
from typing import Any, Dict, Iterator, Optional

from services.redis import _die_with_the_tests, find_free_port

# `scripts/setup test` puts it there.
JARS = pathlib.Path(__file__).resolve().parent.parent.parent / '.servers' / 'dynamodb'

# It wants requests to be signed, but not by anybody whom it knows.
KEYS = {'aws_access_key_id': 'id', 'aws_secret_access_key': 'secret'}


class DynamodbServer:
  """A DynamoDB Local that can be stopped, and started again on its port, without its data."""

  def __init__(self) -> None:
    if not JARS.exists():
      raise RuntimeError(f'there is no {JARS}; `scripts/setup test` fetches it')
    self.port = find_free_port()
    self.process: Optional[subprocess.Popen[bytes]] = None
    self.start()

  @property
  def url(self) -> str:
    return f'http://127.0.0.1:{self.port}'

  def start(self) -> None:
    """Starts it, and waits until it listens."""
    self.process = subprocess.Popen(
      [
        *('java', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'),
        *(f'-Djava.library.path={JARS}', '-cp', f'{JARS}/*'),
        'com.amazonaws.services.dynamodbv2.local.main.ServerRunner',
        *('-inMemory', '-disableTelemetry', '-port', str(self.port)),
      ],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
      preexec_fn=_die_with_the_tests,
    )
    deadline = time.monotonic() + 60
    while True:
      assert self.process.poll() is None, 'DynamoDB Local ended; it needs Java 17'
      with contextlib.suppress(OSError):
        socket.create_connection(('127.0.0.1', self.port), 1).close()
        return
      assert time.monotonic() < deadline, 'DynamoDB Local does not listen'
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


@contextlib.contextmanager
def dynamodb_server() -> Iterator[DynamodbServer]:
  """A DynamoDB Local for the time of a with statement."""
  server = DynamodbServer()
  try:
    yield server
  finally:
    server.kill()


def _warm_up(url: str) -> None:
  """Has a server do all once, for the first time of each takes it a second on a slow machine."""
  raw, name = raw_client(url), 'warm-up'
  raw.create_table(
    TableName=name,
    BillingMode='PAY_PER_REQUEST',
    AttributeDefinitions=[{'AttributeName': 'key', 'AttributeType': 'S'}],
    KeySchema=[{'AttributeName': 'key', 'KeyType': 'HASH'}],
  )
  key = {'key': {'S': 'key'}}
  raw.put_item(TableName=name, Item=key, ConditionExpression='attribute_not_exists(expires)')
  raw.get_item(TableName=name, Key=key)
  raw.scan(TableName=name)
  raw.delete_table(TableName=name)


@contextlib.contextmanager
def dynamodb_url() -> Iterator[str]:
  """The URL of a server that tests share: of one of ours, or the one that the environment names
  in CACHETTE_TEST_DYNAMODB_URL."""
  named = os.environ.get('CACHETTE_TEST_DYNAMODB_URL')
  if named:
    yield named
    return
  with dynamodb_server() as server:
    _warm_up(server.url)
    yield server.url


def raw_client(url: str) -> Any:
  """AWS's own client for a server."""
  import botocore.session

  names = {'aws_access_key_id': 'id', 'aws_secret_access_key': 'secret'}
  session = botocore.session.get_session()
  return session.create_client('dynamodb', region_name='us-east-1', endpoint_url=url, **names)


def settings_of(url: str) -> Dict[str, Any]:
  """The settings that choose a server."""
  return {'dynamodb_url': url, **KEYS}
