# SPDX-License-Identifier: MIT
"""What pytest finds by itself where this package is installed."""

from typing import TYPE_CHECKING, Iterator

import pytest

if TYPE_CHECKING:
  from .testing import Isolation


@pytest.fixture
def isolated_cache() -> 'Iterator[Isolation]':
  """Gives every cache of the application an empty one in memory for the test.

  It has a `clock` that `advance(seconds)` moves, and `off()`, which turns caching off within a with
  statement; see cachette.testing.
  """
  from .testing import isolated

  with isolated() as isolation:
    yield isolation
