# SPDX-License-Identifier: MIT
"""What stands in for those services of AWS's that give keys: STS, the SSO portal and its OIDC.

Whoever asks with the same arguments gets the same keys, and the keys tell what was asked: so two
clients that end with the same keys have asked for the same. Each secret follows from its key's
name, so the server checks signatures, too. As a proxy it answers for DynamoDB at any address.
"""

import hashlib
import json
import re
import threading
import time
from typing import Dict, List, NamedTuple, Optional
from urllib.parse import parse_qs, urlsplit

from services.http_fault import Answer, HttpServer, Request


class Keys(NamedTuple):
  id: str
  secret: str
  token: Optional[str]


def keys_of(name: str, with_token: bool = True) -> Keys:
  return Keys(name, f'hunter2/{name}+', f'swordfish/{name}' if with_token else None)


def stamp(*parts: str) -> str:
  return hashlib.sha1('\0'.join(parts).encode()).hexdigest()[:20]


def end_in(seconds: float) -> str:
  return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + seconds))


class Scope(NamedTuple):
  """What a signature says of itself."""

  id: str
  region: str
  service: str


def scope_of(request: Request) -> Scope:
  found = re.search('Credential=([^/]*)/[0-9]*/([^/]*)/([^/]*)/', request.headers['authorization'])
  assert found is not None
  return Scope(*found.groups())


def is_signed_right(request: Request, url: str, secret: str) -> bool:
  """Whether AWS's own client would have signed a request like this."""
  import botocore.auth
  from botocore.awsrequest import AWSRequest
  from botocore.credentials import Credentials

  given = request.headers['authorization']
  names = re.search('SignedHeaders=([^,]*),', given)
  assert names is not None
  again = AWSRequest(
    method=request.method,
    url=url,
    data=request.body,
    headers={name: request.headers[name] for name in names.group(1).split(';')},
  )
  scope = scope_of(request)
  auth = botocore.auth.SigV4Auth(Credentials(scope.id, secret), scope.service, scope.region)
  again.context['timestamp'] = request.headers['x-amz-date']
  wanted = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
  return given.endswith(f'Signature={wanted}')


class Aws(HttpServer):
  """The stand-in; `http://anything/` reaches it as a proxy, too, and `https://` is refused."""

  def __init__(self) -> None:
    super().__init__(self.answer_any)
    self.faults: List[str] = []
    self.lasting: float = 3600  # seconds that keys hold
    self.tokens = {'token'}  # of SSO, that hold
    self.refresh: Optional[Dict[str, object]] = None  # what a refresh is answered
    self.lock = threading.Lock()

  def url_of(self, request: Request) -> str:
    return request.path if '://' in request.path else self.url + request.path

  def hosts(self) -> List[str]:
    """Where it was asked, each once: `host:port` of what was to be tunnelled, or what a URL has."""
    seen: List[str] = []
    for each in self.requests:
      host = each.path if each.method == 'CONNECT' else each.headers['host']
      if host not in seen:
        seen.append(host)
    return seen

  def answer_any(self, request: Request) -> Answer:
    try:
      return self.route(request)
    except Exception as error:  # the test shows it: a client would only see that it failed
      self.faults.append(repr(error))
      return Answer(500)

  def route(self, request: Request) -> Answer:
    path = urlsplit(self.url_of(request)).path
    if request.method == 'CONNECT':
      return Answer(403)
    if 'x-amz-target' in request.headers:
      return self.answer_dynamodb(request)
    if path == '/federation/credentials':
      return self.answer_portal(request)
    if path == '/token':
      return self.answer_oidc(request)
    return self.answer_sts(request)

  def check(self, request: Request, service: str) -> Scope:
    scope = scope_of(request)
    keys = keys_of(scope.id)
    token = request.headers.get('x-amz-security-token')
    assert scope.service == service, scope
    assert token in (None, keys.token), token
    assert is_signed_right(request, self.url_of(request), keys.secret), 'a wrong signature'
    return scope

  def answer_dynamodb(self, request: Request) -> Answer:
    """A table that may be used but not looked at, and is empty."""
    self.check(request, 'dynamodb')
    if request.headers['x-amz-target'].endswith('.DescribeTable'):
      return Answer(400, b'{"__type": "AccessDeniedException"}')
    return Answer(200, b'{}')

  def answer_sts(self, request: Request) -> Answer:
    form = {name: value for name, (value,) in parse_qs(request.body.decode()).items()}
    session = form.pop('RoleSessionName')
    if not session.startswith('botocore-session-') and session != 'cachette':
      form['RoleSessionName'] = session
    if form['Action'] == 'AssumeRole':
      scope = self.check(request, 'sts')
      form.update({'from': scope.id, 'region': scope.region})
    elif 'authorization' in request.headers:
      raise ValueError('a web identity needs no signature')
    name = stamp(*(f'{name}={form[name]}' for name in sorted(form)))
    keys, action = keys_of(name), form['Action']
    text = f"""<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
      <{action}Result><Credentials>
        <AccessKeyId>{keys.id}</AccessKeyId><SecretAccessKey>{keys.secret}</SecretAccessKey>
        <SessionToken>{keys.token}</SessionToken><Expiration>{end_in(self.lasting)}</Expiration>
      </Credentials></{action}Result></{action}Response>"""
    return Answer(200, text.encode(), {'Content-Type': 'text/xml'})

  def answer_portal(self, request: Request) -> Answer:
    form = parse_qs(urlsplit(request.path).query)
    token = request.headers['x-amz-sso_bearer_token']
    if token not in self.tokens:
      return Answer(401, b'{"message": "Session token not found or invalid"}')
    keys = keys_of(stamp(token, *form['role_name'], *form['account_id']))
    names = {'accessKeyId': keys.id, 'secretAccessKey': keys.secret, 'sessionToken': keys.token}
    end = int((time.time() + self.lasting) * 1000)
    return Answer(200, json.dumps({'roleCredentials': {**names, 'expiration': end}}).encode())

  def answer_oidc(self, request: Request) -> Answer:
    form = json.loads(request.body)
    assert form['grantType'] == 'refresh_token', form
    if self.refresh is None:
      return Answer(400, b'{"error": "invalid_grant"}', {'x-amzn-errortype': 'InvalidGrant'})
    return Answer(200, json.dumps(self.refresh).encode())
