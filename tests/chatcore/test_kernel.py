"""Clock, ids and the portable transaction, on both stores."""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DatabaseError, IntegrityError, OperationalError, connection
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError
from pymongo.synchronous.client_session import ClientSession

from accounts.models import Organization
from chatcore import clock
from chatcore.db import atomic, in_transaction, store_is_away
from chatcore.ids import new_id


def test_a_moment_survives_the_store_unchanged(db):
    made = Organization.objects.create(name="Acme")

    assert Organization.objects.get().created_at == made.created_at
    assert clock.now().microsecond % 1000 == 0


def test_ids_are_of_version_7_and_sort_by_time(monkeypatch):
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_000_000_000)
    first = new_id()
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_001_000_000)
    second = new_id()

    assert (first.version, first.variant) == (7, uuid.RFC_4122)
    assert first.int >> 80 == 1_700_000_000_000
    assert str(first) < str(second)
    assert len({new_id() for _ in range(1000)}) == 1000


@pytest.mark.django_db(transaction=True)
def test_atomic_undoes_everything_on_an_error():
    with pytest.raises(ZeroDivisionError), atomic():
        Organization.objects.create(name="Acme")
        raise ZeroDivisionError

    assert Organization.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_atomic_inside_atomic_is_one_transaction():
    with pytest.raises(ZeroDivisionError), atomic():
        with atomic():
            Organization.objects.create(name="Acme")
        raise ZeroDivisionError

    assert Organization.objects.count() == 0


class Conflict(Exception):
    """As MongoDB labels the loser of two writers."""

    def has_error_label(self, label: str) -> bool:
        return label == "TransientTransactionError"


def conflict() -> DatabaseError:
    error = DatabaseError("WriteConflict")
    error.__cause__ = Conflict()
    return error


@pytest.mark.django_db(transaction=True)
def test_the_loser_of_two_writers_begins_again():
    tries = []

    def work() -> str:
        tries.append(1)
        Organization.objects.create(name=f"Acme {len(tries)}")
        if len(tries) < 3:
            raise conflict()
        return "done"

    assert in_transaction(work) == "done"
    assert [each.name for each in Organization.objects.all()] == ["Acme 3"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "mongodb", reason="SQLite has no server that can be away")
def test_a_commit_that_fails_is_a_database_error_and_ends_its_transaction(monkeypatch):
    def fail(_session):
        raise ServerSelectionTimeoutError("away")

    with monkeypatch.context() as patch:
        patch.setattr("pymongo.synchronous.client_session.ClientSession.commit_transaction", fail)
        with pytest.raises(DatabaseError, match="away"):
            in_transaction(lambda: Organization.objects.create(name="Acme"))

    in_transaction(lambda: Organization.objects.create(name="Globex"))
    assert [each.name for each in Organization.objects.all()] == ["Globex"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "mongodb", reason="SQLite has no server that can be away")
def test_a_commit_of_which_nothing_is_known_is_asked_for_again(monkeypatch):
    real = ClientSession.commit_transaction
    tries = []

    def fail_once(session) -> None:
        real(session)
        tries.append(1)
        if len(tries) == 1:
            raise PyMongoError("lost", error_labels=["UnknownTransactionCommitResult"])

    monkeypatch.setattr(ClientSession, "commit_transaction", fail_once)
    in_transaction(lambda: Organization.objects.create(name="Acme"))

    assert len(tries) == 2
    assert Organization.objects.count() == 1


@pytest.mark.parametrize(
    ("error", "is_away"),
    [
        (OperationalError("database is locked"), True),
        (IntegrityError("twice"), False),
        (DatabaseError("too large"), False),
        (ValueError(), False),
    ],
)
def test_a_store_that_is_away_is_told_from_one_that_refuses(error, is_away):
    assert store_is_away(error) is is_away


def test_a_mongodb_that_does_not_answer_is_away():
    error = DatabaseError("away")
    error.__cause__ = ServerSelectionTimeoutError("away")

    assert store_is_away(error)


@pytest.mark.django_db(transaction=True)
def test_other_errors_are_not_tried_again():
    tries = []

    def work() -> None:
        tries.append(1)
        raise DatabaseError("something else")

    with pytest.raises(DatabaseError, match="something else"):
        in_transaction(work)
    assert len(tries) == 1


def test_the_layers_hold():
    result = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout
