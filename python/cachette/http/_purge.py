# SPDX-License-Identifier: MIT
"""Purges stored responses: by URL, prefix, tag, group, or all."""

import inspect
import json
from typing import (
  Any,
  Awaitable,
  Callable,
  Dict,
  Iterable,
  List,
  Mapping,
  MutableMapping,
  NamedTuple,
  Optional,
  Tuple,
  Type,
  Union,
)

from .._advice import short
from .._cachette import HttpPolicy, http_uri_key
from .._core import Cachette
from .._exceptions import CachetteError
from . import _uris
from ._epochs import PURGED, SOFT, VALID, Entry, Epochs, encode_tag
from ._policy import check_bool
from ._store import Store, policies_of

__all__ = ['PURGED', 'SOFT', 'VALID', 'Auth', 'Epochs', 'purge', 'purge_app']

Texts = Union[str, Iterable[str], None]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Auth = Callable[[Scope], Union[bool, Awaitable[bool]]]
App = Callable[[Any, Any, Any], Awaitable[None]]  # each framework has its own types for these

BODY_MAX = 1 << 20  # bytes of JSON that purge_app reads


async def purge(
  *,
  url: Texts = None,
  prefix: Texts = None,
  tags: Texts = None,
  group: Texts = None,
  origin: Optional[str] = None,
  all: bool = False,
  soft: bool = False,
  cache: Type[Cachette] = Cachette,
  policy: Any = None,
) -> None:
  """Forgets stored responses, in all workers within a second.

  A response that is under way meanwhile is forgotten, too, since it may be from before what you
  changed. Several criteria forget what any of them names.

  Args:
    url: Absolute URLs, such as "https://example.com/articles/1", with their query. All responses of
      a URL are forgotten, whatever they vary on.
    prefix: The begin of absolute URLs, such as "https://example.com/articles/".
    tags: Tags of responses: those of the route, of `Surrogate-Key` and of `Cache-Tag`.
    group: Groups of the field `Cache-Groups`.
    origin: The origin whose groups are meant, such as "https://example.com". None: any.
    all: Whether all responses are forgotten.
    soft: Whether to treat responses as stale instead of forgetting them: they are served while they
      are refreshed, if their stale windows allow it.
    cache: The class whose backend has the responses.
    policy: The policy of the middleware, if it drops or sorts queries. None: the policies of all
      middlewares of this process that use the class.

  Raises:
    TypeError: Nothing is named to purge, or an argument has the wrong type.
    ValueError: A URL is not absolute.
    BackendError: The backend failed, so workers may go on with what they have.
  """
  entry = Entry(
    **_of_urls(_texts('url', url), cache, policy),
    prefixes=tuple(map(_uris.normalize, _texts('prefix', prefix))),
    **_of_groups(_texts('group', group), _texts('tags', tags), origin),
    all=check_bool('all', all),
    soft=check_bool('soft', soft),
  )
  if not (entry.urls or entry.prefixes or entry.tags or entry.groups or entry.all):
    raise TypeError(
      'purge() needs something to purge: url=, prefix=, tags=, group= or all=True, such as '
      'purge(url="https://example.com/articles/1")'
    )
  store = Store(cache)
  await store.purge(entry)
  if entry.keys and not entry.soft:
    await store.clear(entry.keys)  # frees their memory now


# ---- Arguments


def _texts(name: str, value: Texts) -> Tuple[str, ...]:
  """Returns one text, several, or none as a tuple."""
  if value is None:
    return ()
  if not isinstance(value, Iterable):
    raise TypeError(f'{name} must be a non-empty str, or several, not {short(value)}')
  texts = (value,) if isinstance(value, str) else tuple(value)
  for text in texts:
    if not isinstance(text, str) or not text:
      raise TypeError(f'{name} must be a non-empty str, or several, not {short(text)}')
    try:
      encode_tag(text)
    except UnicodeEncodeError:
      raise ValueError(f'{name} has {short(text)}, which is not valid Unicode') from None
  return texts


def _of_urls(urls: Iterable[str], cache: Type[Cachette], policy: Any) -> Dict[str, Any]:
  """Returns the fields `keys` and `urls` of an entry. A key depends on the policy."""
  policies = [policy] if policy is not None else policies_of(cache)
  native = [_native(each) for each in policies] or [HttpPolicy()]
  normal = [_uris.normalize(each) for each in urls]
  spellings = dict.fromkeys([*urls, *normal])
  keys = dict.fromkeys(_key(each, uri) for each in native for uri in spellings)
  return {'keys': tuple(each for each in keys if each), 'urls': tuple(normal)}


def _native(policy: Any) -> HttpPolicy:
  """Returns what the extension takes: a Policy has it, and an HttpPolicy is it."""
  native: HttpPolicy = policy if isinstance(policy, HttpPolicy) else policy.to_c()
  return native


def _key(native: HttpPolicy, uri: str) -> str:
  """Returns the key of a URI, or '' if it is an IRI, whose normal form has the key."""
  try:
    return http_uri_key(native, uri)
  except ValueError:
    return ''


def _of_groups(
  groups: Tuple[str, ...], tags: Tuple[str, ...], origin: Optional[str]
) -> Dict[str, Any]:
  """Returns the fields `groups` and `tags` of an entry. A group of an origin is a tag."""
  if origin is None:
    return {'groups': groups, 'tags': tags}
  if not groups:
    raise TypeError('origin is for group=, which is not given')
  return {'tags': (*tags, *(f'{_uris.origin_of(origin)} {each}' for each in groups))}


# ---- The ASGI application


class _Refusal(Exception):
  """An answer other than 200."""

  def __init__(self, status: int, message: str, *headers: Tuple[bytes, bytes]) -> None:
    super().__init__(message)
    self.status = status
    self.headers = headers


class _Wish(NamedTuple):
  """What a request asks for: arguments of purge()."""

  url: Tuple[str, ...] = ()
  prefix: Tuple[str, ...] = ()
  group: Tuple[str, ...] = ()
  origins: Tuple[str, ...] = ()


def purge_app(auth: Auth, *, cache: Type[Cachette] = Cachette, policy: Any = None) -> App:
  """Returns an ASGI application that takes purges as JSON, to mount it or to serve it alone.

  A request is a POST of an object of draft-nottingham-http-invalidation, such as

      {"type": "uri", "selectors": ["https://example.com/articles/1"]}

  The types are "uri", "uri-prefix", "origin", and "group" with the member "groups". The answer is
  200 when it is done. It is 400 if the object is not valid, 401 without authorization, 405 for
  other methods, 413 for more than 1 MiB, 415 for another media type than JSON, 501 for a type that
  is not known, and 503 if the backend fails.

  Args:
    auth: A function, plain or asynchronous, that takes the scope of the request and returns whether
      it may purge. Compare secrets with `hmac.compare_digest`.
    cache: The class whose backend has the responses.
    policy: See `purge`.

  Returns:
    The application.

  Raises:
    TypeError: `auth` is not callable.
  """
  if not callable(auth):
    raise TypeError('auth must be a function that takes the scope and returns True or False')

  async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope['type'] == 'lifespan':
      await _live(receive, send)
    elif scope['type'] == 'websocket':
      await receive()
      await send({'type': 'websocket.close', 'code': 1000})
    else:
      await _answer(auth, cache, policy, scope, receive, send)

  return app


async def _live(receive: Receive, send: Send) -> None:
  for phase in ('startup', 'shutdown'):
    await receive()
    await send({'type': f'lifespan.{phase}.complete'})


async def _answer(
  auth: Auth, cache: Type[Cachette], policy: Any, scope: Scope, receive: Receive, send: Send
) -> None:
  status, message = 200, ''
  more: Tuple[Tuple[bytes, bytes], ...] = ()
  try:
    await _authorize(auth, scope)
    wish = _read_wish(await _read_body(scope, receive))
    await _fulfil(wish, cache, policy)
  except _Refusal as refusal:
    status, message, more = refusal.status, str(refusal), refusal.headers
  except CachetteError as error:
    status, message = 503, f'the cache failed: {type(error).__name__}'
  body = json.dumps({'error': message}).encode() if message else b'{}'
  headers = [
    (b'content-type', b'application/json'),
    (b'content-length', str(len(body)).encode()),
    (b'cache-control', b'no-store'),
    *more,
  ]
  await send({'type': 'http.response.start', 'status': status, 'headers': headers})
  await send({'type': 'http.response.body', 'body': body})


async def _authorize(auth: Auth, scope: Scope) -> None:
  if scope['method'] != 'POST':
    raise _Refusal(405, 'the method must be POST', (b'allow', b'POST'))
  allowed = auth(scope)
  if inspect.isawaitable(allowed):
    allowed = await allowed
  if not allowed:
    raise _Refusal(401, 'not authorized', (b'www-authenticate', b'Bearer'))


async def _read_body(scope: Scope, receive: Receive) -> bytes:
  types = [value for name, value in scope['headers'] if name.lower() == b'content-type']
  media_type = types[0].partition(b';')[0].strip().lower() if len(types) == 1 else b''
  if media_type != b'application/json' and not media_type.endswith(b'+json'):
    raise _Refusal(415, 'the Content-Type must be application/json')
  body, more = bytearray(), True
  while more:
    message = await receive()
    if message['type'] != 'http.request':
      raise _Refusal(400, 'the body ended early')
    body += message.get('body', b'')
    more = message.get('more_body', False)
    if len(body) > BODY_MAX:
      raise _Refusal(413, f'the body must have at most {BODY_MAX} bytes')
  return bytes(body)


def _read_wish(body: bytes) -> _Wish:
  try:
    wish = json.loads(body)
  except (ValueError, RecursionError):
    raise _Refusal(400, 'the body is not JSON') from None
  if not isinstance(wish, dict):
    raise _Refusal(400, 'the body must be an object')
  kind, selectors = wish.get('type'), _read_list(wish, 'selectors')
  if not isinstance(kind, str):
    raise _Refusal(400, '"type" must be a string')
  if not isinstance(wish.get('purge', False), bool):
    raise _Refusal(400, '"purge" must be true or false')
  if kind == 'uri':
    return _Wish(url=selectors)
  if kind == 'uri-prefix':
    return _Wish(prefix=selectors)
  if kind == 'origin':
    return _Wish(prefix=tuple(_origin(each) + '/' for each in selectors))
  if kind == 'group':
    return _Wish(group=_read_list(wish, 'groups'), origins=tuple(map(_origin, selectors)))
  raise _Refusal(501, '"type" must be "uri", "uri-prefix", "origin" or "group"')


def _read_list(wish: Mapping[str, Any], name: str) -> Tuple[str, ...]:
  texts = wish.get(name)
  if (
    not isinstance(texts, list)
    or not texts
    or not all(each and isinstance(each, str) for each in texts)
  ):
    raise _Refusal(400, f'"{name}" must be an array of non-empty strings, with at least one')
  return tuple(texts)


def _origin(text: str) -> str:
  """Returns an origin without a path. Its port may be missing, although the draft demands it."""
  try:
    origin = _uris.origin_of(text)
  except ValueError as error:
    raise _Refusal(400, str(error)) from None
  if _uris.normalize(text) != f'{origin}/' or '#' in text:
    raise _Refusal(400, f'{text!r} is not an origin, such as "https://example.com:443"')
  return origin


async def _fulfil(wish: _Wish, cache: Type[Cachette], policy: Any) -> None:
  each: List[Optional[str]] = list(dict.fromkeys(wish.origins)) or [None]
  try:
    for origin in each:
      await purge(
        url=wish.url or None,
        prefix=wish.prefix or None,
        group=wish.group or None,
        origin=origin,
        cache=cache,
        policy=policy,
      )
  except ValueError as error:
    raise _Refusal(400, str(error)) from None
