# SPDX-License-Identifier: MIT
"""What a route wants of the cache: a plan, and the box in which the middleware finds it.

    CacheMiddleware          the route          CacheMiddleware, at the first message
    CURRENT.set(Box(scope))  box.use(plan)      box.directives(status), .tags, .vary

The middleware sets `CURRENT` to a box for each run of the application. The route writes what it
wants into that box. This also works in other threads and tasks, because their contexts are copies
with the same box.
"""

from contextvars import ContextVar
from dataclasses import dataclass, replace
from inspect import Parameter, iscoroutinefunction, signature
from logging import getLogger
from math import ceil
from typing import (
  Any,
  Callable,
  Container,
  Dict,
  Iterable,
  List,
  Mapping,
  MutableMapping,
  Optional,
  Sequence,
  Set,
  Tuple,
  TypeVar,
  Union,
)
from weakref import WeakSet

from .._advice import short
from .._cachette import HttpPassed
from .._calls import Seconds
from .._keys import fields_of_template
from ._policy import check_bool, check_list, check_names, check_seconds

Tags = Union[Iterable[str], Callable[..., Iterable[str]]]
Item = TypeVar('Item')
Values = Callable[[], Mapping[str, Any]]

PLAN = '_cachette_plan'
"""The attribute of a function, or of a dependency, that has a policy."""

# The library leaves out longer tags, and further ones.
MAX_TAG_BYTES = MAX_TAGS = 512

# The statuses of usual responses, which are those that get a policy's `default_ttl`.
CACHED_STATUSES = frozenset((200, 203, 300, 301, 308))

_logger = getLogger('cachette.http')
_refused: 'WeakSet[Plan]' = WeakSet()  # those whose reason was logged


@dataclass(frozen=True, eq=False)
class Plan:
  """What a route wants.

  title: what has the plan, for messages, such as '@cache_response on app.read_item()'.
  directives: in Cache-Control syntax, with explicit freshness; '' for `no_cache`.
  templates: the tags that are not constant.
  make_tags: `tags`, if it is a function.
  parameters: the arguments that `make_tags` takes; None: all.
  """

  title: str
  directives: str = ''
  tags: Tuple[bytes, ...] = ()
  vary: Tuple[str, ...] = ()
  templates: Tuple[str, ...] = ()
  make_tags: Optional[Callable[..., Any]] = None
  parameters: Optional[Tuple[str, ...]] = ()


class Box:
  """What the route of one run of the application wants.

  plan: the plan that counts, or None.
  tags: of all plans that were used, without duplicates.
  vary: names of fields to add to Vary.
  no_store: whether the response must not be stored. It is never unset.
  is_used: whether the route has given any plan.
  """

  # These are attributes of the class because most runs of an application use no plan.
  is_used = no_store = False
  plan: Optional[Plan] = None
  tags: Sequence[bytes] = ()
  vary: Sequence[str] = ()

  def __init__(self, scope: MutableMapping[str, Any]) -> None:
    self.scope = scope

  def use(self, plan: Plan, values: Values) -> None:
    """Takes a plan: the last one counts, and the tags and the Vary of all.

    values: returns the arguments of the handler, for tags that use them.
    """
    self.is_used = True
    if not plan.directives:
      self.no_store = True
      return
    self.plan = plan
    self.vary = _extended(self.vary, plan.vary)
    self.tags = _extended(self.tags, plan.tags)
    if plan.templates or plan.make_tags is not None:
      self._add_tags(plan, values)
    if len(self.tags) > MAX_TAGS:
      self._refuse(plan, f'the response has more than {MAX_TAGS} tags')

  def _add_tags(self, plan: Plan, values: Values) -> None:
    """Adds the tags that depend on arguments."""
    try:
      tags = _make_tags(plan, values())
    except _NoParameter as error:
      self._refuse(plan, f'the path has no parameter "{error}", which tags uses')
      return
    if len(tags) > MAX_TAGS:
      tags = tags[: MAX_TAGS + 1]  # it will be refused
    for tag in tags:
      fault = _fault(tag)
      if fault is not None:
        self._refuse(plan, f'the tag {short(tag)} {fault}')
      else:
        self.tags = _extended(self.tags, [tag.encode()])

  def _refuse(self, plan: Plan, reason: str) -> None:
    """Lets the response not be stored, because a purge of its tags would not find it."""
    self.no_store = True
    if plan not in _refused:
      _refused.add(plan)
      _logger.warning('A response with %s is not stored: %s', plan.title, reason)

  def directives(self, status: int) -> bytes:
    """Returns the directives for a response, which count instead of its own; b'' if none do.

    A policy is for the usual response of a route. An error, or a redirect to a login page, is not
    one, so its own fields count.
    """
    if self.no_store:
      return b'no-store'
    if self.plan is None or status not in CACHED_STATUSES:
      return b''
    return self.plan.directives.encode()


def _extended(present: Sequence[Item], items: Iterable[Item]) -> List[Item]:
  """Returns a list with those items added that were not present yet."""
  extended = present if isinstance(present, list) else list(present)
  for each in items:
    if each not in extended:
      extended.append(each)
  return extended


CURRENT: 'ContextVar[Union[Box, HttpPassed, None]]' = ContextVar('cachette.http', default=None)
"""The box of the run that this code belongs to; None without a middleware.

The middleware sets it for the scopes "http" and "lifespan".
"""


# ---- Plans


def title_of(handler: Any) -> str:
  return f'{handler.__module__}.{handler.__qualname__}'


def make_plan(
  title: str, ttl: Seconds, swr: Seconds, sie: Seconds, vary: Iterable[str], public: bool
) -> Plan:
  """Returns a plan without tags."""
  parts = [f'max-age={_whole_seconds("ttl", ttl)}']
  if not _whole_seconds('ttl', ttl):
    raise ValueError('ttl must be a positive number of seconds, not 0. Use no_cache to not cache.')
  if swr is not None:
    parts.append(f'stale-while-revalidate={_whole_seconds("swr", swr)}')
  if sie is not None:
    parts.append(f'stale-if-error={_whole_seconds("sie", sie)}')
  if check_bool('public', public):
    parts.append('public')
  return Plan(title, ', '.join(parts), vary=check_names('vary', vary))


def _whole_seconds(name: str, value: Any) -> int:
  return ceil(check_seconds(name, value))


def add_tags(plan: Plan, handler: Any, tags: Tags) -> Plan:
  """Adds the tags of a handler, which may use its parameters."""
  known = set(signature(handler).parameters)
  title = title_of(handler)
  if callable(tags):
    return replace(plan, make_tags=tags, parameters=_wanted(title, tags, known))
  plan = _sort_tags(plan, check_list('tags', tags))
  for template in plan.templates:
    fields_of_template('tags', title, known, template)
  return plan


def add_path_tags(plan: Plan, tags: Iterable[str]) -> Plan:
  """Adds tags that may use the parameters of the path, which is not known yet."""
  plan = _sort_tags(plan, check_list('tags', tags))
  for template in plan.templates:
    fields_of_template('tags', 'cache_control', _AnyName(), template)
  return plan


def _sort_tags(plan: Plan, tags: Iterable[str]) -> Plan:
  """Adds tags, of which those with braces are templates."""
  constant = [tag for tag in tags if '{' not in tag and '}' not in tag]
  for tag in constant:
    reason = _fault(tag)
    if reason is not None:
      raise ValueError(f'tags has {short(tag)}, which {reason}.')
  return replace(
    plan,
    tags=tuple(tag.encode() for tag in constant),
    templates=tuple(tag for tag in tags if tag not in constant),
  )


def _wanted(
  title: str, make_tags: Callable[..., Any], known: Set[str]
) -> Optional[Tuple[str, ...]]:
  """Returns the arguments that a function of tags takes, or None if it takes all."""
  if iscoroutinefunction(make_tags):
    raise TypeError(f'tags of {title} must be a plain function, without async.')
  names = []
  for each in signature(make_tags).parameters.values():
    if each.kind == Parameter.VAR_KEYWORD:
      return None
    by_name = each.kind in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    if by_name and each.name in known:
      names.append(each.name)
    elif each.default is Parameter.empty and each.kind != Parameter.VAR_POSITIONAL:
      raise ValueError(
        f'The function tags of {title}() has the parameter "{each.name}", which is not a parameter '
        f'of {title}().'
      )
  return tuple(names)


class _AnyName(Container[str]):
  """The parameters of a path that is not known yet."""

  def __contains__(self, name: object) -> bool:
    return isinstance(name, str) and name.isidentifier()


# ---- Tags of a run


class _NoParameter(KeyError):
  """The path has no such parameter."""

  def __str__(self) -> str:
    return str(self.args[0])


class PathParameters(Dict[str, Any]):
  """The parameters of a path, which a template may lack."""

  def __missing__(self, name: str) -> Any:
    raise _NoParameter(name)


def _make_tags(plan: Plan, arguments: Mapping[str, Any]) -> Tuple[str, ...]:
  """Returns the tags that depend on arguments."""
  if plan.make_tags is None:
    return tuple(template.format_map(arguments) for template in plan.templates)
  names = arguments if plan.parameters is None else plan.parameters
  made = plan.make_tags(**{name: arguments[name] for name in names})
  return tuple(dict.fromkeys(check_list('The result of the function tags', made)))


def _fault(tag: str) -> Optional[str]:
  """Returns what is wrong with a tag, or None."""
  if not tag:
    return 'is empty'
  try:
    size = len(tag.encode())
  except UnicodeEncodeError:
    return 'is not valid Unicode'
  if size > MAX_TAG_BYTES:
    return f'has more than {MAX_TAG_BYTES} bytes in UTF-8'
  return 'has a line break or NUL' if any(each in tag for each in '\r\n\0') else None
