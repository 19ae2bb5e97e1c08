# SPDX-License-Identifier: MIT
"""HTTP servers for the tests: one answers with a function; a proxy forwards what the function does
not answer to another server."""

import http.client
import http.server
import threading
from typing import Any, Callable, Dict, List, NamedTuple, Optional
from urllib.parse import urlsplit


class Request(NamedTuple):
  """A request that a client sent. Names in `headers` are in lower case."""

  method: str
  path: str
  headers: Dict[str, str]
  body: bytes


class Answer(NamedTuple):
  """An answer to a request."""

  status: int = 200
  body: bytes = b''
  headers: Dict[str, str] = {}
  cut: bool = False
  """Whether the connection ends in the middle of the body."""
  mute: bool = False
  """Whether it ends without a byte."""


class HttpServer:
  """Answers requests in its own threads, and records them in `requests`."""

  def __init__(
    self, answer: Callable[[Request], Optional[Answer]], upstream: Optional[str] = None
  ) -> None:
    """answer: returns an answer, or None to forward the request to the server at the URL
    `upstream`."""
    self.requests: List[Request] = []
    self.answer = answer
    self.upstream = urlsplit(upstream).netloc if upstream else None
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
    answer = self.answer(request) or self.forward(request)
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

  def forward(self, request: Request) -> Answer:
    assert self.upstream is not None
    connection = http.client.HTTPConnection(self.upstream, timeout=20)
    names = {name: value for name, value in request.headers.items() if name != 'host'}
    connection.request(request.method, request.path, request.body, names)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    headers = {
      name: value for name, value in answer.getheaders() if name.lower() in FORWARDED_HEADERS
    }
    return Answer(answer.status, body, headers)

  def __enter__(self) -> 'HttpServer':
    return self

  def __exit__(self, *_: Any) -> None:
    self.server.shutdown()
    self.server.server_close()


FORWARDED_HEADERS = {'content-type', 'x-amz-crc32', 'x-amzn-requestid', 'date'}
