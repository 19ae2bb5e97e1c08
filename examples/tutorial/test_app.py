# SPDX-License-Identifier: MIT
import database
import pytest
from app import app
from cachette import Cachette
from fastapi.testclient import TestClient


@pytest.fixture
def client(isolated_cache, monkeypatch, tmp_path):
  monkeypatch.setattr(database, 'PATH', str(tmp_path / 'users.db'))
  with TestClient(app) as client:
    yield client


def test_the_second_request_is_a_hit(client):
  assert client.get('/users').json() == []
  assert client.get('/users').json() == []
  assert Cachette.stats().hits == 1


def test_a_new_user_is_listed_at_once(client):
  assert client.get('/users').json() == []
  assert client.get('/users/1').status_code == 404
  client.post('/users', json={'name': 'Ada'})
  assert client.get('/users').json() == [{'id': 1, 'name': 'Ada'}]
  assert client.get('/users/1').json() == {'id': 1, 'name': 'Ada'}


def test_a_renamed_user_has_the_new_name_at_once(client):
  client.post('/users', json={'name': 'Ada'})
  assert client.get('/users/1').json()['name'] == 'Ada'
  client.put('/users/1', json={'name': 'Augusta'})
  assert client.get('/users/1').json()['name'] == 'Augusta'
  assert client.get('/users').json() == [{'id': 1, 'name': 'Augusta'}]


def test_the_list_expires_after_a_minute(client, isolated_cache):
  assert client.get('/users').json() == []
  database.insert_user('Ada')  # bypasses the application, so nothing is invalidated
  assert client.get('/users').json() == []
  isolated_cache.clock.advance(60)
  assert client.get('/users').json() == [{'id': 1, 'name': 'Ada'}]


def test_the_application_works_without_a_cache(client, isolated_cache):
  with isolated_cache.off():
    client.post('/users', json={'name': 'Ada'})
    assert client.get('/users').json() == [{'id': 1, 'name': 'Ada'}]
