# SPDX-License-Identifier: MIT
"""Caches the responses of an ASGI application, as the standards of HTTP have it."""

from .._exceptions import OnlyIfCached
from .._stats import HttpStats
from ._check import check
from ._control import RequestControl
from ._middleware import CacheMiddleware
from ._policy import Policy
from ._purge import purge, purge_app
from ._routes import cache_control, cache_response, no_cache

__all__ = [
  'CacheMiddleware',
  'HttpStats',
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

for _name in __all__:
  globals()[_name].__module__ = 'cachette.http'  # the public name


def __dir__() -> 'list[str]':
  """Without the private modules."""
  return sorted(__all__)
