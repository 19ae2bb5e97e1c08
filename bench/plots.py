# SPDX-License-Identifier: MIT
"""Draws the results of `bench/run`: plots.py FIGURES FOLDER.

FIGURES is a JSON file: {"machine": text, "charts": {name: {"title", "unit", "kind", "panels":
{panel: ...}}}}. A panel of a chart of kind "bars" is {who: number}, of kind "lines" it is
{who: {x: number}}. Each chart becomes FOLDER/NAME.svg, readable on light and dark pages.
"""

import json
import os
import sys
from datetime import date

import matplotlib

matplotlib.use('svg')
from matplotlib import pyplot

OURS, THEIRS, INK = '#0a9396', '#9aa5b1', '#7b8794'
LINES = ['#ee9b00', '#ca6702', '#ae2012', '#5e60ce', '#6a994e']
WIDTH = 8  # in inches

STYLE = {
  'svg.fonttype': 'none',  # text remains text
  'svg.hashsalt': 'cachette',  # equal values produce an equal file
  'font.family': 'sans-serif',
  'font.size': 10,
  'text.color': INK,
  'axes.labelcolor': INK,
  'axes.edgecolor': INK,
  'xtick.color': INK,
  'ytick.color': INK,
  'axes.spines.top': False,
  'axes.spines.right': False,
}


def draw_bars(chart):
  """Draws panels one below the other, with all bars on one scale and labelled with their values."""
  panels = chart['panels']
  rows = [len(panel) for panel in panels.values()]
  figure, axes = pyplot.subplots(
    len(panels),
    figsize=(WIDTH, 0.3 * sum(rows) + 0.5 * len(rows) + 0.6),
    gridspec_kw={'height_ratios': rows},
    squeeze=False,
  )
  for (name, panel), axis in zip(panels.items(), axes[:, 0]):
    whom = list(panel)
    bars = axis.barh(whom, list(panel.values()), color=[colour(each) for each in whom], height=0.7)
    axis.bar_label(bars, [f' {number_text(each)}' for each in panel.values()], color=INK)
    axis.invert_yaxis()
    axis.set_title(name, loc='left', fontsize=10, fontweight='bold')
    axis.set_xticks([])
    axis.spines['bottom'].set_visible(False)
    axis.tick_params(left=False)
    axis.set_xlim(0, max(panel.values()) * 1.15)
  return figure


def draw_lines(chart):
  """Draws panels in two columns; our line is the emphasized one."""
  panels = chart['panels']
  rows = (len(panels) + 1) // 2
  figure, axes = pyplot.subplots(rows, 2, figsize=(WIDTH, 2.4 * rows + 0.8), squeeze=False)
  for axis in axes.flat[len(panels) :]:
    axis.set_visible(False)
  whom = list(next(iter(panels.values())))
  colours = dict(zip([each for each in whom if colour(each) != OURS], LINES))
  for (name, panel), axis in zip(panels.items(), axes.flat):
    for each, points in panel.items():
      strong = colour(each) == OURS
      axis.plot(
        list(points),
        list(points.values()),
        color=OURS if strong else colours[each],
        linewidth=2.5 if strong else 1,
        zorder=3 if strong else 2,
        marker='o',
        markersize=4 if strong else 2,
        label=each,
      )
    axis.set_title(name, loc='left', fontsize=10, fontweight='bold')
    axis.set_ylim(bottom=0)
    axis.tick_params(labelsize=8)
  handles, labels = axes.flat[0].get_legend_handles_labels()
  figure.legend(
    handles,
    labels,
    loc='lower right',
    bbox_to_anchor=(1, 0.02),
    ncols=len(labels),
    frameon=False,
    fontsize=8,
  )
  return figure


def colour(name):
  return OURS if name.startswith('cachette') and '0.1' not in name else THEIRS


def number_text(number):
  return f'{number:,.0f}' if number >= 10 else f'{number:.2g}'


def draw(name, chart, machine, folder):
  figure = draw_bars(chart) if chart['kind'] == 'bars' else draw_lines(chart)
  figure.suptitle(f'{chart["title"]} ({chart["unit"]})', x=0.01, ha='left', fontsize=12)
  figure.text(0.01, 0.005, f'{machine}. {date.today():%B %Y}.', fontsize=9)
  figure.tight_layout(rect=(0, 0.03 if chart['kind'] == 'bars' else 0.06, 1, 0.98))
  figure.savefig(os.path.join(folder, name + '.svg'), transparent=True, metadata={'Date': None})
  pyplot.close(figure)


def main():
  figures, folder = sys.argv[1:]
  with open(figures) as file:
    read = json.load(file)
  os.makedirs(folder, exist_ok=True)
  with pyplot.rc_context(STYLE):
    for name, chart in read['charts'].items():
      draw(name, chart, read['machine'], folder)


main()
