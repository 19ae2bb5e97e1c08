# SPDX-License-Identifier: MIT
"""memcached: answers that no server should give, and connections that end, within an increment.

A front in the place of a server gives them, by a script: for each command how to answer it.
"""

import asyncio
import contextlib
import socket
import threading
import time
from typing import Any, Dict, Iterator, List, Optional

import pytest
from cachette import BackendError, Cachette, CodecError

NO_NUMBER = b'CLIENT_ERROR cannot increment or decrement non-numeric value\r\n'
BEYOND = 2**63 + 1

# What a command is answered with: pieces, one write each; None ends the connection.
Answer = Optional[List[bytes]]


class Front:
  """Answers commands by a script: name -> the answers of the first, the second and so on.

  `{O}` stands for the number of the command. What the script does not know ends the connection.
  """

  def __init__(self, script: Dict[str, List[Answer]]) -> None:
    self.script, self.asked = script, []  # type: ignore[var-annotated]
    self.server = socket.create_server(('127.0.0.1', 0))
    self.host = f'127.0.0.1:{self.server.getsockname()[1]}'
    threading.Thread(target=self.accept, daemon=True).start()

  def accept(self) -> None:
    with contextlib.suppress(OSError):
      while True:
        client, _ = self.server.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self.serve, args=(client,), daemon=True).start()

  def serve(self, client: socket.socket) -> None:
    with contextlib.suppress(OSError), client, client.makefile('rb') as lines:
      for line in lines:
        words = line.split()
        name = words[0].decode()
        if name == 'ms':
          lines.readline()
        known = {'version': [b'VERSION 1.6.21\r\n'], 'stats': [b'END\r\n']}.get(name)
        answers = self.script.get(name, [])
        answer = known or (answers.pop(0) if answers else None)
        self.asked.append(line)
        if answer is None:
          client.shutdown(socket.SHUT_RDWR)
          return
        for place, piece in enumerate(answer):
          time.sleep(0.05 if place > 0 else 0)
          client.sendall(piece.replace(b'{O}', words[-1]))


@contextlib.contextmanager
def front(**script: List[Answer]) -> Iterator[Any]:
  served = Front(script)

  class Own(Cachette):
    pass

  Own.load_config({'backend': 'memcached', 'memcached_host': served.host, 'timeout': 5})
  yield Own(), served
  served.server.close()


def outcomes(cache: Any, *amounts: int) -> List[Any]:
  """What increments of different keys give, that go together."""

  async def main() -> List[Any]:
    calls = (cache.increment(f'key {place}', by) for place, by in enumerate(amounts))
    return await asyncio.gather(*calls, return_exceptions=True)

  return [each if isinstance(each, int) else type(each) for each in asyncio.run(main())]


def test_both_commands_of_an_increment_may_be_refused() -> None:
  with front(ms=[[NO_NUMBER]], ma=[[NO_NUMBER]]) as (cache, _):
    assert outcomes(cache, 1) == [CodecError]


def test_a_value_that_comes_in_parts_after_a_refusal_is_no_counter() -> None:
  value = [b'VA 3000 {O} c5 t-1\r\n' + b'x' * 1000, b'x' * 1000, b'x' * 1000 + b'\r\n']
  full = [b'SERVER_ERROR out of memory storing object\r\n']
  with front(ms=[[b'NS {O}\r\n'], full], ma=[[NO_NUMBER]], mg=[value]) as (cache, _):
    (outcome,) = outcomes(cache, 1)
    assert issubclass(outcome, BackendError)


@pytest.mark.parametrize('first', ['answered', 'not answered'])
def test_what_was_counted_stands_though_the_connection_ends(first: str) -> None:
  read: Answer = [b'VA 2 {O} c5 t-1\r\n10\r\n']
  with front(
    ms=[[b'NS {O}\r\n']] * 2, mg=[read] * 2, ma=[[b'HD {O}\r\n'] if first == 'answered' else None]
  ) as (cache, _):

    async def main() -> Any:
      return await asyncio.gather(
        *(cache.increment(key, 5_000_000_000) for key in ('a', 'b')), return_exceptions=True
      )

    found = asyncio.run(main())
    if first == 'answered':
      assert found[0] == 5_000_000_010
    assert all(isinstance(each, (int, BackendError)) for each in found)
    assert isinstance(found[1], BackendError)


def test_a_counter_that_was_made_was_not_there_though_another_was_quicker() -> None:
  with front(
    ms=[[b'HD {O}\r\n'], [b'NS {O}\r\n']],
    mg=[[b'VA 1 {O} c5 t60\r\n0\r\n'], [b'VA 1 {O} c6 t60\r\n7\r\n']],
    ma=[[b'EX {O}\r\n'], [b'HD {O}\r\n']],
  ) as (cache, served):
    assert outcomes(cache, 5_000_000_000) == [5_000_000_007]
    assert b' C6 ' in served.asked[-1]


def test_a_counter_beyond_the_limit_keeps_the_time_that_it_has_left() -> None:
  with front(
    ms=[[b'NS {O}\r\n'], [b'NS {O}\r\n'], [b'HD {O}\r\n']],
    ma=[[NO_NUMBER]],
    mg=[[b'VA 19 {O} c5 t42\r\n%d\r\n' % BEYOND]],
  ) as (cache, served):
    assert outcomes(cache, 0) == [2**63 - 1]
    assert b' C5 T42 ' in served.asked[-1]
