# SPDX-License-Identifier: MIT
"""Refreshes a stale response in the background.

A refresh is a request of the cache, not of the client whose request began it (RFC 9111, 4.3.1). It
is a GET, also after a HEAD, and it wants the whole response. Who the client is, what it has and
what it wishes of caches is left out, so that the response is the one for all.
"""

from typing import Any, Optional, Tuple

from .._cachette import HTTP_ERROR, HTTP_HIT, HTTP_PASS, HttpExchange
from ._coalescing import UNSHARED, Flight, Message
from ._run import Run, Scope
from ._servers import Headers
from ._shared import MARK, Shared

# What the client has, and what it wishes of caches.
_WISHES = frozenset(
  (
    *(b'if-match', b'if-none-match', b'if-modified-since', b'if-unmodified-since', b'if-range'),
    *(b'range', b'cache-control', b'pragma'),
  )
)
_CREDENTIALS = frozenset((b'authorization', b'cookie', b'proxy-authorization'))

_DONE = (HTTP_HIT, HTTP_PASS, HTTP_ERROR)  # there is nothing to refresh any more

_REFUSED = 'refused '  # and a key: in Shared.unshared, that a refresh needs credentials


async def refresh(
  shared: Shared,
  app: Any,
  exchange: HttpExchange,
  record: Optional[bytes],
  scope: Scope,
  body: Optional[bytes],
  flight: Flight,
) -> None:
  """Runs the application for a stale response, unless that is fresh meanwhile.

  exchange: of the request that got the stale response; so are `record` and `scope`.
  body: of that request, if it is in the key.
  """
  asked = list(scope['headers'])
  wanted = [each for each in asked if each[0].lower() not in _WISHES]
  own = _without_credentials(shared, wanted)
  if own != wanted and shared.is_unshared(_REFUSED + flight.key):
    own = wanted
  scope = {**scope, MARK: True, 'headers': own}
  scope.pop('extensions', None)
  if scope['method'] == 'HEAD' or own != asked:
    scope['method'] = 'GET' if scope['method'] == 'HEAD' else scope['method']
    exchange, record = await _ask(shared, scope, body)
    if exchange.key != flight.key and own != wanted:  # the response varies on credentials
      own = scope['headers'] = wanted
      exchange, record = await _ask(shared, scope, body)
    if exchange.key != flight.key or exchange.action in _DONE:
      flight.settle(UNSHARED)
      return
  run = Run(
    *(shared, app, exchange, scope, _disconnected, _nowhere, record, flight.number, flight),
    body or b'',
  )
  await run.drive()
  if own != wanted and flight.outcome == UNSHARED and run.status < 500:
    shared.remember_unshared(_REFUSED + flight.key)


async def _ask(
  shared: Shared, scope: Scope, body: Optional[bytes]
) -> Tuple[HttpExchange, Optional[bytes]]:
  exchange = HttpExchange(shared.c_policy, scope, body)
  return exchange, await shared.look_up(exchange, scope)


def _without_credentials(shared: Shared, headers: Headers) -> Headers:
  """Leaves out what tells who the client is, except cookies that are part of the key."""
  if not shared.policy.shared:
    return headers  # the cache has one user
  own = []
  for name, value in headers:
    if name.lower() == b'cookie':
      value = _key_cookies(shared, value)
      if value:
        own.append((name, value))
    elif name.lower() not in _CREDENTIALS:
      own.append((name, value))
  return own


def _key_cookies(shared: Shared, value: bytes) -> bytes:
  names = [each.encode('ascii') for each in shared.policy.key_cookies]
  cookies = [each.strip(b' \t') for each in value.split(b';')]
  return b'; '.join(each for each in cookies if each.partition(b'=')[0].strip(b' \t') in names)


async def _disconnected() -> Message:
  return {'type': 'http.disconnect'}


async def _nowhere(message: Message) -> None:
  """The `send` of a refresh."""
