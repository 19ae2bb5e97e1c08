# SPDX-License-Identifier: MIT
"""The result type of a function, which the text codecs (json, orjson, msgpack) restore.

    put    value -> pydantic: dicts, lists, text -> codec: bytes
    hit    bytes -> pydantic, strict mode: a value of the type

In the strict mode for JSON, pydantic reads text as a UUID and a list as a set, but not the text
"01" as a number. A value that cannot be read as the type is stored without the type, because a
wrong annotation must not break a function that works.

A type that the codec restores by itself, such as `dict[str, int]`, does not need pydantic and costs
no time.
"""

import sys
from typing import Any, Callable, Dict, List, Optional, Set, Tuple, Union

from . import _codecs
from ._exceptions import CodecError

_CACHE_SIZE = 256  # max types of get_or_set() that are remembered


class Returns:
  """A type that was requested by `returns`, or by the annotation of a function.

  find: returns the type.
  name: the origin of the type, for messages.
  explicit: whether it comes from `returns`. Then it is an error if pydantic does not support the
    type
    or is not installed.
  """

  def __init__(self, find: Callable[[], Any], name: str, explicit: bool) -> None:
    self._find = find
    self._name = name
    self._explicit = explicit
    self._readers: Dict[str, _Reader] = {}  # by codec
    self._untyped: Set[type] = set()  # the types of values that were stored without the type
    self._is_logged = False

  def load(self, codec: str, data: bytes) -> Any:
    """Decodes the bytes of a text codec. Raises ValueError if the value is not of the type."""
    reader = self._readers.get(codec) or self._find_reader(codec)
    if not isinstance(reader, _TypedReader):
      return reader.load(data)
    try:
      return reader.load(data)
    except MemoryError:
      raise
    except Exception as error:
      if self._untyped:
        value = reader.loads(data)
        if type(value) in self._untyped:
          return value
      raise ValueError(_reason(error)) from None

  def convert(self, config: Any, key: str, value: Any) -> Tuple[Any, Any]:
    """Returns the bytes to store for a computed value, and the value that a hit returns.

    Raises CodecError if the codec cannot encode the value or would change it.
    """
    codec = config.get('codec')
    try:
      reader = self._readers.get(codec) or self._find_reader(codec)
    except Exception as error:
      raise CodecError(f'The "{codec}" codec cannot store "{key[:100]}": {error}') from error
    if not isinstance(reader, _TypedReader):
      data = config.encode(key, value)
      return data, config.decode(key, data, None)
    try:
      data = config.encode(key, reader.dump(value))
      found = reader.load(data)
    except Exception as error:
      return self._encode_untyped(config, key, value, reader, _reason(error))
    self._check_loss(codec, key, value, found, reader)
    return data, found

  def _encode_untyped(
    self, config: Any, key: str, value: Any, reader: '_TypedReader', reason: str
  ) -> Tuple[Any, Any]:
    """Encodes a value that cannot be stored as the type."""
    try:
      data = config.encode(key, value)
    except CodecError as error:
      raise CodecError(
        f'{error}. It cannot be stored as {_title(self._find())}: {reason}'
      ) from error
    try:
      found = reader.load(data)
    except Exception:
      found = config.decode(key, data, None)
      self._untyped.add(type(found))
      self._log_once(
        f'returned a value that is not a valid {_title(self._find())} ({reason}), so it is stored '
        'without that type. Correct the annotation, or set returns=typing.Any.'
      )
    else:
      self._check_loss(config.get('codec'), key, value, found, reader)
    return data, found

  def _check_loss(
    self, codec: str, key: str, value: Any, found: Any, reader: '_TypedReader'
  ) -> None:
    """Rejects a value that would be decoded as a different one."""
    lost: List[Tuple[str, str]] = []
    if not (_matches(value, found, lost) or reader.is_normalized(value, found)):
      raise CodecError(
        f'The "{codec}" codec would change the value of "{key[:100]}" by storing it as '
        f'{_title(self._find())}. Use the "pickle" codec, or a type that JSON holds without loss.'
      )
    if lost:
      self._log_once(
        f'returned a {lost[0][0]} where its type is {lost[0][1]}, so a {lost[0][1]} comes back. '
        'Set returns= to a type that lists both, or use the "pickle" codec.'
      )

  def _log_once(self, what: str) -> None:
    """Logs a warning, once."""
    if not self._is_logged:
      self._is_logged = True
      from logging import getLogger

      getLogger('cachette').warning('%s %s', self._name, what)

  def _find_reader(self, codec: str) -> '_Reader':
    """Creates the reader of a codec. Several threads may do this at once, with the same result."""
    dumps, loads = _codecs.find(codec)
    if codec == 'msgpack' and not _codecs.is_own(codec):
      loads = _parse_counters(loads)
    reader = _Reader(dumps, loads)
    try:
      hint = self._find()
      if not (_codecs.is_own(codec) or _is_native(hint, codec)):
        reader = _TypedReader(hint, codec, dumps, loads)
    except ImportError as error:
      if self._explicit:
        raise TypeError(
          f'{self._name} needs pydantic 2, which is not installed: pip install pydantic.'
        ) from error
    except Exception as error:
      if self._explicit:
        raise TypeError(f'{self._name} is not supported by pydantic: {_reason(error)}') from error
    self._readers[codec] = reader
    return reader


def _parse_counters(loads: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
  """Wraps `loads` of MessagePack so that digits are a counter, as in a fetch without a type."""
  import re

  is_counter = re.compile(rb'(0|-?[1-9][0-9]*) *').fullmatch
  return lambda data: int(data) if is_counter(data) else loads(data)


# ---- The type


def returns_of(hint: Any) -> Returns:
  """Returns the Returns for the argument `returns` of get_or_set()."""
  try:
    cached = _cache.get(hint)
  except TypeError:  # an Annotated with unhashable metadata
    return Returns(lambda: hint, f'get_or_set(returns={_title(hint)})', explicit=True)
  if cached is None:
    if len(_cache) >= _CACHE_SIZE:
      _cache.clear()
    cached = Returns(lambda: hint, f'get_or_set(returns={_title(hint)})', explicit=True)
    _cache[hint] = cached
  return cached


_cache: Dict[Any, Returns] = {}


def returns_of_function(function: Any, returns: Any, depth: int) -> Optional[Returns]:
  """Returns the Returns of a function to decorate, or None if its type makes no difference.

  returns: the argument `returns`, or None.
  depth: the number of frames between this one and the code that decorates.
  """
  title = f'{function.__module__}.{function.__qualname__}()'
  if returns is not None:
    name = f'cached(returns={_title(returns)}) over {title}'
    return Returns(lambda: _resolve(returns, function, {}), name, explicit=True)
  try:
    hint = function.__annotations__.get('return', Any)
  except Exception:  # since Python 3.14 annotations are evaluated here
    return Returns(lambda: function.__annotations__.get('return', Any), title, explicit=False)
  if not isinstance(hint, str):
    # True for all text codecs: only msgpack also restores bytes.
    native = _is_native(hint, 'json')
    return None if native else Returns(lambda: _resolve(hint, function, {}), title, explicit=False)
  names = _names_of(hint, depth + 2)
  return Returns(lambda: _resolve(hint, function, names), title, explicit=False)


def _names_of(hint: str, depth: int) -> Dict[str, Any]:
  """Returns the local names that an annotation uses from the function or class around it."""
  try:
    used = compile(hint, '<annotation>', 'eval').co_names
    scope = sys._getframe(depth).f_locals
  except (SyntaxError, ValueError):  # no such frame
    return {}
  return {name: scope[name] for name in used if name in scope}


def _resolve(hint: Any, function: Any, names: Dict[str, Any]) -> Any:
  """Resolves a type, which may be a string. Raises NameError and similar errors."""
  from typing import get_type_hints

  def annotated() -> None:
    """Exists for its annotation: get_type_hints() resolves those of a function."""

  annotated.__annotations__ = {'return': hint}
  namespace = {**function.__globals__, **names}
  return get_type_hints(annotated, namespace, include_extras=True)['return']


def _title(hint: Any) -> str:
  plain = isinstance(hint, type) and not hasattr(hint, '__origin__')
  return hint.__qualname__ if plain else str(hint)


_NATIVE: Tuple[Any, ...] = (Any, object, str, int, float, bool, type(None), None, dict, list)


def _is_native(hint: Any, codec: str) -> bool:
  """Returns whether the codec restores such a value by itself, for example a plain dict or list."""
  from typing import get_args, get_origin

  keys = (str, int, bytes) if codec == 'msgpack' else (str,)
  if any(hint is each for each in (*_NATIVE, *keys)):
    return True
  origin, args = get_origin(hint), get_args(hint)
  if origin is dict:
    return not args or (any(args[0] is each for each in keys) and _is_native(args[1], codec))
  if origin is list or origin is Union or type(hint).__name__ == 'UnionType':
    return all(_is_native(each, codec) for each in args)
  return False


# ---- Encoding and decoding


class _Reader:
  """Returns values as the codec decodes them."""

  def __init__(self, dumps: Callable[[Any], Any], loads: Callable[[bytes], Any]) -> None:
    self.dumps = dumps
    self.loads = loads

  def load(self, data: bytes) -> Any:
    return self.loads(data)


class _TypedReader(_Reader):
  """Returns values of a type, by pydantic.

  The type is wrapped in a list, because pydantic accepts settings for a list of any type.
  """

  def __init__(
    self, hint: Any, codec: str, dumps: Callable[[Any], Any], loads: Callable[[bytes], Any]
  ) -> None:
    super().__init__(dumps, loads)
    from pydantic import VERSION, TypeAdapter

    self._packed = codec == 'msgpack'
    version = tuple(map(int, VERSION.split('.')[:2]))
    settings = {'ser_json_bytes': 'base64', 'val_json_bytes': 'base64'} if version >= (2, 9) else {}
    self._adapter = TypeAdapter(List[hint], config=settings)  # type: ignore[arg-type]
    if not getattr(self._adapter, 'pydantic_complete', True):
      raise TypeError('a name in it is not defined')
    kinds = _kinds_of(self._adapter.core_schema)
    if 'generator' in kinds:
      raise TypeError('it can be read only once')
    if 'typed-dict' in kinds:  # keep keys that the type does not name
      settings['extra'] = 'allow'
      self._adapter = TypeAdapter(List[hint], config=settings)  # type: ignore[arg-type]
    # Use the names of fields, not aliases: a field may have different ones for reading and writing.
    by_name = version >= (2, 11)
    self._to: Dict[str, Any] = {'by_alias': False} if by_name else {'by_alias': True}
    self._from: Dict[str, Any] = {'by_alias': False, 'by_name': True} if by_name else {}

  def dump(self, value: Any) -> Any:
    return self._adapter.dump_python(
      [value], mode='json', round_trip=True, warnings=False, **self._to
    )[0]

  def load(self, data: bytes) -> Any:
    if self._packed:
      from pydantic_core import to_json

      text = to_json([self.loads(data)])
    else:
      text = b'[%b]' % data
    values = self._adapter.validate_json(text, strict=True, **self._from)
    if len(values) != 1:
      raise ValueError('it is not exactly one value')
    return values[0]

  def is_normalized(self, value: Any, found: Any) -> bool:
    """Returns whether validators of the type changed the value, and would not change it again."""
    if self.dump(value) == self.dump(found):
      return False
    return _matches(found, self.load(bytes(self.dumps(self.dump(found)))), [])


def _kinds_of(schema: Any) -> Set[str]:
  """Returns all kinds of types that a schema of pydantic uses."""
  kinds: Set[str] = set()
  stack = [schema]
  while stack:
    each = stack.pop()
    if isinstance(each, dict):
      if isinstance(each.get('type'), str):
        kinds.add(each['type'])
      stack += each.values()
    elif isinstance(each, (list, tuple)):
      stack += each
  return kinds


def _reason(error: Any) -> str:
  """Returns the message of an error, without the invalid value."""
  if not hasattr(error, 'errors'):
    return str(error).rstrip('.') or type(error).__name__
  first = error.errors(include_url=False)[0]
  path = '.'.join(map(str, first['loc'][1:]))
  return f'{path}: {first["msg"]}' if path else str(first['msg'])


# ---- Comparing values


def _matches(value: Any, found: Any, lost: List[Tuple[str, str]]) -> bool:
  """Returns whether a decoded value equals the original, except for types that the annotation sets.

  lost: receives a pair of type names where the decoded value has a base class of the original type.
  """
  if type(value) is not type(found):
    return _matches_type(value, found, lost)
  if _is_equal(value, found):
    return True
  if isinstance(value, (list, tuple)):
    return _all_match(value, found, lost)
  if isinstance(value, dict):
    return _all_match(list(value), list(found), lost) and _all_match(
      list(value.values()), list(found.values()), lost
    )
  names = _fields_of(value)
  if names is not None:
    return _all_match(
      [getattr(value, name) for name in names], [getattr(found, name) for name in names], lost
    )
  if isinstance(value, float):
    return value != value and found != found  # both are NaN
  # Without an __eq__ the values cannot be compared, so assume that they match.
  return not any('__eq__' in vars(each) for each in type(value).__mro__[:-1])


def _matches_type(value: Any, found: Any, lost: List[Tuple[str, str]]) -> bool:
  if isinstance(value, (list, tuple)) and isinstance(found, (list, tuple)):
    return _all_match(value, found, lost)
  if _fields_of(value) is None or _fields_of(found) is None:
    return True  # such as a dict and the model that it is read as
  if not isinstance(value, type(found)):
    return False  # another member of a union
  lost.append((type(value).__qualname__, type(found).__qualname__))
  return True


def _all_match(values: Any, found: Any, lost: List[Tuple[str, str]]) -> bool:
  return len(values) == len(found) and all(_matches(*pair, lost) for pair in zip(values, found))


def _is_equal(value: Any, found: Any) -> bool:
  try:
    return bool(value == found)
  except Exception:
    return False


def _fields_of(value: Any) -> Optional[List[str]]:
  """Returns the field names of a dataclass or a pydantic model; None for other values."""
  fields = getattr(type(value), '__dataclass_fields__', None)
  if fields is None:
    fields = getattr(type(value), 'model_fields', None)
  return list(fields) if fields is not None else None
