# SPDX-License-Identifier: MIT
"""What can go wrong.

CachetteError
 +-- ConfigError          (also a ValueError)       the configuration is not valid
 +-- BackendError                                   the backend refused or failed
 |    +-- BackendUnavailable  (also a ConnectionError)  it cannot be reached
 |    +-- BackendTimeout      (also a TimeoutError)     it did not answer in time
 +-- CodecError                                     a value cannot be encoded or decoded

A wrong argument (an empty key, a negative ttl) is a plain ValueError or TypeError.
"""

from types import MappingProxyType
from typing import Any, Dict, Mapping, Tuple


class CachetteError(Exception):
  """The base of every error of this package.

  It can be pickled, and keeps its cause then.
  """

  found: Mapping[str, Any] = MappingProxyType({})
  """After `fetch_many`: the values of the keys that were found, though others failed."""

  failed: 'Mapping[str, CachetteError]' = MappingProxyType({})
  """After a call on many keys: the error of each key that failed."""

  def __reduce__(self) -> Tuple[Any, ...]:
    state: Dict[str, Any] = dict(self.__dict__)
    if self.__cause__ is not None:
      state['__cause__'] = self.__cause__
    return type(self), self.args, state


class ConfigError(CachetteError, ValueError):
  """The configuration is not valid; the message names each option at fault.

  With pydantic installed, `pydantic.ValidationError` (a ValueError too) is raised in its place.
  """


class BackendError(CachetteError):
  """The backend refused an operation, or failed in it."""


class BackendUnavailable(BackendError, ConnectionError):
  """The backend cannot be reached."""


class BackendTimeout(BackendError, TimeoutError):
  """The backend did not answer in time."""


class CodecError(CachetteError):
  """A value cannot be encoded, or the bytes under a key cannot be decoded."""


for _each in (
  CachetteError,
  ConfigError,
  BackendError,
  BackendUnavailable,
  BackendTimeout,
  CodecError,
):
  _each.__module__ = 'cachette'  # as an application knows them, in tracebacks too
