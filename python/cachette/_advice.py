# SPDX-License-Identifier: MIT
"""What to do about a value that a codec does not take, or bytes that it cannot read.

The extension asks when a CodecError is made, and puts it behind the codec's own reason.
"""

from typing import Any, Callable, List, NamedTuple, Optional

Dumps = Callable[[Any], Any]

_LEVELS = 10  # how deep the part of a value that is at fault is looked for


class Refusal(ValueError):
  """A value that a codec of this package refuses by itself, though its library takes it."""

  def __init__(self, reason: str, advice: str) -> None:
    super().__init__(reason, advice)

  def __str__(self) -> str:
    return str(self.args[0])

  @property
  def advice(self) -> str:
    return str(self.args[1])


def short(value: object, most: int = 40) -> str:
  """The text of a key or a name, cut."""
  text = repr(value)
  return text if len(text) <= most else text[: most - 3] + '...'


def join(words: List[str], last: str) -> str:
  """'a, b or c'."""
  return f' {last} '.join(filter(None, [', '.join(words[:-1]), words[-1]]))


def advise_encoding(codec: str, value: Any, reason: BaseException, dumps: Dumps) -> str:
  """What to do about a value that `dumps` has not taken; '' if there is nothing to say."""
  if isinstance(reason, Refusal):
    return reason.advice
  if codec == 'vanilla':
    return 'The codecs "json" and "pickle" hold such text.'
  if codec not in ('json', 'orjson', 'msgpack', 'pickle') or isinstance(reason, RecursionError):
    return ''
  part = _find_part(value, dumps)
  return f'{part.place} is {_remedy(codec, part)}'


def advise_decoding(data: bytes, key: str) -> str:
  """What to do about bytes that a codec of the application's own does not read."""
  digits = data.strip()
  if not digits[digits.startswith(b'-') :].isdigit() or len(data) > 20:
    return ''
  return (
    f'It is digits, as a counter is: read that by increment("{key[:100]}", 0), or let `loads` '
    'read digits as an int.'
  )


# ---- Which part of the value it is


class _Part(NamedTuple):
  value: Any
  place: str
  is_key: bool = False


def _find_part(value: Any, dumps: Dumps) -> _Part:
  """The innermost part that the codec does not take."""
  path, part = '', value
  for _ in range(_LEVELS):
    inner = _find_inner(part, dumps)
    if inner is None:
      return _Part(part, f'What is at {path}' if path else 'The value')
    if inner.is_key:
      return inner._replace(place=f'A key of the dict at {path}' if path else 'A key of the dict')
    path, part = path + inner.place, inner.value
  return _Part(value, 'The value')


def _find_inner(value: Any, dumps: Dumps) -> Optional[_Part]:
  if isinstance(value, dict):
    for key, each in value.items():
      if not _takes(dumps, {key: None}):
        return _Part(key, '', True)
      if not _takes(dumps, each):
        return _Part(each, f'[{short(key)}]')
  elif isinstance(value, (list, tuple)):
    for number, each in enumerate(value):
      if not _takes(dumps, each):
        return _Part(each, f'[{number}]')
  return None


def _takes(dumps: Dumps, value: Any) -> bool:
  try:
    dumps(value)
  except Exception:
    return False
  return True


# ---- What to do about it


def _remedy(codec: str, part: _Part) -> str:
  """Words that follow on "The value is"."""
  value, kind = part.value, type(part.value)
  name = kind.__name__
  if hasattr(kind, '__await__'):
    return f'awaitable ({name}): await it first, and put what it gives.'
  if codec == 'pickle':
    return f'of type {name}, which cannot be pickled: put plain data that you make of it.'
  if part.is_key:
    return f'of type {name}: make text of it, or use the codec "pickle".'
  if hasattr(kind, 'model_dump'):
    return (
      f'a pydantic model ({name}): put its model_dump(mode="json"), or have @cached give the model '
      'back, by a return annotation of the function, or use the codec "pickle". get_or_set gives '
      'models back by its parameter returns=.'
    )
  for has, remedy in _REMEDIES:
    if has(value):
      return f'of type {name}: {remedy}.'
  return (
    f'of type {name}: put plain data that you make of it (dict, list, str, numbers), or use the '
    'codec "pickle".'
  )


def _is_of(*names: str) -> Callable[[Any], bool]:
  """Whether a value is of a class of such a name, with its module; none need be imported."""

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
  (_is(str), 'it is no valid Unicode; use the codec "json" or "pickle"'),
  (_is(dict, list, tuple), 'it is nested too deep, or is within itself; put flatter data'),
  (
    _is(bytes, bytearray, memoryview),
    'use the codec "msgpack" or "pickle", or put text that you make of it, by base64 say',
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
