# SPDX-License-Identifier: MIT
"""DynamoDB's endpoint, region and profile from the environment and the shared files.

botocore is the oracle: it reads the same files and environment.
"""

import asyncio
import os
import pathlib
import types
from typing import Any, Dict, Iterator, Optional

import pytest
from cachette import BackendError, Cachette
from services.aws import Aws, make_keys, scope_of

KEYS = {'AWS_ACCESS_KEY_ID': 'env', 'AWS_SECRET_ACCESS_KEY': make_keys('env').secret}


@pytest.fixture
def aws() -> Iterator[Aws]:
  with Aws() as server:
    yield server
  assert server.errors == []


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, aws: Aws) -> pytest.MonkeyPatch:
  """An environment with keys and no other AWS variables; the stand-in is its proxy."""
  for name in os.environ:
    if name.startswith('AWS_') or name.lower() in ('no_proxy', 'http_proxy', 'https_proxy'):
      monkeypatch.delenv(name)
  for name, value in {**KEYS, 'HOME': str(tmp_path), 'AWS_EC2_METADATA_DISABLED': 'true'}.items():
    monkeypatch.setenv(name, value)
  monkeypatch.setenv('http_proxy', aws.url)
  monkeypatch.setenv('https_proxy', aws.url)
  return monkeypatch


def set_all(clean: pytest.MonkeyPatch, env: Dict[str, str]) -> None:
  for name, value in env.items():
    clean.setenv(name, value)


def write(folder: pathlib.Path, config: str = '', credentials: str = '') -> None:
  (folder / '.aws').mkdir(exist_ok=True)
  (folder / '.aws' / 'config').write_text(config)
  (folder / '.aws' / 'credentials').write_text(credentials)


def fetch(**settings: Any) -> Optional[str]:
  """Fetches with a new cache. Returns its error message, or None."""
  own = types.new_class('Own', (Cachette,))
  own.load_config(lambda: {'backend': 'dynamodb', 'timeout': 20, **settings})  # type: ignore

  async def main() -> Optional[str]:
    try:
      await own().fetch('key')
      return None
    except BackendError as error:
      return str(error)

  return asyncio.run(main())


def region_of(aws: Aws) -> str:
  return scope_of(aws.requests[-1]).region


# ---- The endpoint


SERVICES = """
[profile local]
services = mine
endpoint_url = http://profile.test:1
region = eu-west-3
[services mine]
s3 =
  endpoint_url = http://s3.test
dynamodb =
  # a comment
  endpoint_url = http://service.test
"""


@pytest.mark.parametrize(
  ('env', 'settings', 'host'),
  [
    ({'AWS_ENDPOINT_URL': 'http://all.test:8000'}, {}, 'all.test:8000'),
    ({'AWS_ENDPOINT_URL_DYNAMODB': 'http://own.test'}, {}, 'own.test'),
    (
      {'AWS_ENDPOINT_URL_DYNAMODB': 'http://own.test', 'AWS_ENDPOINT_URL': 'http://all.test'},
      {},
      'own.test',
    ),
    (
      {'AWS_ENDPOINT_URL': 'http://all.test'},
      {'dynamodb_url': 'http://option.test'},
      'option.test',
    ),
    ({'AWS_ENDPOINT_URL': 'http://all.test', 'AWS_PROFILE': 'local'}, {}, 'all.test'),
    ({'AWS_PROFILE': 'local'}, {}, 'service.test'),
    ({'AWS_DEFAULT_PROFILE': 'local'}, {}, 'service.test'),
    ({'AWS_PROFILE': 'plain'}, {}, 'plain.test:8000'),
    ({'AWS_PROFILE': 'of the credentials'}, {'region': 'eu-west-1'}, 'shared.test'),
    ({'AWS_DEFAULT_PROFILE': 'plain', 'AWS_PROFILE': 'local'}, {}, 'plain.test:8000'),
    ({'AWS_ENDPOINT_URL_DYNAMODB': ''}, {}, 'default.test'),
    ({}, {}, 'default.test'),
    (
      {'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS': 'True', 'AWS_ENDPOINT_URL': 'http://all.test'},
      {},
      'dynamodb.ap-south-1.amazonaws.com:443',
    ),
    (
      {'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS': 'no', 'AWS_ENDPOINT_URL': 'http://all.test'},
      {},
      'all.test',
    ),
    ({'AWS_PROFILE': 'ignoring'}, {}, 'dynamodb.cn-north-1.amazonaws.com.cn:443'),
    (
      {'AWS_PROFILE': 'ignoring'},
      {'region': 'us-iso-east-1'},
      'dynamodb.us-iso-east-1.c2s.ic.gov:443',
    ),
    ({'AWS_PROFILE': 'ignoring'}, {'dynamodb_url': 'http://option.test'}, 'option.test'),
  ],
)
def test_the_endpoint_comes_from_the_environment_or_the_profile(
  aws: Aws,
  clean: pytest.MonkeyPatch,
  tmp_path: pathlib.Path,
  env: Dict[str, str],
  settings: Dict[str, str],
  host: str,
) -> None:
  write(
    tmp_path,
    SERVICES
    + """
    """
    + """
[profile plain]
endpoint_url = http://plain.test:8000
region=us-west-2
[profile ignoring]
ignore_configured_endpoint_urls = true
endpoint_url = http://plain.test:8000
region = cn-north-1
[default]
region = ap-south-1
endpoint_url: http://default.test
""",
    '[of the credentials]\nendpoint_url = http://shared.test',
  )
  set_all(clean, env)
  error = fetch(**settings)
  assert aws.hosts() == [host], error
  assert (error is None) == (not host.endswith(':443'))


# ---- The region


@pytest.mark.parametrize(
  ('env', 'settings', 'region'),
  [
    ({'AWS_DEFAULT_REGION': 'eu-west-1'}, {}, 'eu-west-1'),
    ({'AWS_REGION': 'eu-west-2', 'AWS_DEFAULT_REGION': 'eu-west-1'}, {}, 'eu-west-2'),
    ({}, {}, 'ap-south-1'),
    ({'AWS_REGION': ''}, {}, 'ap-south-1'),
    ({'AWS_PROFILE': 'other'}, {}, 'sa-east-1'),
    ({'AWS_DEFAULT_REGION': 'eu-west-1', 'AWS_PROFILE': 'other'}, {}, 'eu-west-1'),
    ({'AWS_REGION': 'eu-west-1'}, {'region': 'eu-west-3'}, 'eu-west-3'),
    ({'AWS_PROFILE': 'other'}, {'dynamodb_url': 'http://here.test'}, 'sa-east-1'),
    ({'AWS_CONFIG_FILE': '/none', 'AWS_ENDPOINT_URL': 'http://here.test'}, {}, 'us-east-1'),
  ],
)
def test_the_region_comes_from_the_environment_or_the_profile(
  aws: Aws,
  clean: pytest.MonkeyPatch,
  tmp_path: pathlib.Path,
  env: Dict[str, str],
  settings: Dict[str, str],
  region: str,
) -> None:
  write(
    tmp_path,
    """
[default]
region = ap-south-1
endpoint_url = http://here.test
[profile other]
region = sa-east-1
endpoint_url = http://here.test
""",
  )
  set_all(clean, env)
  assert fetch(**settings) is None
  assert region_of(aws) == region


def test_without_a_region_the_error_lists_where_to_set_it(clean: pytest.MonkeyPatch) -> None:
  error = fetch()
  assert error is not None
  for place in ('"region"', '"dynamodb_url"', 'AWS_REGION', '"default"'):
    assert place in error


def test_missing_settings_may_be_added_later(aws: Aws, clean: pytest.MonkeyPatch) -> None:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'dynamodb', 'timeout': 20})

  async def main() -> None:
    with pytest.raises(BackendError, match='AWS_REGION'):
      await Own().fetch('key')
    clean.setenv('AWS_REGION', 'eu-west-1')
    clean.setenv('AWS_ENDPOINT_URL', 'http://came.test')
    assert await Own().fetch('key') is None

  asyncio.run(main())
  assert aws.hosts() == ['came.test']


# ---- Errors


@pytest.mark.parametrize(
  ('config', 'env', 'parts'),
  [
    ('', {'AWS_PROFILE': 'gone'}, ['"gone"', 'AWS_PROFILE', '~/.aws/config', '~/.aws/credentials']),
    ('[gone]', {'AWS_PROFILE': 'gone'}, ['"gone"', '[profile gone]']),
    ('', {'AWS_DEFAULT_PROFILE': 'gone'}, ['"gone"', 'AWS_DEFAULT_PROFILE']),
    (
      '[default]\nservices = gone',
      {},
      ['"default"', '"services"', '~/.aws/config', '[services gone]'],
    ),
    (
      '[default]\nendpoint_url = ftp://user:hunter2@h',
      {},
      ['"endpoint_url"', '"default"', 'ftp://***@h'],
    ),
    ('', {'AWS_ENDPOINT_URL': 'http://user:hunter2@h'}, ['AWS_ENDPOINT_URL', 'http://***@h']),
    ('', {'AWS_ENDPOINT_URL_DYNAMODB': 'localhost:8000'}, ['AWS_ENDPOINT_URL_DYNAMODB', 'http']),
    ('', {'AWS_REGION': 'eu west'}, ['AWS_REGION', '"eu west"', 'eu-central-1']),
    ('[default]\nregion = a.b/c', {}, ['"region"', '"default"', '~/.aws/config', 'a.b/c']),
    ('region = eu-west-1', {}, ['~/.aws/config', 'line 1']),
    ('[default]\n\nhunter2', {}, ['~/.aws/config', 'line 3']),
    ('[default]\n= hunter2', {}, ['~/.aws/config', 'line 2']),
    ('[default]\na=1\na=2', {}, ['~/.aws/config', 'line 3', '"a"']),
    ('[default]\n[b]\n[default]', {}, ['~/.aws/config', 'line 3', '"default"']),
  ],
)
def test_errors_of_the_environment_and_the_files_name_their_place(
  aws: Aws,
  clean: pytest.MonkeyPatch,
  tmp_path: pathlib.Path,
  config: str,
  env: Dict[str, str],
  parts: Any,
) -> None:
  write(tmp_path, config)
  set_all(clean, env)
  error = fetch()
  assert error is not None
  for part in parts:
    assert part in error, error
  assert 'hunter2' not in error and error.endswith('.')
  assert aws.requests == []
