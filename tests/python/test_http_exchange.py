# SPDX-License-Identifier: MIT
"""HttpExchange: the functions of cachette/http.h. What the rules decide is tested in C; here, that
Python reaches each of them, hands it the right bytes, and cannot misuse it."""

import gc
import time
from typing import Any, Callable, Dict, Iterator, Optional

import pytest
from cachette import _cachette as ext
from cachette._cachette import (
  HTTP_ERROR,
  HTTP_FRESHEN,
  HTTP_HIT,
  HTTP_MISS,
  HTTP_PASS,
  HTTP_REFETCH,
  HTTP_REVALIDATE,
  HTTP_STALE,
  HTTP_STORE,
  HTTP_VARIANT,
  HttpExchange,
  HttpPolicy,
)
from exchanges import (
  DATE,
  FRESH,
  LARGE,
  NOW,
  QUERY,
  SAFE,
  TAGGED,
  ask,
  key_of,
  received,
  scope_of,
  store,
  store_variants,
)

# ---- Every action


def test_a_miss_is_stored_and_then_a_hit() -> None:
  exchange = ask()
  assert (exchange.action, exchange.forwarded) == (HTTP_MISS, 'uri-miss')
  assert exchange.coalesce
  headers = [(b'Content-Type', b'text/plain'), *FRESH]
  assert exchange.receive(200, headers, None, NOW, now_ms=NOW) == HTTP_STORE
  assert (exchange.keep_ms, exchange.not_stored, exchange.store_index) == (60_000, '', False)
  assert exchange.answer(200, headers) == [
    (b'content-type', b'text/plain'),
    *FRESH,
    (b'cache-status', b'cachette;fwd=uri-miss;fwd-status=200;stored'),
  ]
  record = exchange.record([b'he', bytearray(b'l'), memoryview(b'lo')]) + b'hello'
  hit = ask(record=record, at=NOW + 10_000)
  assert (hit.action, hit.status, hit.send_body) == (HTTP_HIT, 200, True)
  assert (hit.age_ms, hit.ttl_ms, hit.body_first, hit.body_size) == (10_000, 50_000, 0, 5)
  assert hit.answer() == [
    (b'content-type', b'text/plain'),
    *FRESH,
    (b'content-length', b'5'),
    (b'date', DATE),
    (b'age', b'10'),
    (b'cache-status', b'cachette;hit;ttl=50'),
  ]
  assert hit.body(record) == b'hello'


def test_a_request_that_waited_for_another_says_so() -> None:
  exchange = ask()
  exchange.decide(store(), NOW)
  assert exchange.answer(collapsed=True)[-1][1] == b'cachette;fwd=uri-miss;collapsed;ttl=60'
  exchange = ask(record=store(), at=NOW + 61_000)
  exchange.decide(store(), NOW)
  assert exchange.answer(collapsed=True)[-1][1] == b'cachette;fwd=stale;collapsed;ttl=60'
  exchange = ask()
  exchange.receive(200, FRESH, 5, NOW, now_ms=NOW)
  assert b'collapsed' in exchange.answer(200, FRESH, True)[-1][1]


def test_a_conditional_request_and_head_have_no_body() -> None:
  record = store(TAGGED)
  exchange = ask(SAFE, (b'if-none-match', b'"a"'), record=record)
  assert (exchange.action, exchange.status, exchange.send_body) == (HTTP_HIT, 304, False)
  assert b'content-length' not in dict(exchange.answer())
  assert exchange.body(record) == b''
  head = HttpExchange(SAFE, scope_of(method='HEAD'))
  head.decide(record, NOW)
  assert (head.action, head.status, head.send_body) == (HTTP_HIT, 200, False)
  assert dict(head.answer())[b'content-length'] == b'5'
  assert head.body(record) == b''


def test_a_range_is_a_part_of_the_body() -> None:
  record = store()
  exchange = ask(SAFE, (b'range', b'bytes=1-3'), record=record)
  assert (exchange.status, exchange.body_first, exchange.body_size) == (206, 1, 3)
  assert dict(exchange.answer())[b'content-range'] == b'bytes 1-3/5'
  assert exchange.body(record) == b'ell'


def test_a_stale_response_is_revalidated_and_fresh_again() -> None:
  record, later = store(TAGGED), NOW + 61_000
  exchange = ask(SAFE, (b'if-none-match', b'"b"'), record=record, at=later)
  assert (exchange.action, exchange.forwarded) == (HTTP_REVALIDATE, 'stale')
  assert exchange.ttl_ms == -1000
  assert dict(exchange.forward())[b'if-none-match'] == b'"a"'
  fresh = [(b'etag', b'"a"'), (b'cache-control', b'max-age=99')]
  assert exchange.receive(304, fresh, 0, later, now_ms=later) == HTTP_FRESHEN
  answer = dict(exchange.answer())
  assert (answer[b'cache-control'], answer[b'age']) == (b'max-age=99', b'0')
  assert exchange.body(record) == b'hello'
  updated = exchange.record([b'hello']) + b'hello'
  assert ask(record=updated, at=later + 98_000).action == HTTP_HIT


def test_what_is_fresh_but_not_to_be_kept_has_no_record() -> None:
  record, later = store(TAGGED), NOW + 61_000
  exchange = ask(record=record, at=later)
  no_store = [(b'etag', b'"a"'), (b'cache-control', b'no-store')]
  assert exchange.receive(304, no_store, 0, later, now_ms=later) == HTTP_FRESHEN
  assert (exchange.not_stored, exchange.keep_ms) == ('no-store', 0)
  assert exchange.invalidated() == [(exchange.key, b'')]
  assert exchange.body(record) == b'hello'
  with pytest.raises(ValueError, match='not stored: Cache-Control has no-store'):
    exchange.record([b'hello'])


def test_a_304_for_something_else_is_fetched_again() -> None:
  exchange = ask(record=store(TAGGED), at=NOW + 61_000)
  other = [(b'etag', b'"b"')]
  assert exchange.receive(304, other, 0, NOW, now_ms=NOW + 61_000) == HTTP_REFETCH
  assert b'if-none-match' not in dict(exchange.forward())
  assert exchange.receive(200, TAGGED, 3, NOW, now_ms=NOW + 61_000) == HTTP_STORE
  assert exchange.record([b'new'])


def test_a_stale_response_is_refreshed_in_the_background() -> None:
  policy = HttpPolicy(stale_while_revalidate_ms=30_000)
  record = store(policy=policy)
  exchange = ask(policy, record=record, at=NOW + 70_000)
  assert (exchange.action, exchange.refresh, exchange.status) == (HTTP_STALE, True, 200)
  assert exchange.body(record) == b'hello'
  answer = exchange.answer()
  assert exchange.forward()
  assert exchange.receive(200, FRESH, 3, NOW, now_ms=NOW + 70_000) == HTTP_STORE
  assert dict(answer)[b'age'] == b'70'


def test_a_stale_response_answers_if_the_application_fails() -> None:
  policy = HttpPolicy(stale_if_error_ms=30_000)
  record = store(TAGGED, policy=policy)
  for fail in (
    lambda exchange: exchange.fail(NOW + 70_000),
    lambda exchange: exchange.receive(503, [], 0, NOW, now_ms=NOW + 70_000),
  ):
    exchange = ask(policy, record=record, at=NOW + 70_000)
    assert (exchange.action, exchange.usable_if_error) == (HTTP_REVALIDATE, True)
    assert fail(exchange) == HTTP_STALE
    assert (exchange.status, exchange.refresh) == (200, False)
    assert dict(exchange.answer())[b'age'] == b'70'
    assert exchange.body(record) == b'hello'
  exchange = ask()
  assert exchange.fail() == HTTP_PASS
  assert exchange.not_stored == 'origin-error'


def test_only_if_cached_is_an_error_if_nothing_is() -> None:
  exchange = ask(SAFE, (b'cache-control', b'only-if-cached'))
  assert (exchange.action, exchange.status, exchange.send_body) == (HTTP_ERROR, 504, False)
  assert (b'content-length', b'0') in exchange.answer()
  assert exchange.body(b'') == b''


def test_a_variant_is_found_by_the_index() -> None:
  kept = store_variants(3)
  assert len(kept) == 4
  for i in range(3):
    exchange = HttpExchange(SAFE, scope_of('/a', (b'accept-language', b'%d' % i)))
    index = kept[exchange.key]
    assert ext.http_describe(index).is_index  # type: ignore[union-attr]
    assert exchange.decide(bytes(bytearray(index)), NOW) == HTTP_VARIANT
    gc.collect()
    assert exchange.key != exchange.index_key
    record = kept[exchange.key]
    assert exchange.decide(record, NOW) == HTTP_HIT
    assert exchange.body(record) == b'%d' % i
  assert ask(record=kept[exchange.index_key]).forwarded == 'vary-miss'


def test_control_counts_instead_of_the_headers_and_is_not_sent() -> None:
  exchange = ask()
  no_cache = [(b'cache-control', b'no-cache')]
  control = bytes(bytearray(b'max-age=30, private="x"'))
  headers = [*no_cache, (b'x', b'1'), (b'y', b'2')]
  assert exchange.receive(200, headers, 5, NOW, control=control, now_ms=NOW) == HTTP_STORE
  del control
  gc.collect()
  assert exchange.keep_ms == 30_000
  record = exchange.record([b'hello'])
  assert ask(record=record).answer()[:2] == [*no_cache, (b'y', b'2')]
  for none in (b'', None):
    exchange = ask()
    assert exchange.receive(200, no_cache, 5, NOW, none) == HTTP_PASS
    assert exchange.not_stored == 'no-cache'


def test_an_unsafe_request_invalidates() -> None:
  exchange = HttpExchange(SAFE, scope_of(method='POST'))
  headers = [(b'location', b'/b'), (b'cache-group-invalidation', b'"g"')]
  assert exchange.receive(303, headers, 0, NOW) == HTTP_PASS
  assert exchange.invalidates
  found = exchange.invalidated()
  keys = {key for key, _ in found if key is not None}
  assert keys == {key_of(), key_of(target='/b')}
  assert (None, b'http://example.com g') in found
  assert (key_of(), b'uri ' + key_of()[5:].encode()) in found
  safe = ask()
  safe.receive(200, headers, 0, NOW)
  assert (safe.invalidates, safe.invalidated()) == (False, [])


def test_parts_are_combined() -> None:
  policy = HttpPolicy(store_partial=True)
  kept: Optional[bytes] = None
  stored = b''
  for first, part in ((0, b'he'), (2, b'llo')):
    exchange = HttpExchange(policy, scope_of('/a', (b'range', b'bytes=%d-%d' % (first, 4))))
    exchange.decide(kept, NOW)
    place = b'bytes %d-%d/5' % (first, first + len(part) - 1)
    headers = [*TAGGED, (b'content-range', place)]
    assert exchange.receive(206, headers, len(part), NOW, now_ms=NOW) == HTTP_STORE
    body = exchange.combine(stored, part)
    assert (body is None) == (first == 0)
    assert exchange.combine(stored + b'x', part) is None
    stored = body or part
    kept = exchange.record([stored]) + stored
  assert stored == b'hello'
  whole = ask(policy, record=kept)
  assert (whole.status, whole.body(kept or b'')) == (200, b'hello')


def test_each_receive_has_a_number_of_its_own() -> None:
  vary = [*FRESH, (b'vary', b'accept')]
  keys = set()
  for _ in range(100):
    exchange = ask()
    exchange.receive(200, vary, 0, NOW, now_ms=NOW)
    keys.add(exchange.key)
  assert len(keys) == 100


def test_the_clock_counts_if_no_time_is_given() -> None:
  now = int(time.time() * 1000)
  exchange = HttpExchange(SAFE, scope_of())
  exchange.decide(None)
  assert exchange.receive(200, FRESH, 5, now) == HTTP_STORE
  record = exchange.record([b'hello'])
  described = ext.http_describe(record)
  assert described is not None and now <= described.received_ms <= now + 60_000
  assert ask(record=record, at=now).action == HTTP_HIT
  exchange = HttpExchange(SAFE, scope_of())
  assert exchange.decide(record) == HTTP_HIT
  assert HttpExchange(SAFE, scope_of()).decide(store()) == HTTP_HIT  # it is of the future


# ---- What does not fit


def calls_of(exchange: HttpExchange) -> Dict[str, Callable[[], Any]]:
  return {
    'decide': lambda: exchange.decide(None, NOW),
    'answer': exchange.answer,
    'forward': exchange.forward,
    'receive': lambda: exchange.receive(200, FRESH, 5, NOW, now_ms=NOW),
    'fail': lambda: exchange.fail(NOW),
    'record': lambda: exchange.record([b'hello']),
    'index': exchange.index,
    'combine': lambda: exchange.combine(b'', b''),
    'body': lambda: exchange.body(b''),
  }


@pytest.mark.parametrize(
  ('make', 'action', 'fitting'),
  [
    (lambda: HttpExchange(SAFE, scope_of(method='PUT')), 'PASS', 'decide forward receive fail'),
    (ask, 'MISS', 'decide forward receive fail'),
    (lambda: ask(record=store()), 'HIT', 'decide answer body'),
    (
      lambda: ask(SAFE, record=store_variants(1)[key_of()]),
      'MISS',
      'decide forward receive fail',
    ),
    (lambda: ask(SAFE, (b'cache-control', b'only-if-cached')), 'ERROR', 'decide answer body'),
    (received, 'STORE', 'receive fail record combine'),
    (lambda: received(500), 'STORE', 'receive fail record combine'),
    (lambda: received(200, []), 'PASS', ''),
  ],
)
def test_a_method_that_does_not_fit_the_action_raises(
  make: Callable[[], HttpExchange], action: str, fitting: str
) -> None:
  for name in calls_of(make()):
    exchange = make()
    assert exchange.action == getattr(ext, f'HTTP_{action}')
    if name in fitting.split():
      calls_of(exchange)[name]()
      continue
    with pytest.raises(RuntimeError, match=rf'^{name}\(\) (does not fit|was called)'):
      calls_of(exchange)[name]()


@pytest.mark.parametrize(
  ('call', 'error'),
  [
    (lambda e: e.decide(), "decide() missing required argument 'record'"),
    (lambda e: e.decide('a'), 'record must be bytes, not str'),
    (lambda e: e.decide(bytearray()), 'record must be bytes, not bytearray'),
    (lambda e: e.decide(b'', 1.5), 'now_ms must be an int, not float'),
    (lambda e: e.decide(b'', now=1), "decide() got an unexpected keyword argument 'now'"),
    (lambda e: e.decide(b'', record=b''), "decide() got multiple values for argument 'record'"),
    (lambda e: e.answer('200', []), 'status must be an int, not str'),
    (lambda e: e.answer(200, [('a', 'b')]), 'names and values of headers must be bytes, not str'),
    (lambda e: e.answer(200), 'headers must be an iterable of pairs of bytes'),
    (lambda e: e.receive(200, []), "receive() missing required argument 'body_size'"),
    (lambda e: e.receive(200.0, [], 0, NOW), 'status must be an int, not float'),
    (lambda e: e.receive(200, None, 0, NOW), 'headers must be an iterable of pairs of bytes'),
    (lambda e: e.receive(200, [], '0', NOW), 'body_size must be an int, not str'),
    (lambda e: e.receive(200, [], 0, None), 'requested_ms must be an int, not NoneType'),
    (lambda e: e.receive(200, [], 0, NOW, 'a'), 'control must be bytes, not str'),
    (lambda e: e.receive(200, [], 0, NOW, b'', 'a'), 'now_ms must be an int, not str'),
    (lambda e: e.fail('a'), 'now_ms must be an int, not str'),
    (lambda e: e.record(b'hello'), 'body must be a sequence of bytes, not bytes'),
    (lambda e: e.record(5), 'body must be a sequence of bytes, not int'),
    (lambda e: e.record(['a']), 'body must be a sequence of bytes; it has a str'),
    (lambda e: e.record([b''], b'tag'), 'tags must be a sequence of bytes, not bytes'),
    (lambda e: e.record([b''], ['tag']), 'tags must be a sequence of bytes; it has a str'),
    (lambda e: e.record([b''], (), 1.5), 'epoch must be an int, not float'),
    (lambda e: e.combine(b''), 'combine() takes 2 arguments (1 given)'),
    (lambda e: e.combine('', b''), 'stored_body must be bytes, not str'),
    (lambda e: e.combine(b'', None), 'part must be bytes, not NoneType'),
    (lambda e: e.body(None), 'record must be bytes, not NoneType'),
  ],
)
def test_wrong_arguments_raise_type_error(call: Callable[[Any], Any], error: str) -> None:
  with pytest.raises(TypeError) as raised:
    call(HttpExchange(SAFE, scope_of()))
  assert str(raised.value) == error


def test_numbers_that_do_not_fit_raise() -> None:
  exchange = HttpExchange(SAFE, scope_of())
  for call in (
    lambda: exchange.decide(None, LARGE),
    lambda: exchange.receive(200, [], LARGE, NOW),
    lambda: exchange.receive(200, [], 0, -LARGE),
    lambda: received().record([b'hello'], (), LARGE),
    lambda: received().record([b'hello'], (), -1),
  ):
    with pytest.raises(OverflowError):
      call()
  for status in (-1, 0, 103, 199, 1000, (1 << 32) + 200):
    with pytest.raises(ValueError, match=f'200 to 999, not {status}'):
      exchange.receive(status, [], 0, NOW)
    with pytest.raises(ValueError, match=f'200 to 999, not {status}'):
      exchange.answer(status, [])
  assert exchange.action == HTTP_MISS
  assert exchange.receive(999, FRESH, -7, NOW) == HTTP_PASS


def test_attributes_are_read_only() -> None:
  exchange: Any = ask()
  names = [name for name in dir(exchange) if not name.startswith('_')]
  attributes = [name for name in names if not callable(getattr(exchange, name))]
  assert len(attributes) == 18
  for name in attributes:
    with pytest.raises(AttributeError):
      setattr(exchange, name, getattr(exchange, name))


def test_a_body_of_another_size_is_not_stored() -> None:
  exchange = received()
  for body in ([b'hell'], [b'hello', b'!'], []):
    with pytest.raises(ValueError, match='not stored: the body ended early'):
      exchange.record(body)
    assert exchange.not_stored == 'incomplete'
  exchange = ask(HttpPolicy(max_body=4))
  assert exchange.receive(200, FRESH, 5, NOW, now_ms=NOW) == HTTP_PASS
  assert exchange.not_stored == 'too-large'
  exchange = ask(HttpPolicy(max_body=4))
  assert exchange.receive(200, FRESH, None, NOW, now_ms=NOW) == HTTP_STORE
  assert exchange.record([b'hell'])
  with pytest.raises(ValueError, match='larger than the policy allows'):
    exchange.record([b'hello'])
  assert exchange.not_stored == 'too-large'


def test_an_iterable_may_use_the_exchange_meanwhile() -> None:
  exchange = ask()

  def again() -> Iterator[Any]:
    yield from FRESH
    exchange.receive(200, [], 0, NOW)

  with pytest.raises(RuntimeError, match='after the application has answered'):
    exchange.receive(200, again(), 5, NOW)
  first, second = received(), received()
  assert first.record(part for part in [second.record([b'hello'])[:0], b'hello'])


# ---- Records


def test_a_record_is_described() -> None:
  exchange = ask()
  headers = [*FRESH, (b'surrogate-key', b'one two'), (b'cache-groups', b'"g"')]
  exchange.receive(200, headers, 5, NOW - 500, now_ms=NOW)
  record = exchange.record([b'hello'], [b'own', bytearray(b'three')], (1 << 64) - 1)
  described = ext.http_describe(record + b'hello')
  assert described is not None
  assert described == ext.http_describe(record)
  assert described[:7] == (len(record), 200, NOW - 500, NOW, 60_000, 5, (1 << 64) - 1)
  assert (described.head_size, described.epoch) == (len(record), (1 << 64) - 1)
  assert not described.is_index
  expected = {b'own', b'three', b'one', b'two', b'http://example.com g'}
  assert set(ext.http_tags(record)) == expected
  assert ext.http_matches(record, [b'hel', b'lo'])
  assert not ext.http_matches(record, [b'hel', b'lO'])
  assert not ext.http_matches(record, [b'hell'])
  assert not ext.http_matches(record, [])
  other = received().record([b'other'])
  assert ext.http_describe(other).body_checksum != described.body_checksum  # type: ignore[union-attr]


def test_tags_are_those_of_the_key_too() -> None:
  exchange = HttpExchange(SAFE, scope_of(**QUERY), b'a')
  exchange.decide(None, NOW)
  exchange.receive(200, FRESH, 0, NOW, now_ms=NOW)
  key = ext.http_uri_key(SAFE, 'http://a.com/a')
  assert ext.http_tags(exchange.record([])) == [b'uri ' + key[5:].encode()]


def test_bytes_that_are_no_record_are_a_miss() -> None:
  record = store()
  head = ext.http_describe(record).head_size  # type: ignore[union-attr]
  damaged = [record[:size] for size in range(1, head)]
  damaged += [record[:i] + bytes([record[i] ^ 1]) + record[i + 1 :] for i in range(head)]
  for each in damaged:
    exchange = ask(record=each)
    assert (exchange.action, exchange.forwarded) == (HTTP_MISS, 'damaged')
    assert ext.http_describe(each) is None
    assert ext.http_tags(each) == []
    assert not ext.http_matches(each, [b'hello'])
    assert ask(record=record).body(each) is None
  assert ask(record=b'').forwarded == 'uri-miss'


def test_a_record_of_another_request_is_a_miss() -> None:
  exchange = HttpExchange(SAFE, scope_of('/b'))
  assert exchange.decide(store(), NOW) == HTTP_MISS
  assert exchange.forwarded == 'damaged'


def test_a_record_without_its_whole_body_has_none() -> None:
  record = store()
  hit = ask(record=record)
  for wrong in (record[:-1], record[:-5], record + b'x', store(body=b''), b''):
    assert hit.body(wrong) is None
  ranged = ask(SAFE, (b'range', b'bytes=2-4'), record=record)
  assert ranged.body(store(body=b'abc')) is None


def test_functions_refuse_what_is_no_record() -> None:
  for call in (ext.http_describe, ext.http_tags):
    with pytest.raises(TypeError, match='record must be bytes, not str'):
      call('a')  # type: ignore[operator]
  for arguments in (('a', []), (b'', 5), (b'', ['a']), (b'',)):
    with pytest.raises(TypeError):
      ext.http_matches(*arguments)  # type: ignore[arg-type, call-arg]


def test_keys_of_uris() -> None:
  assert ext.http_uri_key(SAFE, 'HTTP://Example.com:80/a') == key_of()
  dropped = HttpPolicy(query=1)
  assert ext.http_uri_key(dropped, 'http://example.com/a?b') == key_of()
  assert ext.http_uri_key(SAFE, 'http://example.com/' + 'a' * 5000)
  for wrong in ('/a', '', 'example.com/a', 'ftp://example.com/', 'http://', 'http://a b/'):
    with pytest.raises(ValueError, match='is not an absolute http or https URI'):
      ext.http_uri_key(SAFE, wrong)
  for arguments in ((SAFE,), (None, 'http://a/'), (SAFE, b'http://a/')):
    with pytest.raises(TypeError):
      ext.http_uri_key(*arguments)  # type: ignore[arg-type, call-arg]


def test_reasons_have_sentences() -> None:
  assert ext.http_reason('set-cookie') == 'the response sets a cookie'
  assert ext.http_reason('') == ''
  with pytest.raises(ValueError, match='there is no reason "set-cookies"'):
    ext.http_reason('set-cookies')
  with pytest.raises(TypeError):
    ext.http_reason(b'body')  # type: ignore[arg-type]


# ---- A response that gets an ETag


def test_a_response_can_be_received_again() -> None:
  """A cache makes an ETag when it has the body. All else must be as if it was there before."""
  headers = [*FRESH, (b'vary', b'accept-encoding')]
  with_etag = [*headers, (b'etag', b'"1"')]
  kept = store_variants(2)
  index = kept[key_of()]
  for lists in ([with_etag], [headers, with_etag]):
    exchange = HttpExchange(SAFE, scope_of('/a', (b'accept-language', b'7')))
    assert exchange.decide(index, NOW) == HTTP_MISS
    for each in lists:
      assert exchange.receive(200, each, 5, NOW, now_ms=NOW) == HTTP_STORE
    record = exchange.record([b'hello']) + b'hello'
    assert b'"1"' in record
    # It varies on the language, too, because others of this URI do.
    for language, action in ((b'7', HTTP_HIT), (b'8', HTTP_MISS)):
      other = HttpExchange(SAFE, scope_of('/a', (b'accept-language', language)))
      if other.decide(exchange.index(), NOW) == HTTP_VARIANT:
        other.decide(record, NOW)
      assert other.action == action
