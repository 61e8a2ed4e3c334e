"""What is cached of conversations is never older than the last write that was answered."""

import threading

import pytest
from django.core.cache import caches

from accounts.models import User
from assistant import saving, turns
from assistant.events import Usage
from assistant.models import GenerationStatus
from chatcore import cache, clock
from conversations import pages
from conversations.cache import CHAT_SECONDS, LIST_SECONDS, chat_key, list_key
from conversations.models import Conversation
from tests.assistant.calls import called
from tests.at_once import at_once
from tests.conversations.api import Api, say

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api(bob) -> Api:
    """c1 with one message, and both of its cached values filled."""
    api = Api(bob)
    api.post({"id": "c1", "title": "T", "messages": [say("m1")]})
    api.get()
    api.get(id="c1")
    return api


def summary(api: Api) -> dict:
    """c1 as the list shows it."""
    return next(each for each in api.get()[1]["conversations"] if each["id"] == "c1")


def test_the_keys_and_lifetimes_are_those_of_the_documentation(bob):
    assert chat_key(bob.pk, "c1") == f"conversation:{bob.pk}:c1"
    assert list_key(bob.pk) == f"conversations:{bob.pk}"
    assert (CHAT_SECONDS, LIST_SECONDS) == (300, 60)


def test_a_second_read_is_a_hit_and_asks_nothing_of_the_messages(api, monkeypatch):
    before = cache.use()
    monkeypatch.setattr(pages, "chats", None)
    monkeypatch.setattr(pages, "conversation", None)

    first, second = api.get(), api.get(id="c1")

    assert (first[0], second[0]) == (200, 200)
    after = cache.use()
    for kind in ("list", "conversation"):
        assert after[kind]["hits"] - before[kind]["hits"] == 1
        assert after[kind]["misses"] == before[kind]["misses"]


WRITES = {
    "post": lambda api: api.post({"id": "c2"}),
    "patch": lambda api: api.patch({"id": "c1", "title": "U"}),
    "delete": lambda api: api.delete(id="c1"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_every_write_of_the_api_is_in_the_next_read(api, write):
    before = (api.get(), api.get(id="c1"))

    assert write(api)[0] in (200, 201)

    cached = (api.get(), api.get(id="c1"))
    caches["documents"].clear()
    assert cached == (api.get(), api.get(id="c1"))
    assert cached != before


def test_what_is_restored_is_in_the_next_list(api):
    api.delete(id="c1")
    assert api.ids() == []

    api.restore("c1")

    assert api.ids() == ["c1"]


def test_a_question_and_its_answer_are_in_the_next_read(api, bob):
    question = turns.Question("r1", "c1", "m2", "m1", "And now?")

    turn = turns.begin(bob, question, None, owner="here", now=clock.now())
    assert [each["id"] for each in api.get(id="c1")[1]["messages"]] == ["m1", "m2"]
    assert summary(api)["messageCount"] == 2

    progress = saving.Progress(turn.generation.pk, 1, "This.", "")
    saving.finish(
        progress,
        GenerationStatus.DONE,
        error=None,
        calls=called(turn, "This.", "done", Usage(input_tokens=5, output_tokens=2)),
        now=clock.now(),
    )
    read = api.get(id="c1")[1]
    assert read["messages"][-1]["content"] == "This."
    assert read["metadata"]["totalTokens"] == 7
    assert summary(api)["messageCount"] == 3
    assert summary(api)["version"] == read["version"]


def test_an_answer_that_was_given_up_too_early_replaces_what_is_cached(api, bob):
    question = turns.Question("r1", "c1", "m2", "m1", "And now?")
    turn = turns.begin(bob, question, None, owner="here", now=clock.now())
    for text, status in (("Th", GenerationStatus.INTERRUPTED), ("This.", GenerationStatus.DONE)):
        progress = saving.Progress(turn.generation.pk, 1, text, "")
        saving.finish(progress, status, error=None, now=clock.now())

        assert api.get(id="c1")[1]["messages"][-1]["content"] == text


def test_a_person_who_is_saved_late_does_not_bring_the_old_list_back(api, bob):
    stale = User.objects.get(pk=bob.pk)
    api.post({"id": "c2"})
    assert api.ids() == ["c2", "c1"]

    stale.name = "Robert"
    stale.save()
    api.delete(id="c2")

    assert api.ids() == ["c1"]
    assert User.objects.get(pk=bob.pk).name == "Robert"


def test_readers_and_writers_at_once_never_see_less_than_what_was_answered(bob):
    """Each writer reads its own write; a list is whole at each moment."""
    apis = [Api(bob) for _ in range(6)]
    missing = []

    def work(number: int) -> None:
        for step in range(4):
            name = f"c{number}-{step}"
            apis[number].post({"id": name})
            if name not in apis[number].ids():
                missing.append(name)

    at_once(6, work)

    assert missing == []
    assert Conversation.objects.count() == 24


@pytest.mark.parametrize(("query", "reader"), [({}, "chats"), ({"id": "c1"}, "conversation")])
def test_many_readers_of_a_cold_key_make_one_query(api, bob, monkeypatch, query, reader):
    apis = [Api(bob) for _ in range(12)]
    original, calls = getattr(pages, reader), []
    everybody_waits = threading.Event()

    def counted(*args, **kwargs):
        calls.append(reader)
        # Long enough for the others to come to the lock.
        everybody_waits.wait(0.3)
        return original(*args, **kwargs)

    monkeypatch.setattr(pages, reader, counted)
    caches["documents"].clear()
    answers = []

    at_once(12, lambda n: answers.append(apis[n].get(**query)))

    assert calls == [reader]
    assert answers == [answers[0]] * 12
    assert answers[0][0] == 200


def test_a_value_that_is_made_while_somebody_writes_does_not_outlive_the_write(
    api, bob, monkeypatch
):
    original = pages.conversation

    def slow(*args, **kwargs):
        read = original(*args, **kwargs)
        # After the messages were read, before they are cached.
        monkeypatch.setattr(pages, "conversation", original)
        Api(bob).patch({"id": "c1", "messages": [say("m1"), say("m2")]})
        return read

    monkeypatch.setattr(pages, "conversation", slow)
    caches["documents"].clear()

    api.get(id="c1")

    assert [each["id"] for each in api.get(id="c1")[1]["messages"]] == ["m1", "m2"]


@pytest.mark.parametrize("garbage", ["text", 7, [1], {"a": 1}, [1, 2], [1, b"x"]])
def test_a_cached_value_of_another_shape_is_not_there(api, bob, garbage):
    expected = api.get()
    caches["documents"].set(list_key(bob.pk), garbage, 60)

    assert api.get() == expected


def test_a_very_large_page_is_not_kept(api, bob):
    long = "x" * 180_000
    api.post({"id": "c2", "messages": [say("m1", long), say("m2", long)]})

    sizes = []
    for _ in range(2):
        before = cache.use()["conversation"]["misses"]
        api.get(id="c2")
        sizes.append(cache.use()["conversation"]["misses"] - before)

    assert sizes == [1, 1]
    assert caches["documents"].get(chat_key(bob.pk, "c2")) is None


def test_nobody_on_the_way_may_keep_what_is_a_persons_own(api):
    for query in ({}, {"id": "c1"}, {"id": "nowhere"}):
        api.get(**query)

        assert api.last.headers["Cache-Control"] == "private, no-cache"
        assert "Cookie" in api.last.headers["Vary"]
