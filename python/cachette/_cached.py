# SPDX-License-Identifier: MIT
"""The decorator `cached`, which caches the results of a function by its arguments.

A decorated function is still a function, and a coroutine function is still one, also to
`inspect.iscoroutinefunction`. It has two more attributes, `key` and `invalidate`. In the body of a
class the result is a descriptor, so that both attributes of a bound method know the object.
"""

from functools import partial, update_wrapper
from typing import Any, Callable, Optional, Tuple, cast

from . import _flights
from ._cachette import Cache, fetch_as
from ._exceptions import CachetteError
from ._keys import KeyOption, Plan, make_plan
from ._returns import Returns, returns_of_function
from ._times import Time


def decorate(
  cls: type,
  function: Any,
  ttl: Optional[Time],
  key: KeyOption,
  namespace: Optional[str],
  exclude: Tuple[str, ...],
  returns: Any,
) -> Any:
  """Returns a function whose results are cached by a cache class. See `Cachette.cached`."""
  from inspect import isasyncgenfunction, iscoroutinefunction, isfunction, isgeneratorfunction

  _flights.check_ttl(ttl)
  binding = 'object'
  if isinstance(function, (classmethod, staticmethod)):
    binding = 'class' if isinstance(function, classmethod) else 'nothing'
    function = function.__func__
  if not isfunction(function):
    raise TypeError(f'cached() decorates functions, not a {type(function).__name__}.')
  title = f'{function.__module__}.{function.__qualname__}'
  if isgeneratorfunction(function) or isasyncgenfunction(function):
    raise TypeError(f'cached() cannot cache {title}(), because it is a generator function.')
  if key is None and function.__name__ == '<lambda>':
    raise TypeError(f'All lambdas of a module are named {title}, so cached() needs a key= here.')
  plan = make_plan(function, key, namespace, _tuple_of(exclude))
  wrap = _wrap_coroutine if iscoroutinefunction(function) else _wrap_plain
  # Two frames up is the code that decorates: it called cached(), or its result, which called this.
  wrapper = wrap(cls, plan, ttl, returns_of_function(function, returns, depth=2))
  update_wrapper(wrapper, function)
  scope = function.__qualname__.rpartition('.')[0]
  if binding == 'object' and (not scope or scope.endswith('<locals>')):
    return wrapper
  return _Method.of(wrapper, binding)


def _tuple_of(exclude: Any) -> Any:
  """Returns a list or a set of names as a tuple, and other values unchanged."""
  return tuple(exclude) if isinstance(exclude, (list, set, frozenset)) else exclude


_COROUTINE = """\
  _cachette_failed = False
  _cachette_count = _cachette_finished.count
  try:
    _cachette_value = await _cachette_fetch(_cachette_key, _cachette_missing{more})
  except _cachette_error as _cachette_caught:
    _cachette_failed = _cachette_record(_cachette_class, _cachette_caught)
  else:
    if _cachette_value is not _cachette_missing:
      return _cachette_value
  return await _cachette_miss(
    _cachette_key,
    _cachette_failed,
    _cachette_count,
    _cachette_partial(_cachette_function, {call}),
  )
"""


def _compile_key(plan: Plan) -> Any:
  """Compiles the attribute `key` of a decorated function."""
  make_key = plan.compile('def', '  return _cachette_key')
  make_key.__doc__ = 'Returns the key of these arguments.'
  return make_key


def _wrap_coroutine(cls: Any, plan: Plan, ttl: Any, returns: Optional[Returns]) -> Any:
  cache = cast(Any, Cache.__new__(cls))  # a cache has no state, so one instance is enough
  function = plan.function

  async def miss(key: str, failed: bool, count: int, call: Callable[[], Any]) -> Any:
    return await _flights.compute(cache, key, call, ttl, failed, count, returns)

  is_plain = returns is None and ttl is None
  fetch = cache.fetch if is_plain else partial(fetch_as, cls)
  more = '' if is_plain else ', _cachette_returns, _cachette_ttl'
  plan.bind(fetch=fetch, missing=_flights.MISSING, error=CachetteError, returns=returns, ttl=ttl)
  plan.bind(record=_flights.record_failure, finished=_flights.finished, miss=miss)
  plan.bind(partial=partial, function=function)
  plan.bind(**{'class': cls})
  wrapper = plan.compile('async def', _COROUTINE.format(call=plan.call, more=more))
  wrapper.key = make_key = _compile_key(plan)

  async def invalidate(*args: Any, **kwargs: Any) -> int:
    """Clears the result for these arguments. Returns 1 if there was one, else 0."""
    return cast(int, await cache.clear(key=make_key(*args, **kwargs)))

  wrapper.invalidate = invalidate
  return wrapper


_PLAIN = """\
  return _cachette_call(_cachette_key, _cachette_partial(_cachette_function, {call}))
"""


def _wrap_plain(cls: Any, plan: Plan, ttl: Any, returns: Optional[Returns]) -> Any:
  function = plan.function

  def call(key: str, call: Callable[[], Any]) -> Any:
    return _flights.get_or_set_blocking(cls, cls.sync, key, call, ttl, returns)

  plan.bind(call=call, partial=partial, function=function)
  wrapper = plan.compile('def', _PLAIN.format(call=plan.call))
  wrapper.key = make_key = _compile_key(plan)

  def invalidate(*args: Any, **kwargs: Any) -> int:
    """Clears the result for these arguments. Returns 1 if there was one, else 0."""
    return cast(int, cls.sync.clear(key=make_key(*args, **kwargs)))

  wrapper.invalidate = invalidate
  return wrapper


# ---- Methods

# Both classes are a functools.partial, because inspect.iscoroutinefunction() unwraps one on every
# version of Python. It accepts instances of other classes only since Python 3.12.


# Attributes that a bound method takes from its function, and that frameworks read.
_FUNCTION_ATTRIBUTES = ('__name__', '__qualname__', '__globals__', '__annotations__')


class _Bound(partial):  # type: ignore[type-arg]
  """A decorated method of an object."""

  @property
  def key(self) -> Callable[..., str]:
    return partial(self.func.key, *self.args)  # type: ignore[attr-defined]

  @property
  def invalidate(self) -> Callable[..., Any]:
    return partial(self.func.invalidate, *self.args)  # type: ignore[attr-defined]

  @property
  def __self__(self) -> Any:
    return self.args[0]

  def __eq__(self, other: object) -> bool:
    if not isinstance(other, _Bound):
      return NotImplemented
    return self.func is other.func and self.args[0] is other.args[0]

  def __hash__(self) -> int:
    return hash((self.func, id(self.args[0])))

  def __getattr__(self, name: str) -> Any:
    # Other special attributes describe all parameters, including the one that is the object.
    if name.startswith('__') and name not in _FUNCTION_ATTRIBUTES:
      raise AttributeError(name)
    return getattr(self.func, name)


class _Method(partial):  # type: ignore[type-arg]
  """A decorated function in the body of a class."""

  binding: str

  @classmethod
  def of(cls, wrapper: Callable[..., Any], binding: str) -> '_Method':
    method = cls(wrapper)
    update_wrapper(method, wrapper)
    method.__wrapped__ = wrapper.__wrapped__  # type: ignore[attr-defined]
    method.binding = binding
    return method

  def __get__(self, instance: Any, owner: Any = None) -> Any:
    if self.binding == 'class':
      return _Bound(self.func, owner if owner is not None else type(instance))
    if self.binding == 'nothing' or instance is None:
      return self.func
    return _Bound(self.func, instance)
