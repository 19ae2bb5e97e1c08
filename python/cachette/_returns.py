# SPDX-License-Identifier: MIT
"""The type that a function gives, which the text codecs (json, orjson, msgpack) give back.

    put    value -> pydantic: dicts, lists, text -> the codec: bytes
    hit    bytes -> pydantic, strictly: a value of the type

pydantic reads strictly, in JSON's sense: text is a UUID where one is wanted, and a list is a set,
but the text "01" is no number. A value that cannot be read as the type is kept without it, for a
wrong annotation must not break a function that works.

What the codec brings back by itself, such as `dict[str, int]`, needs no pydantic and takes no time.
"""

import sys
from typing import Any, Callable, Dict, List, Optional, Set, Tuple, Union

from . import _codecs
from ._exceptions import CodecError

_KNOWN_SIZE = 256  # types given to get_or_set() that are remembered


class Returns:
  """A type that is asked for by `returns`, or by the annotation of a function.

  find: gives the type. name: what asks for it, in messages. stated: by `returns`; then it is an
  error if pydantic cannot make anything of the type, or is not installed.
  """

  def __init__(self, find: Callable[[], Any], name: str, stated: bool) -> None:
    self._find = find
    self._name = name
    self._stated = stated
    self._readers: Dict[str, _Reader] = {}  # by codec
    self._others: Set[type] = set()  # of values that were kept without the type
    self._told = False

  def load(self, codec: str, data: bytes) -> Any:
    """The value of the bytes of a text codec. Raises ValueError if it is not of the type."""
    reader = self._readers.get(codec) or self._find_reader(codec)
    if not isinstance(reader, _TypedReader):
      return reader.load(data)
    try:
      return reader.load(data)
    except MemoryError:
      raise
    except Exception as error:
      if self._others:
        value = reader.loads(data)
        if type(value) in self._others:
          return value
      raise ValueError(_reason(error)) from None

  def convert(self, config: Any, key: str, value: Any) -> Tuple[Any, Any]:
    """What is stored of a value that was computed, and what a hit gives for that.

    Raises CodecError if the codec cannot keep it, or would bring it back as another.
    """
    codec = config.get('codec')
    try:
      reader = self._readers.get(codec) or self._find_reader(codec)
    except Exception as error:
      raise CodecError(f'The "{codec}" codec cannot keep "{key[:100]}": {error}') from error
    if not isinstance(reader, _TypedReader):
      data = config.encode(key, value)
      return data, config.decode(key, data, None)
    try:
      data = config.encode(key, reader.dump(value))
      found = reader.load(data)
    except Exception as error:
      return self._keep_as_it_is(config, key, value, reader, _reason(error))
    self._compare(codec, key, value, found, reader)
    return data, found

  def _keep_as_it_is(
    self, config: Any, key: str, value: Any, reader: '_TypedReader', fault: str
  ) -> Tuple[Any, Any]:
    """A value that cannot be kept as the type."""
    try:
      data = config.encode(key, value)
    except CodecError as error:
      raise CodecError(f'{error}. As {_title(self._find())} it cannot be kept: {fault}') from error
    try:
      found = reader.load(data)
    except Exception:
      found = config.decode(key, data, None)
      self._others.add(type(found))
      self._tell(
        f'gives what cannot be kept as {_title(self._find())} ({fault}), and is kept as it is. '
        'Mend the annotation, or say returns=typing.Any.'
      )
    else:
      self._compare(config.get('codec'), key, value, found, reader)
    return data, found

  def _compare(self, codec: str, key: str, value: Any, found: Any, reader: '_TypedReader') -> None:
    """Refuses a value that comes back as another."""
    lost: List[Tuple[str, str]] = []
    if not (_fits(value, found, lost) or reader.puts_in_order(value, found)):
      raise CodecError(
        f'The "{codec}" codec would bring the value of "{key[:100]}" back as another, by the type '
        f'{_title(self._find())}. Use the "pickle" codec, or a type that JSON holds without loss.'
      )
    if lost:
      self._tell(
        f'gives a {lost[0][0]} where its type is {lost[0][1]}, and that is what comes back. Say '
        'returns= with all types that there are, or use the "pickle" codec.'
      )

  def _tell(self, what: str) -> None:
    """Logs it, once."""
    if not self._told:
      self._told = True
      from logging import getLogger

      getLogger('cachette').warning('%s %s', self._name, what)

  def _find_reader(self, codec: str) -> '_Reader':
    """Threads that come here at once make it more than once, and alike."""
    dumps, loads = _codecs.find(codec)
    if codec == 'msgpack' and not _codecs.is_own(codec):
      loads = _counting(loads)
    reader = _Reader(dumps, loads)
    try:
      hint = self._find()
      if not (_codecs.is_own(codec) or _is_native(hint, codec)):
        reader = _TypedReader(hint, codec, dumps, loads)
    except ImportError as error:
      if self._stated:
        raise TypeError(
          f'{self._name} needs pydantic 2, not installed here: pip install pydantic.'
        ) from error
    except Exception as error:
      if self._stated:
        raise TypeError(f'{self._name} cannot be had from pydantic: {_reason(error)}') from error
    self._readers[codec] = reader
    return reader


def _counting(loads: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
  """`loads` of MessagePack that takes digits for a counter, as a fetch without a type does."""
  import re

  is_counter = re.compile(rb'(0|-?[1-9][0-9]*) *').fullmatch
  return lambda data: int(data) if is_counter(data) else loads(data)


# ---- Which type


def returns_of(hint: Any) -> Returns:
  """The Returns of what was given to get_or_set() as `returns`."""
  try:
    known = _known.get(hint)
  except TypeError:  # Annotated with what has no hash
    return Returns(lambda: hint, f'get_or_set(returns={_title(hint)})', stated=True)
  if known is None:
    if len(_known) >= _KNOWN_SIZE:
      _known.clear()
    known = Returns(lambda: hint, f'get_or_set(returns={_title(hint)})', stated=True)
    _known[hint] = known
  return known


_known: Dict[Any, Returns] = {}


def returns_of_function(function: Any, given: Any, depth: int) -> Optional[Returns]:
  """The Returns of a function that `cached` decorates; None if it says nothing of use.

  given: the parameter `returns`, or None. depth: how many frames above is the one that decorates.
  """
  title = f'{function.__module__}.{function.__qualname__}()'
  if given is not None:
    name = f'cached(returns={_title(given)}) over {title}'
    return Returns(lambda: _resolve(given, function, {}), name, stated=True)
  try:
    hint = function.__annotations__.get('return', Any)
  except Exception:  # from Python 3.14 on they are evaluated when they are asked for
    return Returns(lambda: function.__annotations__.get('return', Any), title, stated=False)
  if not isinstance(hint, str):
    # For any codec: bytes are native to msgpack only.
    native = _is_native(hint, 'json')
    return None if native else Returns(lambda: _resolve(hint, function, {}), title, stated=False)
  names = _names_of(hint, depth + 2)
  return Returns(lambda: _resolve(hint, function, names), title, stated=False)


def _names_of(hint: str, depth: int) -> Dict[str, Any]:
  """What an annotation uses of a function or class in which the decorated function is defined."""
  try:
    used = compile(hint, '<annotation>', 'eval').co_names
    scope = sys._getframe(depth).f_locals
  except (SyntaxError, ValueError):  # no such frame
    return {}
  return {name: scope[name] for name in used if name in scope}


def _resolve(hint: Any, function: Any, names: Dict[str, Any]) -> Any:
  """A type, of a string too. Raises NameError and the like."""
  from typing import get_type_hints

  def annotated() -> None:
    """Has nothing but an annotation, which is how Python is asked to resolve one."""

  annotated.__annotations__ = {'return': hint}
  namespace = {**function.__globals__, **names}
  return get_type_hints(annotated, namespace, include_extras=True)['return']


def _title(hint: Any) -> str:
  plain = isinstance(hint, type) and not hasattr(hint, '__origin__')
  return hint.__qualname__ if plain else str(hint)


_NATIVE: Tuple[Any, ...] = (Any, object, str, int, float, bool, type(None), None, dict, list)


def _is_native(hint: Any, codec: str) -> bool:
  """Whether the codec brings back such a value by itself, as a plain dict, list or the like."""
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


# ---- Reading and writing


class _Reader:
  """Gives back what the codec does."""

  def __init__(self, dumps: Callable[[Any], Any], loads: Callable[[bytes], Any]) -> None:
    self.dumps = dumps
    self.loads = loads

  def load(self, data: bytes) -> Any:
    return self.loads(data)


class _TypedReader(_Reader):
  """Gives back values of a type, which pydantic knows.

  The type stands in a list, for which alone pydantic takes settings whatever the type is.
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
      raise TypeError('it is read once only')
    if 'typed-dict' in kinds:  # the keys that such a type does not name are kept
      settings['extra'] = 'allow'
      self._adapter = TypeAdapter(List[hint], config=settings)  # type: ignore[arg-type]
    # Names of fields, not their aliases, of which one may be for reading and another for writing.
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
      raise ValueError('it is not one value')
    return values[0]

  def puts_in_order(self, value: Any, found: Any) -> bool:
    """Whether the type's own validators have changed the value, and would not again."""
    if self.dump(value) == self.dump(found):
      return False
    return _fits(found, self.load(bytes(self.dumps(self.dump(found)))), [])


def _kinds_of(schema: Any) -> Set[str]:
  """All kinds of types that a schema of pydantic uses."""
  kinds: Set[str] = set()
  left = [schema]
  while left:
    each = left.pop()
    if isinstance(each, dict):
      if isinstance(each.get('type'), str):
        kinds.add(each['type'])
      left += each.values()
    elif isinstance(each, (list, tuple)):
      left += each
  return kinds


def _reason(error: Any) -> str:
  """What an error says, without the value that was at fault."""
  if not hasattr(error, 'errors'):
    return str(error).rstrip('.') or type(error).__name__
  first = error.errors(include_url=False)[0]
  place = '.'.join(map(str, first['loc'][1:]))
  return f'{place}: {first["msg"]}' if place else str(first['msg'])


# ---- Whether a value has come back


def _fits(value: Any, found: Any, lost: List[Tuple[str, str]]) -> bool:
  """Whether what was found is the value, apart from the type that the annotation gives it.

  lost: gets the names of types, where what was found is of a base of the value's.
  """
  if type(value) is not type(found):
    return _fits_type(value, found, lost)
  if _is_equal(value, found):
    return True
  if isinstance(value, (list, tuple)):
    return _all_fit(value, found, lost)
  if isinstance(value, dict):
    return _all_fit(list(value), list(found), lost) and _all_fit(
      list(value.values()), list(found.values()), lost
    )
  names = _fields_of(value)
  if names is not None:
    return _all_fit(
      [getattr(value, name) for name in names], [getattr(found, name) for name in names], lost
    )
  if isinstance(value, float):
    return value != value and found != found  # both are no number
  return not any('__eq__' in vars(each) for each in type(value).__mro__[:-1])  # else it is known


def _fits_type(value: Any, found: Any, lost: List[Tuple[str, str]]) -> bool:
  if isinstance(value, (list, tuple)) and isinstance(found, (list, tuple)):
    return _all_fit(value, found, lost)
  if _fields_of(value) is None or _fields_of(found) is None:
    return True  # a dict and the model that it is read as, say
  if not isinstance(value, type(found)):
    return False  # one of a union that looks like another
  lost.append((type(value).__qualname__, type(found).__qualname__))
  return True


def _all_fit(values: Any, found: Any, lost: List[Tuple[str, str]]) -> bool:
  return len(values) == len(found) and all(_fits(*pair, lost) for pair in zip(values, found))


def _is_equal(value: Any, found: Any) -> bool:
  try:
    return bool(value == found)
  except Exception:
    return False


def _fields_of(value: Any) -> Optional[List[str]]:
  """The fields of a dataclass or a pydantic model; None of anything else."""
  fields = getattr(type(value), '__dataclass_fields__', None)
  if fields is None:
    fields = getattr(type(value), 'model_fields', None)
  return list(fields) if fields is not None else None
