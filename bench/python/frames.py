# SPDX-License-Identifier: MIT
"""Times the codecs of data frames, in memory, in seconds per call; see worker.py.

A case is `CODEC FRAME STEP`: `put` and `fetch` are the calls. `write` is the time in which pandas
writes the frame, as a put did before it also read the frame back.
"""

import asyncio
import io

import numpy
import pandas
from cachette import Cachette
from worker import serve, time_chunks

random = numpy.random.default_rng(1)


def mixed(rows: int) -> pandas.DataFrame:
  numbers = {'a': range(rows), 'b': random.random(rows), 'c': [True, False] * (rows // 2)}
  return pandas.DataFrame({**numbers, 'd': [f'user {row % 1000}' for row in range(rows)]})


FRAMES = {
  'small': mixed(10),
  'mixed': mixed(100_000),
  'numbers': pandas.DataFrame(random.random((100_000, 10))).add_prefix('n'),
  'wide': pandas.DataFrame(random.random((10, 500))).add_prefix('n'),
}


def write(codec: str, frame: pandas.DataFrame) -> None:
  if codec == 'csv':
    frame.to_csv().encode()
  elif codec == 'feather':
    frame.to_feather(io.BytesIO())
  else:
    frame.to_parquet(io.BytesIO(), engine='pyarrow')


def measure(case: str) -> float:
  codec, name, step = case.split()
  frame = FRAMES[name]

  class Frames(Cachette):
    pass

  Frames.load_config(lambda: {'codec': codec, 'memory_limit': '256M'})
  Frames.sync.put('key', frame)

  async def chunk() -> None:
    if step == 'write':
      write(codec, frame)
    elif step == 'put':
      Frames.sync.put('key', frame)
    else:
      Frames.sync.fetch('key')

  return asyncio.run(time_chunks(chunk))


serve(measure)
