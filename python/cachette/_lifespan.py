# SPDX-License-Identifier: MIT
"""Connects when an application starts, and closes the connection when it ends."""

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, AsyncIterator, Type

from ._cachette import close
from ._exceptions import BackendError, BackendTimeout, BackendUnavailable

if TYPE_CHECKING:
  from ._core import Cachette


@asynccontextmanager
async def lifespan(cls: 'Type[Cachette]') -> AsyncIterator[None]:
  """See `Cachette.lifespan`."""
  try:
    await cls().ping()
  except BackendError as error:
    from logging import getLogger

    problem = (
      'does not answer yet'
      if isinstance(error, (BackendTimeout, BackendUnavailable))
      else 'cannot be used'
    )
    getLogger('cachette').warning('The cache %s %s: %s', cls.__name__, problem, error)
  try:
    yield
  finally:
    close(cls)
