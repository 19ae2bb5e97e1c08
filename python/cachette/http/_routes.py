# SPDX-License-Identifier: MIT
"""The cache policy of a route: `cache_response`, `no_cache` and `cache_control`.

They write what the route wants into the box of the run, and the middleware acts; see `_plans`.
"""

import functools
from dataclasses import replace
from inspect import (
  Signature,
  isasyncgenfunction,
  iscoroutinefunction,
  isfunction,
  isgeneratorfunction,
  signature,
)
from types import FunctionType
from typing import Any, Awaitable, Callable, Dict, Iterable, Tuple, TypeVar, cast
from warnings import warn_explicit
from weakref import WeakSet

from .._advice import short
from .._calls import Seconds
from ._plans import (
  CURRENT,
  PLAN,
  PathParameters,
  Plan,
  Tags,
  add_path_tags,
  add_tags,
  make_plan,
  title_of,
)
from ._policy import check_bool

Handler = TypeVar('Handler', bound=Callable[..., Any])

decorated: 'WeakSet[Callable[..., Any]]' = WeakSet()
"""The functions that have a policy, as the decorators returned them."""


# ---- What users write


def cache_response(
  ttl: Seconds,
  *,
  swr: Seconds = None,
  sie: Seconds = None,
  tags: Tags = (),
  vary: Iterable[str] = (),
  public: bool = False,
) -> Callable[[Handler], Handler]:
  """Lets the responses of a handler be cached. CacheMiddleware must run around the handler.

  Put it below the decorator of the route. The handler keeps its signature. Responses with other
  statuses than 200, 203, 300, 301 and 308 are not cached because of it, and neither are exceptions.

  Args:
    ttl: How long a response is fresh, in seconds, or a timedelta. It is rounded up to whole
      seconds.
    swr: How long after that a stale response is still served while a fresh one is made in the
      background. None selects the policy's `stale_while_revalidate`.
    sie: How long a stale response is served while the handler fails. None selects the policy's
      `stale_if_error`.
    tags: Tags to purge responses by. 'item:{number}' has the argument `number` of the handler in
      it. A function returns the tags; it is called with those arguments of the handler that it has
      parameters for.
    vary: Names of request fields that the response depends on, such as 'Accept-Language'.
    public: Whether responses to requests with credentials are shared, too.

  Returns:
    A decorator for functions, `def` or `async def`.

  Raises:
    TypeError: An argument is of the wrong type, or this is not a function.
    ValueError: An argument is out of range, or `tags` uses an unknown parameter.
  """
  if callable(ttl):
    raise TypeError('cache_response needs a time: write @cache_response(60).')
  plan = make_plan('', ttl, swr, sie, vary, public)

  def decorate(handler: Handler) -> Handler:
    _check_handler('cache_response', handler)
    title = f'@cache_response on {title_of(handler)}'
    return cast(Handler, _decorate(handler, add_tags(replace(plan, title=title), handler, tags)))

  return decorate


def no_cache(handler: Handler) -> Handler:
  """Lets the responses of a handler not be cached, whatever they say and whatever else is set.

  Put it below the decorator of the route. The handler keeps its signature.

  Args:
    handler: A function, `def` or `async def`.

  Returns:
    The function.

  Raises:
    TypeError: This is not a function.
  """
  _check_handler('no_cache', handler)
  return cast(Handler, _decorate(handler, Plan(f'@no_cache on {title_of(handler)}')))


def cache_control(
  ttl: Seconds = None,
  *,
  swr: Seconds = None,
  sie: Seconds = None,
  tags: Iterable[str] = (),
  vary: Iterable[str] = (),
  public: bool = False,
  no_store: bool = False,
) -> Callable[..., Awaitable[None]]:
  """Same as `cache_response` and `no_cache`, as a dependency of a route or of a router.

  In FastAPI write `dependencies=[Depends(cache_control(60))]`. In Litestar and Quart it is a hook
  before the request, as in `before_request=cache_control(60)`.

  Args:
    ttl: How long a response is fresh. See `cache_response` for this and what follows.
    swr: How long a stale response is served while a fresh one is made.
    sie: How long a stale response is served while the handler fails.
    tags: Tags to purge responses by. 'item:{number}' has the parameter `number` of the path in it,
      in Starlette, FastAPI and Litestar.
    vary: Names of request fields that the response depends on.
    public: Whether responses to requests with credentials are shared, too.
    no_store: Whether responses are not cached; then nothing else is given.

  Returns:
    A coroutine function.

  Raises:
    TypeError: An argument is of the wrong type.
    ValueError: An argument is out of range.
  """
  check_bool('no_store', no_store)
  if no_store == (ttl is not None):
    raise TypeError('cache_control needs either a time or no_store=True, as in cache_control(60).')
  title = 'cache_control()'
  plan = Plan(title)
  if not no_store:
    plan = add_path_tags(make_plan(title, ttl, swr, sie, vary, public), tags)

  async def dependency(*connection: object) -> None:
    box = CURRENT.get()
    if box is None:
      warn_once(plan, dependency)
    else:
      box.use(plan, lambda: PathParameters(box.scope.get('path_params') or ()))

  # Frameworks that inject arguments see no parameter; those that call hooks pass the connection.
  dependency.__signature__ = Signature()  # type: ignore[attr-defined]
  setattr(dependency, PLAN, plan)
  return dependency


# ---- The wrapper of a handler


def _check_handler(name: str, handler: Any) -> None:
  """Raises TypeError unless this is a function that returns the response."""
  if not isfunction(handler):
    raise TypeError(f'{name}() decorates functions, not {_kind_of(handler)}.')
  if isgeneratorfunction(handler) or isasyncgenfunction(handler):
    raise TypeError(
      f'{name}() cannot decorate {title_of(handler)}(), because it is a generator function. Return '
      'a streaming response of it, or use the dependency cache_control().'
    )


def _kind_of(handler: Any) -> str:
  """Describes what is not a function, with advice."""
  name = type(handler).__name__
  if isinstance(handler, type):
    return f'the class {handler.__name__}: decorate its methods'
  if isinstance(handler, (staticmethod, classmethod)):
    return f'a {name}: put the decorator below @{name}'
  if hasattr(handler, 'fn'):  # a handler of Litestar
    return f'a route handler ({name}): put the decorator below the decorator of the route'
  return f'{name} ({short(handler)})'


def _decorate(handler: Any, plan: Plan) -> Any:
  """Returns a function that applies a plan while the handler runs."""
  names = signature(handler)

  def bind(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Dict[str, Any]:
    bound = names.bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments

  wrap = _wrap_coroutine if iscoroutinefunction(handler) else _wrap_plain
  inner: Any = wrap(handler, functools.partial(_Run, plan, handler, bind))
  # Frameworks evaluate annotations in the globals of the function.
  wrapper: Any = FunctionType(
    inner.__code__, handler.__globals__, handler.__name__, None, inner.__closure__
  )
  functools.update_wrapper(wrapper, handler)
  setattr(wrapper, PLAN, plan)
  decorated.add(wrapper)
  return wrapper


# These functions get other globals, so they may use only their arguments and built-in names.


def _wrap_coroutine(handler: Any, run: Any) -> Any:
  async def wrapper(*args: Any, **kwargs: Any) -> Any:
    with run(args, kwargs):
      return await handler(*args, **kwargs)

  return wrapper


def _wrap_plain(handler: Any, run: Any) -> Any:
  def wrapper(*args: Any, **kwargs: Any) -> Any:
    with run(args, kwargs):
      return handler(*args, **kwargs)

  return wrapper


class _Run:
  """One run of a handler with a plan.

  The plan is set before the handler runs, because it may send its response itself, and again after
  that, because functions with other plans may have been called by it. If it raises, the plan is
  taken back.
  """

  __slots__ = ('box', 'outer', 'plan')

  def __init__(
    self, plan: Plan, handler: Any, bind: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]
  ) -> None:
    self.plan = plan
    self.box = CURRENT.get()
    if self.box is None:
      warn_once(plan, handler)
      return
    self.outer = self.box.plan
    self.box.use(plan, lambda: bind(args, kwargs))

  def __enter__(self) -> None:
    pass

  def __exit__(self, error: object, *details: object) -> None:
    if self.box is None:
      return
    if error is not None:
      self.box.plan = self.outer
    elif self.plan.directives:
      self.box.plan = self.plan


# ---- A missing middleware


class _Noticed:
  """What was noticed in this process."""

  middleware = False
  plans: 'WeakSet[Plan]' = WeakSet()  # those that ran without a middleware


def note_middleware() -> None:
  """Remembers that this process has a middleware. Routes that it passes do not warn then."""
  _Noticed.middleware = True


def warn_once(plan: Plan, function: Any) -> None:
  """Warns, at the first run of a function with a policy, that there is no middleware."""
  if _Noticed.middleware or plan in _Noticed.plans:
    return
  _Noticed.plans.add(plan)
  code = function.__code__
  warn_explicit(
    f'There is no CacheMiddleware around {plan.title}, so it has no effect. Add the middleware to '
    'the application, as in app.add_middleware(CacheMiddleware).',
    UserWarning,
    code.co_filename,
    code.co_firstlineno,
    function.__module__,
  )
