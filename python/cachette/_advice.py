# SPDX-License-Identifier: MIT
"""Advice about values that a codec rejects, and about bytes that it cannot decode.

The extension asks for advice when it creates a CodecError, and appends it to the error of the
codec.
"""

from typing import Any, Callable, List, NamedTuple, Optional

Dumps = Callable[[Any], Any]

_MAX_DEPTH = 10  # how deep to search for the part that is rejected


class Refusal(ValueError):
  """A value that a codec of this package rejects, although its library accepts it."""

  def __init__(self, reason: str, advice: str) -> None:
    super().__init__(reason, advice)

  def __str__(self) -> str:
    return str(self.args[0])

  @property
  def advice(self) -> str:
    return str(self.args[1])


def short(value: object, max_length: int = 40) -> str:
  """Returns the repr of a key or a name, cut to a length."""
  text = repr(value)
  return text if len(text) <= max_length else text[: max_length - 3] + '...'


def join(words: List[str], last: str) -> str:
  """Joins words: 'a, b or c'."""
  return f' {last} '.join(filter(None, [', '.join(words[:-1]), words[-1]]))


def advise_encoding(codec: str, value: Any, reason: BaseException, dumps: Dumps) -> str:
  """Returns advice about a value that `dumps` rejected, or '' if there is none."""
  if isinstance(reason, Refusal):
    return reason.advice
  if codec == 'vanilla':
    return 'The codecs "json" and "pickle" hold such text.'
  if codec not in ('json', 'orjson', 'msgpack', 'pickle') or isinstance(reason, RecursionError):
    return ''
  part = _find_part(value, dumps)
  return f'{part.where} is {_remedy(codec, part)}'


def advise_decoding(data: bytes, key: str) -> str:
  """Returns advice about bytes that a custom codec cannot decode, or '' if there is none."""
  digits = data.strip()
  if not digits[digits.startswith(b'-') :].isdigit() or len(data) > 20:
    return ''
  return (
    f'It looks like a counter: read it with increment("{key[:100]}", 0), or let `loads` return '
    'an int for digits.'
  )


# ---- The part that is rejected


class _Part(NamedTuple):
  value: Any
  where: str
  is_key: bool = False


def _find_part(value: Any, dumps: Dumps) -> _Part:
  """Returns the innermost part that the codec rejects."""
  path, part = '', value
  for _ in range(_MAX_DEPTH):
    inner = _find_inner(part, dumps)
    if inner is None:
      return _Part(part, f'The value at {path}' if path else 'The value')
    if inner.is_key:
      return inner._replace(where=f'A key of the dict at {path}' if path else 'A key of the dict')
    path, part = path + inner.where, inner.value
  return _Part(value, 'The value')


def _find_inner(value: Any, dumps: Dumps) -> Optional[_Part]:
  if isinstance(value, dict):
    for key, each in value.items():
      if not _encodes(dumps, {key: None}):
        return _Part(key, '', True)
      if not _encodes(dumps, each):
        return _Part(each, f'[{short(key)}]')
  elif isinstance(value, (list, tuple)):
    for number, each in enumerate(value):
      if not _encodes(dumps, each):
        return _Part(each, f'[{number}]')
  return None


def _encodes(dumps: Dumps, value: Any) -> bool:
  try:
    dumps(value)
  except Exception:
    return False
  return True


# ---- Advice for a part


def _remedy(codec: str, part: _Part) -> str:
  """Returns advice that continues "The value is"."""
  value, kind = part.value, type(part.value)
  name = kind.__name__
  if hasattr(kind, '__await__'):
    return f'awaitable ({name}): await it first, and put the result.'
  if codec == 'pickle':
    return f'of type {name}, which cannot be pickled: convert it to plain data.'
  if part.is_key:
    return f'of type {name}: convert it to text, or use the codec "pickle".'
  if hasattr(kind, 'model_dump'):
    return (
      f'a pydantic model ({name}): put its model_dump(mode="json"), or use the codec "pickle". '
      '@cached returns models if the function has a return annotation, and get_or_set if you set '
      'returns=.'
    )
  for has, remedy in _REMEDIES:
    if has(value):
      return f'of type {name}: {remedy}.'
  return (
    f'of type {name}: convert it to plain data (dict, list, str, numbers), or use the codec '
    '"pickle".'
  )


def _is_of(*names: str) -> Callable[[Any], bool]:
  """Tests for classes by their full names, so their modules need not be imported."""

  def is_of(value: Any) -> bool:
    return any(f'{each.__module__}.{each.__qualname__}' in names for each in type(value).__mro__)

  return is_of


def _is(*kinds: type) -> Callable[[Any], bool]:
  return lambda value: isinstance(value, kinds)


def _is_huge(value: Any) -> bool:
  return isinstance(value, int) and value.bit_length() > 10_000


def _has(name: str) -> Callable[[Any], bool]:
  return lambda value: hasattr(type(value), name)


_REMEDIES = [
  (_is_huge, 'it has too many digits; put its hex(), or use the codec "pickle"'),
  (_is(int), 'it has more than 64 bits; use the codec "json" or "pickle"'),
  (_is(str), 'it is not valid Unicode; use the codec "json" or "pickle"'),
  (_is(dict, list, tuple), 'it is nested too deeply, or contains itself; put flatter data'),
  (
    _is(bytes, bytearray, memoryview),
    'use the codec "msgpack" or "pickle", or convert it to text, for example with base64',
  ),
  (_is(set, frozenset), 'put a list of it, or use the codec "pickle"'),
  (_is_of('pandas.DataFrame', 'pandas.core.frame.DataFrame'), 'use the codec "parquet"'),
  (_is_of('datetime.timedelta'), 'put its total_seconds(), or use the codec "pickle"'),
  (
    _is_of('datetime.date', 'datetime.time'),
    'put its isoformat(), or use the codec "orjson", which does that, or "pickle"',
  ),
  (_is_of('enum.Enum'), 'put its value, or use the codec "pickle"'),
  (
    _is_of('decimal.Decimal', 'uuid.UUID', 'pathlib.PurePath', 'pathlib._local.PurePath'),
    'put its str(), or use the codec "pickle"',
  ),
  (
    _has('__dataclass_fields__'),
    'put dataclasses.asdict() of it, or use the codec "orjson", which does that, or "pickle"',
  ),
  (_has('tolist'), 'put its tolist(), or use the codec "pickle"'),
]
