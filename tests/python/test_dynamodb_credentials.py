# SPDX-License-Identifier: MIT
"""DynamoDB: signatures, and the sources of credentials, each tested in its own process."""

import asyncio
import json
import os
import pathlib
import re
import time
from typing import Any, Callable, Dict, Iterator, List, Optional
from urllib.parse import parse_qs

import pytest
from cachette import BackendError, Cachette
from conftest import run_python
from services.http_fault import Answer, HttpServer, Request

METADATA = '/latest/meta-data/iam/security-credentials/'


def answer_like_dynamodb(request: Request) -> Answer:
  """Answers as an empty table that may be used but not described."""
  if request.headers.get('x-amz-target', '').endswith('.DescribeTable'):
    return Answer(400, b'{"__type": "AccessDeniedException"}')
  return Answer(200, b'{}')


@pytest.fixture
def endpoint() -> Iterator[HttpServer]:
  """A server that records the credentials of its requests."""
  with HttpServer(answer_like_dynamodb) as server:
    yield server


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Dict[str, str]:
  """An environment without credentials, to which tests add."""
  for name in os.environ:
    if name.startswith('AWS_'):
      monkeypatch.delenv(name)
  return {'HOME': str(tmp_path), 'AWS_EC2_METADATA_DISABLED': 'true'}


def run_fetches(
  endpoint: HttpServer, env: Dict[str, str], calls: int = 1, pause: float = 0, **settings: Any
) -> str:
  """Runs a process that fetches `calls` times, with pauses in seconds. Returns `ok` or the
  error."""
  names = {'backend': 'dynamodb', 'dynamodb_url': endpoint.url, 'timeout': 5, **settings}
  return run_python(
    f"""
    import asyncio
    from cachette import BackendError, Cachette

    Cachette.load_config(lambda: {names!r})

    async def main():
      try:
        for _ in range({calls}):
          await asyncio.gather(*(Cachette().fetch('key') for _ in range(10)))
          await asyncio.sleep({pause})
        print('ok')
      except BackendError as error:
        print(error)

    asyncio.run(main())
    """,
    env=env,
  ).strip()


def signed_by(endpoint: HttpServer) -> List[str]:
  """The distinct access keys of all requests to the server, with their tokens."""
  seen = []
  for request in endpoint.requests:
    match = re.search('Credential=([^/]*)/', request.headers['authorization'])
    assert match is not None
    text = ' '.join([match.group(1), request.headers.get('x-amz-security-token', '')]).strip()
    if text not in seen:
      seen.append(text)
  return seen


# ---- Signatures


@pytest.mark.parametrize('token', [None, 'a+token/with=signs'])
@pytest.mark.parametrize('region', [None, 'eu-central-1'])
def test_signatures_equal_those_of_the_aws_client(
  endpoint: HttpServer,
  clean: Dict[str, str],
  monkeypatch: pytest.MonkeyPatch,
  token: Optional[str],
  region: Optional[str],
) -> None:
  import botocore.auth
  from botocore.awsrequest import AWSRequest
  from botocore.credentials import Credentials

  class Own(Cachette):
    pass

  settings = {'aws_access_key_id': 'AKIDEXAMPLE', 'aws_secret_access_key': 'wJalr/XU+tnFEMI'}
  if token:
    settings['aws_session_token'] = token
  if region:
    settings['region'] = region
  Own.load_config(lambda: {'backend': 'dynamodb', 'dynamodb_url': endpoint.url, **settings})

  async def main() -> None:
    await Own().put('schlüssel "\\', 'x' * 400_000)
    await Own().put_many({f'{i}': 'x' * 300_000 for i in range(5)})

  asyncio.run(main())
  assert len(endpoint.requests) >= 4
  for request in endpoint.requests:
    given = request.headers['authorization']
    match = re.search('SignedHeaders=([^,]*),', given)
    assert match is not None
    names = match.group(1).split(';')
    assert {'host', 'x-amz-date', 'x-amz-target', 'content-type'} <= set(names)
    assert ('x-amz-security-token' in names) == bool(token)
    again = AWSRequest(
      method='POST',
      url=endpoint.url + request.path,
      data=request.body,
      headers={name: request.headers[name] for name in names},
    )
    auth = botocore.auth.SigV4Auth(
      Credentials('AKIDEXAMPLE', 'wJalr/XU+tnFEMI'), 'dynamodb', region or 'us-east-1'
    )
    again.context['timestamp'] = request.headers['x-amz-date']
    wanted = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    assert given.endswith(f'Signature={wanted}')
    assert len(request.body) < 1 << 20 and 'expect' not in request.headers


# ---- Sources


def test_options_take_precedence_over_the_environment(
  endpoint: HttpServer, clean: Dict[str, str]
) -> None:
  env = {**clean, 'AWS_ACCESS_KEY_ID': 'env', 'AWS_SECRET_ACCESS_KEY': 's'}
  own = {'aws_access_key_id': 'own', 'aws_secret_access_key': 's', 'aws_session_token': 'token'}
  assert run_fetches(endpoint, env, **own) == 'ok'
  assert signed_by(endpoint) == ['own token']


def test_keys_come_from_the_environment(endpoint: HttpServer, clean: Dict[str, str]) -> None:
  keys = {'AWS_ACCESS_KEY_ID': 'env', 'AWS_SECRET_ACCESS_KEY': 's'}
  assert run_fetches(endpoint, {**clean, **keys, 'AWS_SESSION_TOKEN': 'token'}) == 'ok'
  assert signed_by(endpoint) == ['env token']
  assert 'AWS_SECRET_ACCESS_KEY; set both' in run_fetches(
    endpoint, {**clean, 'AWS_ACCESS_KEY_ID': 'env'}
  )


CREDENTIALS = """
# a comment
[default]
aws_access_key_id = first
aws_secret_access_key=s

[other]
aws_access_key_id = second
aws_secret_access_key = s
aws_session_token = token
[half]
aws_access_key_id = third
"""

CONFIG = """
[profile third]
aws_access_key_id = of the config
aws_secret_access_key = s
[profile empty]
region = eu-west-1
"""


@pytest.fixture
def files(tmp_path: pathlib.Path) -> None:
  folder = tmp_path / '.aws'
  folder.mkdir()
  (folder / 'credentials').write_text(CREDENTIALS)
  (folder / 'config').write_text(CONFIG)


@pytest.mark.parametrize(
  ('env', 'expected'),
  [
    ({}, 'first'),
    ({'AWS_PROFILE': 'other'}, 'second token'),
    ({'AWS_PROFILE': 'third'}, 'of the config'),
    ({'AWS_DEFAULT_PROFILE': 'other', 'AWS_PROFILE': 'third'}, 'second token'),
  ],
)
def test_keys_come_from_the_shared_files(
  endpoint: HttpServer, clean: Dict[str, str], files: None, env: Dict[str, str], expected: str
) -> None:
  assert run_fetches(endpoint, {**clean, **env}) == 'ok'
  assert signed_by(endpoint) == [expected]


@pytest.mark.parametrize(
  ('profile', 'expected'),
  [
    ('half', 'The AWS profile "half" in ~/.aws/credentials: it has only one of'),
    ('empty', 'No AWS credentials were found'),
    ('empty', 'the shared files (profile "empty")'),
    ('none', 'There is no AWS profile "none", which is set by AWS_PROFILE'),
  ],
)
def test_shared_files_without_keys_are_an_error(
  endpoint: HttpServer, clean: Dict[str, str], files: None, profile: str, expected: str
) -> None:
  assert expected in run_fetches(endpoint, {**clean, 'AWS_PROFILE': profile})
  assert endpoint.requests == []


def test_the_shared_files_may_be_elsewhere(
  endpoint: HttpServer, clean: Dict[str, str], tmp_path: pathlib.Path
) -> None:
  (tmp_path / 'keys').write_text(CREDENTIALS)
  assert run_fetches(endpoint, {**clean, 'AWS_SHARED_CREDENTIALS_FILE': '~/keys'}) == 'ok'
  assert signed_by(endpoint) == ['first']


def expiry_in(seconds: float) -> str:
  return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + seconds))


def identity_answer(number: int, seconds: float) -> bytes:
  return f"""<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
    <AccessKeyId>identity{number}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
    <SessionToken>token</SessionToken><Expiration>{expiry_in(seconds)}</Expiration>
    </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>""".encode()


def test_keys_come_from_a_web_identity(
  endpoint: HttpServer, clean: Dict[str, str], tmp_path: pathlib.Path
) -> None:
  (tmp_path / 'token').write_text('web identity+token\n')
  with HttpServer(lambda request: Answer(200, identity_answer(1, 3600))) as sts:
    env = {
      **clean,
      'AWS_WEB_IDENTITY_TOKEN_FILE': str(tmp_path / 'token'),
      'AWS_ROLE_ARN': 'arn:aws:iam::1:role/cache',
      'AWS_ENDPOINT_URL_STS': sts.url,
    }
    assert run_fetches(endpoint, env) == 'ok'
    (requests,) = sts.requests
  form = parse_qs(requests.body.decode())
  assert form['WebIdentityToken'] == ['web identity+token']
  assert form['RoleArn'] == ['arn:aws:iam::1:role/cache']
  assert form['Action'] == ['AssumeRoleWithWebIdentity']
  assert signed_by(endpoint) == ['identity1 token']


def test_a_rejected_web_identity_is_an_error(
  endpoint: HttpServer, clean: Dict[str, str], tmp_path: pathlib.Path
) -> None:
  (tmp_path / 'token').write_text('hunter2')
  refusal = b'<ErrorResponse><Error><Message>Not authorized</Message></Error></ErrorResponse>'
  with HttpServer(lambda request: Answer(403, refusal)) as sts:
    names = {'AWS_WEB_IDENTITY_TOKEN_FILE': str(tmp_path / 'token'), 'AWS_ROLE_ARN': 'arn'}
    output = run_fetches(endpoint, {**clean, **names, 'AWS_ENDPOINT_URL_STS': sts.url})
  assert 'token service (STS): it answered with HTTP status 403: Not authorized' in output
  assert 'hunter2' not in output


def keys_answer(name: str, seconds: float) -> Answer:
  names = {'AccessKeyId': name, 'SecretAccessKey': 's', 'Token': 'token'}
  return Answer(200, json.dumps({**names, 'Expiration': expiry_in(seconds)}).encode())


def test_keys_come_from_a_container(
  endpoint: HttpServer, clean: Dict[str, str], tmp_path: pathlib.Path
) -> None:
  (tmp_path / 'token').write_text('Bearer of the file\n')
  with HttpServer(lambda request: keys_answer('container', 3600)) as server:
    names = {
      'AWS_CONTAINER_CREDENTIALS_FULL_URI': server.url + '/v1/keys',
      'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE': str(tmp_path / 'token'),
    }
    assert run_fetches(endpoint, {**clean, **names}) == 'ok'
    (requests,) = server.requests
  assert (requests.path, requests.headers['authorization']) == ('/v1/keys', 'Bearer of the file')
  assert signed_by(endpoint) == ['container token']


def test_a_remote_container_endpoint_is_rejected(
  endpoint: HttpServer, clean: Dict[str, str]
) -> None:
  env = {**clean, 'AWS_CONTAINER_CREDENTIALS_FULL_URI': 'http://192.0.2.1/keys'}
  assert 'variable AWS_CONTAINER_CREDENTIALS_FULL_URI is not allowed' in run_fetches(endpoint, env)


def serve_metadata(seconds: float) -> Callable[[Request], Answer]:
  def answer(request: Request) -> Answer:
    if request.path == '/latest/api/token':
      assert request.method == 'PUT'
      return Answer(200, b'session')
    if request.headers.get('x-aws-ec2-metadata-token') != 'session':
      return Answer(401)
    if request.path == METADATA:
      return Answer(200, b'the-role')
    return (
      keys_answer('metadata', seconds) if request.path == METADATA + 'the-role' else Answer(404)
    )

  return answer


def test_keys_come_from_instance_metadata(endpoint: HttpServer, clean: Dict[str, str]) -> None:
  del clean['AWS_EC2_METADATA_DISABLED']
  with HttpServer(serve_metadata(3600)) as server:
    assert (
      run_fetches(endpoint, {**clean, 'AWS_EC2_METADATA_SERVICE_ENDPOINT': server.url + '/'})
      == 'ok'
    )
    assert len(server.requests) == 3
  assert signed_by(endpoint) == ['metadata token']


def test_without_credentials_the_error_lists_the_sources(
  endpoint: HttpServer, clean: Dict[str, str]
) -> None:
  output = run_fetches(endpoint, clean)
  for place in ('aws_access_key_id', 'environment', 'shared files', 'web identity', 'container'):
    assert place in output
  assert 'instance metadata' in output
  assert endpoint.requests == []


# ---- Renewal


def test_keys_are_renewed_once_before_they_expire(
  endpoint: HttpServer, clean: Dict[str, str]
) -> None:
  """Keys that expire in less than five minutes are used until the new ones have arrived."""
  given: List[float] = [200, 3600]

  def answer(request: Request) -> Answer:
    seconds = given.pop(0)
    return keys_answer(f'for{seconds:.0f}', seconds)

  with HttpServer(answer) as server:
    env = {**clean, 'AWS_CONTAINER_CREDENTIALS_FULL_URI': server.url}
    assert run_fetches(endpoint, env, calls=15, pause=0.5) == 'ok'
    assert len(server.requests) == 2
  assert signed_by(endpoint) == ['for200 token', 'for3600 token']


@pytest.mark.parametrize('seconds', [30, -30])
def test_keys_that_expire_soon_are_not_renewed_at_every_call(
  endpoint: HttpServer, clean: Dict[str, str], seconds: float
) -> None:
  """The source has no other keys, or the clock of this machine is wrong."""
  with HttpServer(lambda request: keys_answer('brief', seconds)) as server:
    env = {**clean, 'AWS_CONTAINER_CREDENTIALS_FULL_URI': server.url}
    assert run_fetches(endpoint, env, calls=20) == 'ok'
    assert len(server.requests) == 1
  assert signed_by(endpoint) == ['brief token']


def test_rejected_keys_are_fetched_again(endpoint: HttpServer, clean: Dict[str, str]) -> None:
  names = iter(['old', 'new'])
  endpoint.answer = lambda request: (
    Answer(400, b'{"__type": "com.amazon.coral.service#ExpiredTokenException"}')
    if 'Credential=old/' in request.headers['authorization']
    else answer_like_dynamodb(request)
  )
  with HttpServer(lambda request: keys_answer(next(names), 3600)) as server:
    assert (
      run_fetches(endpoint, {**clean, 'AWS_CONTAINER_CREDENTIALS_FULL_URI': server.url}) == 'ok'
    )
  assert signed_by(endpoint) == ['old token', 'new token']


def test_rejected_options_are_an_error(endpoint: HttpServer, clean: Dict[str, str]) -> None:
  endpoint.answer = lambda request: Answer(
    400, b'{"__type": "UnrecognizedClientException", "message": "The token is invalid."}'
  )
  output = run_fetches(endpoint, clean, aws_access_key_id='id', aws_secret_access_key='hunter2')
  assert 'The token is invalid' in output and 'hunter2' not in output


def test_a_key_without_a_secret_is_rejected_by_load_config() -> None:
  class Own(Cachette):
    pass

  for given, missing in (
    ('aws_access_key_id', 'aws_secret_access_key'),
    ('aws_secret_access_key', 'aws_access_key_id'),
    ('aws_session_token', 'aws_access_key_id'),
  ):
    with pytest.raises(ValueError, match=f'"{missing}" is missing') as raised:
      Own.load_config(
        lambda given=given: {'backend': 'dynamodb', 'region': 'eu-west-1', given: 'hunter2'}
      )
    assert 'hunter2' not in str(raised.value)
  assert issubclass(BackendError, Exception)
