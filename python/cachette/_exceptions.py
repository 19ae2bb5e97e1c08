# SPDX-License-Identifier: MIT
"""The exceptions of this package.

CachetteError
 +-- ConfigError          (also a ValueError)       the configuration is not valid
 +-- BackendError                                   the backend rejected an operation or failed
 |    +-- BackendUnavailable  (also a ConnectionError)  the backend cannot be reached
 |    +-- BackendTimeout      (also a TimeoutError)     the backend did not answer in time
 +-- CodecError                                     a value cannot be encoded or decoded

OnlyIfCached is no CachetteError: it is no failure, and it must reach the middleware.

A wrong argument, such as an empty key or a negative ttl, is a plain ValueError or TypeError.
"""

from types import MappingProxyType
from typing import Any, Dict, Mapping, Tuple


class CachetteError(Exception):
  """The base class of all errors of this package.

  It can be pickled together with its cause.
  """

  found: Mapping[str, Any] = MappingProxyType({})
  """After `fetch_many`: the values of the keys that were found, although other keys failed."""

  failed: Mapping[str, 'CachetteError'] = MappingProxyType({})
  """After a call on many keys: the error of each key that failed."""

  def __reduce__(self) -> Tuple[Any, ...]:
    state: Dict[str, Any] = dict(self.__dict__)
    if self.__cause__ is not None:
      state['__cause__'] = self.__cause__
    return type(self), self.args, state


class ConfigError(CachetteError, ValueError):
  """The configuration is not valid. The message names each wrong option.

  If pydantic is installed, `pydantic.ValidationError` (also a ValueError) is raised instead.
  """


class BackendError(CachetteError):
  """The backend rejected an operation, or failed to run it."""


class BackendUnavailable(BackendError, ConnectionError):
  """The backend cannot be reached."""


class BackendTimeout(BackendError, TimeoutError):
  """The backend did not answer in time."""


class CodecError(CachetteError):
  """A value cannot be encoded, or the bytes of a key cannot be decoded."""


class OnlyIfCached(Exception):
  """A value is not in the cache, and the request has `Cache-Control: only-if-cached`.

  Only caches with the option `request_control` raise it. RequestControl and CacheMiddleware turn it
  into the status 504, so let it pass. It is not a CachetteError: a handler that goes on without a
  cache when the cache fails does not catch it.
  """

  __module__ = 'cachette.http'  # the public name, also in tracebacks


for _each in (
  CachetteError,
  ConfigError,
  BackendError,
  BackendUnavailable,
  BackendTimeout,
  CodecError,
):
  _each.__module__ = 'cachette'  # the public name, also in tracebacks
