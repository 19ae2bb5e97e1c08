#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generates manuals from the comments in include/cachette.h: a page of the site, and man pages.

  c_reference.py list           prints the names of the man pages
  c_reference.py man FOLDER     writes them

As a hook of MkDocs it replaces the mark in docs/c-reference.md with the manual.

The header must consist of blocks separated by empty lines, each a comment and its declarations. A
comment consists of paragraphs, lists (`- text`, or `  name  text`), and code, indented by four.
"""

import pathlib
import re
import sys
from typing import Any, List, NamedTuple, Tuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = ROOT / 'include' / 'cachette.h'
MARK = '<!-- the header -->'

# A paragraph, a list item (name and text) or code.
Part = Tuple[str, str, str]


class Block(NamedTuple):
  section: str
  names: List[str]
  """Functions, types and macros."""
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


def read_header() -> Tuple[List[Part], List[Block]]:
  """Returns the comment at the top of the header, and the blocks."""
  text = HEADER.read_text(encoding='utf-8')
  top = re.search(r'/\*\n \*.*?\*/', text, re.DOTALL)
  begin, end = text.index('/* The version'), text.rindex('#ifdef __cplusplus')
  assert top is not None
  blocks: List[Block] = []
  section = ''
  # Inside braces or a comment, the line after an empty line is indented.
  for piece in re.split(r'\n\n(?![ ])', text[begin:end].strip()):
    title = re.fullmatch(r'/\* -+ (.*?) -+ \*/', piece)
    if title:
      section = title.group(1)
      continue
    match = re.match(r'/\*.*?\*/', piece, re.DOTALL)
    comment = strip_marks(match.group(0)) if match else ''
    code = (piece[match.end() :] if match else piece).strip()
    if not code and blocks:
      blocks[-1].parts.extend(read_parts(comment))
    else:
      blocks.append(Block(section, find_names(code), read_parts(comment), code))
  return read_parts(strip_marks(top.group(0))), blocks


# ---- The page of the site


def markdown_prose(text: str, own_name: str) -> str:
  """Formats the text of a comment as Markdown. Function names become links, except `own_name`."""

  def link(match: 're.Match[str]') -> str:
    name = match.group(1)
    return f'`{name}()`' if name == own_name else f'[`{name}()`](#{name})'

  spans = text.split('`')  # every second part is already code
  for i in range(0, len(spans), 2):
    plain = re.sub(r'\b(cachette_\w+)\(\)', link, spans[i].replace('*', '\\*'))
    spans[i] = re.sub(r'(?<![`#\w])(cachette_\w+|CACHETTE_\w+)(?![\w(])', r'`\1`', plain)
  return ''.join(f'`{span}`' if i % 2 else span for i, span in enumerate(spans))


def to_markdown(parts: List[Part], own_name: str = '') -> str:
  lines: List[str] = []
  last = ''
  for kind, name, text in parts:
    if kind != last or kind == 'text':
      lines.append('')
    if kind == 'code':
      lines.append(f'    {text}')
    else:
      prose = markdown_prose(text, own_name)
      mark = '- ' if kind == 'item' else ''
      lines.append(mark + (f'`{name}`: {prose}' if name else prose))
    last = kind
  return '\n'.join(lines).strip('\n') + '\n'


def make_page() -> str:
  opening, blocks = read_header()
  lines = [to_markdown(opening)]
  section = ''
  for block in blocks:
    if block.section != section:
      section = block.section
      lines.append(f'## {section}\n')
    lines.append(f'### {block.names[0]}\n')
    lines.append(f'```c\n{without_export(block.code)}\n```\n')
    lines.append(to_markdown(block.parts, block.names[0]))
  return '\n'.join(lines)


def on_page_markdown(markdown: str, **others: Any) -> str:
  """The MkDocs hook, called for each page."""
  return markdown.replace(MARK, make_page()) if MARK in markdown else markdown


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
  sentence = re.split(r'(?<=\w)[.:;](?: |$)', text)[0].replace('`', '')
  return sentence[:1].lower() + sentence[1:]


def has_page(block: Block) -> bool:
  """Whether the block has its own page, and is not only on the overview."""
  return block.names[0].startswith('cachette_')


def make_man(block: Block, blocks: List[Block]) -> str:
  names = [name for name in block.names if name.startswith('cachette_')]
  beside = [b.names[0] for b in blocks if has_page(b) and b.section == block.section]
  beside = [name for name in beside if name != block.names[0]]
  see = ', '.join(f'\\fB\\%{name}\\fR(3)' for name in ['cachette', *beside])
  code = roff(without_export(block.code), code=True)
  return (
    f'{man_title(block.names[0])}.SH NAME\n{", ".join(names)} \\- {first_sentence(block.parts)}\n'
    f'.SH SYNOPSIS\n.EX\n#include <cachette.h>\n.PP\n{code}\n.EE\n'
    f'.SH DESCRIPTION\n{to_man(block.parts)}.SH SEE ALSO\n{see}\n'
  )


def man_title(name: str) -> str:
  return f'.TH {name} 3 "" "libcachette" "C library of cachette"\n'


def make_overview(opening: List[Part], blocks: List[Block]) -> str:
  lines = [
    man_title('cachette') + '.SH NAME',
    'cachette \\- ' + opening[0][2].partition(': ')[2].rstrip('.'),
    '.SH SYNOPSIS\n.EX\n#include <cachette.h>\n.PP',
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
    else:
      lines.append(f'{to_man(block.parts)}.EX\n{roff(block.code, code=True)}\n.EE')
  return '\n'.join(lines) + '\n'


def make_man_pages() -> List[Tuple[str, str]]:
  """Returns the file names and texts of all man pages. A name that is documented on another's page
  has one too."""
  opening, blocks = read_header()
  pages = [('cachette.3', make_overview(opening, blocks))]
  for block in filter(has_page, blocks):
    pages.append((f'{block.names[0]}.3', make_man(block, blocks)))
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
