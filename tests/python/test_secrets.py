# SPDX-License-Identifier: MIT
"""User names and passwords are never visible, however the option that contains them is written: in
no message, log, repr, statistic or traceback, whole or in part, encoded or decoded."""

import asyncio
import contextlib
import io
import logging
import os
import pathlib
import sys
import traceback
from typing import Any, Dict, Iterator, List, Tuple
from urllib.parse import quote

import pytest
from cachette import Cachette, _codecs
from cachette._cachette import options
from conftest import clear_aws_environment
from services.process import find_free_port

USER = 'Walrus7'

# Every reserved character of URLs and more, each in the middle of a password.
MARKS = [
  *'@:/?#[]%!$&\'()*+,;=|\\^`{}<>"~ \t\n\r\0\x7fé鍵',
  *('@@', '://', ':@', '@:', ':123@', '/0', '//', '?db=1', '?a=b@c', '#@', '[::1]', ']:1', ','),
  *('%4', '%zz', '%40', '%2540', '%00', '%2F', '%3A', '%25', '\udc80', '&token=', '/a@b:1/', '@h/'),
  *('@[', '],[', '@,', ',@', ':1,', '@h,', '%2Fa.sock', '@h?a=', '@h#', '@h:1/'),
]
PASSWORDS = [f'Hunter2{mark}Zebra9' for mark in MARKS] + ['@Hunter2', 'Hunter2@', ':Hunter2:']


def parts_of(secret: str) -> List[str]:
  """Every four consecutive characters of a secret, plain and percent-encoded, in lower case.

  Parts of a single repeated mark are skipped, because messages contain such words and hosts too.
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


def leaks(seen: str, secrets: Tuple[str, ...]) -> List[str]:
  """The parts of secrets that the text contains."""
  seen = seen.lower()
  return [part for secret in secrets for part in parts_of(secret) if part in seen]


def show_error(error: BaseException) -> str:
  """All text of an exception and of those that caused it."""
  lines = traceback.format_exception(type(error), error, error.__traceback__)
  # The source lines in a traceback are of this file, and contain no secret.
  seen = [*lines, str(error), repr(error), repr(error.args)]
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
  """All text that a cache with these settings produces. The settings may be invalid."""

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
def test_no_secret_part_of_a_url_is_visible(backend: str, form: str) -> None:
  option, scheme = URLS[backend]
  port = find_free_port()  # nothing listens there
  leaked = []
  for password in PASSWORDS:
    for shape in (str, encode):
      url = form.format(scheme=scheme, user=USER, password=shape(password), port=port)
      seen = observe({'backend': backend, option: url, 'timeout': 0.05, 'connect_timeout': 0.05})
      found = leaks(seen, (password, USER))
      if found:
        leaked.append((url, found, seen))
  assert not leaked, f'{len(leaked)} of {2 * len(PASSWORDS)}, such as {leaked[0]}'


def test_an_unescaped_at_sign_in_a_mongodb_url_is_an_error() -> None:
  class Own(Cachette):
    pass

  with pytest.raises(ValueError, match="the password contains an unescaped '@': write it as %40"):
    Own.load_config(
      lambda: {'backend': 'mongodb', 'mongodb_url': 'mongodb://app:Hunter2@Zebra9@host'}
    )


@pytest.mark.parametrize('option', ['memcached_username', 'memcached_password'])
@pytest.mark.parametrize('auth', ['auto', 'ascii', 'sasl', 'none'])
def test_no_part_of_memcached_credentials_is_visible(option: str, auth: str) -> None:
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
      assert not leaks(seen, (password, USER) if password else (USER,)), (settings, seen)


# ---- Secrets in other options


@pytest.fixture(autouse=True)
def no_codecs_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
  """Names of custom codecs appear in messages, and may look like part of the password."""
  monkeypatch.setattr(_codecs, '_own', {})


@pytest.mark.parametrize('name', [row['name'] for row in options()])
def test_a_url_in_another_option_is_not_visible(name: str, tmp_path: Any) -> None:
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
      configured = {
        'backend': backend,
        **settings,
        'timeout': 0.05,
        'connect_timeout': 0.05,
        name: url,
      }
      seen = observe(configured)
      assert not leaks(seen, (password, USER)), (configured, seen)


def test_a_url_instead_of_an_option_name_is_not_visible() -> None:
  for mark in ('', '@', ':', '/', '?', '#', '%'):
    password = f'Hunter2{mark}Zebra9'
    url = f'redis://{USER}:{password}@host:6379/0'
    for settings in ([(url, 'redis_url')], {url: None}, [(url, 5)], url, [url], {url: url}):
      seen = observe(settings)
      assert not leaks(seen, (password, USER)), (settings, seen)


@pytest.mark.parametrize('pydantic_there', [True, False])
def test_without_pydantic_nothing_more_is_visible(
  pydantic_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
  if not pydantic_there:
    monkeypatch.setitem(sys.modules, 'pydantic', None)
  for option in ('redis_url', 'valkey_url', 'mongodb_url', 'dynamodb_url', 'memcached_host'):
    backend = option.partition('_')[0]
    for password in PASSWORDS:
      url = f'{backend}://{USER}:{password}@host:port'
      seen = observe({'backend': backend, option: url})
      assert not leaks(seen, (password, USER)), (url, seen)


SECRETS = ['secret', 'aws_access_key_id', 'aws_secret_access_key', 'aws_session_token']


@pytest.mark.parametrize('name', SECRETS)
@pytest.mark.parametrize('backend', ['inmemory', 'dynamodb'])
def test_no_part_of_an_access_key_is_visible(backend: str, name: str) -> None:
  port = find_free_port()
  for password in [*PASSWORDS, f'{USER},Hunter2', b'Hunter2Zebra9', ['Hunter2Zebra9', 5], 5]:
    settings = {'backend': backend, 'dynamodb_url': f'http://127.0.0.1:{port}', 'timeout': 0.05}
    seen = observe({**settings, name: password})
    assert not leaks(seen, ('Hunter2Zebra9', str(password), USER)) or password == 5, (name, seen)


# ---- The environment and AWS's files

AWS_PLACES = [
  'AWS_ENDPOINT_URL',
  'AWS_ENDPOINT_URL_DYNAMODB',
  'AWS_ENDPOINT_URL_STS',
  'AWS_REGION',
  'AWS_DEFAULT_REGION',
  'AWS_PROFILE',
  'AWS_CONFIG_FILE',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_CA_BUNDLE',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
  'AWS_EC2_METADATA_SERVICE_ENDPOINT',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_STS_REGIONAL_ENDPOINTS',
  'http_proxy',
  'https_proxy',
  'all_proxy',
]
PROFILE_PLACES = [
  'endpoint_url',
  'region',
  'services',
  'source_profile',
  'credential_source',
  'credential_process',
  'sso_session',
  'sso_region',
  'sso_start_url',
  'duration_seconds',
  'role_arn',
  'sts_regional_endpoints',
  'web_identity_token_file',
  'ec2_metadata_service_endpoint',
  'aws_access_key_id',
  'aws_secret_access_key',
]
SOME_PASSWORDS = [f'Hunter2{mark}Zebra9' for mark in ['', *'@:/?#[]% ,', '@h:1/', '%zz', '%40']]
AWS_FORMS = ['http://{user}:{password}@127.0.0.1:{port}', '{user}:{password}@127.0.0.1:{port}']


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pytest.MonkeyPatch:
  """An AWS environment with a region, and with a home without files."""
  clear_aws_environment(monkeypatch, tmp_path)
  monkeypatch.setenv('AWS_REGION', 'eu-central-1')
  (tmp_path / '.aws').mkdir()
  (tmp_path / 'token').write_text('token')
  return monkeypatch


def aws_values(port: int) -> Iterator[Tuple[str, str]]:
  """Pairs of a password and the value that contains it, for a variable or a file entry."""
  for password in SOME_PASSWORDS:
    # If a password contains '@', a URL without a host is indistinguishable from one with a host.
    for form in [*AWS_FORMS, *(['http://{user}:{password}'] if '@' not in password else [])]:
      yield password, form.format(user=USER, password=password, port=port)


@pytest.mark.parametrize('keys', [True, False])
@pytest.mark.parametrize('name', AWS_PLACES)
def test_secrets_in_the_environment_of_aws_are_not_visible(
  name: str, keys: bool, clean: pytest.MonkeyPatch
) -> None:
  port = find_free_port()
  clean.setenv('AWS_ENDPOINT_URL_DYNAMODB', f'http://127.0.0.1:{port}')
  if name.endswith('proxy'):
    clean.setenv('AWS_ENDPOINT_URL_DYNAMODB', f'{name[:4].rstrip("_l")}://dynamodb.test')
  if name == 'AWS_ENDPOINT_URL':
    clean.delenv('AWS_ENDPOINT_URL_DYNAMODB')
  if 'METADATA' in name:
    clean.delenv('AWS_EC2_METADATA_DISABLED')
  if name.startswith('AWS_CONTAINER_AUTH'):
    clean.setenv('AWS_CONTAINER_CREDENTIALS_FULL_URI', f'http://127.0.0.1:{port}')
  if keys:
    clean.setenv('AWS_ACCESS_KEY_ID', 'id')
    clean.setenv('AWS_SECRET_ACCESS_KEY', 'key')
  if name in ('AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_STS_REGIONAL_ENDPOINTS', 'AWS_ENDPOINT_URL_STS'):
    clean.setenv('AWS_WEB_IDENTITY_TOKEN_FILE', str(pathlib.Path(os.environ['HOME'], 'token')))
    clean.setenv('AWS_ROLE_ARN', 'role')
  for password, value in aws_values(port):
    clean.setenv(name, value)
    seen = observe({'backend': 'dynamodb', 'timeout': 0.05, 'connect_timeout': 0.05})
    assert not leaks(seen, (password, USER)), (value, seen)


@pytest.mark.parametrize('name', PROFILE_PLACES)
def test_secrets_in_an_aws_profile_are_not_visible(name: str, clean: pytest.MonkeyPatch) -> None:
  port = find_free_port()
  others = {
    'source_profile': 'role_arn = a',
    'credential_source': 'role_arn = a',
    'duration_seconds': 'role_arn = a\nsource_profile = other',
    'role_arn': 'source_profile = other',
    'sts_regional_endpoints': 'role_arn = a\nsource_profile = other',
    'web_identity_token_file': 'role_arn = a',
    'sso_session': 'sso_account_id = 1\nsso_role_name = a',
    'sso_region': 'sso_account_id = 1\nsso_role_name = a\nsso_start_url = b',
    'sso_start_url': 'sso_account_id = 1\nsso_role_name = a\nsso_region = eu-central-1',
  }
  home = pathlib.Path(os.environ['HOME'])
  if name == 'region':
    clean.delenv('AWS_REGION')
  if name != 'endpoint_url':
    clean.setenv('AWS_ENDPOINT_URL', f'http://127.0.0.1:{port}')
  for password, value in aws_values(port):
    (home / '.aws' / 'config').write_text(
      f'[default]\n{name} = {value}\n{others.get(name, "")}\n'
      '[profile other]\naws_access_key_id = id\naws_secret_access_key = key\n'
    )
    seen = observe({'backend': 'dynamodb', 'timeout': 0.3, 'connect_timeout': 0.05})
    assert not leaks(seen, (password, USER)), (value, seen)
