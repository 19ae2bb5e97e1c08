# SPDX-License-Identifier: MIT
"""Draws a chart of what `bench/run` has measured.

A chart is {"title", "unit", "kind", "panels": {panel: ...}}. If its kind is "bars", a panel is
{who: number}. If it is "lines", a panel is {who: {x: number}}. The drawing is as narrow as a phone,
and its colours are legible on light and dark pages.
"""

import html

OURS, THEIRS, INK = '#0a9396', '#9aa5b1', '#748090'
LINES = ['#ee9b00', '#ca6702', '#d0453e', '#7a7ce0', '#6a994e']
WIDTH = 380
LABELS, BARS, ROW = 136, 174, 20  # width of the labels, width of the longest bar, height of a row
PLOT = 110  # height of a panel with lines

STYLE = f"""
    text {{ fill: {INK}; }}
    .ours {{ fill: {OURS}; font-weight: bold; }}
    .title {{ font-weight: bold; font-size: 14px; }}
    .panel {{ font-weight: bold; }}
    .axis {{ stroke: {INK}; }}
    .line {{ fill: none; stroke-width: 1.5; }}
    .strong {{ stroke-width: 3; }}"""


def text(x, y, words, kind='', anchor='start'):
  of_kind = f' class="{kind}"' if kind else ''
  at_anchor = f' text-anchor="{anchor}"' if anchor != 'start' else ''
  return f'<text{of_kind} x="{x:g}" y="{y:g}"{at_anchor}>{html.escape(words)}</text>'


def is_ours(name):
  return name.startswith('cachette') and '0.1' not in name


def number_text(number):
  return f'{number:,.0f}' if number >= 10 else f'{number:.2g}'


def draw_bars(panels, y):
  """One panel above the other, each with its own scale, and a number at each bar."""
  body = []
  for name, panel in panels.items():
    body.append(text(0, y + 14, name, 'panel'))
    y += 24
    for who, number in panel.items():
      length = BARS * number / max(panel.values())
      kind = 'ours' if is_ours(who) else ''
      fill = OURS if kind else THEIRS
      body += [
        text(0, y + 13, who, kind),
        f'<rect fill="{fill}" x="{LABELS}" y="{y + 2}" width="{max(length, 1):.1f}" height="14"/>',
        text(round(LABELS + length + 6, 1), y + 13, number_text(number), kind),
      ]
      y += ROW
    y += 10
  return body, y


def draw_lines(panels, y):
  """One panel above the other; ours is the thick line. The legend is at the top."""
  names = list(next(iter(panels.values())))
  colours = dict(zip([name for name in names if not is_ours(name)], LINES))
  colours.update({name: OURS for name in names if is_ours(name)})
  body = []
  for index, name in enumerate(names):
    left, top = 125 * (index % 3), y + 20 * (index // 3)
    body.append(f'<rect fill="{colours[name]}" x="{left}" y="{top + 6}" width="16" height="5"/>')
    body.append(text(left + 22, top + 13, name, 'ours' if is_ours(name) else ''))
  y += 20 * ((len(names) + 2) // 3) + 10
  for name, panel in panels.items():
    body.append(text(0, y + 14, name, 'panel'))
    body += draw_lines_of(panel, colours, y + 26)
    y += PLOT + 60
  return body, y


def draw_lines_of(panel, colours, top):
  """The axes and lines of a panel."""
  sizes = [float(size) for size in next(iter(panel.values()))]
  left, right, bottom = 46, WIDTH - 10, top + PLOT
  most = max(max(points.values()) for points in panel.values())

  def x_of(size):
    return left + (right - left) * float(size) / max(sizes)

  def y_of(percent):
    return bottom - PLOT * percent / most

  body = [
    f'<path class="axis" fill="none" d="M{left} {top} V{bottom} H{right}"/>',
    text(left - 6, top + 9, f'{most:.0f}%', anchor='end'),
    text(left - 6, bottom, '0', anchor='end'),
    text(left, bottom + 16, '0', anchor='middle'),
    text(x_of(max(sizes)), bottom + 16, f'{max(sizes):,.0f} entries', anchor='end'),
  ]
  for who in sorted(panel, key=is_ours):  # ours on top
    points = ' '.join(f'{x_of(size):.1f},{y_of(each):.1f}' for size, each in panel[who].items())
    kind = 'line strong' if is_ours(who) else 'line'
    body.append(f'<polyline class="{kind}" stroke="{colours[who]}" points="{points}"/>')
  return body


def draw(chart):
  """The chart as SVG."""
  top = [text(0, 16, chart['title'], 'title'), text(0, 34, chart['unit'])]
  body, height = (draw_bars if chart['kind'] == 'bars' else draw_lines)(chart['panels'], 46)
  lines = '\n'.join('  ' + each for each in top + body)
  label = html.escape(f'{chart["title"]}: {chart["unit"]}')
  return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"
  viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13" role="img"
  aria-label="{label}">
  <style>{STYLE}
  </style>
{lines}
</svg>
"""
