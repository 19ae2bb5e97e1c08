# SPDX-License-Identifier: MIT
"""The field Date of an answer from the store, behind a server that adds its own."""

import asyncio
from typing import Any, List

import pytest
from asgi import (
  App,
  Client,
  Headers,
  Message,
  Wrap,
  get,
  in_loop,
  make_scope,
)


class Cycle:
  """Like the object of Uvicorn that sends: adds its own fields to each response."""

  def __init__(self) -> None:
    self.default_headers = [(b'date', b'now'), (b'server', b'uvicorn')]
    self.sent: List[Message] = []

  async def run_asgi(self, app: Any) -> None: ...

  async def send(self, message: Message) -> None:
    if message['type'] == 'http.response.start':
      message = {**message, 'headers': self.default_headers + list(message['headers'])}
    self.sent.append(message)


Cycle.__module__ = 'uvicorn.protocols.http.httptools_impl'


@in_loop
async def test_an_answer_from_the_store_has_the_stored_date_only(wrap: Wrap) -> None:
  date = 'Sun, 29 Nov 2020 10:00:00 GMT'
  cached = wrap(App({'cache-control': 'max-age=999999999', 'date': date}))
  await get(cached)
  plain = Cycle()
  await cached(make_scope(), Client(cached, {}).receive, plain.send)
  wrapped = Cycle()

  async def outer(send: Any) -> None:
    async def send_through(message: Message) -> None:
      await send(message)

    await cached(make_scope(), Client(cached, {}).receive, send_through)

  await outer(wrapped.send)
  for cycle in (plain, wrapped):
    headers = cycle.sent[0]['headers']
    assert [value for name, value in headers if name == b'date'] == [date.encode()]
    assert (b'server', b'uvicorn') in headers


class HypercornConfig:
  include_date_header = True
  keep_alive_max_requests = 1000

  def response_headers(self, protocol: str) -> Headers:
    return [(b'date', b'now'), (b'server', protocol.encode())]


class Connection:
  """Like the object of Hypercorn that writes: adds the fields of its configuration."""

  def __init__(self, config: HypercornConfig) -> None:
    self.config = config
    self.sent: List[Headers] = []
    self.is_broken = False

  async def stream_send(self, headers: Headers) -> None:
    if self.is_broken:
      raise OSError
    headers = headers + self.config.response_headers('h2')
    assert self.config.keep_alive_max_requests == 1000
    await asyncio.sleep(0)
    self.sent.append(headers)


class Stream:
  """Like the object of Hypercorn that gets the messages of one request."""

  def __init__(self, connection: Connection) -> None:
    self.config = connection.config
    self.send = connection.stream_send

  async def app_send(self, message: Message) -> None:
    if message['type'] == 'http.response.start':
      await self.send(list(message['headers']))


Stream.__module__ = 'hypercorn.protocol.http_stream'


@in_loop
async def test_hypercorn_adds_its_date_to_all_responses_but_those_from_the_store(
  wrap: Wrap,
) -> None:
  date = b'Sun, 29 Nov 2020 10:00:00 GMT'
  cached = wrap(App({'cache-control': 'max-age=999999999', 'date': date.decode()}))
  await get(cached)
  config = HypercornConfig()
  connection = Connection(config)

  async def ask(app: Any) -> None:
    await app(make_scope(), Client(app, {}).receive, Stream(connection).app_send)

  await asyncio.gather(ask(cached), ask(App()), ask(cached))  # three streams at once
  await ask(App())
  dates = [[value for name, value in each if name == b'date'] for each in connection.sent]
  assert sorted(dates) == sorted([[date], [date], [b'now'], [b'now']])
  assert all((b'server', b'h2') in each for each in connection.sent)
  connection.is_broken = True
  with pytest.raises(OSError):
    await ask(cached)
  assert connection.config is config
