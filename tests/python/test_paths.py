# SPDX-License-Identifier: MIT
"""A relative path is resolved when the configuration is loaded, so the current folder does not
matter when a handle is opened, a connection is made, or a file is read again."""

import asyncio
import os
import pathlib
from typing import Any, Dict, Iterator, Type

import pytest
from cachette import Cachette
from conftest import CHOSEN_BACKENDS, clear_aws_environment, run_python
from services.aws import Aws, make_keys, scope_of
from services.mongodb import MongodServer
from services.process import find_free_port
from services.redis import RedisServer
from services.tls import make_certificate, tls_front


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
  """The current folder while configurations are loaded; `elsewhere` is next to it."""
  made = tmp_path / 'here'
  made.mkdir()
  (tmp_path / 'elsewhere').mkdir()
  monkeypatch.chdir(made)
  return made


def go_elsewhere(folder: pathlib.Path) -> None:
  os.chdir(folder.parent / 'elsewhere')


def configured(**settings: Any) -> Type[Cachette]:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'timeout': 20, 'connect_timeout': 20, **settings})
  return Own


async def put_and_fetch(cls: Type[Cachette]) -> Any:
  async with cls.lifespan():
    await cls().put('key', 'value')
    return await cls().fetch('key')


# ---- The file


@pytest.mark.parametrize('backend', ['file', 'pickle'])
@pytest.mark.parametrize('path', ['cache', './cache', '../here/cache', pathlib.Path('cache')])
def test_a_relative_file_path_is_resolved_by_load_config(
  folder: pathlib.Path, backend: str, path: Any
) -> None:
  cls = configured(backend=backend, pickle_path=path)
  go_elsewhere(folder)
  assert asyncio.run(put_and_fetch(cls)) == 'value'
  assert (folder / 'cache').is_file() and not os.listdir('.')


def test_loops_threads_and_blocking_calls_use_one_file(folder: pathlib.Path) -> None:
  cls = configured(backend='file', pickle_path='cache')

  async def fetch() -> Any:
    return await cls().fetch('key')

  assert asyncio.run(put_and_fetch(cls)) == 'value'
  go_elsewhere(folder)
  assert asyncio.run(fetch()) == 'value'
  assert cls.sync.fetch('key') == 'value'


def test_a_configuration_returns_the_resolved_path(folder: pathlib.Path) -> None:
  assert configured(backend='file', pickle_path='cache')._config.get('pickle_path') == str(
    folder / 'cache'
  )
  assert configured(tls_ca_file='a/b')._config.get('tls_ca_file') == str(folder / 'a/b')
  assert configured(tls_ca_file='/a/b')._config.get('tls_ca_file') == '/a/b'
  assert configured(tls_ca_file=None)._config.get('tls_ca_file') is None


def test_a_relative_path_is_an_error_if_the_current_folder_was_deleted() -> None:
  output = run_python(
    """
    import os, tempfile
    import pydantic  # some of its releases cannot be imported without a current folder
    from cachette import Cachette

    os.chdir(tempfile.mkdtemp())
    os.rmdir(os.getcwd())
    Cachette.load_config(lambda: {'ttl': 5})
    Cachette.load_config(lambda: {'tls_ca_file': '/ca.pem'})
    try:
      Cachette.load_config(lambda: {'backend': 'file', 'pickle_path': 'cache'})
    except ValueError as error:
      print(error.errors()[0]['msg'])
    """
  )
  assert output.startswith('Value error, The "pickle_path" value is a relative path, and')
  assert output.endswith('Give an absolute path.\n')


# ---- TLS


@pytest.fixture
def certificate(folder: pathlib.Path) -> Dict[str, str]:
  return make_certificate(folder)


def relative(path: str) -> str:
  return os.path.relpath(path)


def test_relative_tls_files_are_resolved_by_load_config(
  folder: pathlib.Path, certificate: Dict[str, str]
) -> None:
  port = find_free_port()
  settings = ['--tls-port', str(port), '--tls-auth-clients', 'yes']
  settings += ['--tls-cert-file', certificate['cert'], '--tls-key-file', certificate['key']]
  settings += ['--tls-ca-cert-file', certificate['cert']]
  with RedisServer(*settings):
    cls = configured(
      backend='redis',
      redis_url=f'rediss://127.0.0.1:{port}',
      tls_ca_file=relative(certificate['cert']),
      tls_cert_file=relative(certificate['cert']),
      tls_key_file=relative(certificate['key']),
    )
    go_elsewhere(folder)
    assert asyncio.run(put_and_fetch(cls)) == 'value'


# ---- Files in the environment of AWS


if 'dynamodb' in CHOSEN_BACKENDS:

  @pytest.fixture
  def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pytest.MonkeyPatch:
    clear_aws_environment(monkeypatch, tmp_path)
    return monkeypatch

  @pytest.mark.parametrize('kind', ['config', 'credentials'])
  @pytest.mark.parametrize('path', ['aws', '../here/aws'])
  def test_relative_aws_files_are_resolved_by_load_config(
    folder: pathlib.Path, clean: pytest.MonkeyPatch, kind: str, path: str
  ) -> None:
    variable = {'config': 'AWS_CONFIG_FILE', 'credentials': 'AWS_SHARED_CREDENTIALS_FILE'}[kind]
    keys = make_keys('filed')
    (folder / 'aws').write_text(
      f'[default]\nregion = eu-west-3\naws_access_key_id = {keys.id}\n'
      f'aws_secret_access_key = {keys.secret}\naws_session_token = {keys.token}\n'
    )
    clean.setenv(variable, path)
    with Aws() as server:
      cls = configured(backend='dynamodb', dynamodb_url=server.url)
      go_elsewhere(folder)
      assert asyncio.run(cls().fetch('key', 'none')) == 'none'
      assert scope_of(server.requests[-1])[:2] == (keys.id, 'eu-west-3')
      assert server.errors == []

  def test_a_relative_aws_token_file_is_resolved_by_load_config(
    folder: pathlib.Path, clean: pytest.MonkeyPatch
  ) -> None:
    (folder / 'token').write_text('token')
    clean.setenv('AWS_WEB_IDENTITY_TOKEN_FILE', 'token')
    clean.setenv('AWS_ROLE_ARN', 'arn:aws:iam::1:role/a')
    clean.setenv('AWS_REGION', 'eu-west-3')
    with Aws() as server:
      clean.setenv('AWS_ENDPOINT_URL', server.url)
      cls = configured(backend='dynamodb')
      go_elsewhere(folder)
      assert asyncio.run(cls().fetch('key', 'none')) == 'none'
      assert server.errors == []


# ---- Files in a MongoDB URL


if 'mongodb' in CHOSEN_BACKENDS:

  @pytest.fixture(scope='module')
  def mongod() -> Iterator[MongodServer]:
    with MongodServer() as server:
      yield server

  @pytest.mark.parametrize(
    'name', ['', 'tlsCAFile', 'tlscafile', 'sslCertificateAuthorityFile', 'both']
  )
  def test_relative_files_in_a_mongodb_url_are_resolved_by_load_config(
    folder: pathlib.Path, certificate: Dict[str, str], mongod: MongodServer, name: str
  ) -> None:
    both = folder / 'both.pem'
    both.write_text(''.join(pathlib.Path(path).read_text() for path in certificate.values()))
    parameters = {
      '': '',
      'both': '&tlsCAFile=cert.pem&tlsCertificateKeyFile=both.pem',
    }.get(name, f'&{name}=cert.pem')
    front = tls_front(certificate['cert'], certificate['key'], mongod.port)
    with front as port:
      cls = configured(
        backend='mongodb',
        mongodb_url=f'mongodb://127.0.0.1:{port}/?tls=true{parameters}',
        tls_ca_file=None if name else 'cert.pem',
      )
      go_elsewhere(folder)
      assert asyncio.run(put_and_fetch(cls)) == 'value'
