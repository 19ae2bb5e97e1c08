# SPDX-License-Identifier: MIT
"""What is sent to clients: answers from the store, and fields that the cache adds."""

import hashlib
from typing import Any, Awaitable, Callable, List, Mapping, Optional, Tuple

from .._cachette import HttpExchange
from ._servers import Headers, with_one_date
from ._shared import Shared

# The fields of a 304 (RFC 9110, 15.4.5).
IN_304 = frozenset(
  (b'cache-control', b'content-location', b'date', b'etag', b'expires', b'vary', b'cache-status')
)


async def send_stored(
  shared: Shared,
  exchange: HttpExchange,
  parts: 'Tuple[bytes, ...]',
  send: Callable[[Any], Awaitable[None]],
  collapsed: bool = False,
  server: Any = None,
) -> None:
  """Sends an answer from the store.

  parts: the whole body of the record, or nothing for an error of the cache.
  server: the `send` of the server, if `send` is not.
  """
  headers = with_one_date(server or send, exchange.answer(collapsed=collapsed))
  if not shared.cache_status:
    headers = without_cache_status(headers)
  body = b''
  if exchange.send_body and parts:
    whole = parts[0] if len(parts) == 1 else b''.join(parts)
    first, size = exchange.body_first, exchange.body_size
    body = whole if size == len(whole) else whole[first : first + size]
  await send({'type': 'http.response.start', 'status': exchange.status, 'headers': headers})
  await send({'type': 'http.response.body', 'body': body, 'more_body': False})
  shared.counters.bytes += len(body)


def without_cache_status(headers: Headers) -> Headers:
  """Removes our Cache-Status, which is the last field."""
  return headers[:-1] if headers and headers[-1][0] == b'cache-status' else headers


def make_etag(kind: str, headers: Headers, body: Any) -> Optional[bytes]:
  """Returns an ETag for a whole body, or None if the policy or the response wants no other."""
  if kind == 'none' or any(name.lower() == b'etag' for name, _ in headers):
    return None
  digest = hashlib.blake2b(body, digest_size=12).hexdigest().encode()
  return b'"%b"' % digest if kind == 'strong' else b'W/"%b"' % digest


def content_length(headers: Headers) -> Optional[int]:
  for name, value in headers:
    if name.lower() == b'content-length':
      return int(value) if value.isdigit() else -1
  return None


def is_events(headers: Headers) -> bool:
  """Whether a response is a stream of server-sent events."""
  for name, value in headers:
    if name.lower() == b'content-type':
      return value.split(b';')[0].strip().lower() == b'text/event-stream'
  return False


def has_etag_of(scope: Mapping[str, Any], headers: Headers) -> bool:
  """Whether the request has the ETag of a response in If-None-Match (RFC 9110, 13.1.2)."""
  if scope['method'] == 'POST':
    return False
  wanted = [value for name, value in scope['headers'] if name.lower() == b'if-none-match']
  if not wanted:
    return False
  for name, value in headers:
    if name.lower() == b'etag':
      opaque = value[2:] if value.startswith(b'W/') else value
      members = b','.join(wanted)
      return members.strip() == b'*' or opaque in _opaque_tags(members)
  return False


def _opaque_tags(members: bytes) -> List[bytes]:
  """Returns the tags of a list without their W/. A quote or a comma inside a tag does not matter,
  since tags that are made here have none: at worst a tag is not found."""
  tags = [each.strip() for each in members.split(b',')]
  return [tag[2:] if tag.startswith(b'W/') else tag for tag in tags]
