# SPDX-License-Identifier: MIT
"""Keeps servers from adding a second Date to an answer from the store.

The Date of a stored response says when it was made, and so it is not the time of sending. Uvicorn
and Hypercorn add a Date of their own to every response, and ASGI has no way to tell them not to.

    Uvicorn    the object that sends has the fields to add. They are replaced for one response.
    Hypercorn  gets them from a configuration that all connections share. For the start of one
               response, its connection has one without Date.
    others     send what they get

A middleware outside this one wraps `send`. It is followed to the server's, as far as that can be.
"""

from functools import partial
from types import FunctionType
from typing import Any, Callable, Dict, List, Tuple

Headers = List[Tuple[bytes, bytes]]

MAX_WRAPPERS = 16

_UVICORN = 'uvicorn.protocols.http.'
_HYPERCORN = 'hypercorn.protocol.http_stream'


def with_one_date(send: Any, headers: Headers) -> Headers:
  """Returns the fields to send of an answer from the store, and prepares the server for them."""
  if type(send) is FunctionType and 'send' not in send.__code__.co_freevars:
    return headers
  for _ in range(MAX_WRAPPERS):
    owner = getattr(send, '__self__', None)
    if owner is None:
      send = _inner(send)
      if send is None:
        return headers
      continue
    prepare = _known.get(type(owner)) or _learn(type(owner))
    if prepare is not _follow:
      return prepare(owner, headers)
    send = getattr(owner, 'send', None)
  return headers


def _inner(send: Any) -> Any:
  """Returns the `send` that a function or a partial calls, or None."""
  keywords = getattr(send, 'keywords', None)
  if keywords and 'send' in keywords:  # a partial, as in the CORSMiddleware of Starlette
    return keywords['send']
  code = getattr(send, '__code__', None)
  if code is None or 'send' not in code.co_freevars:
    return None
  try:
    return send.__closure__[code.co_freevars.index('send')].cell_contents
  except ValueError:  # the cell is empty
    return None


# The fields that Uvicorn adds, and the same without Date. It makes a new list every second.
_uvicorn: Tuple[Any, Headers] = (None, [])


def _for_uvicorn(cycle: Any, headers: Headers) -> Headers:
  global _uvicorn
  given = cycle.default_headers
  known, without = _uvicorn
  if given is not known:
    without = [each for each in given if each[0] != b'date']
    _uvicorn = given, without
  cycle.default_headers = without
  return headers


def _for_hypercorn(stream: Any, headers: Headers) -> Headers:
  send, config = stream.send, stream.config
  if not config.include_date_header or type(send) is partial:
    return headers
  connection = getattr(send, '__self__', None)
  if getattr(connection, 'config', None) is not config:
    # Its Date and our Age agree: a client computes the same age from them (RFC 9111, 4.2.3).
    return [each for each in headers if each[0] != b'date']
  stream.send = partial(_send_without_date, stream, connection, send)
  return headers


async def _send_without_date(stream: Any, connection: Any, send: Any, event: Any) -> None:
  """Sends the start of a response, and leaves the stream and its connection as they were."""
  stream.send = send
  config = connection.config
  connection.config = without = _WithoutDate(connection, config)
  try:
    await send(event)
  finally:
    if connection.config is without:
      connection.config = config


class _WithoutDate:
  """A configuration of Hypercorn, up to the next response on a connection.

  Hypercorn asks for the fields before it awaits anything, so that no other stream of the connection
  gets them.
  """

  def __init__(self, connection: Any, config: Any) -> None:
    self._connection = connection
    self._config = config

  def __getattr__(self, name: str) -> Any:
    return getattr(self._config, name)

  def response_headers(self, protocol: str) -> Headers:
    self._connection.config = self._config
    return [each for each in self._config.response_headers(protocol) if each[0] != b'date']


def _follow(owner: Any, headers: Headers) -> Headers:
  """For objects that are no server's. A middleware has the next `send` as an attribute."""
  return headers


_Prepare = Callable[[Any, Headers], Headers]
_known: Dict[type, _Prepare] = {}


def _learn(kind: type) -> _Prepare:
  prepare: _Prepare = _follow
  if kind.__module__.startswith(_UVICORN) and hasattr(kind, 'run_asgi'):
    prepare = _for_uvicorn
  elif kind.__module__ == _HYPERCORN:
    prepare = _for_hypercorn
  if len(_known) < 100:  # classes may be made for each request
    _known[kind] = prepare
  return prepare
