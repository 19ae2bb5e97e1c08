# SPDX-License-Identifier: MIT
"""Proxies and services that stand in front of Redis in production and support only some commands.
Each answers unsupported commands as the real one does, and forwards the rest."""

import asyncio
import threading
from typing import Any, Callable, List, NamedTuple, Optional, Set


class HangUp(Exception):
  """The front closes the connection instead of answering."""


class Session:
  """The connection of a client."""

  def __init__(self, number: int) -> None:
    self.number = number
    self.authenticated = False


class Command(NamedTuple):
  """A command from a client: the number of its connection, counted from 1, and the words."""

  session: int
  words: List[str]


# Returns the reply to a command, or None to forward it to the server. The first word is in upper
# case.
Answer = Callable[[Session, List[str]], Optional[bytes]]


def forward(session: Session, words: List[str]) -> Optional[bytes]:
  return None


class RedisFront:
  """Serves in its own thread. New connections are forwarded to the port in `target`."""

  def __init__(self, port: int, answer: Answer = forward) -> None:
    self.target = port
    self.answer = answer
    self.commands: List[Command] = []
    self.sessions = 0
    self.port = 0
    self._loop = asyncio.new_event_loop()
    self._open: Set[asyncio.StreamWriter] = set()
    # Before Python 3.12 nothing else references the tasks, so the garbage collector could collect
    # them.
    self._tasks: Set[Any] = set()
    started = threading.Event()
    self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
    self._thread.start()
    started.wait()

  @property
  def url(self) -> str:
    return f'redis://127.0.0.1:{self.port}'

  def count(self, name: str) -> int:
    """How many times a command was received."""
    return sum(command.words[0] == name for command in self.commands)

  def close_sessions(self) -> None:
    """Closes all connections, like a server that restarts."""
    self._loop.call_soon_threadsafe(lambda: [writer.close() for writer in self._open])

  def __enter__(self) -> 'RedisFront':
    return self

  def __exit__(self, *_: Any) -> None:
    self._loop.call_soon_threadsafe(self._loop.stop)
    self._thread.join()

  def _run(self, started: threading.Event) -> None:
    asyncio.set_event_loop(self._loop)
    server = self._loop.run_until_complete(asyncio.start_server(self._serve, '127.0.0.1', 0))
    self.port = server.sockets[0].getsockname()[1]
    started.set()
    self._loop.run_forever()
    server.close()
    for task in asyncio.all_tasks(self._loop):
      task.cancel()
    self._loop.run_until_complete(asyncio.sleep(0.01))
    self._loop.close()

  async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    self.sessions += 1
    session = Session(self.sessions)
    self._open.add(writer)
    self._tasks.add(asyncio.current_task())
    upstream: Optional[asyncio.StreamWriter] = None
    try:
      replies, upstream = await asyncio.open_connection('127.0.0.1', self.target)
      while True:
        raw, words = await read_command(reader)
        self.commands.append(Command(session.number, words))
        reply = self.answer(session, words)
        if reply is None:
          upstream.write(raw)
          reply = await read_reply(replies)
        writer.write(reply)
        await writer.drain()
    except (HangUp, OSError, EOFError, asyncio.CancelledError):
      pass
    finally:
      self._open.discard(writer)
      self._tasks.discard(asyncio.current_task())
      writer.close()
      if upstream is not None:
        upstream.close()


async def read_command(reader: asyncio.StreamReader) -> Any:
  """Reads a command: its bytes and its words."""
  raw = await reader.readuntil(b'\n')
  words = []
  for _ in range(int(raw[1:])):
    head = await reader.readuntil(b'\n')
    body = await reader.readexactly(int(head[1:]) + 2)
    raw += head + body
    words.append(body[:-2].decode('utf-8', 'replace'))
  words[0] = words[0].upper()
  return raw, words


async def read_reply(reader: asyncio.StreamReader) -> bytes:
  """Reads the bytes of a reply, of RESP2 or RESP3."""
  raw = await reader.readuntil(b'\n')
  kind = raw[:1]
  if kind in b'$=!' and int(raw[1:]) >= 0:
    raw += await reader.readexactly(int(raw[1:]) + 2)
  elif kind in b'*~>%' and int(raw[1:]) > 0:
    for _ in range(int(raw[1:]) * (2 if kind == b'%' else 1)):
      raw += await read_reply(reader)
  return raw


# ---- Envoy: source/extensions/filters/network/redis_proxy


ENVOY_KNOWS = {'APPEND', 'DEL', 'EXISTS', 'EXPIRE', 'GET', 'INCRBY', 'PEXPIRE', 'PTTL', 'SET'}


def envoy(password: Optional[str] = None, recent: bool = False, multi: bool = True) -> Answer:
  """password: the `downstream_auth_password`. recent: with the error messages of 1.34 and newer.
  multi: with transactions, which it supports since 1.24."""

  def answer(session: Session, words: List[str]) -> Optional[bytes]:
    name = words[0]
    if name == 'AUTH':
      if password is None:
        return b'-ERR Client sent AUTH, but no password is set\r\n'
      if len(words) == 3 and words[1:] != ['default', password]:
        return b'-WRONGPASS invalid username-password pair\r\n'
      if words[-1] != password:
        return b'-ERR invalid password\r\n'
      session.authenticated = True
      return b'+OK\r\n'
    if password is not None and not session.authenticated:
      return b'-NOAUTH Authentication required.\r\n'
    if name == 'PING':
      return b'+PONG\r\n'
    if len(words) < 2 and name not in ('MULTI', 'EXEC'):
      return b'-invalid request\r\n'
    if name in ENVOY_KNOWS or name == 'UNLINK' or (multi and name == 'MULTI'):
      return None
    if multi and name == 'EXEC':
      return None
    if recent:
      return f"-ERR unknown command '{name}', with args beginning with: \r\n".encode()
    return f"-unsupported command '{name}'\r\n".encode()

  return answer


# ---- twemproxy: src/proto/nc_redis.c


TWEMPROXY_KNOWS = {'DEL', 'EXISTS', 'GET', 'INCRBY', 'PEXPIRE', 'PTTL', 'SET'}


def twemproxy(password: Optional[str] = None) -> Answer:
  """Closes the connection at any unsupported command."""

  def answer(session: Session, words: List[str]) -> Optional[bytes]:
    if words[0] == 'AUTH' and len(words) == 2:
      if password is None:
        return b'-ERR Client sent AUTH, but no password is set\r\n'
      session.authenticated = words[1] == password
      return b'+OK\r\n' if session.authenticated else b'-ERR invalid password\r\n'
    if words[0] != 'PING' and words[0] not in TWEMPROXY_KNOWS:
      raise HangUp
    if password is not None and not session.authenticated:
      return b'-NOAUTH Authentication required\r\n'
    return b'+PONG\r\n' if words[0] == 'PING' else None

  return answer


# ---- Others


def redis_cluster_proxy(session: Session, words: List[str]) -> Optional[bytes]:
  """Its command table lists these as unsupported."""
  if words[0] in ('HELLO', 'CLIENT', 'ACL', 'CONFIG', 'INFO'):
    return f'-ERR unsupported command `{words[0].lower()}`\r\n'.encode()
  return None


def upstash(session: Session, words: List[str]) -> Optional[bytes]:
  if words[0] in ('HELLO', 'CLIENT', 'SELECT'):
    return (
      f"-ERR Command is not available: '{words[0]}'. "
      'See https://upstash.com/docs/redis/overall/rediscompatibility for details\r\n'
    ).encode()
  return None


def keydb(session: Session, words: List[str]) -> Optional[bytes]:
  """A KeyDB whose administrators disabled CLIENT, including SETNAME in HELLO."""
  if words[0] == 'CLIENT' or (words[0] == 'HELLO' and 'SETNAME' in words):
    return b'-ERR unknown command `CLIENT`, with args beginning with: `SETNAME`, \r\n'
  return None


def redis_5(password: Optional[str] = None) -> Answer:
  def answer(session: Session, words: List[str]) -> Optional[bytes]:
    if words[0] == 'HELLO':
      arguments = ''.join(f'`{word}`, ' for word in words[1:])
      return f'-ERR unknown command `HELLO`, with args beginning with: {arguments}\r\n'.encode()
    if words[0] == 'AUTH':
      if len(words) != 2:
        return b"-ERR wrong number of arguments for 'auth' command\r\n"
      if password is None:
        return b'-ERR Client sent AUTH, but no password is set\r\n'
      session.authenticated = words[1] == password
      return b'+OK\r\n' if session.authenticated else b'-ERR invalid password\r\n'
    if password is not None and not session.authenticated:
      return b'-NOAUTH Authentication required.\r\n'
    return None

  return answer


def without_commands(*names: str, reply: str = "ERR unknown command '{name}'") -> Answer:
  """A server that lacks some commands."""

  def answer(session: Session, words: List[str]) -> Optional[bytes]:
    if words[0] in names:
      return f'-{reply.format(name=words[0])}\r\n'.encode()
    return None

  return answer
