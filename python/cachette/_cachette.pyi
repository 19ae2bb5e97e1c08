# SPDX-License-Identifier: MIT
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, MutableMapping
from contextvars import ContextVar
from typing import (
  Any,
  Dict,
  FrozenSet,
  List,
  NamedTuple,
  Optional,
  Sequence,
  Tuple,
  TypeVar,
  Union,
  final,
)

from ._times import Time

_T = TypeVar('_T')
_Ttl = Optional[Time]
_Bytes = bytes
_Buffer = Union[bytes, bytearray, memoryview]
_Headers = Iterable[Sequence[bytes]]
_Declaration = TypeVar('_Declaration', bound=Callable[..., Any])

__version__: str

def check_ttl(ttl: _Ttl, /) -> None:
  """Raises the error that a put with this TTL would raise."""

def has_odd_key(value: object, /) -> bool:
  """Returns whether a dict in the value has a key that is not a str.

  Searches dicts, lists and tuples.
  """

@final
class Config:
  """A checked configuration."""

  link: Any
  """What cachette.http keeps with the configuration, or None."""

  def stop_clock(self) -> None:
    """Stops the clock of times to live; advance() moves it.

    Call it before the cache is first used.
    """
  def advance(self, ms: int, /) -> None:
    """Moves the stopped clock forward by milliseconds."""
  def get(self, name: str, /) -> Optional[str]:
    """Returns the text of an option that is not secret, or None."""
  def warning(self) -> Optional[str]:
    """Returns a warning about options that are valid but probably a mistake, or None."""
  def like(self, backend: str, /) -> Config:
    """Returns a copy with another backend, which must not need options.

    An in-memory store starts empty.
    """
  def stopped_ms(self) -> Optional[int]:
    """Returns the time of the stopped clock in milliseconds, or None."""
  def raw(self, codec: str, fetch_timeout_ms: int, is_signed: bool, /) -> Config:
    """Returns a copy that shares the store and whose values are bytes.

    Fetches have a time limit of their own.
    """
  def is_signed(self) -> bool:
    """Returns whether values are signed."""
  def lease(self, key: str, /) -> Lease:
    """Returns a lease: the right to store a value that is computed for a key from now on."""
  def encode(self, key: str, value: Any, /) -> Union[bytes, str]:
    """Encodes a value for store(): bytes, or a str if the codec stores text. Raises CodecError."""
  def decode(self, key: str, data: Union[bytes, str], returns: Any, /) -> Any:
    """Decodes a result of encode(), as a fetch would. Raises CodecError."""
  def check_miss(self) -> None:
    """Raises OnlyIfCached if the request must not lead to a computation."""
  @property
  def obeys(self) -> bool:
    """Whether calls obey the Cache-Control of the request."""
  @property
  def textual(self) -> bool:
    """Whether the codec stores text and numbers, but no Python types."""

@final
class Lease:
  """The right to store a value that is computed for a key."""

  @property
  def open(self) -> bool:
    """Whether there was no write since the lease was taken."""
  @property
  def storing(self) -> bool:
    """Whether its put is pending."""
  @property
  def overtaken(self) -> bool:
    """Whether a write did not wait for its put."""
  @property
  def thread(self) -> int:
    """The id of the thread that puts."""
  @property
  def config(self) -> Config:
    """The configuration of the lease."""
  def overtake(self) -> bool:
    """Marks that a write does not wait for the put. Returns False if no put is pending."""

@final
class Control:
  """What the Cache-Control of a request asks of the calls that answer it."""

  @property
  def no_cache(self) -> bool:
    """Whether every entry is a miss."""
  @property
  def no_store(self) -> bool:
    """Whether nothing is stored."""
  @property
  def only_if_cached(self) -> bool:
    """Whether a miss is an error."""
  @property
  def max_age(self) -> Optional[int]:
    """The highest age of an entry in seconds, or None."""
  @property
  def min_fresh(self) -> Optional[int]:
    """The seconds that an entry must have left, or None."""
  @property
  def missed(self) -> bool:
    """Whether a call raised OnlyIfCached."""
  def end(self) -> None:
    """Ends the request: calls no longer obey it."""

current_control: ContextVar[Optional[Control]]

def http_control(headers: Iterable[Sequence[bytes]], /) -> Optional[Control]:
  """Returns a Control of the headers of an ASGI request, or None if they ask for nothing."""

class Cache:
  """The base class of `Cachette`. It makes instances without arguments."""

  def __await__(self: _T) -> Generator[Any, Any, _T]: ...

class Sync:
  """The base class of `Cachette.sync`."""

  _owner: type
  def __new__(cls: type[_T], owner: type, /) -> _T: ...

def call(declaration: _Declaration, /) -> _Declaration:
  """Returns the call that has the name of a coroutine function and behaves like it."""

def blocking_call(declaration: _Declaration, /) -> _Declaration:
  """Returns the blocking call that has the name of a function and behaves like it."""

def load(
  pairs: Sequence[Tuple[str, Any]], lenient: bool, codec: Optional[str], /
) -> Tuple[Config, List[Tuple[str, str]]]:
  """Returns a Config of (name, value) pairs, and a list of (name, message), one for each error."""

def fetch_as(
  cls: type, key: str, default: Any, returns: Any, ttl: _Ttl, /
) -> Coroutine[Any, Any, Any]:
  """Returns an awaitable for a fetch whose value is converted to a type, and was put with a TTL."""

def fetch_as_now(cls: type, key: str, default: Any, returns: Any, ttl: _Ttl, /) -> Any:
  """The blocking form of fetch_as()."""

def store(
  cls: type, lease: Lease, data: Union[bytes, str], ttl: _Ttl, /
) -> Coroutine[Any, Any, None]:
  """Returns an awaitable that puts data of Config.encode(), unless a write has ended the lease."""

def store_now(cls: type, lease: Lease, data: Union[bytes, str], ttl: _Ttl, /) -> None:
  """The blocking form of store()."""

def any_obeys() -> bool:
  """Returns whether a configuration has the option request_control."""

def forked() -> None:
  """Tells the module that this process is the child of a fork."""

def configure(cls: type, config: Optional[Config], /) -> None:
  """Sets the configuration of a class. None removes it, so the class inherits one."""

def running_loop() -> AbstractEventLoop:
  """Returns the running event loop. Raises RuntimeError if there is none."""

def close(cls: type, /) -> None:
  """Closes the connection of a class in the running event loop, if there is one."""

def stats(cls: type, /) -> Dict[str, Any]:
  """Returns the statistics of a class as a dict."""

def options() -> List[Dict[str, Any]]:
  """Returns the table of options, a dict for each option, in the order of the manual."""

# HTTP caching: the functions of cachette/http.h, which tells what all of this means. Times are
# milliseconds since 1970, durations milliseconds.

HTTP_PASS: int
HTTP_MISS: int
HTTP_VARIANT: int
HTTP_HIT: int
HTTP_STALE: int
HTTP_REVALIDATE: int
HTTP_ERROR: int
HTTP_STORE: int
HTTP_FRESHEN: int
HTTP_REFETCH: int

HTTP_UNSHARED_SECONDS: int
"""How long it is remembered that requests of a key cannot share a response."""

@final
class HttpPolicy:
  """What the HTTP cache may do: the members of struct cachette_http_policy. It cannot be changed.

  Raises ValueError with the message of the library.
  """

  def __new__(
    cls,
    *,
    sharing: int = 0,
    set_cookie: int = 0,
    query: int = 0,
    request_control: int = 0,
    normalize: int = 0,
    vary_allow: int = 0,
    default_ttl_ms: int = 0,
    stale_while_revalidate_ms: int = 0,
    stale_if_error_ms: int = 0,
    max_body: int = 0,
    heuristic: bool = False,
    max_stale: bool = False,
    cache_post: bool = False,
    forward_preconditions: bool = False,
    store_partial: bool = False,
    trust_cookies: bool = False,
    trust_must_revalidate: bool = False,
    targeted: Iterable[str] = (),
    key_cookies: Iterable[str] = (),
    session_cookies: Iterable[str] = (),
    no_vary_search: str = '',
    name: str = '',
  ) -> HttpPolicy: ...

@final
class HttpSend:
  """The `send` of the application for a request that is passed on."""

  def __init__(
    self,
    shared: Any,
    send: Callable[[Any], Awaitable[None]],
    exchange: Optional[HttpExchange] = None,
    added: Optional[List[Tuple[bytes, bytes]]] = None,
    trial: Any = None,
    lane: Optional[HttpLane] = None,
  ) -> None:
    """Makes a `send`.

    exchange: that of the request; None: the response cannot make anything invalid.
    added: the fields to add; None: the exchange knows them.
    trial: takes over if the response can be stored; None: it is not stored in any case.
    lane: remembers, if there is a trial, that the response could not be stored.
    """
  def __call__(self, message: Any) -> Awaitable[None]:
    """Takes a message of the application."""

@final
class HttpPassed:
  """The `send` of the application for a request that passes at once, and the box of its route.

  HttpLane.begin() makes it.
  """

  plan: Any
  """The plan that counts, or None."""
  @property
  def scope(self) -> Any:
    """That of the request."""
  def use(self, plan: Any, values: Any, /) -> None:
    """Takes what the route wants; see Box.use()."""
  def __call__(self, message: Any) -> Awaitable[None]:
    """Takes a message of the application."""

class HttpExchange:
  """One request on its way through the HTTP cache.

  It begins with the scope of an HTTP request; for QUERY, and for POST if the policy caches
  it, also with the body. It keeps what it is handed until it is deleted. A method that does
  not fit the action raises RuntimeError.
  """

  def __init__(
    self, policy: HttpPolicy, scope: MutableMapping[str, Any], body: Optional[bytes] = None
  ) -> None:
    """Begins with the scope of an HTTP request, which must be a dict.

    The body is needed for QUERY, and for POST if the policy caches it.
    """
  @property
  def action(self) -> int:
    """What to do next: one of HTTP_PASS, HTTP_MISS..."""
  @property
  def forwarded(self) -> str:
    """Why the application is asked: a token, or ''."""
  @property
  def not_stored(self) -> str:
    """Why the response is not stored: a token, or ''; see http_reason()."""
  @property
  def key(self) -> str:
    """The key to fetch or store."""
  @property
  def index_key(self) -> str:
    """The key of index()."""
  @property
  def status(self) -> int:
    """The status of an answer from the record, or of HTTP_ERROR."""
  @property
  def send_body(self) -> bool:
    """Whether the answer has a body."""
  @property
  def body_first(self) -> int:
    """Where the answer's body begins in that of the record."""
  @property
  def body_size(self) -> int:
    """The bytes of the answer's body."""
  @property
  def age_ms(self) -> int:
    """The age of the record."""
  @property
  def ttl_ms(self) -> int:
    """What is left of the record's lifetime; negative: it is stale."""
  @property
  def coalesce(self) -> bool:
    """Whether requests of this key may wait for one response."""
  @property
  def refresh(self) -> bool:
    """HTTP_STALE: whether to fetch the record anew in the background."""
  @property
  def usable_if_error(self) -> bool:
    """Whether fail() will answer from the record."""
  @property
  def keep_ms(self) -> int:
    """How long the record is worth keeping."""
  @property
  def store_index(self) -> bool:
    """Whether to store index() under index_key, too."""
  @property
  def invalidates(self) -> bool:
    """Whether the response made others invalid; see invalidated()."""
  def decide(self, record: Optional[bytes], now_ms: Optional[int] = None) -> int:
    """Decides what to do with what the store has for `key`, and returns the action.

    You may call it again with another record until the application has answered.
    """
  def answer(
    self,
    status: Optional[int] = None,
    headers: Optional[_Headers] = None,
    collapsed: bool = False,
  ) -> List[Tuple[bytes, bytes]]:
    """Returns the headers of the answer: to a response of the application, or from the record.

    `collapsed` tells that the request waited for another's response.
    """
  def forward(self) -> List[Tuple[bytes, bytes]]:
    """Returns the headers to ask the application with."""
  def receive(
    self,
    status: int,
    headers: _Headers,
    body_size: Optional[int],
    requested_ms: int,
    control: Optional[bytes] = b'',
    now_ms: Optional[int] = None,
  ) -> int:
    """Takes the application's response, and returns the action.

    `body_size` is None or -1 if it is not known. `control` has directives of Cache-Control
    that count instead of those of the headers, and are not sent.
    """
  def fail(self, now_ms: Optional[int] = None) -> int:
    """Takes it that the application failed, and returns the action."""
  def record(
    self, body: Iterable[_Buffer], tags: Optional[Iterable[_Buffer]] = (), epoch: int = 0
  ) -> bytes:
    """Returns the head of the record to store. The body belongs behind it.

    Raises ValueError if the body is not complete or too large; `not_stored` has the reason.
    """
  def index(self) -> bytes:
    """Returns the index record to store under index_key."""
  def invalidated(self) -> List[Tuple[Optional[str], bytes]]:
    """Returns what the response made invalid: pairs of a key, or None, and a tag."""
  def combine(self, stored_body: bytes, part: bytes, /) -> Optional[bytes]:
    """Returns the stored part and a partial response as one body, or None."""
  @property
  def is_awaitable(self) -> bool:
    """Whether a lane has begun it, and its record is still to come."""
  def __await__(
    self,
  ) -> Generator[Any, Any, Union[Tuple[Dict[str, Any], Dict[str, Any]], bytes, None]]: ...
  def __next__(self) -> Any: ...
  def send(self, value: None, /) -> Any:
    """Advances the fetch, like a coroutine."""
  def throw(self, type: Any, value: Any = None, traceback: Any = None, /) -> Any:
    """Cancels the fetch and raises an exception."""
  def close(self) -> None:
    """Cancels the fetch."""
  def body(self, record: bytes, /) -> Optional[bytes]:
    """Returns the answer's body from that of a record. None: the record has not all of it."""

class HttpCounters:
  """What the lane counts."""

  hits: int
  """Answers from the store."""
  misses: int
  """Runs of the application."""
  bytes: int
  """Bytes of their bodies."""

class HttpEpochs:
  """What the lane needs to know of purges."""

  newest: int
  """The highest number by which a record may be purged."""
  _checked: float
  """When the last successful look at the counter began."""

@final
class HttpLane:
  """The lane on which hits pass the middleware.

  Without `box`, the class Box, nothing is remembered.
  """

  def __init__(
    self,
    policy: HttpPolicy,
    cls: type,
    methods: FrozenSet[str],
    mark: str,
    unshared: Dict[str, float],
    counters: HttpCounters,
    cache_status: bool,
    box: Optional[type] = None,
    bodies: Optional[FrozenSet[str]] = None,
    /,
  ) -> None:
    """Makes a lane. Without `box`, the class Box, nothing is remembered."""
  def begin(
    self,
    scope: MutableMapping[str, Any],
    send: Optional[Callable[[Any], Awaitable[None]]] = None,
    shared: Any = None,
    /,
  ) -> Union[Tuple[Dict[str, Any], Dict[str, Any]], HttpPassed, HttpSend, HttpExchange, None]:
    """Returns both messages of a hit in a tuple, if the store answers at once; None if the scope is
    not for the lane, or if the class has another configuration; an HttpPassed if the last response
    to such a request could not be stored; an HttpSend if the policy leaves the method out; else an
    exchange. If it `is_awaitable`, await it: the result is both messages, or the record that was
    decided on, or None.
    """
  def forget(self, key: str, /) -> None:
    """Forgets that responses of an index key could not be stored."""
  def link(
    self,
    config: Config,
    records: type,
    epochs: HttpEpochs,
    memo: Optional[Dict[str, Tuple[float, _Bytes]]],
    clock: Callable[[], float],
    /,
  ) -> None:
    """Sets the store that belongs to a configuration of the class. `memo` is None if the store is
    local.
    """

class HttpRecord(NamedTuple):
  """What http_describe() tells of a record."""

  head_size: int
  status: int
  requested_ms: int
  received_ms: int
  lifetime_ms: int
  body_size: int
  epoch: int
  body_checksum: int
  is_index: bool

def http_describe(record: bytes, /) -> Optional[HttpRecord]:
  """Returns an HttpRecord, or None if the bytes are no record."""

def http_tags(record: bytes, /) -> List[bytes]:
  """Returns the tags of a record."""

def http_matches(record: bytes, parts: Iterable[_Buffer], /) -> bool:
  """Returns whether a body is the one that was stored with a record."""

def http_uri_key(policy: HttpPolicy, uri: str, /) -> str:
  """Returns the key of an absolute URI for GET."""

def http_reason(token: str, /) -> str:
  """Returns the sentence of a reason that HttpExchange.not_stored names."""
