"""The probes, on both stores."""

import time

import pytest
from django.db import OperationalError
from django.test import Client

from chatcore import db, health
from chatcore.breaker import Breaker
from chatcore.cache import use


@pytest.fixture(autouse=True)
def breaker(monkeypatch) -> Breaker:
    fresh = Breaker("The store", "requests get 503", seconds=1.0, logger=db.store_breaker.logger)
    monkeypatch.setattr(db, "store_breaker", fresh)
    return fresh


@pytest.fixture
def away(monkeypatch) -> None:
    def fail() -> None:
        raise OperationalError("mongodb://root:hunter2@db") from TimeoutError("hunter2")

    monkeypatch.setattr(health, "ask_store", fail)


def test_healthz_says_that_the_process_is_up_and_touches_nothing(client):
    # Without the `db` fixture a query would fail the test.
    response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db(transaction=True)
def test_readyz_says_that_the_store_answers_and_where_the_cache_is(client):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "store": "ok",
        "cache": "in-process",
        "cacheUse": use(),
    }
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_by_address_is_neither_refused_nor_redirected(path, client, away, settings):
    settings.SECURE_SSL_REDIRECT = True

    response = client.get(path, headers={"host": "10.0.0.7:8000"})

    assert response.status_code == (200 if path == "/healthz" else 503)
    assert "sessionid" not in response.cookies


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_is_only_asked(path, away):
    client = Client(enforce_csrf_checks=True)

    assert client.head(path).content == b""
    assert client.post(path).status_code == 405
    assert client.post(path)["Allow"] == "GET, HEAD"


def test_readyz_names_the_class_of_the_error_and_nothing_else(client, away):
    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable",
        "store": "TimeoutError",
        "cache": "in-process",
        "cacheUse": use(),
    }
    assert int(response["Retry-After"]) > 0
    assert "hunter2" not in str(response.headers)


def test_readyz_does_not_wait_for_a_store_that_hangs(client, monkeypatch):
    monkeypatch.setattr(health, "STORE_SECONDS", 0.05)
    monkeypatch.setattr(health, "ask_store", lambda: time.sleep(0.5))

    responses = [client.get("/readyz") for _ in range(2)]

    assert [response.status_code for response in responses] == [503, 503]
    assert responses[0].json()["store"] == "TimeoutError"


@pytest.mark.django_db(transaction=True)
def test_a_store_that_answers_a_probe_is_back(client, breaker, caplog):
    breaker.failed(OperationalError())

    client.get("/readyz")

    assert not breaker.has_failed
    assert [record.message for record in caplog.records] == [
        "The store is away (OperationalError); requests get 503.",
        "The store is back.",
    ]
