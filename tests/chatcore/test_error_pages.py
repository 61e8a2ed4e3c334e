"""What is answered when something goes wrong: a page to people, one shape of JSON under /api/."""

import logging
import sqlite3

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, OperationalError
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from chatcore import db, urls
from chatcore.breaker import Breaker
from chatcore.db import store_is_away
from chatcore.error_pages import RefuseSocketsWhileStoreIsAway
from chatcore.errors import TooManyRequests

AWAY = OperationalError("mongodb://root:hunter2@db")
LIMITED = TooManyRequests("Too many requests.", headers={"Retry-After": "7"})
ERRORS = {
    "away": AWAY,
    "broken": ZeroDivisionError(),
    "forbidden": PermissionDenied(),
    "limited": LIMITED,
}


@csrf_exempt
def fail(request, kind):
    raise ERRORS[kind]


def change_session(request):
    request.session["changed"] = True
    return HttpResponse("ok")


urlpatterns = [
    path("api/fail/<kind>", fail),
    path("fail/<kind>", fail),
    path("api/change", change_session),
    path("change", change_session),
    *urls.urlpatterns,
]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(autouse=True)
def breaker(monkeypatch) -> Breaker:
    fresh = Breaker("The store", "requests get 503", seconds=1.0, logger=db.store_breaker.logger)
    monkeypatch.setattr(db, "store_breaker", fresh)
    return fresh


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


def error_of(response) -> tuple[int, str]:
    assert response["Content-Type"] == "application/json"
    assert list(response.json()) == ["error"]
    assert set(response.json()["error"]) == {"code", "message"}
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("away", (503, "store_away")),
        ("broken", (500, "internal")),
        ("forbidden", (403, "forbidden")),
    ],
)
def test_under_api_every_failure_has_the_one_shape(kind, expected, client):
    assert error_of(client.get(f"/api/fail/{kind}")) == expected


def test_what_is_not_there_is_json_under_api_and_a_page_elsewhere(client):
    page = client.get("/nothing")

    assert error_of(client.get("/api/nothing")) == (404, "not_found")
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_a_form_without_its_token_is_json_under_api_and_a_page_elsewhere(client):
    page = client.post("/change")

    assert error_of(client.post("/api/change")) == (403, "csrf_failed")
    assert (page.status_code, "This form has expired" in page.text) == (403, True)


def test_a_host_of_another_name_is_json_under_api_and_a_page_elsewhere(client):
    page = client.get("/login", headers={"host": "evil.example"})

    assert error_of(client.get("/api/x", headers={"host": "evil.example"})) == (400, "bad_request")
    assert (page.status_code, page["Content-Type"]) == (400, "text/html; charset=utf-8")


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "base64", "nonsense", "ä", ""])
@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_a_body_in_another_charset_is_refused(charset, kind, client):
    content_type = f"{kind}; boundary=x; charset={charset}"

    response = client.generic("POST", "/api/fail/broken", b"a=1", content_type=content_type)

    assert error_of(response) == (400, "bad_request")


def test_a_store_that_is_away_gets_a_page_that_says_so(client):
    response = client.get("/fail/away")

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Nothing was lost" in response.text
    assert "hunter2" not in response.text


@pytest.mark.django_db
@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize("is_new", [True, False])
def test_a_session_that_cannot_be_saved_is_no_fault_of_the_caller(
    prefix, is_new, client, bob, monkeypatch
):
    def fail(*args, **kwargs):
        raise AWAY

    if not is_new:
        client.force_login(bob)
    # Django makes a bad request of it if the session was there before.
    monkeypatch.setattr("django.contrib.sessions.models.Session.save", fail)

    response = client.get(f"{prefix}/change")

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert prefix != "/api" or error_of(response) == (503, "store_away")


@pytest.mark.django_db
def test_a_session_that_is_gone_is_still_a_bad_request(client, bob, monkeypatch):
    client.force_login(bob)
    monkeypatch.setattr(SessionStore, "save", gone)

    assert error_of(client.get("/api/change")) == (400, "bad_request")


def gone(*args, **kwargs):
    from django.contrib.sessions.backends.base import UpdateError

    raise UpdateError


def test_the_log_has_one_line_and_no_traceback_when_the_store_goes(client, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            client.get("/fail/away")
            client.get("/api/fail/away")

    assert [record.message for record in caplog.records] == [
        "The store is away (OperationalError); requests get 503."
    ]


@pytest.mark.django_db
def test_an_error_of_ours_is_logged_with_its_traceback(client, caplog):
    client.get("/fail/broken")

    assert "ZeroDivisionError" in caplog.text


def test_sql_that_is_wrong_is_no_store_that_is_away():
    connection = sqlite3.connect(":memory:")
    try:
        with pytest.raises(sqlite3.OperationalError) as wrong:
            connection.execute("SELECT * FROM nothing")
    finally:
        connection.close()
    error = OperationalError("no such table")
    error.__cause__ = wrong.value

    assert not store_is_away(error)


async def test_a_socket_is_refused_while_the_store_is_away():
    assert await sent_when_it_ends_with(AWAY) == [{"type": "websocket.close", "code": 1013}]


async def test_a_socket_that_fails_otherwise_is_a_fault_of_ours():
    with pytest.raises(DatabaseError, match="refused"):
        await sent_when_it_ends_with(DatabaseError("refused"))


async def sent_when_it_ends_with(error):
    sent = []

    async def application(_scope, _receive, _send):
        raise error

    async def send(message):
        sent.append(message)

    await RefuseSocketsWhileStoreIsAway(application)({}, None, send)
    return sent


def test_an_error_of_the_api_is_answered_as_such_by_any_view(client):
    response = client.get("/api/fail/limited")

    assert response.status_code == 429
    assert response["Retry-After"] == "7"
    assert error_of(response)[1] == "rate_limited"
