# SPDX-License-Identifier: MIT
"""Connects when an application starts, and closes the connection when it ends."""

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, AsyncIterator, Type

from ._cachette import close
from ._exceptions import BackendError, BackendTimeout, BackendUnavailable

if TYPE_CHECKING:
  from ._core import Cachette


@asynccontextmanager
async def lifespan(cls: 'Type[Cachette]', app: object) -> AsyncIterator[None]:
  """See `Cachette.lifespan`."""
  _check_routes(app)
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
    await _end_refreshes(cls)
    close(cls)


async def _end_refreshes(cls: 'Type[Cachette]') -> None:
  """Ends what the middlewares of the class run in the background."""
  http: Any = sys.modules.get('cachette.http._shared')
  if http is not None:
    await http.end_background(cls)


def _check_routes(app: object) -> None:
  """Warns about routes with a cache policy that has no effect."""
  http: Any = sys.modules.get('cachette.http')  # without it, no route has a policy
  if app is None or http is None:
    return
  try:
    http.check(app)
  except Warning:  # the application made warnings errors
    raise
  except Exception as error:  # a framework that has changed must still start
    from logging import getLogger

    getLogger('cachette').debug('The routes were not checked: %r', error)
