# SPDX-License-Identifier: MIT
"""Memcached: invalid answers, and connections that close, during an increment.

A scripted server gives them: the script lists the answers to each command.
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

# The answer to a command: chunks, one write each. None closes the connection.
Answer = Optional[List[bytes]]


class ScriptedServer:
  """Answers commands from a script: name -> the answers to the first command, the second and so on.

  `{O}` is replaced by the opaque number of the command. A command that is not in the script closes
  the connection.
  """

  def __init__(self, script: Dict[str, List[Answer]]) -> None:
    self.script, self.commands = script, []  # type: ignore[var-annotated]
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
        self.commands.append(line)
        if answer is None:
          client.shutdown(socket.SHUT_RDWR)
          return
        for index, piece in enumerate(answer):
          time.sleep(0.05 if index > 0 else 0)
          client.sendall(piece.replace(b'{O}', words[-1]))


@contextlib.contextmanager
def scripted(**script: List[Answer]) -> Iterator[Any]:
  served = ScriptedServer(script)

  class Own(Cachette):
    pass

  Own.load_config({'backend': 'memcached', 'memcached_host': served.host, 'timeout': 5})
  yield Own(), served
  served.server.close()


def outcomes(cache: Any, *amounts: int) -> List[Any]:
  """The results of concurrent increments of different keys."""

  async def main() -> List[Any]:
    calls = (cache.increment(f'key {index}', by) for index, by in enumerate(amounts))
    return await asyncio.gather(*calls, return_exceptions=True)

  return [each if isinstance(each, int) else type(each) for each in asyncio.run(main())]


def test_both_commands_of_an_increment_may_be_rejected() -> None:
  with scripted(ms=[[NO_NUMBER]], ma=[[NO_NUMBER]]) as (cache, _):
    assert outcomes(cache, 1) == [CodecError]


def test_a_value_in_parts_after_a_rejection_is_not_a_counter() -> None:
  value = [b'VA 3000 {O} c5 t-1\r\n' + b'x' * 1000, b'x' * 1000, b'x' * 1000 + b'\r\n']
  full = [b'SERVER_ERROR out of memory storing object\r\n']
  with scripted(ms=[[b'NS {O}\r\n'], full], ma=[[NO_NUMBER]], mg=[value]) as (cache, _):
    (outcome,) = outcomes(cache, 1)
    assert issubclass(outcome, BackendError)


@pytest.mark.parametrize('first', ['answered', 'not answered'])
def test_a_completed_increment_is_returned_if_the_connection_closes_later(first: str) -> None:
  read: Answer = [b'VA 2 {O} c5 t-1\r\n10\r\n']
  with scripted(
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


def test_an_increment_that_lost_the_race_to_create_the_counter() -> None:
  with scripted(
    ms=[[b'HD {O}\r\n'], [b'NS {O}\r\n']],
    mg=[[b'VA 1 {O} c5 t60\r\n0\r\n'], [b'VA 1 {O} c6 t60\r\n7\r\n']],
    ma=[[b'EX {O}\r\n'], [b'HD {O}\r\n']],
  ) as (cache, served):
    assert outcomes(cache, 5_000_000_000) == [5_000_000_007]
    assert b' C6 ' in served.commands[-1]


def test_a_counter_beyond_the_limit_retains_its_ttl() -> None:
  with scripted(
    ms=[[b'NS {O}\r\n'], [b'NS {O}\r\n'], [b'HD {O}\r\n']],
    ma=[[NO_NUMBER]],
    mg=[[b'VA 19 {O} c5 t42\r\n%d\r\n' % BEYOND]],
  ) as (cache, served):
    assert outcomes(cache, 0) == [2**63 - 1]
    assert b' C5 T42 ' in served.commands[-1]


def test_a_clear_whose_delete_fails_raises_and_keeps_the_connection() -> None:
  listed = [b'key=shop%3Aa exp=-1\r\nkey=shop%3Ab exp=-1\r\nEND\r\n']
  with scripted(
    lru_crawler=[listed, listed],
    md=[[b'SERVER_ERROR out of memory\r\n'], [b'HD {O}\r\n'], [b'HD {O}\r\n'], [b'HD {O}\r\n']],
  ) as (cache, served):

    async def main() -> int:
      with pytest.raises(BackendError, match='is out of memory'):
        await cache.clear(namespace='shop')
      cleared: int = await cache.clear(namespace='shop')
      return cleared

    assert asyncio.run(main()) == 2
    assert sum(line.startswith(b'version') for line in served.commands) == 1
