# SPDX-License-Identifier: MIT
"""The fixture that pytest finds by itself when this package is installed."""

from typing import TYPE_CHECKING, Iterator

import pytest

if TYPE_CHECKING:
  from .testing import Isolation


@pytest.fixture
def isolated_cache() -> 'Iterator[Isolation]':
  """Replaces every cache of the application with an empty in-memory one for the test.

  It has a `clock`, which `advance(seconds)` moves, and `off()`, which turns caching off within a
  `with` statement. See cachette.testing.
  """
  from .testing import isolated

  with isolated() as isolation:
    yield isolation
