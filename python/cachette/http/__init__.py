# SPDX-License-Identifier: MIT
"""Caches the responses of an ASGI application, as the standards of HTTP have it."""

from ._policy import Policy
from ._purge import purge, purge_app

__all__ = [
  'Policy',
  'purge',
  'purge_app',
]

for _each in (Policy, purge, purge_app):
  _each.__module__ = 'cachette.http'  # the public name


def __dir__() -> 'list[str]':
  """Without the private modules."""
  return sorted(__all__)
