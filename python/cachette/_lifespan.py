# SPDX-License-Identifier: MIT
"""Connecting when an application starts, and closing when it ends."""

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, AsyncIterator, Type

from ._cachette import close
from ._exceptions import BackendError

if TYPE_CHECKING:
  from ._core import Cachette


@asynccontextmanager
async def lifespan(cls: 'Type[Cachette]') -> AsyncIterator[None]:
  """See `Cachette.lifespan`."""
  try:
    await cls().ping()
  except BackendError as error:
    from logging import getLogger

    getLogger('cachette').warning('The cache does not answer yet: %s', error)
  try:
    yield
  finally:
    close(cls)
