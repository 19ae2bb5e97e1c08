# SPDX-License-Identifier: MIT
"""The class `Policy`, which states what the HTTP cache may do.

A policy is checked when it is created. The rules are in the library: `Policy.to_c()` returns the
policy in the form that the library reads.
"""

import re
from dataclasses import dataclass, fields
from math import ceil
from typing import Any, Dict, Iterable, Literal, Optional, Tuple, Union

from .._advice import join, short
from .._cachette import HttpPolicy
from .._calls import Seconds
from .._times import seconds_of

Method = Literal['GET', 'HEAD', 'QUERY', 'POST']
SetCookie = Literal['refuse', 'strip', 'store']
RequestControlMode = Literal['safe', 'full', 'ignore']
Query = Literal['keep', 'drop', 'sort']
Normalized = Literal['accept-encoding', 'accept-language']
VaryAllowed = Literal['cookie', 'authorization']
Etag = Literal['weak', 'strong', 'none']

# The values of each option, in the order of the library's constants or flags.
_METHODS = ('GET', 'HEAD', 'QUERY', 'POST')
_SET_COOKIE = ('refuse', 'strip', 'store')
_REQUEST_CONTROL = ('safe', 'full', 'ignore')
_QUERY = ('keep', 'drop', 'sort')
_NORMALIZE = ('accept-encoding', 'accept-language')
_VARY_ALLOW = ('cookie', 'authorization')
_ETAG = ('weak', 'strong', 'none')

MAX_SECONDS = 2**31  # the longest duration that HTTP caches count (RFC 9111, 1.2.2)
MAX_CACHE_NAME = 100  # characters, which the library accepts

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_CACHE_NAME = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*")  # RFC 9651, 3.3.4


@dataclass(frozen=True, init=False, repr=False)
class Policy:
  """What the HTTP cache stores, for how long, and for whom.

  The defaults are safe: responses to requests with credentials, responses that set cookies, and
  responses with `private` or `no-store` are not shared. A policy is immutable and can be shared by
  several middlewares.

  Times are a number of seconds or a timedelta.

  Args:
    default_ttl: How long a response is fresh that does not say so itself, if its status is 200,
      203, 300, 301 or 308. None: such a response is not stored.
    stale_while_revalidate: How long after that a stale response is still served while a fresh one
      is made in the background. A response that has its own `stale-while-revalidate` ignores this.
    stale_if_error: How long a stale response is served while the application fails. A response
      that has its own `stale-if-error` ignores this.
    heuristic: Whether a response with Last-Modified that does not say how long it is fresh is fresh
      for a tenth of its age, at most a day.
    methods: The methods that are cached, of 'GET', 'HEAD', 'QUERY' and 'POST'. All others pass.
      'HEAD' is answered from what GET stored. A POST has its body in the key, and its response is
      stored only if it says how long it is fresh.
    targeted: Names of fields that count instead of Cache-Control (RFC 9213), the most important
      first, such as 'CDN-Cache-Control'.
    set_cookie: What happens with a response that sets cookies: 'refuse' does not store it, 'strip'
      stores it without the cookies, 'store' sends the cookies to everyone.
    key_cookies: Names of cookies that are part of the key, such as 'language'.
    session_cookies: Names of the cookies that are credentials; other cookies are ignored. None:
      every cookie is a credential, except `key_cookies`.
    trust_cookies: Whether no cookie is a credential.
    request_control: How Cache-Control and Pragma of requests are obeyed. 'safe' obeys what does no
      harm: no-store, only-if-cached, and at most one run of the application at a time for no-cache,
      max-age and min-fresh. 'full' obeys all, so that any client can cause misses. 'ignore' obeys
      none.
    max_stale: Whether requests may ask for stale responses with `max-stale`.
    query: How the query string is part of the key: 'keep' as it is, 'drop' not at all, 'sort' with
      its parameters in order of their names.
    no_vary_search: The parameters of the query string that do not matter, as a value of the field
      No-Vary-Search, such as 'params=("utm_source")'.
    normalize: Fields of requests that are simplified before they select a variant, of
      'accept-encoding' and 'accept-language'.
    vary_allow: Fields that tell users apart and that a stored response may still vary on, of
      'cookie' and 'authorization'.
    max_body: The size of the largest body to store, in bytes.
    etag: The ETag that a response without one gets: 'weak', 'strong' or 'none'.
    coalesce: Whether requests for the same response wait for one run of the application.
    wait: How long such a request waits before it runs the application itself.
    cache_status: Whether answers have the field Cache-Status, and the name of the cache in it. True
      is the name 'cachette'.
    shared: Whether the cache is for several users. False is for a cache of a single user, which may
      store private responses.
    store_timeout: How long to wait for the store before the application is run instead.
    store_partial: Whether responses with a part of a body (206) are stored and combined.
    forward_preconditions: Whether the application decides about If-Match and If-Unmodified-Since,
      and not the cache.
    trust_must_revalidate: Whether a response to a request with Authorization may be shared if it
      has `must-revalidate`, as RFC 9111 permits.

  Raises:
    TypeError: A value is of the wrong type.
    ValueError: A value is out of range or unknown, or two options contradict each other.

  >>> from cachette.http import Policy
  >>> Policy(default_ttl=60, query='sort')
  Policy(default_ttl=60, query='sort')
  """

  default_ttl: Optional[float]
  stale_while_revalidate: float
  stale_if_error: float
  heuristic: bool
  methods: Tuple[Method, ...]
  targeted: Tuple[str, ...]
  set_cookie: SetCookie
  key_cookies: Tuple[str, ...]
  session_cookies: Optional[Tuple[str, ...]]
  trust_cookies: bool
  request_control: RequestControlMode
  max_stale: bool
  query: Query
  no_vary_search: str
  normalize: Tuple[Normalized, ...]
  vary_allow: Tuple[VaryAllowed, ...]
  max_body: int
  etag: Etag
  coalesce: bool
  wait: float
  cache_status: Union[bool, str]
  shared: bool
  store_timeout: float
  store_partial: bool
  forward_preconditions: bool
  trust_must_revalidate: bool

  def __init__(
    self,
    *,
    default_ttl: Seconds = None,
    stale_while_revalidate: Seconds = 0,
    stale_if_error: Seconds = 0,
    heuristic: bool = False,
    methods: Iterable[Method] = ('GET', 'HEAD'),
    targeted: Iterable[str] = (),
    set_cookie: SetCookie = 'refuse',
    key_cookies: Iterable[str] = (),
    session_cookies: Optional[Iterable[str]] = None,
    trust_cookies: bool = False,
    request_control: RequestControlMode = 'safe',
    max_stale: bool = False,
    query: Query = 'keep',
    no_vary_search: str = '',
    normalize: Iterable[Normalized] = (),
    vary_allow: Iterable[VaryAllowed] = (),
    max_body: int = 2**20,
    etag: Etag = 'weak',
    coalesce: bool = True,
    wait: Seconds = 5.0,
    cache_status: Union[bool, str] = True,
    shared: bool = True,
    store_timeout: Seconds = 0.05,
    store_partial: bool = False,
    forward_preconditions: bool = False,
    trust_must_revalidate: bool = False,
  ) -> None:
    given = dict(locals())
    for field in fields(self):
      object.__setattr__(self, field.name, _CHECKS[field.name](field.name, given[field.name]))
    _check_methods(self.methods)
    _check_cookies(self)
    self.to_c()  # the library checks the rest

  @classmethod
  def rfc(cls, **changes: Any) -> 'Policy':
    """Returns a policy for all that RFC 9111 and RFC 9213 permit a shared cache.

    Responses that set cookies are stored whole, cookies are no credentials, CDN-Cache-Control and
    all directives of requests are obeyed, lifetimes are estimated, and stale responses are served
    for a day while the application fails. Use it for an application whose responses all say who may
    see them.

    Args:
      changes: Options that are different.

    >>> from cachette.http import Policy
    >>> Policy.rfc(heuristic=False).targeted
    ('CDN-Cache-Control',)
    """
    return cls(**{**_RFC, **changes})

  def to_c(self) -> HttpPolicy:
    """Returns the policy in the form that the library reads. It is made once."""
    made: Optional[HttpPolicy] = self.__dict__.get('_c')
    if made is None:
      made = self.__dict__['_c'] = HttpPolicy(**_members(self))
    return made

  def __getstate__(self) -> Dict[str, Any]:
    return {field.name: getattr(self, field.name) for field in fields(self)}

  def __repr__(self) -> str:
    """With the options that do not have their defaults."""
    usual = Policy.__init__.__kwdefaults__ or {}
    options = {field.name: getattr(self, field.name) for field in fields(self)}
    changed = [f'{name}={value!r}' for name, value in options.items() if value != usual[name]]
    return f'{type(self).__name__}({", ".join(changed)})'


_RFC: Dict[str, Any] = {  # the same as cachette_http_policy_rfc(), which gives the reasons
  'set_cookie': 'store',
  'request_control': 'full',
  'normalize': ('accept-language',),
  'vary_allow': ('cookie', 'authorization'),
  'stale_if_error': 86_400,
  'heuristic': True,
  'max_stale': True,
  'forward_preconditions': True,
  'store_partial': True,
  'trust_cookies': True,
  'trust_must_revalidate': True,
  'targeted': ('CDN-Cache-Control',),
}


def _members(policy: Policy) -> Dict[str, Any]:
  """Returns the members of struct cachette_http_policy. Those that are left out are zero."""
  name = policy.cache_status if isinstance(policy.cache_status, str) else ''
  return {
    'sharing': int(not policy.shared),
    'set_cookie': _SET_COOKIE.index(policy.set_cookie),
    'query': _QUERY.index(policy.query),
    'request_control': _REQUEST_CONTROL.index(policy.request_control),
    'normalize': _flags(_NORMALIZE, policy.normalize),
    'vary_allow': _flags(_VARY_ALLOW, policy.vary_allow),
    'default_ttl_ms': _milliseconds(policy.default_ttl or 0),
    'stale_while_revalidate_ms': _milliseconds(policy.stale_while_revalidate),
    'stale_if_error_ms': _milliseconds(policy.stale_if_error),
    'max_body': policy.max_body,
    'heuristic': policy.heuristic,
    'max_stale': policy.max_stale,
    'cache_post': 'POST' in policy.methods,
    'forward_preconditions': policy.forward_preconditions,
    'store_partial': policy.store_partial,
    'trust_cookies': policy.trust_cookies,
    'trust_must_revalidate': policy.trust_must_revalidate,
    'targeted': list(policy.targeted),
    'key_cookies': list(policy.key_cookies),
    'session_cookies': list(policy.session_cookies or ()),
    'no_vary_search': policy.no_vary_search,
    'name': name,
  }


def _milliseconds(seconds: float) -> int:
  """Rounds up, so that no positive time becomes zero."""
  return max(ceil(round(seconds * 1000, 3)), int(seconds > 0))


def _flags(known: Tuple[str, ...], names: Tuple[str, ...]) -> int:
  return sum(1 << known.index(name) for name in names)


# ---- Checks
#
# Each function takes the name of an option and the value that was given, and returns the value to
# keep. `check_` functions are also for the options of routes.


def check_seconds(name: str, value: Any) -> float:
  seconds: float = seconds_of(name, value)
  if not 0 <= seconds <= MAX_SECONDS:
    raise ValueError(
      f'{name} must be a number of seconds from 0 to {MAX_SECONDS:,} (68 years), not '
      f'{short(value)}.'
    )
  return seconds


def _check_optional_seconds(name: str, value: Any) -> Optional[float]:
  return None if value is None else check_seconds(name, value)


def _check_positive_seconds(name: str, value: Any) -> float:
  seconds = check_seconds(name, value)
  if not seconds:
    raise ValueError(f'{name} must be a positive number of seconds, not {short(value)}.')
  return seconds


def check_bool(name: str, value: Any) -> bool:
  if not isinstance(value, bool):
    raise TypeError(f'{name} must be True or False, not {_show(value)}.')
  return value


def _check_size(name: str, value: Any) -> int:
  if isinstance(value, bool) or not isinstance(value, int):
    raise TypeError(f'{name} must be an int, a number of bytes, not {_show(value)}.')
  if not 0 < value < 2**63:
    raise ValueError(f'{name} must be a positive number of bytes, not {short(value)}.')
  return value


def _check_text(name: str, value: Any) -> str:
  if not isinstance(value, str):
    raise TypeError(f'{name} must be a str, not {_show(value)}.')
  try:
    value.encode()
  except UnicodeEncodeError:
    raise ValueError(f'{name} has {short(value)}, which is not valid Unicode.') from None
  return value


def _check_cache_status(name: str, value: Any) -> Union[bool, str]:
  if not isinstance(value, (bool, str)):
    raise TypeError(f'{name} must be True, False or the name of the cache, not {_show(value)}.')
  if isinstance(value, str) and not _CACHE_NAME.fullmatch(value):
    raise ValueError(
      f'{name} has {short(value)}, which cannot name a cache. Begin it with a letter, and use '
      'letters, digits, ".", "_" and "-".'
    )
  if isinstance(value, str) and len(value) > MAX_CACHE_NAME:
    raise ValueError(f'{name} is a name of {len(value)} characters. Use at most {MAX_CACHE_NAME}.')
  return value


def check_names(name: str, value: Any, kind: str = 'field') -> Tuple[str, ...]:
  """Checks names of fields or cookies, which are tokens (RFC 9110, 5.1; RFC 6265, 4.1.1)."""
  names = check_list(name, value)
  for each in names:
    if not _TOKEN.fullmatch(each):
      raise ValueError(
        f'{name} has {short(each)}, which is not the name of a {kind}. Use letters, digits and '
        'characters such as "-" and "_".'
      )
  return names


def check_list(name: str, value: Any) -> Tuple[str, ...]:
  """Returns several texts as a tuple. A single str is most probably meant as one text."""
  if isinstance(value, str):
    raise TypeError(f'{name} must be a list or tuple of str, not a str: write [{short(value)}].')
  if not isinstance(value, Iterable) or isinstance(value, (bytes, bytearray)):
    raise TypeError(f'{name} must be a list or tuple of str, not {_show(value)}.')
  texts = tuple(value)
  for each in texts:
    if not isinstance(each, str):
      raise TypeError(f'{name} must contain only str, not {_show(each)}.')
  return texts


def _check_targeted(name: str, value: Any) -> Tuple[str, ...]:
  names = check_names(name, value)
  if any(each.lower() == 'cache-control' for each in names):
    raise ValueError(
      f'{name} has Cache-Control, which is for all caches. Remove it: it counts if no targeted '
      'field does.'
    )
  return names


def _check_cookie_names(name: str, value: Any) -> Tuple[str, ...]:
  return check_names(name, value, 'cookie')


def _check_session_cookies(name: str, value: Any) -> Optional[Tuple[str, ...]]:
  names = None if value is None else _check_cookie_names(name, value)
  if names == ():
    raise ValueError(
      f'{name} is empty. Set it to the names of cookies that are credentials, or, if none is, set '
      'trust_cookies=True.'
    )
  return names


class _Choice:
  """Checks for one of several texts."""

  def __init__(self, known: Tuple[str, ...]) -> None:
    self.known = known

  def __call__(self, name: str, value: Any) -> str:
    if not isinstance(value, str):
      raise TypeError(f'{name} must be {self._all()}, not {_show(value)}.')
    if value not in self.known:
      raise ValueError(f'{name} must be {self._all()}, not {short(value)}.')
    return value

  def _all(self) -> str:
    return join([repr(each) for each in self.known], 'or')


class _Choices:
  """Checks for some of several texts, and returns them in their usual order. Case is ignored."""

  def __init__(self, known: Tuple[str, ...]) -> None:
    self.known = known

  def __call__(self, name: str, value: Any) -> Tuple[str, ...]:
    lower = {each.lower(): each for each in self.known}
    chosen = []
    for each in check_list(name, value):
      if each.lower() not in lower:
        known = join([repr(one) for one in self.known], 'or')
        raise ValueError(f'{name} has {short(each)}. It can have {known}.')
      chosen.append(lower[each.lower()])
    return tuple(each for each in self.known if each in chosen)


def _check_methods(methods: Tuple[str, ...]) -> None:
  if not methods:
    raise ValueError('methods is empty, so nothing would be cached. Set it to ["GET", "HEAD"].')
  if 'HEAD' in methods and 'GET' not in methods:
    raise ValueError(
      'methods has HEAD but not GET. HEAD is answered from what GET stored: add "GET".'
    )


def _check_cookies(policy: Policy) -> None:
  if policy.trust_cookies and policy.session_cookies is not None:
    raise ValueError(
      'trust_cookies is True, so no cookie is a credential, but session_cookies names some '
      f'({short(policy.session_cookies)}). Set one of them only.'
    )


def _show(value: object) -> str:
  return f'{type(value).__name__} ({short(value)})'


_CHECKS: Dict[str, Any] = {
  'default_ttl': _check_optional_seconds,
  'stale_while_revalidate': check_seconds,
  'stale_if_error': check_seconds,
  'heuristic': check_bool,
  'methods': _Choices(_METHODS),
  'targeted': _check_targeted,
  'set_cookie': _Choice(_SET_COOKIE),
  'key_cookies': _check_cookie_names,
  'session_cookies': _check_session_cookies,
  'trust_cookies': check_bool,
  'request_control': _Choice(_REQUEST_CONTROL),
  'max_stale': check_bool,
  'query': _Choice(_QUERY),
  'no_vary_search': _check_text,
  'normalize': _Choices(_NORMALIZE),
  'vary_allow': _Choices(_VARY_ALLOW),
  'max_body': _check_size,
  'etag': _Choice(_ETAG),
  'coalesce': check_bool,
  'wait': check_seconds,
  'cache_status': _check_cache_status,
  'shared': check_bool,
  'store_timeout': _check_positive_seconds,
  'store_partial': check_bool,
  'forward_preconditions': check_bool,
  'trust_must_revalidate': check_bool,
}
