#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generates manuals from the comments in the public headers: pages of the site, and man pages.

  c_reference.py list           prints the names of the man pages
  c_reference.py man FOLDER     writes them

As a hook of MkDocs it replaces the mark in docs/c-reference.md and docs/c-http-reference.md with
the manual of a header.

A header must consist of blocks separated by empty lines, each a comment and its declarations. A
comment without declarations belongs to the block in front of it, or opens a section. A comment
consists of paragraphs, lists (`- text`, or `  name  text`), and code, indented by four.
"""

import pathlib
import re
import sys
from typing import Any, Dict, List, NamedTuple, Tuple

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A paragraph, a list item (name and text) or code.
Part = Tuple[str, str, str]


class Header(NamedTuple):
  name: str
  """As programs include it."""
  page: str
  """The page of the site that has its manual."""
  overview: str
  """The man page that names the others."""

  @property
  def mark(self) -> str:
    return f'<!-- the header {self.name} -->'


HEADERS = [
  Header('cachette.h', 'c-reference.md', 'cachette'),
  Header('cachette/http.h', 'c-http-reference.md', 'cachette_http'),
]


class Block(NamedTuple):
  section: str
  names: List[str]
  """Functions, types and macros. None: the block opens a section."""
  parts: List[Part]
  code: str


# ---- Reading


def read_parts(comment: str) -> List[Part]:
  """Parses a comment without its marks into parts."""
  parts: List[Part] = []
  last = ''
  for line in comment.split('\n'):
    text = line.strip()
    item = re.match(r'(?:- |  (\w+)  +)(\S.*)', line)
    if not text:
      last = ''
    elif last in ('item', 'text') and not item and not re.match('(Errors:|Returns) ', line):
      kind, name, before = parts[-1]
      parts[-1] = (kind, name, f'{before} {text}')
    elif last == 'code' or line.startswith('    '):
      parts.append(('code', '', line[4:]))
      last = 'code'
    elif item:
      parts.append(('item', item.group(1) or '', item.group(2)))
      last = 'item'
    else:
      parts.append(('text', '', text))
      last = 'text'
  return parts


def strip_marks(comment: str) -> str:
  body = re.sub(r'^/\*|\*/$', '', comment.strip())
  return '\n'.join(re.sub(r'^ \* ?', '', line.rstrip()) for line in body.split('\n')).strip('\n')


def without_export(code: str) -> str:
  """A declaration without its export macro, and without indentation."""
  word = 'CACHETTE_API '
  if not code.startswith(word):
    return code
  return code[len(word) :].replace('\n' + ' ' * len(word), '\n')


def find_names(code: str) -> List[str]:
  """The names that a block declares, except members of structs."""
  patterns = [
    r'^CACHETTE_API [^(]*?\b(cachette_\w+)\(',
    r'^typedef struct (?:cachette_?\w* )?(cachette\w*);',
    r'^typedef struct (cachette\w*) \{',
    r'^enum (cachette_\w+)',
    r'^#define (CACHETTE_\w+)',
  ]
  found = [(m.start(), m.group(1)) for p in patterns for m in re.finditer(p, code, re.MULTILINE)]
  return [name for _, name in sorted(found)]


def read_header(header: Header) -> Tuple[List[Part], List[Block]]:
  """Returns the comment at the top of the header, and the blocks."""
  text = (ROOT / 'include' / header.name).read_text(encoding='utf-8')
  top = re.search(r'/\*\n \*.*?\*/', text, re.DOTALL)
  begin, end = re.search(r'extern "C" \{\n#endif\n', text), text.rindex('#ifdef __cplusplus')
  assert top is not None and begin is not None
  blocks: List[Block] = []
  section, is_new = '', False
  # Inside braces or a comment, the line after an empty line is indented.
  for piece in re.split(r'\n\n(?![ ])', text[begin.end() : end].strip()):
    title = re.fullmatch(r'/\* -+ (.*?) -+ \*/', piece)
    if title or piece.startswith('#if '):
      section, is_new = (title.group(1), True) if title else (section, is_new)
      continue
    match = re.match(r'/\*.*?\*/', piece, re.DOTALL)
    comment = strip_marks(match.group(0)) if match else ''
    code = (piece[match.end() :] if match else piece).strip()
    if not code and not is_new:
      blocks[-1].parts.extend(read_parts(comment))
    else:
      blocks.append(Block(section, find_names(code), read_parts(comment), code))
    is_new = False
  return read_parts(strip_marks(top.group(0))), blocks


def find_pages() -> Dict[str, str]:
  """Returns the page of each name that has a heading."""
  return {
    block.names[0]: header.page
    for header in HEADERS
    for block in read_header(header)[1]
    if block.names
  }


# ---- The page of the site


class Place(NamedTuple):
  """Where a comment is on the site."""

  page: str
  name: str
  """The name that it documents, or ''."""
  pages: Dict[str, str]
  """The pages of all names."""


def markdown_prose(text: str, place: Place) -> str:
  """Formats the text of a comment as Markdown. Names of other functions become links."""

  def link(match: 're.Match[str]') -> str:
    name = match.group(1)
    page = place.pages[name] if place.pages[name] != place.page else ''
    return f'`{name}()`' if name == place.name else f'[`{name}()`]({page}#{name})'

  spans = text.split('`')  # every second part is already code
  for i in range(0, len(spans), 2):
    plain = re.sub(r'\b(cachette_\w+)\(\)', link, spans[i].replace('*', '\\*'))
    spans[i] = re.sub(r'(?<![`#\w])(cachette_\w+|CACHETTE_\w+)(?![\w(])', r'`\1`', plain)
  return ''.join(f'`{span}`' if i % 2 else span for i, span in enumerate(spans))


def to_markdown(parts: List[Part], place: Place) -> str:
  lines: List[str] = []
  last = ''
  for kind, name, text in parts:
    if kind != last or kind == 'text':
      lines.append('')
    if kind == 'code':
      lines.append(f'    {text}')
    else:
      prose = markdown_prose(text, place)
      mark = '- ' if kind == 'item' else ''
      lines.append(mark + (f'`{name}`: {prose}' if name else prose))
    last = kind
  return '\n'.join(lines).strip('\n') + '\n'


def make_page(header: Header) -> str:
  opening, blocks = read_header(header)
  place = Place(header.page, '', find_pages())
  lines = [to_markdown(opening, place)]
  section = ''
  for block in blocks:
    if block.section != section:
      section = block.section
      lines.append(f'## {section}\n')
    if block.names:
      place = place._replace(name=block.names[0])
      lines.append(f'### {block.names[0]}\n')
      lines.append(f'```c\n{without_export(block.code)}\n```\n')
    lines.append(to_markdown(block.parts, place))
  return '\n'.join(lines)


def on_page_markdown(markdown: str, **others: Any) -> str:
  """The MkDocs hook, called for each page."""
  for header in HEADERS:
    if header.mark in markdown:
      markdown = markdown.replace(header.mark, make_page(header))
  return markdown


# ---- Man pages


def roff(text: str, code: bool = False) -> str:
  """Formats text for man(7), with names in bold."""
  text = text.replace('\\', '\\e').replace('-', '\\-') if code else text.replace('\\', '\\e')
  if not code:
    text = re.sub(r'`([^`]*)`', r'\\fB\1\\fR', text)
    text = re.sub(r'(?<!\w)(cachette_\w+)\(\)', r'\\fB\1\\fR(3)', text)
    text = re.sub(r'(?i)\b(?=cachette_)', r'\\%', text)  # prevents hyphenation
  return re.sub(r"^(?=[.'])", r'\\&', text, flags=re.MULTILINE)


def to_man(parts: List[Part]) -> str:
  lines: List[str] = []
  last = ''
  for kind, name, text in parts:
    if last == 'code' and kind != 'code':
      lines.append('.EE')
    if kind == 'code':
      lines.extend(['.PP', '.EX'] if last != 'code' else [])
      lines.append(roff(text, code=True))
    elif kind == 'item':
      lines.extend(['.TP', f'\\fI{name}\\fR'] if name else ['.IP \\(bu 2'])
      lines.append(roff(text))
    else:
      lines.extend(['.PP', roff(text)])
    last = kind
  return '\n'.join([*lines, *(['.EE'] if last == 'code' else [])]) + '\n'


def first_sentence(parts: List[Part]) -> str:
  text = next((text for kind, _, text in parts if kind == 'text'), '')
  sentence = re.split(r'(?<=[\w)])[.:;](?: |$)', text)[0].replace('`', '')
  return sentence[:1].lower() + sentence[1:]


def has_page(block: Block) -> bool:
  """Whether the block has its own page, and is not only on the overview."""
  return bool(block.names) and block.names[0].startswith('cachette_')


def make_man(header: Header, block: Block, blocks: List[Block]) -> str:
  names = [name for name in block.names if name.startswith('cachette_')]
  beside = [b.names[0] for b in blocks if has_page(b) and b.section == block.section]
  beside = [name for name in beside if name != block.names[0]]
  see = ', '.join(f'\\fB\\%{name}\\fR(3)' for name in [header.overview, *beside])
  code = roff(without_export(block.code), code=True)
  return (
    f'{man_title(block.names[0])}.SH NAME\n{", ".join(names)} \\- {first_sentence(block.parts)}\n'
    f'.SH SYNOPSIS\n.EX\n#include <{header.name}>\n.PP\n{code}\n.EE\n'
    f'.SH DESCRIPTION\n{to_man(block.parts)}.SH SEE ALSO\n{see}\n'
  )


def man_title(name: str) -> str:
  return f'.TH {name} 3 "" "libcachette" "C library of cachette"\n'


def make_overview(header: Header, opening: List[Part], blocks: List[Block]) -> str:
  lines = [
    man_title(header.overview) + '.SH NAME',
    f'{header.overview} \\- ' + opening[0][2].partition(': ')[2].rstrip('.'),
    f'.SH SYNOPSIS\n.EX\n#include <{header.name}>\n.PP',
    'cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs cachette)\n.EE',
    '.SH DESCRIPTION\n' + to_man(opening[1:]).rstrip(),
  ]
  section = ''
  for block in blocks:
    if block.section != section:
      section = block.section
      lines.append(f'.SH {section.upper()}')
    if has_page(block):
      lines.append(f'.TP\n\\fB\\%{block.names[0]}\\fR(3)\n{roff(first_sentence(block.parts))}')
    elif block.names:
      lines.append(f'{to_man(block.parts)}.EX\n{roff(block.code, code=True)}\n.EE')
    else:
      lines.append(to_man(block.parts).rstrip())
  return '\n'.join(lines) + '\n'


def make_man_pages() -> List[Tuple[str, str]]:
  """Returns the file names and texts of all man pages. A name that is documented on another's page
  has one too."""
  pages: List[Tuple[str, str]] = []
  for header in HEADERS:
    opening, blocks = read_header(header)
    pages.append((f'{header.overview}.3', make_overview(header, opening, blocks)))
    for block in filter(has_page, blocks):
      pages.append((f'{block.names[0]}.3', make_man(header, block, blocks)))
      others = (name for name in block.names[1:] if name.startswith('cachette_'))
      pages.extend((f'{name}.3', f'.so man3/{block.names[0]}.3\n') for name in others)
  return pages


def main() -> None:
  if sys.argv[1:] == ['list']:
    print('\n'.join(name for name, _ in make_man_pages()))
  elif len(sys.argv) == 3 and sys.argv[1] == 'man':
    for name, text in make_man_pages():
      (pathlib.Path(sys.argv[2]) / name).write_text(text, encoding='utf-8')
  else:
    sys.exit(__doc__)


if __name__ == '__main__':
  main()
