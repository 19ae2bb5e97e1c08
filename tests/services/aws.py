# SPDX-License-Identifier: MIT
"""A stand-in for the AWS services that issue credentials: STS, the SSO portal and its OIDC service.

The same request arguments always get the same keys, and the keys encode the arguments. So two
clients that end up with the same keys made the same requests. Each secret is derived from its key's
name, so the stand-in can also verify signatures. As a proxy it answers for DynamoDB at any address.
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


def make_keys(name: str, with_token: bool = True) -> Keys:
  return Keys(name, f'hunter2/{name}+', f'swordfish/{name}' if with_token else None)


def digest(*parts: str) -> str:
  return hashlib.sha1('\0'.join(parts).encode()).hexdigest()[:20]


def expiry_in(seconds: float) -> str:
  return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + seconds))


class Scope(NamedTuple):
  """The fields of a signature's credential scope."""

  id: str
  region: str
  service: str


def scope_of(request: Request) -> Scope:
  found = re.search('Credential=([^/]*)/[0-9]*/([^/]*)/([^/]*)/', request.headers['authorization'])
  assert found is not None
  return Scope(*found.groups())


def has_valid_signature(request: Request, url: str, secret: str) -> bool:
  """Returns whether AWS's own client would sign this request the same way."""
  import botocore.auth
  from botocore.awsrequest import AWSRequest
  from botocore.credentials import Credentials

  authorization = request.headers['authorization']
  names = re.search('SignedHeaders=([^,]*),', authorization)
  assert names is not None
  signed = AWSRequest(
    method=request.method,
    url=url,
    data=request.body,
    headers={name: request.headers[name] for name in names.group(1).split(';')},
  )
  scope = scope_of(request)
  auth = botocore.auth.SigV4Auth(Credentials(scope.id, secret), scope.service, scope.region)
  signed.context['timestamp'] = request.headers['x-amz-date']
  expected = auth.signature(auth.string_to_sign(signed, auth.canonical_request(signed)), signed)
  return authorization.endswith(f'Signature={expected}')


class Aws(HttpServer):
  """The stand-in. It is also a proxy for `http://anything/`, and refuses `https://` tunnels."""

  def __init__(self) -> None:
    super().__init__(self.answer_any)
    self.errors: List[str] = []
    self.key_lifetime: float = 3600  # lifetime of keys, in seconds
    self.tokens = {'token'}  # valid SSO tokens
    self.refresh: Optional[Dict[str, object]] = None  # the answer to a token refresh
    self.lock = threading.Lock()

  def url_of(self, request: Request) -> str:
    return request.path if '://' in request.path else self.url + request.path

  def hosts(self) -> List[str]:
    """The distinct hosts that clients asked for: the target of a tunnel, or the host of a URL."""
    seen: List[str] = []
    for request in self.requests:
      host = request.path if request.method == 'CONNECT' else request.headers['host']
      if host not in seen:
        seen.append(host)
    return seen

  def answer_any(self, request: Request) -> Answer:
    try:
      return self.route(request)
    except Exception as error:  # the test displays it; the client only sees a failed request
      self.errors.append(repr(error))
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
    keys = make_keys(scope.id)
    token = request.headers.get('x-amz-security-token')
    assert scope.service == service, scope
    assert token in (None, keys.token), token
    assert has_valid_signature(request, self.url_of(request), keys.secret), 'a wrong signature'
    return scope

  def answer_dynamodb(self, request: Request) -> Answer:
    """Answers as an empty table that may be used but not described."""
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
    name = digest(*(f'{name}={form[name]}' for name in sorted(form)))
    keys, action = make_keys(name), form['Action']
    text = f"""<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
      <{action}Result><Credentials>
        <AccessKeyId>{keys.id}</AccessKeyId><SecretAccessKey>{keys.secret}</SecretAccessKey>
        <SessionToken>{keys.token}</SessionToken><Expiration>{expiry_in(self.key_lifetime)}</Expiration>
      </Credentials></{action}Result></{action}Response>"""
    return Answer(200, text.encode(), {'Content-Type': 'text/xml'})

  def answer_portal(self, request: Request) -> Answer:
    form = parse_qs(urlsplit(request.path).query)
    token = request.headers['x-amz-sso_bearer_token']
    if token not in self.tokens:
      return Answer(401, b'{"message": "Session token not found or invalid"}')
    keys = make_keys(digest(token, *form['role_name'], *form['account_id']))
    names = {'accessKeyId': keys.id, 'secretAccessKey': keys.secret, 'sessionToken': keys.token}
    end = int((time.time() + self.key_lifetime) * 1000)
    return Answer(200, json.dumps({'roleCredentials': {**names, 'expiration': end}}).encode())

  def answer_oidc(self, request: Request) -> Answer:
    form = json.loads(request.body)
    assert form['grantType'] == 'refresh_token', form
    if self.refresh is None:
      return Answer(400, b'{"error": "invalid_grant"}', {'x-amzn-errortype': 'InvalidGrant'})
    return Answer(200, json.dumps(self.refresh).encode())
