# SPDX-License-Identifier: MIT
"""Stores HTTP records in the backend of a Cachette class."""

from typing import TYPE_CHECKING, Iterable, Optional, Sequence, Tuple, Type

if TYPE_CHECKING:
  from .._core import Cachette
  from ._purge import Epochs


class Store:
  """The records of one middleware, in the backend of a Cachette class.

  The class may be configured later, or anew: each call uses the configuration that is current. Use
  a store in any event loop and thread.
  """

  errors: int
  """Calls that failed or ran out of time."""

  def __init__(self, cache: 'Type[Cachette]', timeout: float = 0.05) -> None:
    """Takes the class, and the seconds that a fetch may take."""
    raise NotImplementedError

  @property
  def epochs(self) -> 'Epochs':
    """What was purged, as far as this process knows. Do not keep it: ask again in each request."""
    raise NotImplementedError

  @property
  def now_ms(self) -> Optional[int]:
    """The time of the stopped clock of cachette.testing, or None: the real time."""
    raise NotImplementedError

  async def fetch(self, key: str, memo: bool = True) -> Optional[bytes]:
    """Returns what is stored for a key: a record's head and perhaps its body, or an index record.

    Returns None on a miss, and if the store fails or is too slow, or if it is not known what was
    purged in the last second. After a fetch, `epochs` is at most a second old.

    memo: whether remember() counts.
    """
    raise NotImplementedError

  def remember(self, key: str, index: bytes) -> None:
    """Keeps an index record (decide() made VARIANT of it) for a second, so that a fetch of it is
    no round trip."""
    raise NotImplementedError

  async def fetch_body(self, record: bytes) -> 'Optional[Tuple[bytes, ...]]':
    """Returns the whole body of a record in parts, also if it is stored apart from the head. None:
    a part is missing or of another response; then the record is a miss."""
    raise NotImplementedError

  async def put(self, key: str, head: bytes, body: Sequence[bytes], keep_ms: int) -> bool:
    """Stores a record: first the parts of its body that do not fit, then its head. Returns whether
    it is stored; errors are counted and logged."""
    raise NotImplementedError

  async def put_index(self, key: str, index: bytes, keep_ms: int = 86_400_000) -> bool:
    """Stores an index record, and remembers it."""
    raise NotImplementedError

  async def clear(self, keys: Iterable[str]) -> bool:
    """Clears records. Returns whether that succeeded."""
    raise NotImplementedError

  async def invalidate(
    self, invalidated: 'Iterable[Tuple[Optional[str], bytes]]', uri_tags: bool = False
  ) -> bool:
    """Forgets what HttpExchange.invalidated() returns: clears keys, and purges tags.

    uri_tags: whether records may have a key with more than the URI (cookies, bodies), so that tags
      of URIs must be purged too. That adds an entry to the log of purges.
    """
    raise NotImplementedError
