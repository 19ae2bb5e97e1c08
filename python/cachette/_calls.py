# SPDX-License-Identifier: MIT
"""The decorators of the calls.

Each call is a stub: a function without a body, with the parameters, the types and the documentation
of the call. `call` and `blocking_call` replace it with an object of the extension. That object runs
the call in C and otherwise behaves like the stub to inspect, asyncio, frameworks, type checkers and
editors.
"""

from typing import TYPE_CHECKING, Any, Awaitable, Callable, Optional, TypeVar

from ._cachette import blocking_call as _blocking_call
from ._cachette import call as _call
from ._times import Time

Seconds = Optional[Time]
Value = TypeVar('Value')
Stub = TypeVar('Stub', bound=Callable[..., Any])


def call(stub: Stub) -> Stub:
  """Replaces a coroutine function with the call of the extension that has the same name."""
  if TYPE_CHECKING:
    return stub
  stub.__module__, stub.__qualname__ = 'cachette', f'Cachette.{stub.__name__}'
  return _call(stub)


def blocking_call(stub: Stub) -> Stub:
  """Replaces a function with the blocking call of the extension that has the same name."""
  if TYPE_CHECKING:
    return stub
  stub.__module__, stub.__qualname__ = 'cachette', f'Cachette.sync.{stub.__name__}'
  return _blocking_call(stub)


async def wait_for(call: Awaitable[Any]) -> Any:
  """The coroutine that implements `call.__await__()`."""
  return await call
