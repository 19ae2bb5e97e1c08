# SPDX-License-Identifier: MIT
"""A run of the application whose response can most likely not be stored.

    HttpSend   passes the messages on, and asks the exchange about the start of the response
    Trial      makes a Run if the response can be stored after all. It takes the messages from then

So a response that only passes costs no Run. HttpSend is in http_send.c of the extension.
"""

from typing import Any, Optional, Tuple

from ._coalescing import Message, Receive, Send
from ._plans import Box
from ._run import Run, Scope


class Trial(Box):
  """The box of such a run, and what a Run would need.

  run: the run that stores the response, or None.
  """

  run: Optional[Run] = None
  _is_gone = False  # the client has disconnected before there was a run

  def __init__(self, scope: Scope, receive: Receive, rest: Tuple[Any, ...]) -> None:
    """Makes a trial.

    rest: a tuple, because most trials make no run: `shared`, the exchange, the `send` of the
      server, the record, and the numbers of the run and of the last purge.
    """
    self.scope = scope
    self._receive = receive
    self._rest = rest

  async def receive(self) -> Message:
    """The `receive` of the application."""
    message = await self._receive()
    if message['type'] == 'http.disconnect':
      if self.run is None:
        self._is_gone = True
      else:
        self.run.note_disconnect()
    return message

  # ---- What HttpSend calls

  def take_over(self, requested: int) -> Send:
    """Makes the run. Returns what takes the messages, from the start of the response on."""
    shared, exchange, send, record, number, epoch = self._rest
    self.run = run = Run(shared, None, exchange, self.scope, self._receive, send, record, number)
    return run.take_over(self, requested, epoch, self._is_gone)
