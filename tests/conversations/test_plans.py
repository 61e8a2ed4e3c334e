"""Each hot query of the API is served by its index, and reads no more rows than it gives."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chatcore import clock
from conversations.models import Conversation, Message
from tests.conversations.api import Api

pytestmark = pytest.mark.django_db(transaction=True)

CHATS, MESSAGES, LIMIT = 300, 120, 10


@pytest.fixture
def api(bob, alice) -> Api:
    """Three people's chats side by side, a third of them in the trash."""
    now = clock.now()
    for user in (bob, alice):
        Conversation.objects.bulk_create(
            Conversation(
                client_id=f"c{n}",
                user=user,
                organization=user.organization,
                updated_at=now - timedelta(minutes=n),
                deleted_at=None if n % 3 else now - timedelta(hours=n),
            )
            for n in range(CHATS)
        )
    chat = Conversation.objects.get(user=bob, client_id="c1")
    Message.objects.bulk_create(
        Message(conversation=chat, client_id=f"m{n}", seq=n, role="user") for n in range(MESSAGES)
    )
    return Api(bob)


def next_page(api: Api, **query) -> dict:
    """The query of the page that follows."""
    return {**query, "cursor": api.get(**query)[1]["nextCursor"]}


REQUESTS = {
    "the list": (lambda _api: {"limit": LIMIT}, "conversations_user_list"),
    "a later page": (lambda api: next_page(api, limit=LIMIT), "conversations_user_list"),
    "the trash": (lambda _api: {"deleted": "true", "limit": LIMIT}, "conversations_user_list"),
    "a later page of the trash": (
        lambda api: next_page(api, deleted="true", limit=LIMIT),
        "conversations_user_list",
    ),
    "a chat": (lambda _api: {"id": "c1", "limit": LIMIT}, "messages_conversation_seq"),
    "its earlier messages": (
        lambda _api: {"id": "c1", "before": "m60", "limit": LIMIT},
        "messages_conversation_seq",
    ),
}


# Session and person are two of them; a chat is looked up for its version and then as a whole.
READS = {"a chat": 5, "its earlier messages": 6}


@pytest.mark.parametrize(
    ("query", "index", "reads"),
    [(*REQUESTS[name], READS.get(name, 3)) for name in REQUESTS],
    ids=REQUESTS,
)
def test_a_page_reads_by_its_index_no_more_than_it_gives(api, query, index, reads):
    request = query(api)
    plans = plans_on_mongodb if connection.vendor == "mongodb" else plans_on_sqlite

    seen = plans(lambda: api.get(**request))

    assert len(seen) == reads, seen
    assert any(index in plan for plan in seen), seen
    assert [
        plan for plan in seen if re.search("COLLSCAN|^SCAN |; SCAN |TEMP B-TREE|SORT", plan)
    ] == []


def plans_on_sqlite(work) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        work()
    plans = []
    for query in captured:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plans.append("; ".join(row[-1] for row in cursor.fetchall()))
    return plans


def plans_on_mongodb(work) -> list[str]:
    """What the server itself noted of each read, with the rows that it looked at."""
    database: Any = connection.database  # type: ignore[attr-defined]
    database.command("profile", 2)
    try:
        work()
    finally:
        database.command("profile", 0)
    noted = list(database["system.profile"].find({"op": {"$in": ["query", "command"]}}))
    database["system.profile"].drop()
    reads = [each for each in noted if "planSummary" in each]
    # One to know whether there is more, and the first one behind the key.
    assert [each for each in reads if each["docsExamined"] > LIMIT + 2] == []
    indexes = {
        "userId: 1, deletedAt: 1, updatedAt: -1, _id: -1": "conversations_user_list",
        "conversationId: 1, seq: 1": "messages_conversation_seq",
    }
    return [
        " ".join(
            [
                each["planSummary"],
                *(name for keys, name in indexes.items() if keys in each["planSummary"]),
                *(["SORT"] if each.get("hasSortStage") else []),
            ]
        )
        for each in reads
    ]
