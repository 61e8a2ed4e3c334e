"""MongoDB that does not answer: everything else fails at once, until it does. On MongoDB only."""

from typing import Any, cast

import pytest
from django.db import DatabaseError, connection
from pymongo.errors import NetworkTimeout, OperationFailure, ServerSelectionTimeoutError

from accounts.models import Organization
from chatcore import db, writes
from chatcore.db import in_transaction, store_is_away
from tests.at_once import at_once

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "mongodb", reason="SQLite has no server to watch"),
]


@pytest.fixture
def breaker(monkeypatch):
    """As in a process that serves, where nothing has failed so far."""
    monkeypatch.setattr(type(cast(Any, connection)._connections["default"]), "is_serving", True)
    yield db.store_breaker
    db.store_breaker.answered()


def fail(error):
    """One operation that ends like this, for real but for the error."""
    from chatcore.mongodb.watch import watched

    with pytest.raises(type(error)), watched(connection.connection):
        raise error


def test_after_a_failure_nothing_is_asked_and_the_error_says_away(breaker):
    assert Organization.objects.count() == 0
    fail(ServerSelectionTimeoutError("away"))

    with pytest.raises(DatabaseError) as refused:
        Organization.objects.count()

    assert type(refused.value.__cause__).__name__ == "LeftAlone"
    assert store_is_away(refused.value)


def test_one_at_a_time_tries_again_and_then_all_go_on(breaker, caplog):
    Organization.objects.create(name="Acme")
    fail(ServerSelectionTimeoutError("away"))
    breaker._open_until = 0.0

    assert Organization.objects.count() == 1
    at_once(5, lambda _: Organization.objects.get())

    assert [record.message for record in caplog.records] == [
        "The store is away (ServerSelectionTimeoutError);"
        " requests get 503, running answers wait in memory.",
        "The store is back.",
    ]


def test_one_heavy_query_closes_the_store_for_nobody(breaker, caplog):
    Organization.objects.create(name="Acme")

    fail(NetworkTimeout("timed out"))

    assert Organization.objects.count() == 1
    assert [record.message for record in caplog.records] == [
        "MongoDB took more than 2.0 seconds for one operation."
    ]


def test_a_refusal_is_an_answer(breaker):
    Organization.objects.create(name="Acme")
    fail(OperationFailure("no such operator"))

    assert not breaker.has_failed


def test_a_transaction_that_meets_a_store_away_leaves_nothing_behind(breaker):
    Organization.objects.create(name="Acme")

    def work() -> None:
        Organization.objects.create(name="Globex")
        fail(ServerSelectionTimeoutError("away"))

    with pytest.raises(DatabaseError):
        in_transaction(work)
    breaker.answered()

    in_transaction(lambda: Organization.objects.create(name="Initech"))
    assert sorted(each.name for each in Organization.objects.all()) == ["Acme", "Initech"]


def test_a_write_may_be_the_first_thing_that_a_thread_asks(breaker):
    organization = Organization.objects.create(name="Acme")

    def rename(_number: int) -> None:
        writes.update(Organization, {"id": organization.pk}, values={"name": "Globex"})

    at_once(1, rename)

    assert Organization.objects.get().name == "Globex"
