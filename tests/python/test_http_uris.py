# SPDX-License-Identifier: MIT
"""The normal form of URIs, by which records are purged."""

import pytest
from cachette.http import _uris
from http_records import scope_of

NORMAL = {
  'https://example.com': 'https://example.com/',
  'HTTP://Example.COM:80/A': 'http://example.com/A',
  'http://example.com:443/': 'http://example.com:443/',
  'https://example.com:/': 'https://example.com/',
  'https://[::1]:8443/a': 'https://[::1]:8443/a',
  'https://example.com/%7euser/%2f': 'https://example.com/~user/%2F',
  'https://example.com/a/./b/../c': 'https://example.com/a/c',
  'https://example.com/a/%2e%2E/b': 'https://example.com/b',
  'https://example.com/../..': 'https://example.com/',
  'https://example.com/a/..': 'https://example.com/',
  'https://example.com/a/.': 'https://example.com/a/',
  'https://example.com/.hidden/..a': 'https://example.com/.hidden/..a',
  'https://example.com/a//b': 'https://example.com/a//b',
  'https://example.com?a=../b': 'https://example.com/?a=../b',
  'https://example.com/a?': 'https://example.com/a?',
  'https://example.com/a?b#c': 'https://example.com/a?b',
  'https://example.com/ü?ö': 'https://example.com/%C3%BC?%C3%B6',
  'https://example.com/100%': 'https://example.com/100%',
}


@pytest.mark.parametrize('uri', NORMAL)
def test_a_uri_has_one_form(uri: str) -> None:
  assert _uris.normalize(uri) == NORMAL[uri]
  assert _uris.normalize(NORMAL[uri]) == NORMAL[uri]


@pytest.mark.parametrize(
  'uri',
  [
    *('', '/a', 'example.com/a', '//example.com/a', 'ftp://example.com/', 'https:///a'),
    *('https://user@example.com/', 'https://example.com:x/', 'https://exa mple.com/'),
    *('https://example.com/a b', 'https://example.com/\n', 'https://ex\x7fample.com/'),
    *('https://example.com,example.org/', 'https://[::1/', 'javascript:https://example.com/'),
  ],
)
def test_what_is_no_absolute_url_is_refused(uri: str) -> None:
  with pytest.raises(ValueError, match='is not'):
    _uris.normalize(uri)


def test_the_uri_of_a_request_has_the_same_form() -> None:
  for path, query, expected in [
    (b'/a', b'', '/a'),
    (b'/a', b'x=1', '/a?x=1'),
    (b'/%61/../b', b'%7e', '/b?~'),
    (b'/\xc3\xbc', b'', '/%C3%83%C2%BC'),
    (b'', b'', '/'),
  ]:
    scope = {**scope_of(query=query, host=b'Example.com:443'), 'raw_path': path}
    assert _uris.uri_of(scope) == 'https://example.com' + expected
  scope = {**scope_of(), 'path': '/ü%?#'}
  del scope['raw_path']
  assert _uris.uri_of(scope) == 'https://example.com/%C3%BC%25%3F%23'
  assert _uris.uri_of({**scope_of(), 'headers': []}) is None
  assert _uris.uri_of(scope_of(host=b'a@b')) is None
  assert _uris.uri_of(scope_of(headers=[(b'host', b'example.org')])) is None
