# SPDX-License-Identifier: MIT
"""Keys of function calls. They are the same in every process.

    arguments          bound to the parameters, with defaults. A compiled function with the same
                       signature as the decorated one does this, so Python itself binds them
    canonical text     distinguishes values and types (1, True, 1.0 and "1" are four texts); it
                       never uses hash()
    key                module.qualname:digest of the text

Each part of a canonical text marks its own end, so no two values have the same text.
"""

import sys
from types import CodeType, FunctionType
from typing import Any, Callable, Container, Dict, Iterable, List, Optional, Set, Tuple, Union
from weakref import WeakKeyDictionary

Encoder = Callable[[Any], str]
KeyOption = Union[str, Callable[..., str], None]

_MEMO_SIZE = 1024  # max keys that a function remembers
_MEMO_TEXT = 256  # max length of the canonical text of a remembered key


class NoCanonicalForm(TypeError):
  """Values of this type cannot be part of a key."""


# ---- The canonical text of a value


def encode(value: Any) -> str:
  """Returns the canonical text of a value. Raises NoCanonicalForm with the name of the type."""
  kind = type(value)
  encoder = _exact.get(kind) or _others.get(kind)
  if encoder is None:
    encoder = _others[kind] = _find_encoder(kind)
  return encoder(value)


def _text(value: str) -> str:
  return f's{len(value)}:{value}'


def _list(prefix: str, values: Iterable[Any]) -> str:
  return f'{prefix}{"".join(map(encode, values))};'


def _unordered(prefix: str, texts: Iterable[str]) -> str:
  return f'{prefix}{"".join(sorted(texts))};'


def _dict(value: Dict[Any, Any]) -> str:
  return _unordered('m', (encode(key) + encode(each) for key, each in value.items()))


_exact: Dict[type, Encoder] = {
  type(None): lambda value: 'N',
  bool: lambda value: 'T' if value else 'F',
  int: lambda value: f'i{value:x};',
  float: lambda value: f'f{value.hex()};',  # exact; distinguishes 0.0 from -0.0
  str: _text,
  bytes: lambda value: f'b{len(value)}:{value.decode("latin-1")}',
  tuple: lambda value: _list('t', value),
  list: lambda value: _list('l', value),
  dict: _dict,
  set: lambda value: _unordered('S', map(encode, value)),
  frozenset: lambda value: _unordered('Z', map(encode, value)),
}
_builtin = (int, float, str, bytes, tuple, list, dict, set, frozenset)
# Converts an instance of a subclass to the plain type, bypassing methods of the subclass.
_to_base: Dict[type, Callable[[Any], Any]] = {
  int: int.__int__,
  float: float.__float__,
  str: str.__str__,
}
# Types whose equal values always have the same canonical text. Not float: 0.0 == -0.0.
_plain = frozenset([type(None), bool, int, str, bytes])
_others: 'WeakKeyDictionary[type, Encoder]' = WeakKeyDictionary()


def _find_encoder(kind: type) -> Encoder:
  """Returns the encoder of a type that is not a plain one."""
  path = _text(f'{kind.__module__}.{kind.__qualname__}')
  if _is(kind, 'enum', 'Enum'):
    return lambda value: f'e{path}{encode(value.name if value.name is not None else value.value)}'
  if hasattr(kind, '__dataclass_fields__') or hasattr(kind, 'model_fields'):
    return _fields_encoder(kind, path)
  for module, name, encoder in _standard:
    if _is(kind, module, name):
      return encoder
  if kind.__module__.startswith('pydantic'):
    for method in ('get_secret_value', 'unicode_string'):
      if hasattr(kind, method):
        return lambda value: f'c{path}{encode(getattr(value, method)())}'
  return _subclass_encoder(kind, path)


def _is(kind: type, module: str, name: str) -> bool:
  """Returns whether a type is or inherits from a class, which need not be imported."""
  found = getattr(sys.modules.get(module), name, None)
  return found is not None and issubclass(kind, found)


def _fields_encoder(kind: Any, path: str) -> Encoder:
  """Returns the encoder of a dataclass or a pydantic model: its class and all fields."""
  if issubclass(kind, _builtin):
    raise NoCanonicalForm(kind.__qualname__)
  if hasattr(kind, 'model_fields'):
    names = list(kind.model_fields)
  else:
    from dataclasses import fields

    names = [field.name for field in fields(kind)]

  def by_fields(value: Any) -> str:
    values = {name: getattr(value, name) for name in names}
    values.update(getattr(value, 'model_extra', None) or {})
    return f'c{path}{_dict(values)}'

  return by_fields


def _subclass_encoder(kind: type, path: str) -> Encoder:
  """Returns the encoder of a plain type's subclass that adds only a name, such as a named tuple."""
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
  """The source of the functions that create the key of a call.

  header: the parameters, with their defaults.
  call: the arguments that pass them on.
  prelude: lines that set _cachette_key.
  bindings: the objects that these lines use. Their names start with _cachette_, so that no
    parameter
    hides them.
  """

  def __init__(self, function: Callable[..., Any], header: str, call: str) -> None:
    self.function = function
    self.header = header
    self.call = call
    self.prelude = ''
    self.bindings: Dict[str, Any] = {}

  def bind(self, **helpers: Any) -> None:
    self.bindings.update((f'_cachette_{name}', helper) for name, helper in helpers.items())

  def compile(self, definition: str, body: str) -> Any:
    """Compiles a function with the parameters of the decorated one.

    definition: "def" or "async def". The function has the name of the decorated one, because errors
      such as "f() missing 1 required positional argument" show it.
    """
    function = self.function
    name = function.__name__ if function.__name__.isidentifier() else 'function'
    lines = f'{definition} {name}({self.header}):\n{self.prelude}{body}'.replace('\n', '\n  ')
    # The bindings are parameters of an outer function, so the function can have the globals of the
    # decorated one. Frameworks evaluate annotations in these globals.
    outer_source = f'def _cachette_outer({", ".join(self.bindings)}):\n  {lines}\n  return {name}\n'
    consts = compile(outer_source, f'<cached {function.__qualname__}>', 'exec').co_consts
    code = next(each for each in consts if isinstance(each, CodeType))
    compiled = FunctionType(code, function.__globals__)(*self.bindings.values())
    compiled.__qualname__ = function.__qualname__
    compiled.__module__ = function.__module__
    return compiled


def make_plan(
  function: Callable[..., Any], key: KeyOption, namespace: Optional[str], exclude: Tuple[str, ...]
) -> Plan:
  """Plans the keys of a function.

  Raises ValueError or TypeError if `key` or `exclude` names an unknown parameter.
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
      raise ValueError(f'exclude of {title}() names "{name}", which is not a parameter of it.')
  if namespace is not None and not isinstance(namespace, str):
    raise TypeError(f'namespace of {title}() must be a str, not {type(namespace).__name__}.')
  if namespace == '':
    raise ValueError(f'namespace of {title}() must not be empty.')


def _plan_parameters(function: Callable[..., Any], parameters: List[Any]) -> Plan:
  """Returns a plan with parameters, but without a key."""
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
      plan.bind(**{f'default_{each.name}': each.default})
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
  """Plans keys that a function of the application creates from the arguments of the call."""

  def make(*args: Any, **kwargs: Any) -> str:
    text = key(*args, **kwargs)
    if not isinstance(text, str):
      if hasattr(text, 'close'):
        text.close()  # it may be a coroutine
      raise TypeError(
        f'The key function of {title}() must return a str, not {type(text).__name__}.'
      )
    return prefix + text

  plan = Plan(function, '*args, **kwargs', '*args, **kwargs')
  plan.bind(make=make)
  plan.prelude = '  _cachette_key = _cachette_make(*args, **kwargs)\n'
  return plan


def _plan_template(plan: Plan, title: str, names: Set[str], template: str, prefix: str) -> None:
  """Plans keys from a template such as "user:{id}"."""
  if not isinstance(template, str):
    raise TypeError(
      f'key of {title}() must be a template or a function, not {type(template).__name__}.'
    )
  used = fields_of_template('key', title, names, template)
  arguments = ', '.join(f'{name}={name}' for name in used)
  plan.bind(prefix=prefix, format=template.format)
  plan.prelude = f'  _cachette_key = _cachette_prefix + _cachette_format({arguments})\n'


def fields_of_template(option: str, title: str, names: Container[str], template: str) -> List[str]:
  """Returns the parameters that a template uses. `option` names the argument that it is."""
  from string import Formatter

  used: List[str] = []
  templates = [template]
  for each in templates:
    try:
      parts = list(Formatter().parse(each))
    except ValueError as error:
      raise ValueError(f'{option} of {title}() is not a valid template: {error}.') from None
    for _, field, form, _ in parts:
      if field is None:
        continue
      name = field.replace('[', '.').partition('.')[0]
      if name not in names:
        raise ValueError(
          f'{option} of {title}() uses "{{{name}}}", which is not a parameter of it.'
        )
      used += [name] if name not in used else []
      templates += [form] if form else []
  return used


def _plan_digest(plan: Plan, title: str, parameters: List[Any], prefix: str) -> None:
  """Plans keys from a digest of the arguments.

  The keys of plain arguments are remembered, because the digest takes longer than the fetch. The
  memo key has the type of each argument next to its value, because 1 == True.
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
    f'  _cachette_memo_key = ({" ".join(parts)}) if {" and ".join(conditions) or True} else None\n'
    '  _cachette_key = _cachette_memo_get(_cachette_memo_key)\n'
    '  if _cachette_key is None:\n'
    f'    _cachette_key = _cachette_make(_cachette_memo_key, ({values}))\n'
  )
  memo: Dict[Any, str] = {}
  names = tuple(each.name for each in parameters)
  plan.bind(type=type, plain=_plain, memo_get=memo.get)
  plan.bind(make=_make_digest(memo, names, title, f'{prefix}{title}:'))


def _make_digest(
  memo: Dict[Any, str], names: Tuple[str, ...], title: str, prefix: str
) -> Callable[[Any, Tuple[Any, ...]], str]:
  """Returns a function that creates a key, and remembers it if `memo_key` is not None."""
  from hashlib import blake2b

  def make(memo_key: Any, values: Tuple[Any, ...]) -> str:
    text = ''.join(_encode_argument(title, *pair) for pair in zip(names, values))
    key = prefix + blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()
    if memo_key is not None and len(text) <= _MEMO_TEXT:
      if len(memo) >= _MEMO_SIZE:
        memo.clear()
      memo[memo_key] = key
    return key

  return make


def _article(noun: str) -> str:
  return f'{"an" if noun[:1].lower() in tuple("aeiou") else "a"} {noun}'


def _encode_argument(title: str, name: str, value: Any) -> str:
  """Returns the canonical text of an argument. Raises TypeError with the name of its parameter."""
  try:
    return f'{name}={encode(value)}'
  except NoCanonicalForm as error:
    kind = str(error)
  holds = 'is' if kind == type(value).__qualname__ else 'holds'
  raise TypeError(
    f'The parameter "{name}" of {title}() {holds} {_article(kind)}, which cannot be part of a '
    f'cache key. Exclude the parameter with exclude=({name!r},), or set key=.'
  )
