# SPDX-License-Identifier: MIT
"""DynamoDB's keys from profiles: programs, roles and single sign-on, and the errors where they
fail.

test_dynamodb_botocore.py compares the resulting keys with those of botocore.
"""

import asyncio
import hashlib
import json
import os
import pathlib
import stat
import types
from typing import Any, Dict, Iterator, List, Optional
from urllib.parse import parse_qs

import pytest
from cachette import BackendError, BackendTimeout, Cachette
from conftest import ROOT, run_python
from services.aws import Aws, digest, expiry_in, make_keys, scope_of
from services.http_fault import Answer, HttpServer, Request

SECRETS = ('hunter2', 'swordfish')


@pytest.fixture
def aws() -> Iterator[Aws]:
  with Aws() as server:
    yield server
  assert server.errors == []


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, aws: Aws) -> pytest.MonkeyPatch:
  """An environment without keys, in which the stand-in serves all AWS services."""
  for name in os.environ:
    if name.startswith('AWS_') or name.lower() in ('no_proxy', 'http_proxy', 'https_proxy'):
      monkeypatch.delenv(name)
  (tmp_path / '.aws' / 'sso' / 'cache').mkdir(parents=True)
  monkeypatch.setenv('HOME', str(tmp_path))
  monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')
  monkeypatch.setenv('AWS_ENDPOINT_URL', aws.url)
  return monkeypatch


def write(folder: pathlib.Path, config: str, credentials: str = '') -> None:
  (folder / '.aws' / 'config').write_text(config)
  (folder / '.aws' / 'credentials').write_text(credentials)


def new_cache(**settings: Any) -> Cachette:
  own = types.new_class('Own', (Cachette,))
  own.load_config(  # type: ignore[attr-defined]
    lambda: {'backend': 'dynamodb', 'timeout': 20, 'region': 'eu-west-1', **settings}
  )
  cache: Cachette = own()
  return cache


def fetch(**settings: Any) -> Optional[str]:
  """Fetches with a new cache. Returns its error message, or None."""

  async def main() -> Optional[str]:
    try:
      await new_cache(**settings).fetch('key')
      return None
    except BackendError as error:
      return str(error)

  error = asyncio.run(main())
  assert error is None or (error.endswith('.') and len(error) < 256)
  assert error is None or not any(secret in error for secret in SECRETS), error
  return error


def signed_by(aws: Aws) -> List[str]:
  """The distinct keys with which DynamoDB was called."""
  seen = [scope_of(each).id for each in aws.requests if 'x-amz-target' in each.headers]
  return list(dict.fromkeys(seen))


def keys_in(name: str, section: str = 'default') -> str:
  keys = make_keys(name, with_token=False)
  return f'[{section}]\naws_access_key_id={keys.id}\naws_secret_access_key={keys.secret}\n'


# ---- Programs


def script(folder: pathlib.Path, text: str) -> str:
  path = folder / 'the program'
  path.write_text(f'#!/bin/sh\n{text}\n')
  path.chmod(0o700)
  return f'"{path}"'


def print_keys(name: str, end: Optional[str] = None, **more: Any) -> str:
  keys = make_keys(name)
  names = {'AccessKeyId': keys.id, 'SecretAccessKey': keys.secret, 'SessionToken': keys.token}
  return json.dumps({'Version': 1, **names, **({'Expiration': end} if end else {}), **more})


def test_keys_come_from_a_program(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  program = script(tmp_path, f"echo '{print_keys('program')}'")
  write(tmp_path, f'[default]\ncredential_process = {program}')
  assert fetch() is None
  assert signed_by(aws) == ['program']


def test_a_program_is_run_without_a_shell(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  """The command is split into words as a shell does, without expansion."""
  program = script(tmp_path, 'printf "<%s>" "$@" >&2; exit 3')
  words = """a 'b  c' "$HOME `id` \\"" d\\ e;f *"""
  write(tmp_path, f'[default]\ncredential_process = {program} {words}')
  error = fetch()
  assert error is not None
  assert '<a><b  c><$HOME `id` "><d e;f><*>' in error


def test_a_slow_program_does_not_block_the_loop(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  """The program exits when something that runs on the loop meanwhile releases it."""
  go = tmp_path / 'go'
  wait = f"while [ ! -e '{go}' ]; do sleep 0.05; done"
  program = script(tmp_path, f"{wait}; echo '{print_keys('program')}'")
  write(tmp_path, f'[default]\ncredential_process = {program}')
  cache = new_cache()

  async def main() -> None:
    waiting = [asyncio.ensure_future(cache.fetch(f'{each}')) for each in range(20)]
    await asyncio.sleep(0)
    assert not any(each.done() for each in waiting)
    go.touch()
    assert await asyncio.gather(*waiting) == [None] * 20

  asyncio.run(main())
  assert signed_by(aws) == ['program']


@pytest.mark.parametrize(
  ('text', 'parts'),
  [
    (
      f'echo {SECRETS[0]}; echo first >&2; echo "the token is old; log in" >&2; exit 7',
      ['failed with exit status 7: the token is old; log in'],
    ),
    ('exit 1', ['failed with exit status 1.']),
    ('kill -9 $$', ['killed by signal 9']),
    (f'echo {SECRETS[0]}', ['did not print a JSON object']),
    ('true', ['did not print a JSON object']),
    ('echo []', ['did not print a JSON object']),
    ("""echo '{"Version": 2}'""", ['"Version" is not 1']),
    ("""echo '{"AccessKeyId": "i"}'""", ['"Version" is not 1']),
    ("""echo '{"Version": 1}'""", ['"AccessKeyId"']),
    ("""echo '{"Version": 1, "AccessKeyId": "hunter2"}'""", ['"SecretAccessKey"']),
    (f"echo '{print_keys('program', 'soon')}'", ['"Expiration" is not a time']),
    ('yes hunter2', ['more than 64 KB']),
  ],
)
def test_a_failing_program_is_an_error(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path, text: str, parts: List[str]
) -> None:
  write(tmp_path, f'[profile it]\ncredential_process = {script(tmp_path, text)}')
  env.setenv('AWS_PROFILE', 'it')
  error = fetch()
  assert error is not None
  for part in ['The AWS profile "it" in ~/.aws/config: its "credential_process"', *parts]:
    assert part in error, error
  assert aws.requests == []


@pytest.mark.parametrize(
  ('command', 'part'),
  [
    ('/none/of/it', 'cannot be run: /none/of/it (No such file or directory)'),
    ('none-of-it --password hunter2', 'cannot be run: none-of-it (No such file or directory)'),
    ("cat 'hunter2", 'is not a command: a quote is not closed'),
    ('cat hunter2\\', 'is not a command: a quote is not closed, or it ends with a backslash'),
    ('""', 'is not a command: it names no program'),
  ],
)
def test_a_program_that_cannot_be_run_is_an_error(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path, command: str, part: str
) -> None:
  write(tmp_path, f'[default]\ncredential_process = {command}')
  error = fetch()
  assert error is not None and part in error


def test_a_program_is_run_again_only_when_its_keys_are_rejected(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  """Keys that are about to expire are all that the program has, and it is not run at every call."""
  log = tmp_path / 'log'
  first, second = print_keys('first', expiry_in(30)), print_keys('second', expiry_in(30))
  text = (
    f"echo >> '{log}'; if [ $(wc -l < '{log}') = 1 ]; then echo '{first}'; else echo '{second}'; fi"
  )
  write(tmp_path, f'[default]\ncredential_process = {script(tmp_path, text)}')
  refused: List[str] = []

  def answer(request: Request) -> Optional[Answer]:
    if scope_of(request).id in refused:
      return Answer(400, b'{"__type": "ExpiredTokenException"}')
    return aws.answer_any(request)

  aws.answer = answer
  cache = new_cache()

  async def main() -> None:
    for _ in range(5):
      await asyncio.gather(*(cache.fetch(f'{each}') for each in range(5)))
    assert log.read_text() == '\n'
    refused.append('first')
    await asyncio.gather(*(cache.fetch(f'{each}') for each in range(5)))

  asyncio.run(main())
  assert log.read_text() == '\n\n'
  assert signed_by(aws) == ['first', 'second']


@pytest.mark.parametrize('handler', ['own', 'ignore'])
def test_a_program_does_not_change_the_signal_handlers_of_the_host(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path, handler: str
) -> None:
  """The host has a handler for SIGCHLD, or ignores the signal."""
  program = script(tmp_path, f"echo '{print_keys('program')}'")
  write(tmp_path, f'[default]\ncredential_process = {program}')
  printed_text = run_python(
    f"""
    import asyncio, os, signal
    from cachette import Cachette

    heard = []
    own = {handler!r} == 'own'
    signal.signal(signal.SIGCHLD, (lambda *_: heard.append(1)) if own else signal.SIG_IGN)
    Cachette.load_config(lambda: {{'backend': 'dynamodb', 'region': 'eu-west-1', 'timeout': 20}})

    async def main():
      await Cachette().fetch('key')
      await asyncio.sleep(0)

    asyncio.run(main())
    heard.clear()
    os.kill(os.getpid(), signal.SIGCHLD)
    print(len(heard) == own)
    """
  )
  assert printed_text.strip() == 'True'
  assert signed_by(aws) == ['program']


def test_a_program_works_under_uvloop_which_has_its_own_child_watcher(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  program = script(tmp_path, f"echo '{print_keys('program')}'")
  write(tmp_path, f'[default]\ncredential_process = {program}')
  output = run_python(
    """
    import asyncio, uvloop
    from cachette import Cachette

    Cachette.load_config(lambda: {'backend': 'dynamodb', 'region': 'eu-west-1', 'timeout': 20})

    async def child(text):
      started = await asyncio.create_subprocess_exec('echo', text, stdout=-1)
      return (await started.communicate())[0], await started.wait()

    async def main():
      got = await asyncio.gather(child('a'), Cachette().fetch('key'), child('b'))
      print(got, await child('c'))

    uvloop.run(main()) if hasattr(uvloop, 'run') else (uvloop.install(), asyncio.run(main()))
    """,
  )
  assert output.strip() == "[(b'a\\n', 0), None, (b'b\\n', 0)] (b'c\\n', 0)"
  assert signed_by(aws) == ['program']


def test_a_timeout_names_the_program_that_is_running(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  write(tmp_path, f'[default]\ncredential_process = {script(tmp_path, "exec sleep 600")}')
  cache = new_cache(timeout=0.2)
  with pytest.raises(BackendTimeout) as raised:
    asyncio.run(cache.fetch('key'))
  type(cache).load_config(lambda: {})
  expected = 'The "credential_process" for the AWS profile "default" did not answer within 0.2 s.'
  assert str(raised.value) == expected


def test_closing_kills_a_running_program(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  number = tmp_path / 'number'
  text = f"echo $$ > '{number}.new'; mv '{number}.new' '{number}'; exec sleep 600"
  write(tmp_path, f'[default]\ncredential_process = {script(tmp_path, text)}')
  cache = new_cache()

  async def main() -> None:
    waiting = asyncio.ensure_future(cache.fetch('key'))
    while not number.exists():
      assert not waiting.done(), waiting
      await asyncio.sleep(0.01)
    waiting.cancel()

  asyncio.run(main())
  type(cache).load_config(lambda: {})  # closes the previous configuration's handles
  with pytest.raises(ProcessLookupError):
    os.kill(int(number.read_text()), 0)


# ---- Roles


ROLES = """
[profile first]
role_arn = arn:aws:iam::1:role/first
source_profile = second
external_id = x&y z
role_session_name = me
duration_seconds = 900
[profile second]
role_arn = arn:aws:iam::1:role/second
source_profile = base
"""


def test_a_role_can_be_assumed_with_the_keys_of_another(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  write(tmp_path, ROLES, keys_in('base', 'base'))
  env.setenv('AWS_PROFILE', 'first')
  assert fetch() is None
  second, first = [each for each in aws.requests if 'x-amz-target' not in each.headers]
  form = parse_qs(second.body.decode())
  assert (form['RoleArn'], scope_of(second).id) == (['arn:aws:iam::1:role/second'], 'base')
  assert 'x-amz-security-token' not in second.headers and 'ExternalId' not in form
  form = parse_qs(first.body.decode())
  assert form['ExternalId'] == ['x&y z'] and form['DurationSeconds'] == ['900']
  assert form['RoleSessionName'] == ['me'] and form['Action'] == ['AssumeRole']
  assert first.headers['x-amz-security-token'] == make_keys(scope_of(first).id).token
  assert len(signed_by(aws)) == 1 and signed_by(aws) != [scope_of(first).id]


def test_a_role_can_be_assumed_with_the_keys_of_a_container(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  write(tmp_path, '[default]\nrole_arn = arn:r\ncredential_source = EcsContainer')
  keys = make_keys('container')
  names = {'AccessKeyId': keys.id, 'SecretAccessKey': keys.secret, 'Token': keys.token}
  answer = json.dumps({**names, 'Expiration': expiry_in(3600)}).encode()
  with HttpServer(lambda request: Answer(200, answer)) as server:
    env.setenv('AWS_CONTAINER_CREDENTIALS_FULL_URI', server.url)
    assert fetch() is None
  assert scope_of(aws.requests[0]).id == 'container'


@pytest.mark.parametrize(
  ('config', 'parts'),
  [
    (
      '[profile it]\nrole_arn=a\nsource_profile=b\n[profile b]\nrole_arn=b\nsource_profile=it',
      ['"b" in ~/.aws/config: "source_profile" is "it"', 'depends on this profile'],
    ),
    (
      '[profile it]\nrole_arn=a\nsource_profile=it',
      ['"source_profile" is "it", the profile itself'],
    ),
    ('[profile it]\nrole_arn=a\nsource_profile=gone', ['"source_profile" is "gone"', 'neither']),
    ('[profile it]\nrole_arn=a', ['neither "source_profile" nor "credential_source"']),
    ('[profile it]\nrole_arn=a\nsource_profile=b\ncredential_source=c', ['both']),
    ('[profile it]\nrole_arn=a\ncredential_source=environment', ['"environment"', 'Environment']),
    ('[profile it]\nrole_arn=a\ncredential_source=Environment', ['no keys']),
    ('[profile it]\nrole_arn=a\ncredential_source=Ec2InstanceMetadata', ['no keys']),
    ('[profile it]\nrole_arn=a\nsource_profile=b\n[profile b]', ['"b"', 'has no keys']),
    ('[profile it]\nrole_arn=a\nsource_profile=x\nmfa_serial=m', ['"mfa_serial"', 'an MFA code']),
    (
      '[profile it]\nrole_arn=a\nsource_profile=x\nduration_seconds=1h',
      ['"duration_seconds"', '"1h"'],
    ),
    ('[profile it]\nrole_arn=a\nsource_profile=x\nsts_regional_endpoints=no', ['"no"', 'regional']),
    ('[profile it]\nlogin_session = arn', ['"login_session"', 'credential_process']),
    ('[profile it]\nweb_identity_token_file = ~/none\nrole_arn = a', ['~/none', 'cannot be read']),
    ('[profile it]\nweb_identity_token_file = ~/none', ['"role_arn"']),
  ],
)
def test_an_invalid_role_is_an_error(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path, config: str, parts: List[str]
) -> None:
  write(tmp_path, config, keys_in('x', 'x'))
  env.setenv('AWS_PROFILE', 'it')
  error = fetch()
  assert error is not None
  for part in parts:
    assert part in error, error
  assert aws.requests == []


def test_an_error_contains_the_message_of_sts(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  body = (
    b'<ErrorResponse><Error><Message>User: x is not authorized</Message></Error></ErrorResponse>'
  )
  aws.answer = lambda request: Answer(403, body)
  write(tmp_path, '[default]\nrole_arn = arn:r\nsource_profile = base', keys_in('base', 'base'))
  error = fetch()
  assert error is not None
  assert 'The AWS profile "default" in ~/.aws/config: STS refuses its "role_arn"' in error
  assert 'HTTP status 403' in error and 'User: x is not authorized' in error


@pytest.mark.parametrize(
  ('values', 'host'),
  [
    ({}, 'sts.eu-west-1.amazonaws.com:443'),
    ({'AWS_STS_REGIONAL_ENDPOINTS': 'regional'}, 'sts.eu-west-1.amazonaws.com:443'),
    ({'AWS_STS_REGIONAL_ENDPOINTS': 'legacy'}, 'sts.amazonaws.com:443'),
    (
      {'AWS_STS_REGIONAL_ENDPOINTS': 'legacy', 'region': 'af-south-1'},
      'sts.af-south-1.amazonaws.com:443',
    ),
    ({'region': 'cn-north-1'}, 'sts.cn-north-1.amazonaws.com.cn:443'),
  ],
)
def test_sts_is_called_in_the_region(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path, values: Dict[str, str], host: str
) -> None:
  write(tmp_path, '[default]\nrole_arn = arn:r\nsource_profile = base', keys_in('base', 'base'))
  env.delenv('AWS_ENDPOINT_URL')
  env.setenv('https_proxy', aws.url)
  region = values.pop('region', 'eu-west-1')
  for name, value in values.items():
    env.setenv(name, value)
  assert 'token service (STS)' in str(fetch(region=region))
  assert aws.hosts() == [host]


# ---- Single sign-on

SESSION = """
[profile it]
sso_session = my session
sso_account_id = 123456789012
sso_role_name = reader
[sso-session "my session"]
sso_start_url = https://start.test
sso_region = us-east-2
"""
LEGACY = """
[profile it]
sso_start_url = https://start.test
sso_region = us-east-2
sso_account_id = 123456789012
sso_role_name = reader
"""


def cache_file(folder: pathlib.Path, name: str) -> pathlib.Path:
  sum_of = hashlib.sha1(name.encode()).hexdigest()
  return folder / '.aws' / 'sso' / 'cache' / f'{sum_of}.json'


def log_in(folder: pathlib.Path, name: str, **more: Any) -> pathlib.Path:
  """Creates the files that `aws sso login` creates."""
  path = cache_file(folder, name)
  token = {'startUrl': 'https://start.test', 'region': 'us-east-2', 'accessToken': 'token'}
  path.write_text(json.dumps({**token, 'expiresAt': expiry_in(3600), **more}))
  return path


REGISTERED = {
  'refreshToken': 'swordfish/refresh',
  'clientId': 'client',
  'clientSecret': 'hunter2',
  'registrationExpiresAt': expiry_in(86400),
}
ROLE = digest('token', 'reader', '123456789012')
NEWER = digest('newer', 'reader', '123456789012')
REFRESHED = {'accessToken': 'newer', 'expiresIn': 3600, 'refreshToken': 'swordfish/next'}


@pytest.mark.parametrize(
  ('config', 'name'), [(SESSION, 'my session'), (LEGACY, 'https://start.test')]
)
def test_a_login_provides_the_keys_of_a_role(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path, config: str, name: str
) -> None:
  write(tmp_path, config)
  env.setenv('AWS_PROFILE', 'it')
  log_in(tmp_path, name)
  assert fetch() is None
  assert signed_by(aws) == [ROLE]


@pytest.mark.parametrize('config', [SESSION, LEGACY])
@pytest.mark.parametrize(
  ('state', 'part'),
  [('none', 'is missing'), ('old', 'has expired'), ('revoked', 'is no longer valid')],
)
def test_without_a_login_the_error_explains_how_to_log_in(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path, config: str, state: str, part: str
) -> None:
  write(tmp_path, config)
  env.setenv('AWS_PROFILE', 'it')
  if state != 'none':
    end = expiry_in(-5) if state == 'old' else expiry_in(3600)
    for name in ('my session', 'https://start.test'):
      log_in(tmp_path, name, accessToken='swordfish', expiresAt=end)
  error = fetch()
  assert error is not None and part in error
  assert error.endswith('Run: aws sso login --profile it.')
  assert signed_by(aws) == []


@pytest.mark.parametrize('seconds', [-60, 600])
def test_a_login_that_expires_soon_is_refreshed_like_botocore(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path, seconds: float
) -> None:
  import botocore.session
  import botocore.tokens

  write(tmp_path, SESSION)
  env.setenv('AWS_PROFILE', 'it')
  env.setattr(
    botocore.tokens.SSOTokenProvider, '_SSO_TOKEN_CACHE_DIR', str(tmp_path / '.aws/sso/cache')
  )
  aws.refresh = REFRESHED
  aws.tokens = {'newer'}
  path = log_in(tmp_path, 'my session', expiresAt=expiry_in(seconds), **REGISTERED)
  assert fetch() is None
  assert signed_by(aws) == [NEWER]
  request, ours = aws.requests[0], json.loads(path.read_text())
  assert stat.S_IMODE(path.stat().st_mode) == 0o600
  assert [each.name for each in path.parent.iterdir()] == [path.name]

  log_in(tmp_path, 'my session', expiresAt=expiry_in(seconds), **REGISTERED)
  aws.requests.clear()
  found = botocore.tokens.SSOTokenProvider(botocore.session.get_session()).load_token()
  assert found.get_frozen_token().token == 'newer'
  theirs = json.loads(path.read_text())
  assert json.loads(request.body) == json.loads(aws.requests[0].body)
  assert (request.method, request.path) == (aws.requests[0].method, aws.requests[0].path)
  assert abs(botocore_time(ours.pop('expiresAt')) - botocore_time(theirs.pop('expiresAt'))) < 300
  assert ours == theirs


def botocore_time(text: str) -> float:
  import dateutil.parser

  return float(dateutil.parser.parse(text).timestamp())


@pytest.mark.parametrize(
  ('name', 'config', 'more', 'refresh'),
  [
    ('my session', SESSION, REGISTERED, None),
    ('my session', SESSION, {**REGISTERED, 'registrationExpiresAt': expiry_in(-5)}, REFRESHED),
    ('my session', SESSION, {**REGISTERED, 'clientSecret': ''}, REFRESHED),
    ('https://start.test', LEGACY, REGISTERED, REFRESHED),
  ],
)
@pytest.mark.parametrize('seconds', [-60, 600])
def test_a_login_that_cannot_be_refreshed_is_used_until_it_expires(
  aws: Aws,
  env: pytest.MonkeyPatch,
  tmp_path: pathlib.Path,
  name: str,
  config: str,
  more: Dict[str, Any],
  refresh: Optional[Dict[str, object]],
  seconds: float,
) -> None:
  write(tmp_path, config)
  env.setenv('AWS_PROFILE', 'it')
  aws.refresh = refresh
  log_in(tmp_path, name, expiresAt=expiry_in(seconds), **more)
  error = fetch()
  if seconds > 0:
    assert error is None and signed_by(aws) == [ROLE]
  else:
    assert error is not None and 'has expired. Run: aws sso login --profile it.' in error


@pytest.mark.parametrize('ending', ['Z', '+00:00', 'UTC', '.123Z', ''])
def test_the_expiry_of_a_login_may_have_several_formats(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path, ending: str
) -> None:
  write(tmp_path, LEGACY)
  env.setenv('AWS_PROFILE', 'it')
  log_in(tmp_path, 'https://start.test', expiresAt=expiry_in(600)[:-1] + ending)
  assert fetch() is None
  log_in(tmp_path, 'https://start.test', expiresAt=expiry_in(-600)[:-1] + ending)
  assert 'has expired' in str(fetch())


@pytest.mark.parametrize(
  ('config', 'parts'),
  [
    (LEGACY.replace('sso_region', 'other'), ['"sso_region" is missing']),
    (LEGACY.replace('us-east-2', 'a.b/'), ['"sso_region" is not an AWS region']),
    (SESSION.replace('reader', ''), ['"sso_role_name" is missing']),
    (SESSION.replace('[sso-session "my', '[sso-session "other'), ['[sso-session my session]']),
    (SESSION.replace('sso_role_name', 'sso_region=x\nsso_role_name'), ['"sso_region" is not the']),
  ],
)
def test_an_invalid_single_sign_on_is_an_error(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path, config: str, parts: List[str]
) -> None:
  write(tmp_path, config)
  env.setenv('AWS_PROFILE', 'it')
  for name in ('my session', 'https://start.test'):
    log_in(tmp_path, name)
  error = fetch()
  assert error is not None
  for part in ['The AWS profile "it" in ~/.aws/config', *parts]:
    assert part in error, error
  assert aws.requests == []


def test_an_error_contains_the_message_of_the_portal(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  write(tmp_path, LEGACY)
  env.setenv('AWS_PROFILE', 'it')
  log_in(tmp_path, 'https://start.test')
  aws.answer = lambda request: Answer(403, b'{"message": "No access"}')
  error = fetch()
  assert (
    error is not None and "AWS's SSO portal: it answered with HTTP status 403: No access" in error
  )


@pytest.mark.parametrize(
  ('config', 'name', 'hosts'),
  [
    (LEGACY, 'https://start.test', ['portal.sso.us-east-2.amazonaws.com:443']),
    (
      SESSION,
      'my session',
      ['oidc.us-east-2.amazonaws.com:443', 'portal.sso.us-east-2.amazonaws.com:443'],
    ),
  ],
)
def test_the_portal_is_called_in_the_region_of_the_login(
  aws: Aws,
  env: pytest.MonkeyPatch,
  tmp_path: pathlib.Path,
  config: str,
  name: str,
  hosts: List[str],
) -> None:
  write(tmp_path, config)
  env.setenv('AWS_PROFILE', 'it')
  env.delenv('AWS_ENDPOINT_URL')
  env.setenv('https_proxy', aws.url)
  log_in(tmp_path, name, expiresAt=expiry_in(600), **REGISTERED)
  assert "AWS's SSO portal" in str(fetch())
  assert aws.hosts() == hosts


def test_the_keys_of_a_login_may_be_the_source_of_a_role(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  write(tmp_path, '[default]\nrole_arn = arn:r\nsource_profile = it\n' + LEGACY)
  log_in(tmp_path, 'https://start.test')
  assert fetch() is None
  (request,) = [each for each in aws.requests if each.method == 'POST' and b'RoleArn' in each.body]
  assert scope_of(request).id == ROLE


# ---- The environment


def test_rejected_keys_of_the_environment_are_read_again(aws: Aws, env: pytest.MonkeyPatch) -> None:
  def set_keys(name: str) -> None:
    keys = make_keys(name)
    env.setenv('AWS_ACCESS_KEY_ID', keys.id)
    env.setenv('AWS_SECRET_ACCESS_KEY', keys.secret)
    env.setenv('AWS_SESSION_TOKEN', str(keys.token))

  def answer(request: Request) -> Optional[Answer]:
    if scope_of(request).id == 'first' and refuses:
      return Answer(400, b'{"__type": "ExpiredTokenException", "message": "It is over."}')
    return aws.answer_any(request)

  refuses = False
  aws.answer = answer
  set_keys('first')
  cache = new_cache()

  async def main() -> None:
    nonlocal refuses
    await cache.fetch('key')
    refuses = True
    before = len(aws.requests)
    with pytest.raises(BackendError, match='It is over'):
      await cache.fetch('key')
    assert len(aws.requests) == before + 1
    set_keys('second')
    await cache.fetch('key')

  asyncio.run(main())
  assert signed_by(aws) == ['first', 'second']


def test_an_invalid_expiry_of_keys_is_an_error(aws: Aws, env: pytest.MonkeyPatch) -> None:
  env.setenv('AWS_ACCESS_KEY_ID', 'id')
  env.setenv('AWS_SECRET_ACCESS_KEY', 'hunter2')
  env.setenv('AWS_CREDENTIAL_EXPIRATION', 'soon')
  assert 'AWS_CREDENTIAL_EXPIRATION' in str(fetch())


def test_a_container_token_with_two_lines_is_not_sent(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  (tmp_path / 'token').write_text('swordfish\r\nX-Other: header\n')
  env.setenv('AWS_CONTAINER_CREDENTIALS_FULL_URI', aws.url)
  env.setenv('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', str(tmp_path / 'token'))
  assert 'more than one line' in str(fetch())
  assert aws.requests == []


def test_the_metadata_endpoint_may_come_from_the_profile(
  aws: Aws, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  env.delenv('AWS_EC2_METADATA_DISABLED')
  with HttpServer(lambda request: Answer(404)) as server:
    write(tmp_path, f'[default]\nec2_metadata_service_endpoint = {server.url}')
    assert 'No AWS credentials were found' in str(fetch())
    assert [each.path for each in server.requests] == ['/latest/api/token']


# ---- DynamoDB Local


def test_the_documented_files_alone_reach_dynamodb_local(
  dynamodb: str, env: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
  page = pathlib.Path(ROOT, 'docs', 'backends', 'dynamodb.md').read_text(encoding='utf-8')
  config = page.partition('```ini\n')[2].partition('```')[0]
  assert 'http://localhost:8000' in config
  env.delenv('AWS_ENDPOINT_URL')
  write(tmp_path, config.replace('http://localhost:8000', dynamodb), keys_in('developer'))
  own = types.new_class('Own', (Cachette,))
  own.load_config(  # type: ignore[attr-defined]
    lambda: [('backend', 'dynamodb'), ('timeout', 20)]
  )

  async def main() -> None:
    cache = own()
    await cache.put('profile', 'value')
    assert await cache.fetch('profile') == 'value'
    assert await cache.clear(key='profile') == 1

  asyncio.run(main())
