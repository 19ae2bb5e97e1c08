# SPDX-License-Identifier: MIT
"""A stream of Litestar with the HTTP cache. It goes on until the server says that the client is
gone."""

from cachette.http import CacheMiddleware
from http_served import FRESH, parts
from litestar import Litestar, get
from litestar.response import Stream


@get('/stream')
async def stream() -> Stream:
  return Stream(parts(0.01), headers=FRESH)


app = CacheMiddleware(Litestar([stream]))
