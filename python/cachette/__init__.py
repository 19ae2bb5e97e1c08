# SPDX-License-Identifier: MIT
"""A cache for ASGI frameworks, in memory or on a server, with one API for all backends."""

from ._cachette import __version__
from ._core import Cachette, cached
from ._exceptions import (
  BackendError,
  BackendTimeout,
  BackendUnavailable,
  CachetteError,
  CodecError,
  ConfigError,
)
from ._stats import Stats

__all__ = [
  'BackendError',
  'BackendTimeout',
  'BackendUnavailable',
  'Cachette',
  'CachetteError',
  'CodecError',
  'ConfigError',
  'Stats',
  '__version__',
  'cached',
]


def __dir__() -> 'list[str]':
  """Without the private modules."""
  return sorted({*__all__, 'http', 'testing'} & globals().keys())
