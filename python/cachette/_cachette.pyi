# SPDX-License-Identifier: MIT
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Dict, List, Optional, Sequence, Tuple, TypeVar, Union, final

from ._times import Time

_T = TypeVar('_T')
_Ttl = Optional[Time]
_Declaration = TypeVar('_Declaration', bound=Callable[..., Any])

__version__: str

def check_ttl(ttl: _Ttl, /) -> None:
  """Raises the error that a put with this TTL would raise."""

def has_odd_key(value: object, /) -> bool:
  """Returns whether a dict in the value has a key that is not a str.

  Searches dicts, lists and tuples.
  """

@final
class Config:
  """A checked configuration."""

  def stop_clock(self) -> None:
    """Stops the clock of times to live; advance() moves it.

    Call it before the cache is first used.
    """
  def advance(self, ms: int, /) -> None:
    """Moves the stopped clock forward by milliseconds."""
  def get(self, name: str, /) -> Optional[str]:
    """Returns the text of an option that is not secret, or None."""
  def warning(self) -> Optional[str]:
    """Returns a warning about options that are valid but probably a mistake, or None."""
  def like(self, backend: str, /) -> Config:
    """Returns a copy with another backend, which must not need options.

    An in-memory store starts empty.
    """
  def lease(self, key: str, /) -> Lease:
    """Returns a lease: the right to store a value that is computed for a key from now on."""
  def encode(self, key: str, value: Any, /) -> Union[bytes, str]:
    """Encodes a value for store(): bytes, or a str if the codec stores text. Raises CodecError."""
  def decode(self, key: str, data: Union[bytes, str], returns: Any, /) -> Any:
    """Decodes a result of encode(), as a fetch would. Raises CodecError."""
  @property
  def textual(self) -> bool:
    """Whether the codec stores text and numbers, but no Python types."""

@final
class Lease:
  """The right to store a value that is computed for a key."""

  @property
  def open(self) -> bool:
    """Whether there was no write since the lease was taken."""
  @property
  def storing(self) -> bool:
    """Whether its put is pending."""
  @property
  def overtaken(self) -> bool:
    """Whether a write did not wait for its put."""
  @property
  def thread(self) -> int:
    """The id of the thread that puts."""
  @property
  def config(self) -> Config:
    """The configuration of the lease."""
  def overtake(self) -> bool:
    """Marks that a write does not wait for the put. Returns False if no put is pending."""

class Cache:
  """The base class of `Cachette`. It makes instances without arguments."""

  def __await__(self: _T) -> Generator[Any, Any, _T]: ...

class Sync:
  """The base class of `Cachette.sync`."""

  _owner: type
  def __new__(cls: type[_T], owner: type, /) -> _T: ...

def call(declaration: _Declaration, /) -> _Declaration:
  """Returns the call that has the name of a coroutine function and behaves like it."""

def blocking_call(declaration: _Declaration, /) -> _Declaration:
  """Returns the blocking call that has the name of a function and behaves like it."""

def load(
  pairs: Sequence[Tuple[str, Any]], lenient: bool, codec: Optional[str], /
) -> Tuple[Config, List[Tuple[str, str]]]:
  """Returns a Config of (name, value) pairs, and a list of (name, message), one for each error."""

def fetch_as(cls: type, key: str, default: Any, returns: Any, /) -> Coroutine[Any, Any, Any]:
  """Returns an awaitable for a fetch whose value is converted to a type."""

def fetch_as_now(cls: type, key: str, default: Any, returns: Any, /) -> Any:
  """The blocking form of fetch_as()."""

def store(
  cls: type, lease: Lease, data: Union[bytes, str], ttl: _Ttl, /
) -> Coroutine[Any, Any, None]:
  """Returns an awaitable that puts data of Config.encode(), unless a write has ended the lease."""

def store_now(cls: type, lease: Lease, data: Union[bytes, str], ttl: _Ttl, /) -> None:
  """The blocking form of store()."""

def forked() -> None:
  """Tells the module that this process is the child of a fork."""

def configure(cls: type, config: Optional[Config], /) -> None:
  """Sets the configuration of a class. None removes it, so the class inherits one."""

def running_loop() -> AbstractEventLoop:
  """Returns the running event loop. Raises RuntimeError if there is none."""

def close(cls: type, /) -> None:
  """Closes the connection of a class in the running event loop, if there is one."""

def stats(cls: type, /) -> Dict[str, Any]:
  """Returns the statistics of a class as a dict."""

def options() -> List[Dict[str, Any]]:
  """Returns the table of options, a dict for each option, in the order of the manual."""
