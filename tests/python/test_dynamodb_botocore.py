# SPDX-License-Identifier: MIT
"""botocore is the oracle: for any shared files and environment, DynamoDB is called at the endpoint,
for the region and with the keys that botocore would use."""

import asyncio
import contextlib
import hashlib
import json
import os
import pathlib
import types
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import pytest
from cachette import BackendError, Cachette
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from services.aws import Aws, expiry_in, make_keys, scope_of

botocore = pytest.importorskip('botocore.session')

checked = settings(
  max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

PROFILES = ['default', 'one', 'two words', 'three']

Values = Dict[str, str]
Sections = Dict[str, Values]


@pytest.fixture(scope='module')
def aws() -> Iterator[Aws]:
  with Aws() as server:
    yield server


@pytest.fixture
def home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
  """A home folder with the files that profiles may name. botocore retains the home of its
  import."""
  import botocore.credentials
  import botocore.tokens

  cache = tmp_path / '.aws' / 'sso' / 'cache'
  cache.mkdir(parents=True)
  monkeypatch.setattr(botocore.credentials.SSOProvider, '_SSO_TOKEN_CACHE_DIR', str(cache))
  monkeypatch.setattr(botocore.tokens.SSOTokenProvider, '_SSO_TOKEN_CACHE_DIR', str(cache))
  for name, seconds in {
    'https://start.test': 3600,
    'session': 7200,
    'https://old.test': -9,
  }.items():
    text = json.dumps({'accessToken': 'token', 'expiresAt': expiry_in(seconds)})
    (cache / f'{hashlib.sha1(name.encode()).hexdigest()}.json').write_text(text)
  (tmp_path / 'identity').write_text('of the identity')
  for name, end in {'lasting': None, 'brief': expiry_in(3000)}.items():
    keys = make_keys(name)
    names = {'AccessKeyId': keys.id, 'SecretAccessKey': keys.secret, 'SessionToken': keys.token}
    names.update({'Expiration': end} if end else {})
    (tmp_path / f'{name}.json').write_text(json.dumps({'Version': 1, **names}))
  return tmp_path


@contextlib.contextmanager
def environment(aws: Aws, home: pathlib.Path, env: Values) -> Iterator[None]:
  """An environment with only these AWS variables; the stand-in is its proxy."""
  before = dict(os.environ)
  proxies = {'http_proxy': aws.url, 'https_proxy': aws.url}
  common = {'HOME': str(home), 'AWS_EC2_METADATA_DISABLED': 'true', 'AWS_MAX_ATTEMPTS': '1'}
  try:
    for name in before:
      if name.startswith('AWS_') or name.lower() in ('no_proxy', 'http_proxy', 'https_proxy'):
        del os.environ[name]
    os.environ.update({**common, **proxies, **env})
    yield
  finally:
    os.environ.clear()
    os.environ.update(before)


def text_of(sections: Sections) -> str:
  lines = []
  for name, values in sections.items():
    lines += [f'[{name}]', *(f'{key} = {value}' for key, value in values.items()), '']
  return '\n'.join(lines)


def title_of(profile: str) -> str:
  return 'default' if profile == 'default' else f'profile "{profile}"'


def write(home: pathlib.Path, config: Sections, shared: Sections, more: Sections) -> None:
  titled = {title_of(name): values for name, values in config.items()}
  (home / '.aws' / 'config').write_text(text_of({**titled, **more}))
  (home / '.aws' / 'credentials').write_text(text_of(shared))


class Observed(NamedTuple):
  """Where DynamoDB was called, and with which keys. `id` is None if it is not visible."""

  host: str
  region: Optional[str]
  id: Optional[str]
  token: Optional[str]


def fetch(aws: Aws) -> Tuple[Optional[Observed], str]:
  """What a fetch without settings requests; None and the reason if nothing."""
  own = types.new_class('Own', (Cachette,))
  own.load_config(lambda: {'backend': 'dynamodb', 'timeout': 20})  # type: ignore[attr-defined]
  aws.requests.clear()
  reason = ''

  async def main() -> None:
    nonlocal reason
    try:
      await own().fetch('key')
    except BackendError as error:
      reason = str(error)

  asyncio.run(main())
  assert aws.errors == [], reason
  seen = [each for each in aws.requests if each.headers.get('x-amz-target')]
  if seen:
    scope = scope_of(seen[-1])
    token = seen[-1].headers.get('x-amz-security-token')
    return Observed(seen[-1].headers['host'], scope.region, scope.id, token), reason
  tunnels = [each.path for each in aws.requests if each.method == 'CONNECT']
  return (Observed(tunnels[-1], None, None, None) if tunnels else None), reason


LOADER: List[Any] = []


def new_session() -> Any:
  session = botocore.get_session()
  LOADER[:] = LOADER or [session.get_component('data_loader')]
  session.register_component('data_loader', LOADER[0])
  return session


# ---- Endpoints and regions

urls = st.sampled_from(['http://a.test:1', 'http://b.test', 'http://c.test/'])
regions = st.sampled_from(['eu-west-1', 'us-east-2', 'cn-north-1', 'us-isob-east-1', 'x-1'])
truths = st.sampled_from(['true', 'TRUE', 'false', '1'])
names = st.sampled_from(PROFILES)


def subsets(**each: Any) -> Any:
  """A strategy for some of these keys, with values for each."""
  return st.fixed_dictionaries({}, optional=each)


locations = subsets(
  region=regions,
  endpoint_url=urls,
  ignore_configured_endpoint_urls=truths,
  services=st.sampled_from(['mine', 'other', 'gone']),
)
nested = urls.map(lambda url: f'\n  endpoint_url = {url}\n  # none')
services = st.fixed_dictionaries(
  {
    'services mine': st.fixed_dictionaries(
      {'s3': st.just('\n  endpoint_url = http://s3.test')}, optional={'dynamodb': nested}
    )
  },
  optional={
    'services other': st.just({'dynamodb': '\n\n  endpoint_url=http://d.test\n  other = 1'}),
    'preview': st.just({'endpoint_url': 'http://nobody.test'}),
  },
)
location_variables = subsets(
  AWS_PROFILE=names,
  AWS_DEFAULT_PROFILE=names,
  AWS_DEFAULT_REGION=regions,
  AWS_REGION=regions,
  AWS_ENDPOINT_URL=urls,
  AWS_ENDPOINT_URL_DYNAMODB=urls,
  AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=truths,
)


def expected_endpoint(env: Values) -> Optional[Tuple[str, str]]:
  """The endpoint and region of botocore's client; None if it refuses to create one.

  botocore does not read AWS_REGION, which other AWS tools prefer to AWS_DEFAULT_REGION. It also
  requires a region for an endpoint outside AWS, for which we sign as us-east-1.
  """
  import botocore.exceptions

  if 'AWS_REGION' in env:
    os.environ['AWS_DEFAULT_REGION'] = env['AWS_REGION']
  try:
    meta = new_session().create_client('dynamodb').meta
  except botocore.exceptions.NoRegionError:
    meta = new_session().create_client('dynamodb', region_name='us-east-1').meta
    if '.amazonaws.com' in meta.endpoint_url:
      return None
  except botocore.exceptions.BotoCoreError:
    return None
  finally:
    os.environ.pop('AWS_DEFAULT_REGION', None)
    if 'AWS_DEFAULT_REGION' in env:
      os.environ['AWS_DEFAULT_REGION'] = env['AWS_DEFAULT_REGION']
  return meta.endpoint_url, meta.region_name


@checked
@given(
  st.dictionaries(names, locations), st.dictionaries(names, locations), services, location_variables
)
def test_endpoint_and_region_are_those_of_botocore(
  aws: Aws, home: pathlib.Path, config: Sections, shared: Sections, more: Sections, env: Values
) -> None:
  write(home, config, shared, more)
  keys = make_keys('key', with_token=False)
  with_keys = {'AWS_ACCESS_KEY_ID': keys.id, 'AWS_SECRET_ACCESS_KEY': keys.secret, **env}
  with environment(aws, home, with_keys):
    expected = expected_endpoint(env)
    observed, error = fetch(aws)
  if expected is None:
    assert observed is None and error.endswith('.')
    return
  url, region = expected
  host = url.split('/')[2]
  assert observed is not None, error
  if url.startswith('https'):
    assert observed.host == f'{host}:443' and f'DynamoDB in {region} ' in error
  else:
    assert observed[:2] == (host, region)


# ---- Keys


def keys_in_file(name: str, with_token: bool) -> Values:
  keys = make_keys(name, with_token)
  named = {'aws_access_key_id': keys.id, 'aws_secret_access_key': keys.secret}
  return {**named, **({'aws_session_token': keys.token} if keys.token else {})}


static = st.builds(keys_in_file, st.sampled_from(['f1', 'f2', 'f3']), st.booleans())
extras = subsets(
  role_session_name=st.just('me'),
  external_id=st.just('a b&c'),
  duration_seconds=st.sampled_from(['900', '3600']),
)
roles = st.builds(
  lambda role, source, extra: {'role_arn': f'arn:aws:iam::12:role/{role}', **source, **extra},
  st.sampled_from('abc'),
  st.one_of(
    st.just({}),
    names.map(lambda name: {'source_profile': name}),
    names.map(lambda name: {'source_profile': name}),
    names.map(lambda name: {'source_profile': name, 'credential_source': 'Environment'}),
    st.sampled_from(['Environment', 'EcsContainer', 'Ec2InstanceMetadata', 'Other']).map(
      lambda name: {'credential_source': name}
    ),
  ),
  extras,
)
identities = st.builds(
  lambda arn, extra: {'web_identity_token_file': 'HOME/identity', **arn, **extra},
  st.sampled_from([{}, {'role_arn': 'arn:aws:iam::12:role/web'}]),
  extras,
)
sso = st.builds(
  lambda who, where: {**who, **where},
  st.sampled_from(
    [
      {'sso_role_name': 'r', 'sso_account_id': '1'},
      {'sso_role_name': 'r 2', 'sso_account_id': '2'},
      {'sso_role_name': 'r'},
    ]
  ),
  st.sampled_from(
    [
      {'sso_start_url': 'https://start.test', 'sso_region': 'eu-west-1'},
      {'sso_start_url': 'https://old.test', 'sso_region': 'eu-west-1'},
      {'sso_start_url': 'https://none.test', 'sso_region': 'eu-west-1'},
      {'sso_start_url': 'https://start.test'},
      {'sso_session': 'session'},
      {'sso_session': 'session', 'sso_region': 'us-east-1'},
      {'sso_session': 'gone'},
    ]
  ),
)
processes = st.sampled_from(
  ['cat HOME/lasting.json', '"cat"  HOME/brief.json', 'cat HOME/none.json', "cat '", 'echo {}']
).map(lambda command: {'credential_process': command})
sources = st.lists(
  st.one_of(static, static, roles, roles, identities, sso, processes), max_size=2
).map(lambda each: {key: value for one in each for key, value in one.items()})
key_variables = st.builds(
  lambda *each: {key: value for one in each for key, value in one.items()},
  subsets(AWS_PROFILE=names, AWS_DEFAULT_PROFILE=names, AWS_DEFAULT_REGION=regions),
  st.sampled_from(
    [
      *[{}] * 6,
      {'AWS_ACCESS_KEY_ID': 'e', 'AWS_SECRET_ACCESS_KEY': make_keys('e').secret},
      {
        'AWS_ACCESS_KEY_ID': 'e',
        'AWS_SECRET_ACCESS_KEY': make_keys('e').secret,
        'AWS_SESSION_TOKEN': make_keys('e').token,
        'AWS_CREDENTIAL_EXPIRATION': '2099-01-31T12:34:56Z',
      },
      {
        'AWS_ACCESS_KEY_ID': 'e',
        'AWS_SECRET_ACCESS_KEY': make_keys('e').secret,
        'AWS_SESSION_TOKEN': 'other',
        'AWS_SECURITY_TOKEN': make_keys('e').token,
      },
      {'AWS_ACCESS_KEY_ID': 'e'},
      {'AWS_SECRET_ACCESS_KEY': 's'},
    ]
  ),
  subsets(
    AWS_WEB_IDENTITY_TOKEN_FILE=st.just('HOME/identity'),
    AWS_ROLE_ARN=st.just('arn:aws:iam::12:role/environment'),
    AWS_ROLE_SESSION_NAME=st.just('of the environment'),
  ),
)
SESSIONS = {
  'sso-session session': {'sso_start_url': 'https://start.test', 'sso_region': 'eu-west-1'}
}


def at_home(home: pathlib.Path, sections: Sections) -> Sections:
  return {
    name: {key: value.replace('HOME', str(home)) for key, value in values.items()}
    for name, values in sections.items()
  }


def expected_keys() -> Optional[Tuple[str, Optional[str]]]:
  """The key and token that botocore would sign with; None if it has none or refuses."""
  import botocore.exceptions

  session = new_session()
  try:
    session.get_scoped_config()
    found = session.get_credentials()
    frozen = found.get_frozen_credentials() if found else None
  except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ValueError) as error:
    # botocore requires the profile's SSO session for every client, whatever the client is for.
    assume('SSO token provider' not in str(error))
    return None
  return (frozen.access_key, frozen.token) if frozen else None


@settings(checked, max_examples=250)
@given(
  st.fixed_dictionaries({name: sources for name in PROFILES}),
  st.dictionaries(names, sources),
  key_variables,
)
def test_the_keys_are_those_of_botocore(
  aws: Aws, home: pathlib.Path, config: Sections, shared: Sections, env: Values
) -> None:
  write(home, at_home(home, config), at_home(home, shared), SESSIONS)
  env = {key: value.replace('HOME', str(home)) for key, value in env.items()}
  where = {'AWS_ENDPOINT_URL': aws.url, 'AWS_DEFAULT_REGION': 'us-east-1'}
  with environment(aws, home, {**where, **env}):
    expected = expected_keys()
    observed, error = fetch(aws)
  if expected is None:
    assert observed is None, error
    assert error.endswith('.') and 'hunter2' not in error and 'swordfish' not in error
  else:
    assert observed is not None, error
    assert observed[2:] == expected
