# SPDX-License-Identifier: MIT
"""Socket servers of the tests, with or without TLS, and a certificate."""

import contextlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Callable, Dict, Iterator


def make_certificate(folder: Path, names: str = 'IP:127.0.0.1') -> Dict[str, str]:
  """Creates a self-signed certificate for 127.0.0.1, or for other names as OpenSSL writes them.
  Returns the paths of the certificate and its key."""
  paths = {'cert': str(folder / 'cert.pem'), 'key': str(folder / 'key.pem')}
  subprocess.run(
    ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=test']
    + ['-addext', f'subjectAltName={names}', '-out', paths['cert'], '-keyout', paths['key']],
    check=True,
    capture_output=True,
  )
  return paths


@contextlib.contextmanager
def listen(serve: Callable[[socket.socket], None]) -> Iterator[int]:
  """Serves each connection in a thread until the with statement ends. Yields the port."""

  def run(connection: socket.socket) -> None:
    with contextlib.suppress(OSError), connection:
      serve(connection)

  def accept() -> None:
    with contextlib.suppress(OSError):
      while True:
        connection, _ = listener.accept()
        threading.Thread(target=run, args=(connection,), daemon=True).start()

  with socket.create_server(('127.0.0.1', 0)) as listener:
    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    with contextlib.suppress(OSError):
      listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def tls_front(certificate: str, key: str, port: int) -> Iterator[int]:
  """TLS in front of a server on 127.0.0.1 without TLS. Yields the port."""
  context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
  context.load_cert_chain(certificate, key)

  def forward(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
      while data := source.recv(65536):
        sink.sendall(data)
    with contextlib.suppress(OSError):
      sink.shutdown(socket.SHUT_RDWR)

  def serve(connection: socket.socket) -> None:
    with context.wrap_socket(connection, server_side=True) as encrypted:
      with socket.create_connection(('127.0.0.1', port)) as upstream:
        threading.Thread(target=forward, args=(upstream, encrypted), daemon=True).start()
        forward(encrypted, upstream)

  with listen(serve) as front_port:
    yield front_port


@contextlib.contextmanager
def tls_server(certificate: str, key: str) -> Iterator[int]:
  """Accepts TLS connections and sends nothing. Yields the port."""
  context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
  context.load_cert_chain(certificate, key)

  def serve(connection: socket.socket) -> None:
    with context.wrap_socket(connection, server_side=True) as encrypted:
      while encrypted.recv(4096):
        pass

  with listen(serve) as port:
    yield port
