"""Imports that run: one after the other, whoever waits, and nothing left of their files."""

import asyncio
import json
from io import BytesIO

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import cache

from chatcore import clock
from chatcore.errors import ApiError, Conflict
from conversations.importing import api, running
from conversations.models import Conversation
from tests.conversations.chatgpt import as_zip, simple

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 20


def file_of(*chats) -> BytesIO:
    return BytesIO(as_zip({"conversations.json": list(chats)}))


def begin(user, *files):
    return running.begin(user, files, clock.now())


@pytest.fixture
def turn():
    """Held by another import, as it seems. Released, imports go on."""
    running._turn.acquire()
    yield running._turn
    if running._turn.locked():
        running._turn.release()


def test_the_files_are_closed_when_it_has_ended(bob):
    files = [file_of(simple("Cats")), BytesIO(json.dumps([simple("Dogs")]).encode())]

    report = begin(bob, *files).result(PATIENCE)

    assert report.imported == 2
    assert [each.closed for each in files] == [True, True]


def test_the_files_are_closed_when_they_are_refused(bob):
    files = [file_of(simple("Cats")), BytesIO(b"hello")]

    with pytest.raises(ApiError):
        begin(bob, *files)

    assert [each.closed for each in files] == [True, True]
    assert cache.get(running.lock_key(bob.pk)) is None


def test_a_person_has_one_import_at_a_time_and_others_have_theirs(bob, carol, turn):
    first = begin(bob, file_of(simple()))
    refused = file_of(simple())

    with pytest.raises(Conflict):
        begin(bob, refused)

    others = begin(carol, file_of(simple()))
    assert refused.closed
    assert not first.done()
    assert not others.done()
    turn.release()
    assert first.result(PATIENCE).imported == others.result(PATIENCE).imported == 1
    assert begin(bob, file_of(simple())).result(PATIENCE).already_there == 1


def test_no_more_than_so_many_wait(bob, carol, turn, monkeypatch):
    monkeypatch.setattr(running, "_waiting", running.threading.BoundedSemaphore(1))
    first = begin(bob, file_of(simple()))

    with pytest.raises(ApiError) as caught:
        begin(carol, file_of(simple()))

    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "60"})
    assert cache.get(running.lock_key(carol.pk)) is None
    turn.release()
    first.result(PATIENCE)
    assert begin(carol, file_of(simple())).result(PATIENCE).imported == 1


def test_whoever_waits_for_long_gets_signs_of_life(bob, turn, monkeypatch):
    monkeypatch.setattr(running, "SIGN_OF_LIFE_SECONDS", 0.01)
    future = begin(bob, file_of(simple()))

    async def read() -> list[bytes]:
        pieces = []
        async for piece in api._report(future):
            pieces.append(piece)
            if len(pieces) == 2:
                turn.release()
        return pieces

    pieces = async_to_sync(read)()

    assert pieces[:2] == [b"\n", b"\n"]
    assert json.loads(b"".join(pieces))["imported"] == 1


def test_an_import_goes_on_when_whoever_asked_has_left(bob, turn, monkeypatch):
    monkeypatch.setattr(running, "SIGN_OF_LIFE_SECONDS", 0.01)
    future = begin(bob, file_of(simple()))

    async def leave() -> None:
        reader = asyncio.ensure_future(anext(aiter(api._report(future))))
        await reader

    async_to_sync(leave)()
    turn.release()

    assert future.result(PATIENCE).imported == 1
    assert Conversation.objects.count() == 1


def test_an_import_that_takes_long_keeps_its_lock(monkeypatch):
    heart = running._Heart("key")

    heart.beat()
    is_too_early = cache.get("key") is None
    monkeypatch.setattr(heart, "_next", 0)
    heart.beat()

    assert is_too_early
    assert cache.get("key") == 1
