# SPDX-License-Identifier: MIT
"""Real servers for the tests: an ASGI application in its own process, on a free port."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

import pytest
from services.process import find_free_port

# A deprecation warning is an error: at import of the application, and in a request, which then
# answers 500.
STRICT = [
  '-W',
  'error::DeprecationWarning',
  '-W',
  'error::PendingDeprecationWarning',
  '-W',
  'error::FutureWarning',
]

UVICORN = ['-m', 'uvicorn', '--log-level', 'warning', '--port', '{port}']

COMMANDS: Dict[str, List[str]] = {
  'uvicorn': [*UVICORN, '--loop', 'asyncio'],
  'uvloop': [*UVICORN, '--loop', 'uvloop'],
  'h11': [*UVICORN, '--http', 'h11'],
  'httptools': [*UVICORN, '--http', 'httptools'],
  'workers': [*UVICORN, '--workers', '2'],
  'hypercorn': ['-m', 'hypercorn', '--log-level', 'WARNING', '--bind', '127.0.0.1:{port}'],
  'granian': ['-m', 'granian', '--interface', 'asgi', '--log-level', 'warning', '--port', '{port}'],
}


def require(server: str) -> None:
  """Skips the test if the server is not installed."""
  named = {'uvicorn': 'uvicorn', 'h11': 'uvicorn', 'workers': 'uvicorn'}
  pytest.importorskip(named.get(server, server))


def wait_for(port: int, process: 'subprocess.Popen[str]', seconds: float = 30) -> None:
  """Waits until the process listens on the port."""
  deadline = time.monotonic() + seconds
  while True:
    assert process.poll() is None, process.communicate()[0]
    with contextlib.suppress(OSError):
      socket.create_connection(('127.0.0.1', port), 1).close()
      return
    assert time.monotonic() < deadline, f'nothing listens on port {port}'
    time.sleep(0.05)


@contextlib.contextmanager
def serve(
  app: str, folder: str, server: str = 'uvicorn', logged: Optional[str] = None
) -> Iterator[int]:
  """Serves `module:app` of a folder, and yields the port. A deprecation warning is an error.

  logged: text that must be in the server's log. Without it, the log must have no error.
  """
  port = find_free_port()
  process = subprocess.Popen(
    [sys.executable, *STRICT, *(word.format(port=port) for word in COMMANDS[server]), app],
    cwd=folder,
    env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    encoding='utf-8',
    errors='replace',
  )
  try:
    wait_for(port, process)
    yield port
  finally:
    process.send_signal(signal.SIGINT)
    try:
      log, _ = process.communicate(timeout=15)
    except subprocess.TimeoutExpired:
      process.kill()
      log, _ = process.communicate()
  if logged is not None:
    assert logged in log, log
  else:
    assert 'Traceback' not in log and 'ERROR' not in log, log


def request(port: int, method: str, path: str, payload: Any = None) -> Tuple[int, bytes]:
  """Makes one request on its own connection."""
  connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
  try:
    headers = {'Content-Type': 'application/json'} if payload is not None else {}
    body = json.dumps(payload) if payload is not None else None
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read()
  finally:
    connection.close()


class Connection:
  """A keep-alive connection. It parses only what uvicorn sends."""

  def __init__(self, port: int) -> None:
    self.port = port

  async def __aenter__(self) -> 'Connection':
    self.reader, self.writer = await asyncio.open_connection('127.0.0.1', self.port)
    return self

  async def __aexit__(self, *_: Any) -> None:
    self.writer.close()
    with contextlib.suppress(OSError):
      await self.writer.wait_closed()

  async def request(
    self, method: str, path: str, payload: Optional[Dict[str, str]] = None
  ) -> Tuple[int, bytes]:
    body = json.dumps(payload).encode() if payload is not None else b''
    head = f'{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n'
    head += 'Content-Type: application/json\r\n' if body else ''
    self.writer.write(head.encode() + b'\r\n' + body)
    lines = (await self.reader.readuntil(b'\r\n\r\n')).decode('latin-1').split('\r\n')
    headers = dict(line.lower().split(': ', 1) for line in lines[1:] if line)
    length = int(headers['content-length'])
    return int(lines[0].split(' ')[1]), await self.reader.readexactly(length)
