# SPDX-License-Identifier: MIT
"""A name server for names that only the tests know."""

import socket
import struct
import threading
from typing import Any, Dict, Tuple

A, SRV = 1, 33

# The records that answer a question for a name and a type.
Records = Dict[Tuple[str, int], bytes]


def encode_name(name: str) -> bytes:
  labels = [bytes([len(label)]) + label.encode() for label in name.split('.')]
  return b''.join(labels) + b'\0'


def address(text: str) -> bytes:
  return socket.inet_aton(text)


def service(target: str, port: int) -> bytes:
  return struct.pack('!HHH', 0, 0, port) + encode_name(target)


class NameServer:
  """Answers questions over UDP in its own thread. Unknown names have no records."""

  def __init__(self, records: Records, host: str, port: int = 53) -> None:
    self.records = records
    self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    self.socket.bind((host, port))
    self.thread = threading.Thread(target=self.serve, daemon=True)
    self.thread.start()

  def serve(self) -> None:
    while True:
      question, client = self.socket.recvfrom(4096)
      if question:
        self.socket.sendto(self.answer(question), client)

  def answer(self, question: bytes) -> bytes:
    labels, at = [], 12
    while question[at]:
      labels.append(question[at + 1 : at + 1 + question[at]].decode())
      at += question[at] + 1
    kind, klass = struct.unpack_from('!HH', question, at + 1)
    record = self.records.get(('.'.join(labels).lower(), kind))
    head = struct.pack(
      '!HHHHHH', *struct.unpack_from('!H', question), 0x8580, 1, bool(record), 0, 0
    )
    reply = head + question[12 : at + 5]
    if record is not None:
      reply += struct.pack('!HHHIH', 0xC00C, kind, klass, 60, len(record)) + record
    return reply

  def __enter__(self) -> 'NameServer':
    return self

  def __exit__(self, *_: Any) -> None:
    """The thread ends with the process."""
