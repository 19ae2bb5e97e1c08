# SPDX-License-Identifier: MIT
"""The types of functions that `cached` decorates. Only type checkers read this file.

A type checker looks through `classmethod` and `staticmethod` below the decorator. So the first
parameter of the function decides whether an object, a class or nothing is bound. That is why each
type has the function twice: as parameters and a result for calls, and as the Callable `Bindable`
for binding.
"""

from typing import Any, Callable, Coroutine, Generic, Protocol, TypeVar, overload

from typing_extensions import Concatenate, ParamSpec

Object = TypeVar('Object')
Parameters = ParamSpec('Parameters')
Rest = ParamSpec('Rest')
Result = TypeVar('Result', covariant=True)
Given = TypeVar('Given')
# Covariant, so that its first parameter is an upper bound of the objects that it binds.
Bindable = TypeVar('Bindable', covariant=True)

class CachedCall(Generic[Parameters, Result]):
  """A decorated function that is bound or needs no binding."""

  __name__: str
  __qualname__: str
  __wrapped__: Callable[..., Any]

  def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result: ...
  def key(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> str:
    """Returns the key of these arguments."""
  def invalidate(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> int:
    """Clears the result for these arguments. Returns 1 if there was one, else 0."""

class CachedFunction(CachedCall[Parameters, Result], Generic[Parameters, Result, Bindable]):
  """A decorated function that may be a method."""

  @overload  # over a classmethod
  def __get__(
    self: CachedFunction[..., Any, Callable[Concatenate[Object, Rest], Given]],
    instance: object,
    owner: Object,
  ) -> CachedCall[Rest, Given]: ...
  @overload
  def __get__(
    self, instance: None, owner: Any = None
  ) -> CachedFunction[Parameters, Result, Bindable]: ...
  @overload
  def __get__(
    self: CachedFunction[..., Any, Callable[Concatenate[Object, Rest], Given]],
    instance: Object,
    owner: Any = None,
  ) -> CachedCall[Rest, Given]: ...
  @overload  # over a staticmethod
  def __get__(self, instance: object, owner: Any = None) -> CachedCall[Parameters, Result]: ...

class CachedCoroutineCall(Generic[Parameters, Result]):
  """A decorated coroutine function that is bound or needs no binding."""

  __name__: str
  __qualname__: str
  __wrapped__: Callable[..., Any]

  def __call__(
    self, *args: Parameters.args, **kwargs: Parameters.kwargs
  ) -> Coroutine[Any, Any, Result]: ...
  def key(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> str:
    """Returns the key of these arguments."""
  def invalidate(
    self, *args: Parameters.args, **kwargs: Parameters.kwargs
  ) -> Coroutine[Any, Any, int]:
    """Clears the result for these arguments. Returns 1 if there was one, else 0."""

class CachedCoroutineFunction(
  CachedCoroutineCall[Parameters, Result], Generic[Parameters, Result, Bindable]
):
  """A decorated coroutine function that may be a method."""

  @overload  # over a classmethod
  def __get__(
    self: CachedCoroutineFunction[..., Any, Callable[Concatenate[Object, Rest], Given]],
    instance: object,
    owner: Object,
  ) -> CachedCoroutineCall[Rest, Given]: ...
  @overload
  def __get__(
    self, instance: None, owner: Any = None
  ) -> CachedCoroutineFunction[Parameters, Result, Bindable]: ...
  @overload
  def __get__(
    self: CachedCoroutineFunction[..., Any, Callable[Concatenate[Object, Rest], Given]],
    instance: Object,
    owner: Any = None,
  ) -> CachedCoroutineCall[Rest, Given]: ...
  @overload  # over a staticmethod
  def __get__(
    self, instance: object, owner: Any = None
  ) -> CachedCoroutineCall[Parameters, Result]: ...

class Decorator(Protocol):
  """The result of `cached(...)`, which decorates a function."""

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
  ) -> CachedCoroutineFunction[Parameters, Given, Callable[Parameters, Given]]: ...
  @overload
  def __call__(
    self, function: Callable[Parameters, Given], /
  ) -> CachedFunction[Parameters, Given, Callable[Parameters, Given]]: ...
