# SPDX-License-Identifier: MIT
"""DynamoDB Local, and raw calls of its API."""

import contextlib
import json
import os
import pathlib
import urllib.request
from typing import Any, Dict, Iterator, List

from services.process import Server, find_program

# `scripts/setup servers` installs it here.
JARS = pathlib.Path(__file__).resolve().parent.parent.parent / '.servers' / 'dynamodb'

# Requests must be signed, but any credentials are accepted.
KEYS = {'aws_access_key_id': 'id', 'aws_secret_access_key': 'secret'}


class DynamodbServer(Server):
  """A DynamoDB Local server. It loses its data when it is killed."""

  name = 'DynamoDB Local, which needs Java 17,'

  @property
  def url(self) -> str:
    return f'http://127.0.0.1:{self.port}'

  def command(self) -> List[str]:
    if not JARS.exists():
      raise RuntimeError(f'there is no {JARS}; `scripts/setup servers` fetches it')
    return [
      *(find_program('java'), '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'),
      *(f'-Djava.library.path={JARS}', '-cp', f'{JARS}/*'),
      'com.amazonaws.services.dynamodbv2.local.main.ServerRunner',
      *('-inMemory', '-disableTelemetry', '-port', str(self.port)),
    ]

  def start(self) -> None:
    super().start()
    self.warm_up()

  def warm_up(self) -> None:
    """Makes every kind of call once. The first call of each kind takes a second on a slow
    machine."""
    name, key = {'TableName': 'warm-up'}, {'key': {'S': 'key'}}
    self.call(
      'CreateTable',
      **name,
      BillingMode='PAY_PER_REQUEST',
      AttributeDefinitions=[{'AttributeName': 'key', 'AttributeType': 'S'}],
      KeySchema=[{'AttributeName': 'key', 'KeyType': 'HASH'}],
    )
    self.call('DescribeTable', **name)
    self.call('PutItem', **name, Item=key, ConditionExpression='attribute_not_exists(expires)')
    self.call('GetItem', **name, Key=key)
    self.call('Scan', **name)
    self.call('DeleteTable', **name)

  def call(self, action: str, **arguments: Any) -> None:
    """Makes an API call with fixed credentials, which have their own set of tables. The signature
    is not checked."""
    scope = 'Credential=warmup/20260101/us-east-1/dynamodb/aws4_request'
    headers = {
      'Authorization': f'AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0',
      'Content-Type': 'application/x-amz-json-1.0',
      'X-Amz-Date': '20260101T000000Z',
      'X-Amz-Target': f'DynamoDB_20120810.{action}',
    }
    request = urllib.request.Request(self.url, json.dumps(arguments).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
      answer.read()


@contextlib.contextmanager
def dynamodb_url() -> Iterator[str]:
  """The URL of a shared server: CACHETTE_TEST_DYNAMODB_URL if it is set, else a server started
  here."""
  named = os.environ.get('CACHETTE_TEST_DYNAMODB_URL')
  if named:
    yield named
    return
  with DynamodbServer() as server:
    yield server.url


def raw_client(url: str) -> Any:
  """AWS's own client for a server."""
  import botocore.session

  session = botocore.session.get_session()
  return session.create_client('dynamodb', region_name='us-east-1', endpoint_url=url, **KEYS)


def settings_of(url: str) -> Dict[str, Any]:
  """The settings that select a server."""
  return {'dynamodb_url': url, 'region': 'us-east-1', **KEYS}
