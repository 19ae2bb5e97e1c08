# SPDX-License-Identifier: MIT
"""URIs in one form, so that a purge meets a request whatever way either is spelled.

RFC 3986, 6.2.2 and 6.2.3: scheme and host in lower case, no default port, `/` for an empty path,
no dot segments, percent-encoding only where it is needed and with capital digits.
"""

import re
from typing import Any, List, Mapping, Optional

_SPLIT = re.compile(r'(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?\Z', re.IGNORECASE | re.DOTALL)
_HOST = re.compile(r'([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]*))?\Z')
_ENCODED = re.compile('%([0-9A-Fa-f]{2})')
_UNRESERVED = frozenset('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~')
_DEFAULT_PORTS = {'http': '80', 'https': '443'}


def normalize(uri: str) -> str:
  """Returns an absolute http or https URI (or IRI) in normal form, without its fragment.

  Raises ValueError if it is none.
  """
  found = _SPLIT.match(uri)
  if found is None or any(each <= ' ' or each == '\x7f' for each in uri):
    raise ValueError(
      f'{uri!r} is not an absolute http or https URL, such as "https://example.com/"'
    )
  scheme, authority, path, query = found.groups()
  return _origin(scheme, authority) + _path(_encode(path)) + _spell(_encode(query or ''))


def origin_of(uri: str) -> str:
  """Returns the origin of an absolute URI in normal form, such as "https://example.com"."""
  found = _SPLIT.match(normalize(uri))
  assert found is not None
  return f'{found[1]}://{found[2]}'


def uri_of(scope: Mapping[str, Any]) -> Optional[str]:
  """Returns the normal form of the URI of a request, or None if it is in doubt."""
  hosts: List[bytes] = [value for name, value in scope['headers'] if name.lower() == b'host']
  if len(hosts) != 1:
    return None
  raw_path: Optional[bytes] = scope.get('raw_path')
  path = raw_path.decode('latin-1') if raw_path is not None else _encode(scope['path'], '%?#')
  query: bytes = scope['query_string']
  try:
    origin = _origin(scope.get('scheme', 'http'), hosts[0].decode('latin-1'))
  except ValueError:
    return None
  plain = f'{path}?{query.decode("latin-1")}' if query else path
  if '%' in plain or '/.' in path or not path or not plain.isascii():
    path = _path(_encode(path))
    plain = path + ('?' + _spell(_encode(query.decode('latin-1'))) if query else '')
  return origin + plain


def _origin(scheme: str, authority: str) -> str:
  found = _HOST.match(authority)
  if found is None:
    raise ValueError(f'{authority!r} is not a host')
  scheme, host, port = scheme.lower(), found[1].lower(), found[2]
  return (
    f'{scheme}://{host}:{port}'
    if port and port != _DEFAULT_PORTS.get(scheme)
    else (f'{scheme}://{host}')
  )


def _encode(text: str, more: str = '') -> str:
  """Encodes what an IRI may have, but a URI must not (RFC 3987, 3.1)."""
  if text.isascii() and not any(each in text for each in more):
    return text
  return ''.join(
    each
    if each.isascii() and each not in more
    else ''.join(f'%{byte:02X}' for byte in each.encode('utf-8', 'surrogatepass'))
    for each in text
  )


def _spell(text: str) -> str:
  """Decodes what needs no encoding, and writes other codes with capital digits."""

  def spell(code: 're.Match[str]') -> str:
    character = chr(int(code[1], 16))
    return character if character in _UNRESERVED else code[0].upper()

  return _ENCODED.sub(spell, text) if '%' in text else text


def _path(path: str) -> str:
  """Removes dot segments (RFC 3986, 5.2.4) after decoding, because %2E is a dot."""
  path = _spell(path)
  if not path:
    return '/'
  if '/.' not in path:
    return path
  kept: List[str] = []
  segments = path.split('/')[1:]
  for segment in segments:
    if segment == '..':
      del kept[-1:]
    elif segment != '.':
      kept.append(segment)
  if segments[-1] in ('.', '..'):
    kept.append('')
  return '/' + '/'.join(kept)
