# SPDX-License-Identifier: MIT
import asyncio
from contextlib import asynccontextmanager
from typing import AsyncGenerator, List, Optional

import database
from database import User
from fastapi import Body, FastAPI, HTTPException


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
  database.create_table()
  yield


app = FastAPI(lifespan=lifespan)


async def find_users() -> List[User]:
  return await asyncio.to_thread(database.select_users)


async def find_user(user_id: int) -> Optional[User]:
  return await asyncio.to_thread(database.select_user, user_id)


def or_404(user: Optional[User]) -> User:
  if user is None:
    raise HTTPException(404, 'There is no such user.')
  return user


@app.get('/users')
async def get_users() -> List[User]:
  return await find_users()


@app.get('/users/{user_id}')
async def get_user(user_id: int) -> User:
  return or_404(await find_user(user_id))


@app.post('/users', status_code=201)
async def create_user(name: str = Body(embed=True)) -> User:
  return await asyncio.to_thread(database.insert_user, name)


@app.put('/users/{user_id}')
async def rename_user(user_id: int, name: str = Body(embed=True)) -> User:
  return or_404(await asyncio.to_thread(database.rename_user, user_id, name))
