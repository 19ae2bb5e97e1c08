# SPDX-License-Identifier: MIT
"""The types of what `cached` decorates. They are for type checkers; at run time there are none."""

from typing import Any, Callable, Coroutine, Generic, Protocol, TypeVar, overload

from typing_extensions import Concatenate, ParamSpec

Object = TypeVar('Object')
Parameters = ParamSpec('Parameters')
Rest = ParamSpec('Rest')
Result = TypeVar('Result', covariant=True)
Given = TypeVar('Given')

class CachedCall(Generic[Parameters, Result]):
  """A decorated function that binds no object."""

  __name__: str
  __qualname__: str
  __wrapped__: Callable[..., Any]

  def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result: ...
  def key(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> str: ...
  def invalidate(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> int: ...

class CachedFunction(CachedCall[Parameters, Result]):
  """A decorated function, which may be a method."""

  @overload  # over a classmethod
  def __get__(
    self: CachedFunction[Concatenate[Object, Rest], Result],
    instance: object,
    owner: Object,
  ) -> CachedCall[Rest, Result]: ...
  @overload
  def __get__(self, instance: None, owner: Any = None) -> CachedFunction[Parameters, Result]: ...
  @overload
  def __get__(
    self: CachedFunction[Concatenate[Object, Rest], Result],
    instance: Object,
    owner: Any = None,
  ) -> CachedCall[Rest, Result]: ...

class CachedCoroutineCall(Generic[Parameters, Result]):
  """A decorated coroutine function that binds no object."""

  __name__: str
  __qualname__: str
  __wrapped__: Callable[..., Any]

  def __call__(
    self, *args: Parameters.args, **kwargs: Parameters.kwargs
  ) -> Coroutine[Any, Any, Result]: ...
  def key(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> str: ...
  def invalidate(
    self, *args: Parameters.args, **kwargs: Parameters.kwargs
  ) -> Coroutine[Any, Any, int]: ...

class CachedCoroutineFunction(CachedCoroutineCall[Parameters, Result]):
  """A decorated coroutine function, which may be a method."""

  @overload  # over a classmethod
  def __get__(
    self: CachedCoroutineFunction[Concatenate[Object, Rest], Result],
    instance: object,
    owner: Object,
  ) -> CachedCoroutineCall[Rest, Result]: ...
  @overload
  def __get__(
    self, instance: None, owner: Any = None
  ) -> CachedCoroutineFunction[Parameters, Result]: ...
  @overload
  def __get__(
    self: CachedCoroutineFunction[Concatenate[Object, Rest], Result],
    instance: Object,
    owner: Any = None,
  ) -> CachedCoroutineCall[Rest, Result]: ...

class Decorator(Protocol):
  """What `cached(...)` gives, to be put over a function."""

  @overload
  def __call__(  # type: ignore[overload-overlap]
    self, function: classmethod[Any, Parameters, Coroutine[Any, Any, Given]], /
  ) -> CachedCoroutineCall[Parameters, Given]: ...
  @overload
  def __call__(
    self, function: classmethod[Any, Parameters, Given], /
  ) -> CachedCall[Parameters, Given]: ...
  @overload
  def __call__(  # type: ignore[overload-overlap]
    self, function: staticmethod[Parameters, Coroutine[Any, Any, Given]], /
  ) -> CachedCoroutineCall[Parameters, Given]: ...
  @overload
  def __call__(  # type: ignore[overload-overlap]
    self, function: staticmethod[Parameters, Given], /
  ) -> CachedCall[Parameters, Given]: ...
  @overload
  def __call__(  # type: ignore[overload-overlap]
    self, function: Callable[Parameters, Coroutine[Any, Any, Given]], /
  ) -> CachedCoroutineFunction[Parameters, Given]: ...
  @overload
  def __call__(
    self, function: Callable[Parameters, Given], /
  ) -> CachedFunction[Parameters, Given]: ...
