# SPDX-License-Identifier: MIT
"""User names and passwords are in nothing that can be seen, however the option that has them is
written: no message, log, repr, statistic or traceback, whole or in part, encoded or decoded."""

import asyncio
import contextlib
import io
import logging
import sys
import traceback
from typing import Any, Dict, Iterator, List, Tuple
from urllib.parse import quote

import pytest
from cachette import Cachette
from cachette._cachette import options
from services.process import find_free_port

USER = 'Walrus7'

# Every reserved character of URLs and more, alone in the middle of a password.
MARKS = [
  *'@:/?#[]%!$&\'()*+,;=|\\^`{}<>"~ \t\n\r\0\x7fé鍵',
  *('@@', '://', ':@', '@:', ':123@', '/0', '//', '?db=1', '?a=b@c', '#@', '[::1]', ']:1', ','),
  *('%4', '%zz', '%40', '%2540', '%00', '%2F', '%3A', '%25', '\udc80', '&token=', '/a@b:1/', '@h/'),
  *('@[', '],[', '@,', ',@', ':1,', '@h,', '%2Fa.sock', '@h?a=', '@h#', '@h:1/'),
]
PASSWORDS = [f'Hunter2{mark}Zebra9' for mark in MARKS] + ['@Hunter2', 'Hunter2@', ':Hunter2:']


def parts_of(secret: str) -> List[str]:
  """Each four characters in a row of it, as it is and percent-encoded, in lower case.

  Those that are nothing but a mark are left out: messages have words and hosts of their own.
  """
  found = []
  for shape in (str, encode):
    text = shape(secret).lower()
    marks = [shape(mark).lower() for mark in MARKS]
    parts = {text[i : i + 4] for i in range(max(1, len(text) - 3))}
    found += [part for part in parts if not any(part in mark for mark in marks)]
  return found


def encode(text: str) -> str:
  return quote(text.encode('utf-8', 'replace'), safe='')


def tell(seen: str, secrets: Tuple[str, ...]) -> List[str]:
  """The parts of secrets that are in what was seen."""
  seen = seen.lower()
  return [part for secret in secrets for part in parts_of(secret) if part in seen]


def show_error(error: BaseException) -> str:
  """All that an exception and those behind it tell."""
  told = traceback.format_exception(type(error), error, error.__traceback__)
  # The lines of source that a traceback shows are of this file, and have no secret in them.
  seen = [*told, str(error), repr(error), repr(error.args)]
  if hasattr(error, 'errors'):
    seen += [repr(error.errors()), error.json()]
  for each in (error.__cause__, error.__context__):
    seen.append(show_error(each) if each is not None else '')
  return '\n'.join(seen)


@contextlib.contextmanager
def everything_logged() -> Iterator[io.StringIO]:
  stream = io.StringIO()
  handler = logging.StreamHandler(stream)
  root = logging.getLogger()
  level = root.level
  root.addHandler(handler)
  root.setLevel(logging.DEBUG)
  try:
    yield stream
  finally:
    root.removeHandler(handler)
    root.setLevel(level)


def observe(settings: Any) -> str:
  """All that can be seen of a cache with these settings, which need not be right."""

  class Own(Cachette):
    pass

  seen: List[str] = []

  async def use() -> None:
    seen.append(f'{Own()!r} {Own()} {Own} {Own._config!r} {Own.stats()}')
    try:
      await Own().fetch('key')
    except Exception as error:
      seen.append(show_error(error))
    async with Own.lifespan():
      seen.append(repr(Own.stats()))

  with everything_logged() as log:
    try:
      Own.load_config(lambda: settings)
    except Exception as error:
      seen.append(show_error(error))
    else:
      asyncio.run(use())
      try:
        Own.sync.fetch('key')
      except Exception as error:
        seen.append(show_error(error))
  assert seen
  return '\n'.join([*seen, log.getvalue()])


FORMS = [
  '{scheme}://{user}:{password}@127.0.0.1:{port}/0',
  '{scheme}://{password}:{user}@127.0.0.1:{port}',
  '{scheme}://{password}@127.0.0.1:{port}',
  '{scheme}://:{password}@127.0.0.1:{port}',
  '{scheme}://{user}:{password}@127.0.0.1:{port}?db=0',
  '{scheme}://{user}:{password}@',
  '{scheme}://{user}:{password}@127.0.0.1:port',
  '{scheme}://{user}:{password}@[::1]:{port}/x/y',
  '{scheme}://{user}:{password}@[::1',
  '{scheme}:/{user}:{password}@127.0.0.1',
  '{user}:{password}@127.0.0.1',
  'no-{scheme}://{user}:{password}@127.0.0.1',
  '{scheme}://127.0.0.1:{port}/?password={password}&x={user}@y',
  '{scheme}://127.0.0.1:{port}/#{user}:{password}',
  '{scheme}://{user}:{password}@127.0.0.1:{port},127.0.0.1:{port}/x?replicaSet={user}@y',
]
URLS = {
  'redis': ('redis_url', 'redis'),
  'valkey': ('valkey_url', 'valkey'),
  'mongodb': ('mongodb_url', 'mongodb'),
  'dynamodb': ('dynamodb_url', 'http'),
  'memcached': ('memcached_host', 'memcached'),
}


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('backend', URLS)
def test_no_part_of_a_url_that_is_secret_is_seen(backend: str, form: str) -> None:
  option, scheme = URLS[backend]
  port = find_free_port()  # where nobody listens
  told = []
  for password in PASSWORDS:
    for shape in (str, encode):
      url = form.format(scheme=scheme, user=USER, password=shape(password), port=port)
      seen = observe(
        {'backend': backend, option: url, 'timeout': 0.05, 'connect_timeout': 0.05}
      )
      found = tell(seen, (password, USER))
      if found:
        told.append((url, found, seen))
  assert not told, f'{len(told)} of {2 * len(PASSWORDS)}, such as {told[0]}'


def test_an_unescaped_at_sign_in_a_mongodb_url_is_a_fault() -> None:
  class Own(Cachette):
    pass

  with pytest.raises(ValueError, match="the password holds an unescaped '@': write it as %40"):
    Own.load_config(
      lambda: {'backend': 'mongodb', 'mongodb_url': 'mongodb://app:Hunter2@Zebra9@host'}
    )


@pytest.mark.parametrize('option', ['memcached_username', 'memcached_password'])
@pytest.mark.parametrize('auth', ['auto', 'ascii', 'sasl', 'none'])
def test_no_part_of_memcached_credentials_is_seen(option: str, auth: str) -> None:
  port = find_free_port()
  other = {'memcached_username': 'memcached_password', 'memcached_password': 'memcached_username'}
  for password in [*PASSWORDS, '', 'Hunter2' * 100]:
    for more in ({}, {other[option]: USER}):
      settings = {
        'backend': 'memcached',
        'memcached_host': f'127.0.0.1:{port}',
        'memcached_auth': auth,
        option: password,
        'timeout': 0.05,
        **more,
      }
      seen = observe(settings)
      assert not tell(seen, (password, USER) if password else (USER,)), (settings, seen)


# ---- In the place of something else


@pytest.mark.parametrize('name', [row['name'] for row in options()])
def test_a_url_that_stands_in_another_option_is_not_seen(name: str, tmp_path: Any) -> None:
  needs: Dict[str, Any] = {
    'inmemory': {},
    'redis': {'redis_url': 'rediss://127.0.0.1:1'},
    'memcached': {'memcached_host': '127.0.0.1:1', 'memcached_tls': True},
    'mongodb': {'mongodb_url': 'mongodb://127.0.0.1:1/?tls=true'},
    'dynamodb': {'dynamodb_url': 'https://127.0.0.1:1', 'region': 'eu-central-1'},
    'file': {'pickle_path': str(tmp_path / 'cache')},
  }
  for mark in ('', '@', ':', '/', '?', '#', '%', ' ', ','):
    password = f'Hunter2{mark}Zebra9'
    url = f'redis://{USER}:{password}@host:6379/0'
    for backend, settings in needs.items():
      given = {'backend': backend, **settings, 'timeout': 0.05, 'connect_timeout': 0.05, name: url}
      seen = observe(given)
      assert not tell(seen, (password, USER)), (given, seen)


def test_a_url_in_the_place_of_a_name_is_not_seen() -> None:
  for mark in ('', '@', ':', '/', '?', '#', '%'):
    password = f'Hunter2{mark}Zebra9'
    url = f'redis://{USER}:{password}@host:6379/0'
    for settings in ([(url, 'redis_url')], {url: None}, [(url, 5)], url, [url], {url: url}):
      seen = observe(settings)
      assert not tell(seen, (password, USER)), (settings, seen)


@pytest.mark.parametrize('pydantic_there', [True, False])
def test_without_pydantic_nothing_more_is_seen(
  pydantic_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
  if not pydantic_there:
    monkeypatch.setitem(sys.modules, 'pydantic', None)
  for option in ('redis_url', 'valkey_url', 'mongodb_url', 'dynamodb_url', 'memcached_host'):
    backend = option.partition('_')[0]
    for password in PASSWORDS:
      url = f'{backend}://{USER}:{password}@host:port'
      seen = observe({'backend': backend, option: url})
      assert not tell(seen, (password, USER)), (url, seen)


SECRETS = ['secret', 'aws_access_key_id', 'aws_secret_access_key', 'aws_session_token']


@pytest.mark.parametrize('name', SECRETS)
@pytest.mark.parametrize('backend', ['inmemory', 'dynamodb'])
def test_no_part_of_a_key_is_seen(backend: str, name: str) -> None:
  port = find_free_port()
  for password in [*PASSWORDS, f'{USER},Hunter2', b'Hunter2Zebra9', ['Hunter2Zebra9', 5], 5]:
    settings = {'backend': backend, 'dynamodb_url': f'http://127.0.0.1:{port}', 'timeout': 0.05}
    seen = observe({**settings, name: password})
    assert not tell(seen, ('Hunter2Zebra9', str(password), USER)) or password == 5, (name, seen)
