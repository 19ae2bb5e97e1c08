# SPDX-License-Identifier: MIT
"""Purges stored responses: by URL, prefix, tag, group, or all."""

from typing import TYPE_CHECKING, Any, Awaitable, Callable, Iterable, Mapping, Optional, Type, Union

if TYPE_CHECKING:
  from .._core import Cachette

VALID = 0
SOFT = 1
PURGED = 2

Auth = Callable[[Mapping[str, Any]], Union[bool, Awaitable[bool]]]


class Epochs:
  """What was purged, as far as this process knows."""

  number: int
  """The number of the last purge that is known: the `epoch` of a record whose response is asked for
  from now on. Read it before the origin is asked."""

  def judge(self, record: bytes, index_key: str, scope: Mapping[str, Any]) -> int:
    """Returns whether a record was purged: VALID (0), SOFT (1: use it as if its lifetime had just
    ended) or PURGED (2: it is a miss). Call it for a record that decide() accepted.

    index_key: the key of the request, as HttpExchange has it.
    """
    raise NotImplementedError


async def purge(
  *,
  url: Union[str, Iterable[str], None] = None,
  prefix: Union[str, Iterable[str], None] = None,
  tags: Union[str, Iterable[str]] = (),
  group: Union[str, Iterable[str], None] = None,
  origin: Optional[str] = None,
  all: bool = False,
  soft: bool = False,
  cache: 'Optional[Type[Cachette]]' = None,
  policy: Any = None,
) -> None:
  """Forgets stored responses, in all workers within a second."""
  raise NotImplementedError


def purge_app(auth: Auth, *, cache: 'Optional[Type[Cachette]]' = None, policy: Any = None) -> Any:
  """Returns an ASGI application that takes purges as JSON (draft-nottingham-http-invalidation)."""
  raise NotImplementedError
