# SPDX-License-Identifier: MIT
"""Servers that run as child processes."""

import abc
import contextlib
import fcntl
import functools
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Callable, Dict, Iterator, List, Optional, Type, TypeVar

Self = TypeVar('Self', bound='Server')


def _claim_ports() -> Iterator[int]:
  """The ports of this process, again and again. Processes that run tests at the same time
  have different ones, so none takes a port that another has found free and not used yet.

  They are below those that the system gives to clients: a server that is started again finds its
  port free, and nobody who tries it meanwhile connects to himself.
  """
  for start in range(12000, 32000, PORTS):
    path = os.path.join(tempfile.gettempdir(), f'cachette-ports-{start}-{os.getuid()}')
    lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)  # held until the process ends
    with contextlib.suppress(OSError):
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
      return itertools.cycle(range(start, start + PORTS))
    os.close(lock)
  raise RuntimeError('too many processes run tests')


PORTS = 500  # for each process
_ports = _claim_ports()


def find_free_port() -> int:
  while True:
    port = next(_ports)
    with socket.socket() as probe, contextlib.suppress(OSError):
      probe.bind(('127.0.0.1', port))
      return port


def find_free_ports(count: int) -> List[int]:
  return [find_free_port() for _ in range(count)]


def wait_until(
  condition: Callable[[], object], what: str, seconds: float = 60, pause: float = 0.02
) -> None:
  """Waits until a condition is true. An OSError counts as false."""
  deadline = time.monotonic() + seconds
  while True:
    with contextlib.suppress(OSError):
      if condition():
        return
    if time.monotonic() > deadline:
      raise RuntimeError(f'waited {seconds} s in vain: {what}')
    time.sleep(pause)


# To the kernel, the parent is the thread that started the server. Threads other than the main one
# may end before the server, so this one starts it instead.
_launcher = ThreadPoolExecutor(1)


def _die_with_parent() -> None:
  """Asks the kernel to kill the server when its parent is killed, which has no chance to do it."""
  if sys.platform == 'linux':
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Server(abc.ABC):
  """A server on 127.0.0.1 that can be paused, or killed and started again on the same port.

  When the with statement ends, the server is killed and its directory is removed.
  """

  name: str
  """What errors call it."""

  def __init__(
    self, *settings: str, port: Optional[int] = None, env: Optional[Dict[str, str]] = None
  ) -> None:
    """settings: command-line arguments. port: None chooses a free one. env: variables to add to the
    environment."""
    self.settings = settings
    self.env = {**os.environ, **(env or {})}
    self.port = find_free_port() if port is None else port
    self.directory = tempfile.mkdtemp(prefix='cachette-server-')
    self.process: Optional[subprocess.Popen[bytes]] = None
    try:
      self.start()
    except BaseException:
      self.remove()
      raise

  @abc.abstractmethod
  def command(self) -> List[str]:
    """The command line without its settings. Raises RuntimeError if the server is not installed."""

  def connect(self) -> None:
    """Connects once. Raises OSError if that fails."""
    socket.create_connection(('127.0.0.1', self.port), 1).close()

  def start(self) -> None:
    """Starts the server, and waits until it listens."""
    self.launch()
    self.wait_until_listening()

  def launch(self) -> None:
    """Starts the server without waiting."""
    with open(os.path.join(self.directory, 'output'), 'ab') as output:
      start = functools.partial(
        subprocess.Popen,
        [*self.command(), *self.settings],
        stdout=output,
        stderr=output,
        env=self.env,
        preexec_fn=_die_with_parent,
      )
      is_main = threading.current_thread() is threading.main_thread()
      self.process = start() if is_main else _launcher.submit(start).result()

  def wait_until_listening(self) -> None:
    assert self.process is not None
    deadline = time.monotonic() + 60
    while True:
      if self.process.poll() is not None:
        raise RuntimeError(f'{self.name} ended: {self.output()}')
      with contextlib.suppress(OSError):
        self.connect()
        return
      if time.monotonic() > deadline:
        raise RuntimeError(f'{self.name} does not listen: {self.output()}')
      time.sleep(0.02)

  def output(self) -> str:
    """The end of its output."""
    with open(os.path.join(self.directory, 'output'), encoding='utf-8', errors='replace') as file:
      return file.read()[-2000:]

  def pause(self) -> None:
    """Stops the process with SIGSTOP, like a server that hangs, and waits until it has stopped."""
    assert self.process is not None
    self.process.send_signal(signal.SIGSTOP)
    _, status = os.waitpid(self.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)

  def resume(self) -> None:
    assert self.process is not None
    self.process.send_signal(signal.SIGCONT)

  def kill(self) -> None:
    """Kills the process, and waits until it has exited."""
    if self.process is not None:
      self.process.kill()
      self.process.send_signal(signal.SIGCONT)
      self.process.wait()
      self.process = None

  def remove(self) -> None:
    self.kill()
    shutil.rmtree(self.directory, ignore_errors=True)

  def __enter__(self: Self) -> Self:
    return self

  def __exit__(
    self,
    kind: Optional[Type[BaseException]],
    error: Optional[BaseException],
    traceback: Optional[TracebackType],
  ) -> None:
    self.remove()


def find_program(name: str) -> str:
  path = shutil.which(name)
  if path is None:
    raise RuntimeError(f'{name} is not installed; `scripts/setup servers` installs it')
  return path
