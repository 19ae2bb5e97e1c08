# SPDX-License-Identifier: MIT
"""Caches the responses of an ASGI application, as the standards of HTTP have it."""

from .._exceptions import OnlyIfCached
from ._check import check
from ._control import RequestControl
from ._policy import Policy
from ._purge import purge, purge_app
from ._routes import cache_control, cache_response, no_cache

__all__ = [
  'OnlyIfCached',
  'Policy',
  'RequestControl',
  'cache_control',
  'cache_response',
  'check',
  'no_cache',
  'purge',
  'purge_app',
]

for _each in (
  Policy,
  RequestControl,
  cache_control,
  cache_response,
  check,
  no_cache,
  purge,
  purge_app,
):
  _each.__module__ = 'cachette.http'  # the public name


def __dir__() -> 'list[str]':
  """Without the private modules."""
  return sorted(__all__)
