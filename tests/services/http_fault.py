# SPDX-License-Identifier: MIT
"""HTTP servers of the tests: one that answers by a function, and one that does so in front of
another server, to which it passes on what the function leaves to it."""

import http.client
import http.server
import threading
from typing import Any, Callable, Dict, List, NamedTuple, Optional
from urllib.parse import urlsplit


class Request(NamedTuple):
  """What a client has sent; `headers` by their names in small letters."""

  method: str
  path: str
  headers: Dict[str, str]
  body: bytes


class Answer(NamedTuple):
  """What it is answered."""

  status: int = 200
  body: bytes = b''
  headers: Dict[str, str] = {}
  cut: bool = False
  """Whether the connection ends in the middle of the body."""
  mute: bool = False
  """Whether it ends without a byte."""


class HttpServer:
  """Answers in threads of its own, and keeps what was asked."""

  def __init__(
    self, answer: Callable[[Request], Optional[Answer]], behind: Optional[str] = None
  ) -> None:
    """answer: gives an answer, or None for one of the server whose URL is `behind`."""
    self.requests: List[Request] = []
    self.answer = answer
    self.behind = urlsplit(behind).netloc if behind else None
    outer = self

    class Handler(http.server.BaseHTTPRequestHandler):
      protocol_version = 'HTTP/1.1'

      def log_message(self, *_: Any) -> None:
        pass

      def serve(self) -> None:
        outer.serve(self)

      do_GET = do_POST = do_PUT = do_CONNECT = serve

    self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    self.server.daemon_threads = True
    self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
    self.thread.start()

  @property
  def url(self) -> str:
    return f'http://127.0.0.1:{self.server.server_port}'

  def serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
    body = handler.rfile.read(int(handler.headers.get('Content-Length', 0)))
    headers = {name.lower(): value for name, value in handler.headers.items()}
    request = Request(handler.command, handler.path, headers, body)
    self.requests.append(request)
    answer = self.answer(request) or self.pass_on(request)
    if answer.mute:
      handler.close_connection = True
      return
    handler.send_response_only(answer.status)
    for name, value in answer.headers.items():
      handler.send_header(name, value)
    handler.send_header('Content-Length', str(len(answer.body)))
    handler.end_headers()
    if answer.cut:
      handler.wfile.write(answer.body[: len(answer.body) // 2])
      handler.close_connection = True
    else:
      handler.wfile.write(answer.body)

  def pass_on(self, request: Request) -> Answer:
    assert self.behind is not None
    connection = http.client.HTTPConnection(self.behind, timeout=20)
    names = {name: value for name, value in request.headers.items() if name != 'host'}
    connection.request(request.method, request.path, request.body, names)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    kept = {name: value for name, value in answer.getheaders() if name.lower() in KEPT}
    return Answer(answer.status, body, kept)

  def __enter__(self) -> 'HttpServer':
    return self

  def __exit__(self, *_: Any) -> None:
    self.server.shutdown()
    self.server.server_close()


KEPT = {'content-type', 'x-amz-crc32', 'x-amzn-requestid', 'date'}
