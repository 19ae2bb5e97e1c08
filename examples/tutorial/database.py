# SPDX-License-Identifier: MIT
import sqlite3
from contextlib import closing
from typing import Any, Dict, List, Optional

from pydantic import BaseModel

PATH = 'users.db'


class User(BaseModel):
  id: int
  name: str


def run(statement: str, *values: object) -> List[Dict[str, Any]]:
  with closing(sqlite3.connect(PATH)) as connection, connection:
    connection.row_factory = sqlite3.Row
    connection.set_trace_callback(print)  # prints each statement
    return [dict(row) for row in connection.execute(statement, values)]


def create_table() -> None:
  columns = 'id INTEGER PRIMARY KEY, name TEXT NOT NULL'
  run(f'CREATE TABLE IF NOT EXISTS users ({columns})')


def select_users() -> List[User]:
  return [User(**row) for row in run('SELECT * FROM users ORDER BY id')]


def select_user(user_id: int) -> Optional[User]:
  rows = run('SELECT * FROM users WHERE id = ?', user_id)
  return User(**rows[0]) if rows else None


def insert_user(name: str) -> User:
  rows = run('INSERT INTO users (name) VALUES (?) RETURNING *', name)
  return User(**rows[0])


def rename_user(user_id: int, name: str) -> Optional[User]:
  statement = 'UPDATE users SET name = ? WHERE id = ? RETURNING *'
  rows = run(statement, name, user_id)
  return User(**rows[0]) if rows else None
