# SPDX-License-Identifier: MIT
"""The documentation names every option, call, error and command. `make lint` runs this, too."""

import pathlib
import re
from typing import List

import cachette
import pytest
from cachette import testing
from cachette._cachette import Cache, options
from conftest import ROOT
from test_readme import read_targets

PAGES = {
  path.relative_to(ROOT).as_posix(): path.read_text(encoding='utf-8')
  for path in sorted(pathlib.Path(ROOT, 'docs').rglob('*.md'))
}
# Written by hand for users: pages that are generated, or about the inside, do not count.
GUIDES = '\n'.join(
  text
  for page, text in PAGES.items()
  if page.startswith(('docs/index', 'docs/guides', 'docs/start', 'docs/concepts', 'docs/errors'))
)


def public_names(of: type) -> List[str]:
  return sorted(name for name in dir(of) if not name.startswith('_'))


@pytest.mark.parametrize('option', [option['name'] for option in options()])
def test_every_option_is_in_the_table(option: str) -> None:
  assert f'\n| `{option}`' in PAGES['docs/options.md']


@pytest.mark.parametrize('name', sorted({*public_names(cachette.Cachette), *public_names(Cache)}))
def test_every_call_is_in_a_guide(name: str) -> None:
  assert re.search(rf'[.`]{name}\b', GUIDES)


@pytest.mark.parametrize('name', [name for name in cachette.__all__ if name != '__version__'])
def test_every_name_of_the_package_is_in_a_guide(name: str) -> None:
  assert re.search(rf'\b{name}\b', GUIDES)


@pytest.mark.parametrize('name', ['isolated', 'isolated_cache', *public_names(testing.Isolation)])
def test_every_name_of_the_testing_module_is_in_its_guide(name: str) -> None:
  assert re.search(rf'\b{name}\b', PAGES['docs/guides/testing.md'])


@pytest.mark.parametrize('name', public_names(cachette.Stats))
def test_every_statistic_is_in_a_guide(name: str) -> None:
  assert re.search(rf'\b{name}\b', GUIDES)


def test_every_error_has_a_row_in_the_table() -> None:
  errors = [
    name
    for name in cachette.__all__
    if isinstance(getattr(cachette, name), type(Exception))
    and issubclass(getattr(cachette, name), Exception)
  ]
  assert len(errors) > 5
  for name in errors:
    assert f'\n| `{name}`' in PAGES['docs/errors.md'] or name == 'CachetteError', name


def test_every_make_target_is_in_the_contributing_guide_and_the_help() -> None:
  contributing = pathlib.Path(ROOT, 'CONTRIBUTING.md').read_text(encoding='utf-8')
  makefile = pathlib.Path(ROOT, 'Makefile').read_text(encoding='utf-8')
  for target in {*read_targets()} - {'help', 'install'}:
    assert re.search(rf'^make {target}\b', contributing, re.MULTILINE), target
    assert f"@echo 'make {target} " in makefile


@pytest.mark.parametrize('name', [path.name for path in sorted(pathlib.Path(ROOT).glob('*.md'))])
def test_no_link_of_the_root_pages_is_dead(name: str) -> None:
  """MkDocs checks the links of the site, which has not all of these pages."""
  text = pathlib.Path(ROOT, name).read_text(encoding='utf-8')
  for link in re.findall(r'\]\((?!\w+:)([^)#\s]+)', text):
    assert pathlib.Path(ROOT, link).exists(), link
