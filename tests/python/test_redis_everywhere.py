# SPDX-License-Identifier: MIT
"""The tests of a Redis server on a Valkey server, and those about any server also on clusters and
behind sentinels."""

from typing import Any

import pytest
import test_redis
import test_redis_failover
import test_redis_refusals
from conftest import CHOSEN_BACKENDS, REDIS_BACKENDS
from services.redis import RedisServer

# These need only a URL, and an `execute` that finds the server of a key.
ANYWHERE = [
  'test_redis_stores_plain_data_with_its_ttl',
  'test_the_prefix_precedes_every_key',
  'test_large_values_round_trip',
  'test_closed_loops_leave_no_descriptor_open',
  'test_replaced_configurations_leave_no_descriptor_open',
  'test_a_loop_can_be_closed_with_pending_calls',
  'test_threads_with_a_loop_each_use_the_server',
  'test_workers_forked_before_and_after_the_first_use',
  'test_memory_does_not_grow_with_fetches',
  'test_two_caches_share_a_server',
]

KINDS = [name for name in CHOSEN_BACKENDS if name in REDIS_BACKENDS and name != 'redis']


def collect(kind: str) -> Any:
  """A class of the tests for one kind of servers."""

  class Tests:
    @pytest.fixture
    def redis(self, request: pytest.FixtureRequest) -> Any:
      return request.getfixturevalue(kind.replace('+', '_'))

    @pytest.fixture(autouse=True)
    def servers_of_this_kind(self, monkeypatch: pytest.MonkeyPatch) -> None:
      monkeypatch.setattr(RedisServer, 'kind', kind.partition('+')[0])

  for module in (test_redis, test_redis_failover, test_redis_refusals):
    for name, function in vars(module).items():
      if name.startswith('test_') and ('+' not in kind or name in ANYWHERE):
        setattr(Tests, name, staticmethod(function))
  return Tests


for _kind in KINDS:
  globals()[f'Test{_kind.title().replace("+", "")}'] = collect(_kind)


def test_the_tests_for_all_servers_exist() -> None:
  assert [name for name in ANYWHERE if not hasattr(test_redis, name)] == []
