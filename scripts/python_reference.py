# SPDX-License-Identifier: MIT
"""A hook of MkDocs: writes the Python API into docs/reference/python.md, from the docstrings.

A mark in the page names what to write in its place, each with a heading and an anchor:

  <!-- api: Cachette.fetch Cachette.put -->
  <!-- api table: Cachette.fetch Cachette.put -->   a table of their first sentences

The docstrings have paragraphs, examples (`>>>`), and the sections Args, Returns, Raises and Warns.
"""

import inspect
import re
import types
from typing import Any, Dict, List

import cachette
from cachette import _exceptions, _pytest, _stats, http, testing
from cachette._calls import Seconds
from cachette._times import Time

MARK = re.compile(r'<!-- api( table)?: ([^>]*?) -->')
SECTION = re.compile(r'(Args|Returns|Raises|Warns):')
TITLES = {'Args': 'Arguments', 'Returns': 'Returns', 'Raises': 'Raises', 'Warns': 'Warns'}
FIELD = re.compile(r'^  (\w+): [^\n]*\n  """(.*?)"""', re.MULTILINE | re.DOTALL)
WIDTH = 80  # columns of a signature in one line


@cachette.cached
async def decorated(*args: Any, **kwargs: Any) -> None:
  """An example, whose attributes are on the page."""


def find(name: str) -> Any:
  """Returns the object that has a name on the page, such as `Cachette.put` or `http.purge`."""
  if name == 'isolated_cache':
    return _pytest.isolated_cache.__wrapped__  # the function below the fixture
  found: Any = types.SimpleNamespace(**{**vars(cachette), 'http': http, 'decorated': decorated})
  for each in name.split('.'):
    found = getattr(found, each)
  return found


# ---- Signatures


def spell_type(annotation: Any) -> str:
  """Returns a type as you would write it: `Time` for a time, and no modules."""
  if annotation == Seconds:
    return 'Optional[Time]'
  if annotation == Time:
    return 'Time'
  text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
  text = text.replace('~CachetteT', 'Cachette').replace('~Settings', 'Any')
  text = re.sub(r'\b(?:[a-z_]\w*\.)+(?=\w)', '', text.replace("'", ''))
  text = re.sub(r'Union\[(.*), NoneType\]', r'Optional[Union[\1]]', text)
  return text.replace('NoneType', 'None')


def spell_parameter(parameter: inspect.Parameter) -> str:
  stars = {parameter.VAR_POSITIONAL: '*', parameter.VAR_KEYWORD: '**'}.get(parameter.kind, '')
  text = stars + parameter.name
  typed = parameter.annotation is not parameter.empty
  if typed:
    text += f': {spell_type(parameter.annotation)}'
  if parameter.default is not parameter.empty:
    text += f'{" = " if typed else "="}{parameter.default!r}'
  return text


def spell_function(name: str, function: Any) -> str:
  signature = inspect.signature(function)
  parameters = [
    spell_parameter(each) for key, each in signature.parameters.items() if key != 'self'
  ]
  returns = ''
  if signature.return_annotation is not signature.empty:
    returns = f' -> {spell_type(signature.return_annotation)}'
  if inspect.isgeneratorfunction(inspect.unwrap(function)):
    returns = returns.replace('Iterator', 'ContextManager')
  start = 'async def ' if inspect.iscoroutinefunction(function) else 'def '
  line = f'{start}{name}({", ".join(parameters)}){returns}'
  if len(line) <= WIDTH:
    return line
  return f'{start}{name}(\n' + ''.join(f'  {each},\n' for each in parameters) + f'){returns}'


def spell_class(name: str, cls: type) -> str:
  hidden = ('object', 'Cache', 'Sync')
  bases = ['NamedTuple' if each is tuple else each.__name__ for each in cls.__bases__]
  bases = [each for each in bases if each not in hidden]
  return f'class {name}({", ".join(bases)})' if bases else f'class {name}'


# ---- Docstrings


def write_prose(text: str, links: Dict[str, str]) -> str:
  """Returns a paragraph in which the names of the page are links."""

  def link(match: 're.Match[str]') -> str:
    anchor = links.get(match.group(1).partition('(')[0])
    return f'[{match.group(0)}](#{anchor})' if anchor else match.group(0)

  return re.sub(r'`([^`]+)`', link, text.replace('*', '\\*'))


def write_item(item: str, kind: str, links: Dict[str, str]) -> str:
  name, colon, text = item.partition(': ')
  if kind == 'Returns' or not colon:
    return write_prose(item, links)
  return f'- `{name}`: {write_prose(text, links)}'


def write_section(kind: str, lines: List[str], links: Dict[str, str]) -> str:
  """Returns a section. A line that is indented further continues the item above."""
  items: List[str] = []
  for line in lines:
    if items and (line.startswith('    ') or kind == 'Returns'):
      items[-1] += f' {line.strip()}'
    else:
      items.append(line.strip())
  return f'**{TITLES[kind]}**\n\n' + '\n'.join(write_item(each, kind, links) for each in items)


def write_docstring(text: str, links: Dict[str, str]) -> str:
  parts: List[str] = []
  for block in re.split(r'\n\n', text):
    lines = block.split('\n')
    section = SECTION.fullmatch(lines[0])
    if section:
      parts.append(write_section(section.group(1), lines[1:], links))
    elif lines[0].startswith('>>>'):
      parts.append(f'```pycon\n{block}\n```')
    elif lines[0].startswith('    '):
      parts.append(f'```python\n{inspect.cleandoc(block)}\n```')
    elif lines[0].startswith('- '):
      items = ' '.join(line.strip() for line in lines).split(' - ')
      parts.append(write_prose('\n- '.join(items), links))
    else:
      parts.append(write_prose(' '.join(lines), links))
  return '\n\n'.join(parts)


# ---- The page


def write_fields(name: str, links: Dict[str, str]) -> str:
  """Returns a table of the fields of a class, with the strings below them in its source."""
  source = '\n'.join(map(inspect.getsource, (_exceptions, _stats, testing)))
  body = re.search(rf'^class {name}\b.*?(?=^\S|\Z)', source, re.MULTILINE | re.DOTALL)
  rows = FIELD.findall(body.group(0)) if body else []
  lines = [f'| `{field}` | {write_prose(" ".join(text.split()), links)} |' for field, text in rows]
  return '\n'.join(['\n\n| attribute | meaning |', '|---|---|', *lines]) if lines else ''


def spell(name: str, found: Any) -> str:
  if name == 'isolated_cache':
    return 'def test_something(isolated_cache: Isolation)'
  last = name.rpartition('.')[2]
  if isinstance(found, type):
    return spell_class(last, found)
  return spell_function(last, found) if callable(found) else name


def write_entry(name: str, links: Dict[str, str]) -> str:
  found = find(name)
  last = name.rpartition('.')[2]
  doc = inspect.getdoc(found)
  if not doc:
    raise ValueError(f'{name} has no docstring')
  others = {key: anchor for key, anchor in links.items() if key != last}
  return (
    f'### {title_of(name)} {{#{anchor_of(name)}}}\n\n```python\n{spell(name, found)}\n```\n\n'
    + write_docstring(doc, others)
    + (write_fields(last, others) if isinstance(found, type) else '')
  )


def title_of(name: str) -> str:
  return re.sub(r'^(Cachette|decorated|http|testing)\.', '', name)


def anchor_of(name: str) -> str:
  return name.lower().replace('.', '-')


def write_table(names: List[str], links: Dict[str, str]) -> str:
  rows = ['| name | purpose |', '|---|---|']
  for name in names:
    first = (inspect.getdoc(find(name)) or '').split('\n\n')[0].replace('\n', ' ')
    rows.append(f'| [`{title_of(name)}`](#{anchor_of(name)}) | {write_prose(first, links)} |')
  return '\n'.join(rows)


def names_of(markdown: str) -> List[str]:
  """Returns the names of all entries of the page, in their order."""
  return [name for table, names in MARK.findall(markdown) if not table for name in names.split()]


def on_page_markdown(markdown: str, **others: Any) -> str:
  """Called by MkDocs with each page."""
  links = {name.rpartition('.')[2]: anchor_of(name) for name in names_of(markdown)}

  def write(match: 're.Match[str]') -> str:
    names = match.group(2).split()
    if match.group(1):
      return write_table(names, links)
    return '\n\n'.join(write_entry(name, links) for name in names)

  return MARK.sub(write, markdown)
