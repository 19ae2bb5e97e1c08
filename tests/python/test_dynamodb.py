# SPDX-License-Identifier: MIT
"""DynamoDB: the stored items, the table, errors of the server, and when its library is loaded."""

import asyncio
import calendar
import email.utils
import json
import re
import time
import uuid
import zlib
from typing import Any, Callable, Dict, Iterator, List, Optional, Type

import pytest
from cachette import BackendError, BackendTimeout, BackendUnavailable, Cachette
from conftest import linux_only, run_python
from load import Load, recover
from services.dynamodb import DynamodbServer, raw_client, settings_of
from services.http_fault import Answer, HttpServer, Request


def new_class(url: str, **settings: Any) -> Type[Cachette]:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'dynamodb', **settings_of(url), 'timeout': 5, **settings})
  return Own


def action_of(request: Request) -> str:
  return request.headers['x-amz-target'].partition('.')[2]


@pytest.fixture
def table(dynamodb: str) -> str:
  """The name of a table that does not exist yet."""
  return f'table-{uuid.uuid4()}'


# ---- The stored items


def test_an_item_has_the_format_of_earlier_releases(dynamodb: str, table: str) -> None:
  start = time.time()
  asyncio.run(new_class(dynamodb, table_name=table)().put('key', 'ü', ttl=100))
  done = time.time()
  raw = raw_client(dynamodb)
  (item,) = raw.scan(TableName=table)['Items']
  assert item['key'] == {'S': 'key'} and item['value'] == {'B': 'ü'.encode()}
  assert start + 100 <= int(item['expires']['N']) <= done + 101
  assert int(item['expires_at']['N']) / 1000 == pytest.approx(int(item['expires']['N']), abs=1)


def test_items_of_earlier_releases_are_read(dynamodb: str, table: str) -> None:
  cache = new_class(dynamodb, table_name=table)()
  raw = raw_client(dynamodb)

  def write(key: str, seconds: int) -> None:
    expires = {'N': str(int(time.time()) + seconds)}
    raw.put_item(
      TableName=table, Item={'key': {'S': key}, 'value': {'B': b'old'}, 'expires': expires}
    )

  async def main() -> None:
    await cache.ping()
    write('there', 50)
    write('ended', -5)
    assert await cache.fetch_with_ttl('there') in [(50, 'old'), (49, 'old')]
    assert await cache.fetch_many(['there', 'ended', 'absent']) == {'there': 'old'}
    assert not await cache.exists('ended') and not await cache.touch('ended', 9)
    assert await cache.add('ended', 'new') and not await cache.add('there', 'new')
    write('ended', -5)
    assert await cache.clear(key='ended') == 0
    write('ended', -5)
    # The server also deletes expired items itself, now and then.
    assert await cache.flush_expired() in (0, 1) and await cache.flush() == 1

  asyncio.run(main())
  assert raw.scan(TableName=table)['Count'] == 0


def test_an_item_without_an_expiry_is_a_miss(dynamodb: str, table: str) -> None:
  cache = new_class(dynamodb, table_name=table)()
  raw = raw_client(dynamodb)
  odd: List[Dict[str, Any]] = [{}, {'expires': {'S': 'soon'}}, {'expires': {'NULL': True}}]

  async def main() -> None:
    await cache.ping()
    for place, end in enumerate(odd):
      for key in (f'counter:{place}', f'added:{place}'):
        raw.put_item(TableName=table, Item={'key': {'S': key}, 'value': {'N': '7'}, **end})
      assert await cache.fetch(f'counter:{place}') is None
      assert await cache.increment(f'counter:{place}', 2) == 2
      assert await cache.add(f'added:{place}', 'new')
      assert await cache.fetch(f'added:{place}') == 'new'
      assert not await cache.add(f'added:{place}', 'newer')

  asyncio.run(main())


def test_a_counter_is_a_number_of_the_server(dynamodb: str, table: str) -> None:
  cache = new_class(dynamodb, table_name=table)()

  async def main() -> None:
    assert await cache.increment('new', 5) == 5
    await cache.put('put', '40')
    assert await cache.increment('put', 2) == 42
    assert await cache.fetch_many(['new', 'put']) == {'new': '5', 'put': '42'}

  asyncio.run(main())
  items = {
    each['key']['S']: each['value'] for each in raw_client(dynamodb).scan(TableName=table)['Items']
  }
  assert items == {'new': {'N': '5'}, 'put': {'N': '42'}}


def test_long_keys_retain_their_prefix(dynamodb: str, table: str) -> None:
  cache = new_class(dynamodb, table_name=table)()
  keys = ['ns:' + 'ä' * 5000 + end for end in 'ab'] + ['ns:\0', 'ns2:' + 'x' * 3000]

  async def main() -> None:
    for key in keys:
      await cache.put(key, key[-1])
    assert await cache.fetch_many(keys) == {key: key[-1] for key in keys}
    assert await cache.clear('ns:' + 'ä' * 4999) == 0
    assert await cache.clear('ns') == 3
    assert await cache.fetch(keys[-1]) == 'x'

  asyncio.run(main())
  (item,) = raw_client(dynamodb).scan(TableName=table)['Items']
  assert item['key']['S'].startswith('ns2:xxx') and len(item['key']['S']) == 2048
  assert item['raw']['B'] == keys[-1].encode()


def test_a_value_that_is_too_large_is_rejected_before_it_is_sent(dynamodb: str, table: str) -> None:
  cache = new_class(dynamodb, table_name=table)()

  async def main() -> None:
    await cache.put('key', 'old')
    with pytest.raises(BackendError, match='"key" has 410000 bytes; .* 400 KB'):
      await cache.put('key', 'x' * 410_000)
    assert await cache.fetch('key') is None
    await cache.put('other', 'old')
    with pytest.raises(BackendError, match='"other" has 410000 bytes'):
      await cache.add('other', 'x' * 410_000)
    assert await cache.fetch('other') == 'old'
    with pytest.raises(BackendError, match='"b" has 410000 bytes'):
      await cache.put_many({'a': '1', 'b': 'x' * 410_000, 'c': '3'})
    assert await cache.fetch_many(['a', 'b', 'c']) == {'a': '1', 'c': '3'}

  asyncio.run(main())


def test_clear_and_flush_iterate_over_many_pages(dynamodb: str, table: str) -> None:
  cache = new_class(dynamodb, table_name=table, timeout=60)()
  value = 'x' * 20_000  # a page of a scan has at most 1 MB

  async def main() -> None:
    await cache.put_many({f'{name}:{i}': value for name in ('a', 'b') for i in range(100)})
    assert await cache.clear('a') == 100
    assert await cache.clear('a') == 0
    assert await cache.flush() == 100

  asyncio.run(main())
  assert raw_client(dynamodb).scan(TableName=table)['Count'] == 0


# ---- The table


def test_the_table_is_created_with_its_ttl_attribute(dynamodb: str, table: str) -> None:
  asyncio.run(new_class(dynamodb, table_name=table)().ping())
  raw = raw_client(dynamodb)
  about = raw.describe_table(TableName=table)['Table']
  assert about['KeySchema'] == [{'AttributeName': 'key', 'KeyType': 'HASH'}]
  assert about['BillingModeSummary']['BillingMode'] == 'PAY_PER_REQUEST'

  async def wait() -> None:
    cache = new_class(dynamodb, table_name=table)()
    deadline = time.monotonic() + 5
    while True:
      await cache.ping()
      time_to_live = raw.describe_time_to_live(TableName=table)['TimeToLiveDescription']
      if time_to_live['TimeToLiveStatus'] in ('ENABLING', 'ENABLED'):
        assert time_to_live['AttributeName'] == 'expires'
        return
      assert time.monotonic() < deadline
      await asyncio.sleep(0.05)

  asyncio.run(wait())


def test_concurrent_first_calls_create_one_table(dynamodb: str, table: str) -> None:
  classes = [new_class(dynamodb, table_name=table) for _ in range(8)]

  async def main() -> None:
    await asyncio.gather(*(each().put(f'{i}', 'x') for i, each in enumerate(classes)))
    assert await classes[0]().flush() == 8

  asyncio.run(main())


def test_a_table_with_another_schema_is_rejected(dynamodb: str, table: str) -> None:
  raw_client(dynamodb).create_table(
    TableName=table,
    BillingMode='PAY_PER_REQUEST',
    AttributeDefinitions=[{'AttributeName': 'id', 'AttributeType': 'N'}],
    KeySchema=[{'AttributeName': 'id', 'KeyType': 'HASH'}],
  )
  with pytest.raises(BackendError, match=f'"{table}" .* has the wrong key schema'):
    asyncio.run(new_class(dynamodb, table_name=table)().fetch('key'))


def test_a_deleted_table_is_created_again(dynamodb: str, table: str) -> None:
  cache = new_class(dynamodb, table_name=table)()

  async def main() -> None:
    await cache.put('key', 'value')
    raw_client(dynamodb).delete_table(TableName=table)
    assert await cache.fetch('key') is None
    await cache.put('key', 'value')
    assert await cache.fetch('key') == 'value'

  asyncio.run(main())


def error(kind: str, status: int = 400, message: str = 'no reason') -> Answer:
  body = {'__type': f'com.amazonaws.dynamodb.v20120810#{kind}', 'message': message}
  return Answer(status, json.dumps(body).encode(), {'x-amzn-RequestId': 'REQUEST7'})


def test_the_table_can_be_used_without_permission_to_describe_it(dynamodb: str, table: str) -> None:
  asyncio.run(new_class(dynamodb, table_name=table)().ping())

  def refuse(request: Request) -> Optional[Answer]:
    allowed = action_of(request) in ('GetItem', 'PutItem')
    return None if allowed else error('AccessDeniedException')

  with HttpServer(refuse, dynamodb) as proxy:
    cache = new_class(proxy.url, table_name=table)()

    async def main() -> None:
      await cache.put('key', 'value')
      assert await cache.fetch('key') == 'value'
      with pytest.raises(BackendError, match='DeleteItem.*AccessDenied.*REQUEST7'):
        await cache.clear(key='key')

    asyncio.run(main())


def test_missing_permission_to_create_the_table_is_an_error(dynamodb: str, table: str) -> None:
  def refuse(request: Request) -> Optional[Answer]:
    return error('AccessDeniedException') if action_of(request) == 'CreateTable' else None

  with HttpServer(refuse, dynamodb) as proxy:
    with pytest.raises(BackendError, match=f'no table "{table}" .* may not create it'):
      asyncio.run(new_class(proxy.url, table_name=table)().fetch('key'))


# ---- Errors


class Errors:
  """Answers calls of one action with errors, one after another, and then forwards all calls."""

  def __init__(self, action: str, answers: List[Callable[[], Answer]]) -> None:
    self.action, self.answers = action, answers

  def __call__(self, request: Request) -> Optional[Answer]:
    if action_of(request) == self.action and self.answers:
      return self.answers.pop(0)()
    return None


@pytest.fixture
def proxy(dynamodb: str) -> Iterator[HttpServer]:
  """A proxy in front of the server. Tests set its `answer`."""
  with HttpServer(lambda request: None, dynamodb) as proxy:
    yield proxy


def fetch_through(proxy: HttpServer, table: str, *answers: Callable[[], Answer]) -> Dict[str, Any]:
  """Puts a value, and fetches it while the server answers with errors. Returns the stats of the
  cache."""
  cls = new_class(proxy.url, table_name=table)

  async def main() -> None:
    await cls().put('key', 'value')
    proxy.answer = Errors('GetItem', list(answers))
    assert await cls().fetch('key') == 'value'

  asyncio.run(main())
  return cls.stats()._asdict()


THROTTLED = [
  lambda: error('ProvisionedThroughputExceededException'),
  lambda: error('ThrottlingException'),
  lambda: error('RequestLimitExceeded'),
]
BROKEN: List[Callable[[], Answer]] = [
  lambda: error('InternalServerError', 500),
  lambda: Answer(503, b'<html>busy</html>'),
  lambda: Answer(200, b'{"Item": {', {}),
  lambda: Answer(200, b'{"Item":{"key":{"S":"key"}}}', {'x-amz-crc32': '1'}),
  lambda: Answer(200, b'{"Item":{"key":{"S":"key"}}}', {}, True),
]


def test_throttled_requests_are_retried_and_counted(proxy: HttpServer, table: str) -> None:
  assert fetch_through(proxy, table, *THROTTLED)['retries'] == 3


@pytest.mark.parametrize('answer', range(len(BROKEN)))
def test_broken_requests_are_retried(proxy: HttpServer, table: str, answer: int) -> None:
  assert fetch_through(proxy, table, BROKEN[answer])['retries'] == 1


def test_a_correct_checksum_is_accepted(proxy: HttpServer, table: str) -> None:
  body = b'{}'

  async def main() -> None:
    cache = new_class(proxy.url, table_name=table)()
    await cache.put('key', 'value')
    proxy.answer = Errors(
      'GetItem', [lambda: Answer(200, body, {'x-amz-crc32': str(zlib.crc32(body))})]
    )
    assert await cache.fetch('key') is None

  asyncio.run(main())


@pytest.mark.parametrize(
  ('answer', 'message'),
  [
    (
      THROTTLED[0],
      r'GetItem: no reason \(ProvisionedThroughputExceeded.*REQUEST7, after \d+ tries',
    ),
    (BROKEN[0], r'InternalServerError, request id REQUEST7'),
    (BROKEN[3], 'wrong checksum'),
    (BROKEN[2], 'not JSON'),
    (BROKEN[4], 'connection to DynamoDB at 127.0.0.1.* broke'),
    (lambda: error('ValidationException', 400, 'odd\nsecret header'), r'GetItem: odd \(Val'),
  ],
)
def test_a_persistent_error_is_reported(
  proxy: HttpServer, table: str, answer: Callable[[], Answer], message: str
) -> None:
  cache = new_class(proxy.url, table_name=table, timeout=2)()
  asyncio.run(new_class(proxy.url, table_name=table, timeout=20)().put('key', 'value'))

  async def main() -> None:
    await cache.put('key', 'value')
    proxy.answer = Errors('GetItem', [answer] * 1000)
    for _ in range(5):  # on a busy machine a request may be under way when the time is over
      before = time.monotonic()
      with pytest.raises(BackendError) as raised:
        await cache.fetch('key')
      assert time.monotonic() - before < 10
      if not isinstance(raised.value, BackendTimeout):
        break
    assert re.search(message, str(raised.value))
    assert 'secret' not in str(raised.value)
    proxy.answer = lambda request: None
    assert await cache.fetch('key') == 'value'

  asyncio.run(main())


@pytest.mark.parametrize('answer', [BROKEN[4](), Answer(mute=True)])
def test_an_increment_is_not_resent(proxy: HttpServer, table: str, answer: Answer) -> None:
  """libcurl must not resend it either. It resends on a new connection if a kept-alive one is
  closed."""

  async def main() -> None:
    cache = new_class(proxy.url, table_name=table)()
    assert await cache.increment('counter') == 1

    def count_and_break(request: Request) -> Optional[Answer]:
      if action_of(request) != 'UpdateItem':
        return None
      proxy.forward(request)
      return answer

    proxy.answer = count_and_break
    with pytest.raises(BackendUnavailable, match='broke'):
      await cache.increment('counter')
    proxy.answer = lambda request: None
    assert await cache.fetch('counter') == '2'

  asyncio.run(main())


def test_an_idempotent_call_is_resent_over_another_connection(
  proxy: HttpServer, table: str
) -> None:
  async def main() -> None:
    cache = new_class(proxy.url, table_name=table)()
    await cache.put('key', 'value')
    answers: List[Optional[Answer]] = [Answer(mute=True), None]
    proxy.answer = lambda request: answers.pop(0) if answers else None
    assert await cache.fetch('key') == 'value'

  asyncio.run(main())


def test_a_wrong_clock_is_corrected_once(proxy: HttpServer, table: str) -> None:
  ahead = 3600

  def refuse_old(request: Request) -> Optional[Answer]:
    signed = time.strptime(request.headers['x-amz-date'] + '+0000', '%Y%m%dT%H%M%SZ%z')
    if abs(time.time() + ahead - calendar.timegm(signed)) < 300:
      return None
    date = email.utils.formatdate(time.time() + ahead, usegmt=True)
    return error('InvalidSignatureException', 400, 'Signature expired')._replace(
      headers={'Date': date}
    )

  async def main() -> None:
    cache = new_class(proxy.url, table_name=table)()
    proxy.answer = refuse_old
    await cache.put('key', 'value')
    count = len(proxy.requests)
    assert await cache.fetch('key') == 'value'
    assert len(proxy.requests) == count + 1

  async def concurrent_requests() -> None:
    """All requests that were signed before the clock was corrected are signed again."""
    cache = new_class(proxy.url, table_name=table)()
    proxy.answer = lambda request: None
    assert await cache.fetch('key') == 'value'
    proxy.answer = refuse_old
    assert await asyncio.gather(*(cache.fetch('key') for _ in range(16))) == ['value'] * 16

  asyncio.run(main())
  asyncio.run(concurrent_requests())


def test_unprocessed_items_are_requested_again(proxy: HttpServer, table: str) -> None:
  """A server that processes three items of a batch at a time."""

  def do_some(request: Request) -> Optional[Answer]:
    requests = json.loads(request.body)
    if action_of(request) == 'BatchGetItem':
      keys = requests['RequestItems'][table]['Keys']
      left = {table: {**requests['RequestItems'][table], 'Keys': keys[3:]}} if keys[3:] else {}
      requests['RequestItems'][table]['Keys'] = keys[:3]
      name = 'UnprocessedKeys'
    elif action_of(request) == 'BatchWriteItem':
      items = requests['RequestItems'][table]
      left = {table: items[3:]} if items[3:] else {}
      requests['RequestItems'][table] = items[:3]
      name = 'UnprocessedItems'
    else:
      return None
    answer = proxy.forward(
      request._replace(
        body=json.dumps(requests).encode(),
        headers={**request.headers, 'content-length': str(len(json.dumps(requests)))},
      )
    )
    body = json.dumps({**json.loads(answer.body), name: left}).encode()
    return Answer(answer.status, body)

  values = {f'key:{i}': f'{i}' for i in range(40)}

  async def main() -> None:
    cache = new_class(proxy.url, table_name=table, timeout=20)()
    proxy.answer = do_some
    await cache.put_many(values)
    assert await cache.fetch_many([*values, 'absent']) == values
    assert await cache.clear('key') == 40
    assert await cache.fetch_many(values) == {}

  asyncio.run(main())


# ---- A slow or stopped server


def test_a_hanging_server_is_an_error_until_it_recovers() -> None:
  with DynamodbServer() as server:
    cache = new_class(server.url, timeout=1)()

    async def main() -> None:
      await recover(cache)  # a Java server is slow at first
      await cache.put('key', 'value', ttl=100)
      server.pause()
      before = time.monotonic()
      waiting = [asyncio.ensure_future(cache.fetch('key')) for _ in range(50)]
      for each in waiting:
        with pytest.raises(BackendTimeout, match='DynamoDB at 127.0.0.1'):
          await each
      assert time.monotonic() - before < 10
      server.resume()
      await recover(cache)
      assert await cache.fetch('key') == 'value'
      server.kill()
      with pytest.raises(BackendUnavailable, match='DynamoDB at 127.0.0.1.*cannot be reached'):
        for _ in range(3):
          await cache.fetch('key')
      server.start()
      await recover(cache)
      server.pause()
      last = [asyncio.ensure_future(cache.fetch('key')) for _ in range(3)]
      await asyncio.sleep(0)
      for each in last:
        each.cancel()

    before = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - before < 60


def test_a_process_exits_while_its_server_hangs() -> None:
  with HttpServer(lambda request: time.sleep(30) or Answer()) as silent:
    before = time.monotonic()
    message = run_python(
      f"""
      import asyncio
      from cachette import BackendError, Cachette

      class Own(Cachette): pass

      settings = {settings_of(silent.url)!r}
      Own.load_config(lambda: {{'backend': 'dynamodb', 'timeout': 0.5, **settings}})

      async def main():
        try:
          await asyncio.gather(*(Own().fetch('key') for _ in range(20)))
        except BackendError:
          print('failed')

      asyncio.run(main())
      """
    )
    assert message == 'failed\n'
    assert time.monotonic() - before < 25  # the server would answer after 30 s


def test_cancelled_calls_do_not_mix_up_results(dynamodb: str, table: str) -> None:
  async def main() -> None:
    load = Load(new_class(dynamodb, table_name=table, timeout=10)())
    await load.run()
    assert load.wrong_values == [] and load.errors == set()
    assert load.counts['ok'] > 5000 and load.counts['cancelled'] > 500

  asyncio.run(main())


def test_forked_workers_have_their_own_connections(dynamodb: str, table: str) -> None:
  message = run_python(
    f"""
    import asyncio, os
    from cachette import Cachette

    Cachette.load_config(lambda: {{
      'backend': 'dynamodb', 'table_name': {table!r}, 'timeout': 20, **{settings_of(dynamodb)!r}
    }})

    async def count():
      for _ in range(20):
        await asyncio.gather(*(Cachette().increment('counter') for _ in range(4)))

    asyncio.run(count())
    children = []
    for _ in range(3):
      child = os.fork()
      if child == 0:
        asyncio.run(count())
        os._exit(0)
      children.append(child)
    asyncio.run(count())
    for child in children:
      assert os.waitpid(child, 0)[1] == 0
    print(asyncio.run(Cachette().increment('counter', 0)))
    """
  )
  assert message == '400\n'


@linux_only
def test_the_library_is_loaded_on_first_use(dynamodb: str) -> None:
  message = run_python(
    f"""
    import asyncio
    from cachette import Cachette

    def is_loaded():
      with open('/proc/self/maps') as maps:
        return 'libcurl' in maps.read()

    class Memory(Cachette): pass
    class Dynamo(Cachette): pass

    Memory.load_config(lambda: {{'backend': 'inmemory'}})
    asyncio.run(Memory().fetch('key'))
    print(is_loaded())
    Dynamo.load_config(lambda: {{'backend': 'dynamodb', **{settings_of(dynamodb)!r}}})
    asyncio.run(Dynamo().put('loaded', 'value'))
    print(is_loaded(), asyncio.run(Dynamo().fetch('loaded')))
    """
  )
  assert message.split() == ['False', 'True', 'value']
