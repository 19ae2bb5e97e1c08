# SPDX-License-Identifier: MIT
"""Keys of calls: which function with which arguments, the same in every process.

    the arguments      bound to the parameters, defaults filled in, by a function that is compiled
                       for each decorated one and has its signature: so Python itself binds them
    a canonical text   tells values and types apart (1, True, 1.0 and "1" are four), never by hash()
    the key            module.qualname:digest of the text

Every part of the canonical text says where it ends, so that no two values have the same text.
"""

import sys
from types import CodeType, FunctionType
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple, Union
from weakref import WeakKeyDictionary

Encoder = Callable[[Any], str]
KeyOption = Union[str, Callable[..., str], None]

_MEMO_SIZE = 1024  # keys that a function remembers, of texts
_MEMO_TEXT = 256  # that are no longer than this


class NoCanonicalForm(TypeError):
  """A value of this type cannot be part of a key."""


# ---- The canonical text of a value


def encode(value: Any) -> str:
  """The canonical text of a value. Raises NoCanonicalForm, with the type's name."""
  kind = type(value)
  encoder = _exact.get(kind) or _others.get(kind)
  if encoder is None:
    encoder = _others[kind] = _find(kind)
  return encoder(value)


def _text(value: str) -> str:
  return f's{len(value)}:{value}'


def _list(begin: str, values: Iterable[Any]) -> str:
  return f'{begin}{"".join(map(encode, values))};'


def _unordered(begin: str, texts: Iterable[str]) -> str:
  return f'{begin}{"".join(sorted(texts))};'


def _dict(value: Dict[Any, Any]) -> str:
  return _unordered('m', (encode(key) + encode(each) for key, each in value.items()))


_exact: Dict[type, Encoder] = {
  type(None): lambda value: 'N',
  bool: lambda value: 'T' if value else 'F',
  int: lambda value: f'i{value:x};',
  float: lambda value: f'f{value.hex()};',  # exact, and tells 0.0 from -0.0
  str: _text,
  bytes: lambda value: f'b{len(value)}:{value.decode("latin-1")}',
  tuple: lambda value: _list('t', value),
  list: lambda value: _list('l', value),
  dict: _dict,
  set: lambda value: _unordered('S', map(encode, value)),
  frozenset: lambda value: _unordered('Z', map(encode, value)),
}
_builtin = (int, float, str, bytes, tuple, list, dict, set, frozenset)
# What makes a plain value of one of a subclass, whatever methods that has of its own.
_to_base: Dict[type, Callable[[Any], Any]] = {
  int: int.__int__,
  float: float.__float__,
  str: str.__str__,
}
# Those of whose values two are equal only if they have the same canonical text; 0.0 == -0.0.
_plain = frozenset([type(None), bool, int, str, bytes])
_others: 'WeakKeyDictionary[type, Encoder]' = WeakKeyDictionary()


def _find(kind: type) -> Encoder:
  """The encoder of a type that is none of the plain ones."""
  path = _text(f'{kind.__module__}.{kind.__qualname__}')
  if _is(kind, 'enum', 'Enum'):
    return lambda value: f'e{path}{encode(value.name if value.name is not None else value.value)}'
  if hasattr(kind, '__dataclass_fields__') or hasattr(kind, 'model_fields'):
    return _find_fields(kind, path)
  for module, name, encoder in _standard:
    if _is(kind, module, name):
      return encoder
  if kind.__module__.startswith('pydantic'):
    for method in ('get_secret_value', 'unicode_string'):
      if hasattr(kind, method):
        return lambda value: f'c{path}{encode(getattr(value, method)())}'
  return _find_builtin(kind, path)


def _is(kind: type, module: str, name: str) -> bool:
  """Whether a type is or inherits from one, which nobody has before its module is imported."""
  found = getattr(sys.modules.get(module), name, None)
  return found is not None and issubclass(kind, found)


def _find_fields(kind: Any, path: str) -> Encoder:
  """A dataclass or a pydantic model: its class and all of its fields."""
  if issubclass(kind, _builtin):
    raise NoCanonicalForm(kind.__qualname__)
  if hasattr(kind, 'model_fields'):
    names = list(kind.model_fields)
  else:
    from dataclasses import fields

    names = [field.name for field in fields(kind)]

  def by_fields(value: Any) -> str:
    given = {name: getattr(value, name) for name in names}
    given.update(getattr(value, 'model_extra', None) or {})
    return f'c{path}{_dict(given)}'

  return by_fields


def _find_builtin(kind: type, path: str) -> Encoder:
  """A subclass of a plain type that adds a name and nothing else, such as a named tuple."""
  base = next((each for each in _builtin if issubclass(kind, each)), None)
  if base is None:
    raise NoCanonicalForm(kind.__qualname__)
  plain, to_base = _exact[base], _to_base.get(base, base)

  def as_base(value: Any) -> str:
    if getattr(value, '__dict__', None):
      raise NoCanonicalForm(kind.__qualname__)
    return f'c{path}{plain(to_base(value))}'

  return as_base


def _zone(value: Any) -> str:
  zone = value.tzinfo
  name = getattr(zone, 'key', None) or getattr(zone, 'zone', None) or value.tzname()
  return f'{value.fold}{encode(name if isinstance(name, str) else None)}'


_standard: List[Tuple[str, str, Encoder]] = [
  ('datetime', 'datetime', lambda value: f'D{_text(value.isoformat())}{_zone(value)}'),
  ('datetime', 'date', lambda value: f'd{_text(value.isoformat())}'),
  ('datetime', 'time', lambda value: f'h{_text(value.isoformat())}{_zone(value)}'),
  (
    'datetime',
    'timedelta',
    lambda value: f'r{value.days},{value.seconds},{value.microseconds};',
  ),
  ('decimal', 'Decimal', lambda value: f'n{_text(str(value))}'),
  ('uuid', 'UUID', lambda value: f'u{value.hex};'),
  ('pathlib', 'PureWindowsPath', lambda value: f'w{_text(str(value))}'),
  ('pathlib', 'PurePath', lambda value: f'p{_text(str(value))}'),
]


# ---- The key of a call


class Plan:
  """How the key of a call is made, as source that is compiled into what needs it.

  header: the parameters, with their defaults. call: what hands them on. prelude: lines that set
  _cachette_key. known: what these lines use, as _cachette_NAME, so that no parameter hides it.
  """

  def __init__(self, function: Callable[..., Any], header: str, call: str) -> None:
    self.function = function
    self.header = header
    self.call = call
    self.prelude = ''
    self.known: Dict[str, Any] = {}

  def know(self, **helpers: Any) -> None:
    self.known.update((f'_cachette_{name}', helper) for name, helper in helpers.items())

  def compile(self, definition: str, body: str) -> Any:
    """A function with the parameters of the decorated one.

    definition: "def" or "async def". It has the name of errors such as "f() missing 1 required
    positional argument".
    """
    function = self.function
    name = function.__name__ if function.__name__.isidentifier() else 'function'
    lines = f'{definition} {name}({self.header}):\n{self.prelude}{body}'.replace('\n', '\n  ')
    # The helpers come from a function around it, so that its globals are those of the decorated
    # one: frameworks evaluate annotations in the globals of what they are given.
    around = f'def _cachette_around({", ".join(self.known)}):\n  {lines}\n  return {name}\n'
    consts = compile(around, f'<cached {function.__qualname__}>', 'exec').co_consts
    code = next(each for each in consts if isinstance(each, CodeType))
    made = FunctionType(code, function.__globals__)(*self.known.values())
    made.__qualname__ = function.__qualname__
    made.__module__ = function.__module__
    return made


def make_plan(
  function: Callable[..., Any], key: KeyOption, namespace: Optional[str], exclude: Tuple[str, ...]
) -> Plan:
  """Plans the keys of a function.

  Raises ValueError or TypeError if `key` or `exclude` name what is no parameter.
  """
  from inspect import signature

  title = f'{function.__module__}.{function.__qualname__}'
  parameters = list(signature(function).parameters.values())
  names = {parameter.name for parameter in parameters}
  _check_options(title, names, namespace, exclude)
  prefix = f'{namespace}:' if namespace is not None else ''
  if callable(key):
    return _plan_function(function, title, key, prefix)
  plan = _plan_parameters(function, parameters)
  if key is not None:
    _plan_template(plan, title, names, key, prefix)
  else:
    _plan_digest(plan, title, [each for each in parameters if each.name not in exclude], prefix)
  return plan


def _check_options(
  title: str, names: Set[str], namespace: Optional[str], exclude: Tuple[str, ...]
) -> None:
  if isinstance(exclude, str) or not all(isinstance(name, str) for name in exclude):
    raise TypeError(f'exclude of {title}() must be a tuple of names of parameters.')
  for name in exclude:
    if name not in names:
      raise ValueError(f'exclude of {title}() names "{name}", which is no parameter of it.')
  if namespace is not None and not isinstance(namespace, str):
    raise TypeError(f'namespace of {title}() must be a str, not {type(namespace).__name__}.')
  if namespace == '':
    raise ValueError(f'namespace of {title}() must not be empty.')


def _plan_parameters(function: Callable[..., Any], parameters: List[Any]) -> Plan:
  """A plan that has parameters and no key yet."""
  words: List[str] = []
  call: List[str] = []
  plan = Plan(function, '', '')
  last = None
  for each in parameters:
    variable = (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    if last == each.POSITIONAL_ONLY != each.kind:
      words.append('/')
    if each.kind == each.KEYWORD_ONLY and last not in (each.VAR_POSITIONAL, each.KEYWORD_ONLY):
      words.append('*')
    default = ''
    if each.default is not each.empty:
      plan.know(**{f'default_{each.name}': each.default})
      default = f'=_cachette_default_{each.name}'
    name = '*' * (variable.index(each.kind) + 1 if each.kind in variable else 0) + each.name
    words.append(name + default)
    call.append(f'{name}={name}' if each.kind == each.KEYWORD_ONLY else name)
    last = each.kind
  if parameters and last == parameters[-1].POSITIONAL_ONLY:
    words.append('/')
  plan.header, plan.call = ', '.join(words), ', '.join(call)
  return plan


def _plan_function(
  function: Callable[..., Any], title: str, key: Callable[..., str], prefix: str
) -> Plan:
  """Keys that a function of the application makes, which is given the arguments as they came."""

  def make(*args: Any, **kwargs: Any) -> str:
    made = key(*args, **kwargs)
    if not isinstance(made, str):
      if hasattr(made, 'close'):
        made.close()  # it may be a coroutine
      raise TypeError(f'The key function of {title}() must give a str, not {type(made).__name__}.')
    return prefix + made

  plan = Plan(function, '*args, **kwargs', '*args, **kwargs')
  plan.know(make=make)
  plan.prelude = '  _cachette_key = _cachette_make(*args, **kwargs)\n'
  return plan


def _plan_template(plan: Plan, title: str, names: Set[str], template: str, prefix: str) -> None:
  """Keys by a template such as "user:{id}"."""
  used = _find_fields_of(title, names, template)
  given = ', '.join(f'{name}={name}' for name in used)
  plan.know(prefix=prefix, format=template.format)
  plan.prelude = f'  _cachette_key = _cachette_prefix + _cachette_format({given})\n'


def _find_fields_of(title: str, names: Set[str], template: str) -> List[str]:
  """The parameters that a template uses."""
  from string import Formatter

  if not isinstance(template, str):
    raise TypeError(
      f'key of {title}() must be a template or a function, not {type(template).__name__}.'
    )
  used: List[str] = []
  templates = [template]
  for each in templates:
    try:
      parts = list(Formatter().parse(each))
    except ValueError as error:
      raise ValueError(f'key of {title}() is no template: {error}.') from None
    for _, field, form, _ in parts:
      if field is None:
        continue
      name = field.replace('[', '.').partition('.')[0]
      if name not in names:
        raise ValueError(f'key of {title}() uses "{{{name}}}", which is no parameter of it.')
      used += [name] if name not in used else []
      templates += [form] if form else []
  return used


def _plan_digest(plan: Plan, title: str, parameters: List[Any], prefix: str) -> None:
  """Keys by a digest of the arguments.

  Those of plain arguments are remembered, because the digest takes longer than the fetch. Beside
  its value such an argument is known by its type, for 1 == True.
  """
  types = ''
  parts: List[str] = []
  conditions: List[str] = []
  for number, each in enumerate(parameters):
    if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
      conditions.append(f'not {each.name}')
      continue
    kind = f'_cachette_type_{number}'
    types += f'  {kind} = _cachette_type({each.name})\n'
    parts.append(f'{kind}, {each.name},')
    conditions.append(f'{kind} in _cachette_plain')
  values = ''.join(f'{each.name}, ' for each in parameters)
  plan.prelude = (
    f'{types}'
    f'  _cachette_known = ({" ".join(parts)}) if {" and ".join(conditions) or True} else None\n'
    '  _cachette_key = _cachette_remembered(_cachette_known)\n'
    '  if _cachette_key is None:\n'
    f'    _cachette_key = _cachette_make(_cachette_known, ({values}))\n'
  )
  memo: Dict[Any, str] = {}
  names = tuple(each.name for each in parameters)
  plan.know(type=type, plain=_plain, remembered=memo.get)
  plan.know(make=_make_digest(memo, names, title, f'{prefix}{title}:'))


def _make_digest(
  memo: Dict[Any, str], names: Tuple[str, ...], title: str, prefix: str
) -> Callable[[Any, Tuple[Any, ...]], str]:
  """What makes the key of arguments, and remembers it by `known`, unless that is None."""
  from hashlib import blake2b

  def make(known: Any, values: Tuple[Any, ...]) -> str:
    text = ''.join(_encode_argument(title, *pair) for pair in zip(names, values))
    key = prefix + blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()
    if known is not None and len(text) <= _MEMO_TEXT:
      if len(memo) >= _MEMO_SIZE:
        memo.clear()
      memo[known] = key
    return key

  return make


def _a(noun: str) -> str:
  return f'{"an" if noun[:1].lower() in tuple("aeiou") else "a"} {noun}'


def _encode_argument(title: str, name: str, value: Any) -> str:
  """The canonical text of an argument, or an error that names its parameter."""
  try:
    return f'{name}={encode(value)}'
  except NoCanonicalForm as error:
    kind = str(error)
  holds = 'is' if kind == type(value).__qualname__ else 'holds'
  raise TypeError(
    f'The parameter "{name}" of {title}() {holds} {_a(kind)}, of which no key can be made. Give '
    f'key=, or leave the parameter out of the key with exclude=({name!r},).'
  )
