# SPDX-License-Identifier: MIT
"""The middleware `RequestControl`: calls of the cache obey the Cache-Control of the request.

The request is told to the calls by a context variable, so that requests do not mix:

    RequestControl   headers --> Control --> current_control, a context variable
    a call           current_control --> what it does        (control.c and call.c of the extension)

CacheMiddleware wraps the application in RequestControl if a configuration has the option. Another
middleware that runs the application does so, too, or does the same itself: it sets
`current_control` to control_of(scope), and at the end it restores the variable and calls end().
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Optional

from .._cachette import Control, current_control, http_control
from .._exceptions import OnlyIfCached

if TYPE_CHECKING:
  Scope = MutableMapping[str, Any]
  Message = MutableMapping[str, Any]
  Receive = Callable[[], Awaitable[Message]]
  Send = Callable[[Message], Awaitable[None]]
  App = Callable[[Scope, Receive, Send], Awaitable[None]]

_TEXT = b'The response is not in the cache, and the request has only-if-cached.\n'


def control_of(scope: 'Scope') -> Optional[Control]:
  """Returns what a request asks of the calls that answer it. None: nothing."""
  return http_control(scope['headers']) if scope['type'] == 'http' else None


class RequestControl:
  """ASGI middleware that makes calls of the cache obey the request's Cache-Control (RFC 9111).

  CacheMiddleware does the same, so an application that has it does not need this one.

  Only the calls of a cache with the option `request_control` obey. That option is off by default,
  for a reason: anyone who can send a request can then cause misses, and so make the application
  do the work that the cache saves, and load what is behind it. Turn it on for clients that you
  trust, or together with a limit of requests. Use a separate class, with a configuration of its
  own, for anything that must not be missed on demand, such as sessions or counters.

  What a request can ask for, and what `fetch`, `fetch_with_ttl`, `fetch_many`, `get_or_set` and
  functions with `cached` then do:

  - `no-cache`, `max-age=0`, or `Pragma: no-cache` without Cache-Control: every fetch misses, so
    that `get_or_set` and `cached` compute the value and store it. If the value is being computed
    already, they wait for it.
  - `max-age=N`: an entry that is older than N seconds is a miss. The age is the `ttl` that the
    entry was put with, less the time that it has left. For `get_or_set` and `cached` that is the
    `ttl` of the call, or else the configured one. For a fetch it is the longest `ttl` of all puts
    of this process, so that no entry counts as younger than it is; other processes should not put
    with a longer one. If the age is not known, the entry is a miss: after `touch` in this process,
    and if the entry does not expire.
  - `min-fresh=N`: an entry that has less than N seconds left is a miss.
  - `no-store`: `get_or_set` and `cached` do not store the value. `put` and `put_many` clear their
    keys, so that no old value stays where the application wanted a new one.
  - `only-if-cached`: a miss raises `OnlyIfCached`, and the answer is 504 (Gateway Timeout). So does
    a failure of the backend in `get_or_set` and `cached`.

  Where several apply, all do. The calls `add`, `increment`, `touch`, `exists`, `delete`, `clear`
  and `flush` are for more than caching, and do not obey. Neither does code that the event loop's
  `run_in_executor` runs, because it does not see the context of the request; frameworks and
  `asyncio.to_thread` pass it on. Background tasks obey until the application has returned.

  >>> from cachette import Cachette
  >>> from cachette.http import RequestControl
  >>> class Pages(Cachette):
  ...   pass
  >>> _ = Pages.load_config({'request_control': True})
  >>> async def app(scope, receive, send):
  ...   page = await Pages().get_or_set('page', 'computed')
  >>> app = RequestControl(app)

  Args:
    app: An ASGI application. With Starlette, FastAPI or Litestar pass the class to the framework
      instead, as in `app.add_middleware(RequestControl)`.
  """

  def __init__(self, app: 'App') -> None:
    self.app = app

  # Any: each framework has its own types for these, which no common type fits.
  async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
    if scope['type'] != 'http':
      return await self.app(scope, receive, send)
    control = http_control(scope['headers'])
    outer = current_control.get(None)  # no token: the coroutine may be closed in another context
    current_control.set(control)
    try:
      if control is None or not control.only_if_cached:
        await self.app(scope, receive, send)
      else:
        await _answer_misses(self.app, control, scope, receive, send)
    finally:
      current_control.set(outer)
      if control is not None:
        control.end()  # a task that goes on no longer obeys it


async def _answer_misses(
  app: 'App', control: Control, scope: 'Scope', receive: 'Receive', send: 'Send'
) -> None:
  """Runs the application, and answers 504 if it raises OnlyIfCached.

  A framework may catch the exception and answer 500 itself. Then that answer is replaced.
  """
  started = replaced = False

  async def send_on(message: 'Message') -> None:
    nonlocal started, replaced
    is_start = message['type'] == 'http.response.start'
    if is_start and control.missed and message['status'] == 500:
      replaced = True
      await _send_miss(scope, send)
    if not replaced:
      started = started or is_start
      await send(message)

  try:
    await app(scope, receive, send_on)
  except Exception as error:
    if started or not _is_miss(error):
      raise
    if not replaced:
      await _send_miss(scope, send)


def _is_miss(error: BaseException) -> bool:
  """Returns whether an exception is OnlyIfCached, or a group of nothing else (PEP 654)."""
  if isinstance(error, OnlyIfCached):
    return True
  inner = getattr(error, 'exceptions', None)
  return isinstance(inner, tuple) and len(inner) > 0 and all(map(_is_miss, inner))


async def _send_miss(scope: 'Scope', send: 'Send') -> None:
  headers = [
    (b'content-type', b'text/plain; charset=utf-8'),
    (b'content-length', b'%d' % len(_TEXT)),
  ]
  await send({'type': 'http.response.start', 'status': 504, 'headers': headers})
  body = b'' if scope['method'] == 'HEAD' else _TEXT
  await send({'type': 'http.response.body', 'body': body, 'more_body': False})
