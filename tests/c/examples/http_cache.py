#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the example http_cache, an origin and a cache in front of it, and checks its answers.

http_cache.py PROGRAM
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time

DIGITS = b'0123456789' * 100


class Server:
  """The program as a server; a context manager."""

  def __init__(self, *arguments):
    words = [sys.argv[1], *(str(each) for each in arguments)]
    self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    self.port = int(self.process.stdout.readline().rsplit(':', 1)[1])

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.process.send_signal(signal.SIGTERM)
    self.process.wait(10)
    self.process.stdout.close()

  def ask(self, path, method='GET', **fields):
    """Returns the status, the fields, of which Cache-Status is `cache`, and the body."""
    connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=10)
    try:
      connection.request(method, path, headers={k.replace('_', '-'): v for k, v in fields.items()})
      response = connection.getresponse()
      return response.status, response.headers, response.read()
    finally:
      connection.close()

  def send(self, data):
    """Sends bytes that need not be a request. Returns the bytes of the answer."""
    with socket.create_connection(('127.0.0.1', self.port), timeout=10) as connection:
      connection.sendall(data)
      return b''.join(iter(lambda: connection.recv(4096), b''))


def cache_status(fields):
  """The parameters of our member of Cache-Status."""
  name, *parameters = fields['Cache-Status'].split(';')
  assert name == 'cachette', fields['Cache-Status']
  return dict(each.partition('=')[::2] for each in parameters)


def wait_for(condition):
  """Asks until the answer is the right one, for at most 20 s, and returns it."""
  deadline = time.monotonic() + 20
  while not (answer := condition()):
    assert time.monotonic() < deadline, 'the right answer did not come'
    time.sleep(0.05)
  return answer


def check_miss_and_hit(cache, origin):
  status, fields, body = cache.ask('/file')
  assert (status, body) == (200, DIGITS)
  assert cache_status(fields)['fwd'] == 'uri-miss' and 'stored' in cache_status(fields)
  assert 'Age' not in fields
  status, fields, body = cache.ask('/file')
  assert (status, body) == (200, DIGITS)
  assert 'hit' in cache_status(fields) and 0 <= int(fields['Age']) <= 60
  assert 0 < int(cache_status(fields)['ttl']) <= 60
  status, fields, body = cache.ask('/file', 'HEAD')
  assert (status, fields['Content-Length'], body) == (200, '1000', b'')
  assert 'hit' in cache_status(fields)


def check_conditions(cache, origin):
  status, fields, body = cache.ask('/file', If_None_Match='"other", W/"digits"')
  assert (status, body, fields['ETag']) == (304, b'', '"digits"')
  assert 'hit' in cache_status(fields)
  assert cache.ask('/file', If_None_Match='"digitt"')[0] == 200
  assert cache.ask('/file', If_Match='"digitt"')[0] == 412


def check_ranges(cache, origin):
  status, fields, body = cache.ask('/file', Range='bytes=5-12')
  assert (status, body) == (206, DIGITS[5:13])
  assert (fields['Content-Range'], fields['Content-Length']) == ('bytes 5-12/1000', '8')
  assert cache.ask('/file', Range='bytes=-3')[2] == b'789'
  assert cache.ask('/file', Range='bytes=5-12', If_Range='"digits"')[0] == 206
  assert cache.ask('/file', Range='bytes=5-12', If_Range='"other"')[2] == DIGITS
  status, fields, _ = cache.ask('/file', Range='bytes=1000-')
  assert (status, fields['Content-Range']) == (416, 'bytes */1000')


def check_only_if_cached(cache, origin):
  assert cache.ask('/file', Cache_Control='only-if-cached')[0] == 200
  status, fields, _ = cache.ask('/file?absent', Cache_Control='only-if-cached')
  assert status == 504 and 'hit' not in cache_status(fields)


def check_post(cache, origin):
  assert cache.ask('/file', 'POST')[0] == 204
  _, fields, body = cache.ask('/file')
  assert cache_status(fields)['fwd'] == 'uri-miss' and body == DIGITS


def check_refusals(cache, origin):
  first, second = (cache.ask('/private') for _ in range(2))
  assert first[2] != second[2] and cache_status(second[1])['detail'] == 'private'
  assert [cache.ask('/absent')[0] for _ in range(2)] == [404, 404]
  assert cache_status(cache.ask('/absent')[1])['fwd'] == 'uri-miss'
  # As a shared cache, it answers a request with credentials only with what is public.
  assert cache_status(cache.ask('/file', Authorization='Basic YTpi')[1])['detail'] == 'credentials'


def check_variants(cache, origin):
  assert cache.ask('/greeting', Accept_Language='fr')[2] == b'bonjour\n'
  assert cache.ask('/greeting', Accept_Language='en')[2] == b'hello\n'
  for language, text in [('fr', b'bonjour\n'), ('en', b'hello\n')]:
    _, fields, body = cache.ask('/greeting', Accept_Language=language)
    assert body == text and 'hit' in cache_status(fields)


def check_refresh(cache, origin):
  """A stale answer has a negative TTL. The refresh after it is a 304, so the next one is fresh."""

  def ask():
    return cache_status(cache.ask('/greeting', Accept_Language='fr')[1])

  wait_for(lambda: int(ask()['ttl']) < 0)
  wait_for(lambda: int(ask()['ttl']) >= 0)


def check_malformed(cache, origin):
  host = b'Host: localhost\r\n'
  for data in [
    b'GET\r\n\r\n',
    b'GET /file\r\n' + host + b'\r\n',
    b'GET file HTTP/1.1\r\n' + host + b'\r\n',
    b'GET /file HTTP/1.1\r\n\r\n',
    b'GET /file HTTP/1.1\r\n' + host + host + b'\r\n',
    b'GET /file HTTP/1.1\r\n' + host + b'Name : value\r\n\r\n',
    b'GET /file HTTP/1.1\r\n' + host + b'Name: a\rb\r\n\r\n',
    b'GET /file HTTP/1.1\r\n' + host + b'Name: a\nb: c\r\n\r\n',
    b'GET /file HTTP/1.1\r\n' + host + b'Name: a\0b\r\n\r\n',
    b'GET /file HTTP/1.1\r\n' + host + b'Name: a\r\n b\r\n\r\n',
    b'POST /file HTTP/1.1\r\n' + host + b'Content-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    b'POST /file HTTP/1.1\r\n' + host + b'Content-Length: +1\r\n\r\na',
    b'POST /file HTTP/1.1\r\n' + host + b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    b'GET /file HTTP/1.1\r\n' + host + b'a: b\r\n' * 100 + b'\r\n',
  ]:
    assert cache.send(data).startswith(b'HTTP/1.1 400 '), data
  assert cache.send(b'GET /' + b'a' * (16384 - 5)).startswith(b'HTTP/1.1 431 ')
  large = b'POST /file HTTP/1.1\r\n' + host + b'Content-Length: 2000000\r\n\r\n'
  assert cache.send(large).startswith(b'HTTP/1.1 413 ')


def check_origin_down(cache, origin):
  """Stale, because stale-if-error allows it; where nothing is stored, an error."""
  _, _, body = cache.ask('/time')
  origin.__exit__()

  def ask():
    status, fields, again = cache.ask('/time')
    assert (status, again) == (200, body)
    return cache_status(fields).get('fwd') == 'stale' and fields

  fields = wait_for(ask)
  assert int(fields['Age']) >= 1
  assert cache.ask('/time?absent')[0] == 502
  assert cache.ask('/time', 'POST')[0] == 502
  with Server('origin', origin.port, 1) as again:
    assert again.port == origin.port
    _, fields, body = cache.ask('/time')
    assert b'request 1\n' in body and cache_status(fields)['fwd'] == 'stale'


def main():
  os.environ['TZ'] = 'UTC'
  with Server('origin', 0, 1) as origin, Server('cache', 0, origin.port) as cache:
    for check in [
      check_miss_and_hit,
      check_conditions,
      check_ranges,
      check_only_if_cached,
      check_post,
      check_refusals,
      check_variants,
      check_refresh,
      check_malformed,
      check_origin_down,
    ]:
      check(cache, origin)
      print(f'{check.__name__}: ok', flush=True)
    assert cache.process.poll() is None


main()
