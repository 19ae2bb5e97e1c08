# SPDX-License-Identifier: MIT
"""Runs an application of http_apps.py in uvicorn, and tells its processor time; see worker.py.

The first argument is the application. FIELDS, if it is set, is what the application sends: a JSON
list of pairs. The cases are `port` and `times`: seconds of user and system time so far.
"""

import json
import os
import resource
import socket
import sys
import threading
from typing import Any, Dict

import uvicorn
from http_apps import MAKERS, STORED, hello
from worker import serve_cases


def listen() -> socket.socket:
  listener = socket.socket()
  listener.bind(('127.0.0.1', 0))
  listener.listen(64)
  return listener


def main() -> None:
  listener = listen()
  given = json.loads(os.environ.get('FIELDS', '[]'))
  fields = [(name.encode(), value.encode()) for name, value in given] or STORED
  app = MAKERS[sys.argv[1]](hello(fields))
  server = uvicorn.Server(
    uvicorn.Config(
      app, http='httptools', access_log=False, log_level='warning', lifespan='off', backlog=64
    )
  )

  def measure(case: str, quick: bool) -> Dict[str, Any]:
    if case == 'port':
      return {'port': listener.getsockname()[1]}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {'user': usage.ru_utime, 'system': usage.ru_stime}

  def answer() -> None:
    serve_cases(measure)
    server.should_exit = True

  threading.Thread(target=answer, daemon=True).start()
  server.run(sockets=[listener])


if __name__ == '__main__':
  main()
