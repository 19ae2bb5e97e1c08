# SPDX-License-Identifier: MIT
"""The decorators of the calls.

Each call is a declaration: a function without a body, with the parameters, the types and the
documentation of the call. `call` and `blocking_call` replace it with an object of the extension.
That object runs the call in C and otherwise behaves like the declaration to inspect, asyncio,
frameworks, type checkers and editors.
"""

from typing import TYPE_CHECKING, Any, Awaitable, Callable, Optional, TypeVar

from ._cachette import blocking_call as _blocking_call
from ._cachette import call as _call
from ._times import Time

Seconds = Optional[Time]
Value = TypeVar('Value')
Declaration = TypeVar('Declaration', bound=Callable[..., Any])


def call(declaration: Declaration) -> Declaration:
  """Replaces a coroutine function with the call of the extension that has the same name."""
  if TYPE_CHECKING:
    return declaration
  declaration.__module__, declaration.__qualname__ = 'cachette', f'Cachette.{declaration.__name__}'
  return _call(declaration)


def blocking_call(declaration: Declaration) -> Declaration:
  """Replaces a function with the blocking call of the extension that has the same name."""
  if TYPE_CHECKING:
    return declaration
  declaration.__module__, declaration.__qualname__ = (
    'cachette',
    f'Cachette.sync.{declaration.__name__}',
  )
  return _blocking_call(declaration)


async def wait_for(call: Awaitable[Any]) -> Any:
  """The coroutine that implements `call.__await__()`."""
  return await call
