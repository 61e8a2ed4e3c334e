"""GET /api/assistant/usage: what one answer has used."""

from decimal import Decimal

import pytest

from analytics import recording
from analytics.entries import TokenCounts
from tests.analytics.test_recording import an_entry
from tests.assistant.test_chat_page import begin, finish

ADDRESS = "/api/assistant/usage?conversationId=c1&messageId="

pytestmark = pytest.mark.django_db


@pytest.fixture
def answer(bob):
    """An answer of bob's in two calls, of which the second one failed and was asked again."""
    turn = begin(bob)
    for step, cost in ((1, "0.0001"), (2, "0"), (3, "0.0002")):
        entry = an_entry(
            bob,
            id=recording.call_id(turn.generation.pk, step),
            tokens=TokenCounts(input=10, cache_read=5, output=3, reasoning=2)
            if step != 2
            else TokenCounts(),
            cost_usd=Decimal(cost),
        )
        recording.write(entry)
    finish(turn)
    return turn.generation


def test_all_calls_of_an_answer_are_added_up(client, bob, answer):
    client.force_login(bob)

    response = client.get(ADDRESS + answer.answer_id)

    assert response.json() == {
        "inputTokens": 20,
        "cacheReadTokens": 10,
        "cacheWriteTokens": 0,
        "outputTokens": 6,
        "reasoningTokens": 4,
        "totalTokens": 36,
        "isEstimated": False,
        "costUsd": 0.0003,
    }
    assert response["Cache-Control"].startswith("max-age=0, no-cache, no-store")


def test_nobody_else_is_told(client, alice, carol, answer):
    assert client.get(ADDRESS + answer.answer_id).status_code == 401
    for other in (alice, carol):
        client.force_login(other)
        assert client.get(ADDRESS + answer.answer_id).status_code == 404


@pytest.mark.parametrize("which", ["", "no such id"])
def test_what_is_no_id_is_refused(client, bob, answer, which):
    client.force_login(bob)

    response = client.get(ADDRESS + which)

    assert response.status_code == 400
    assert list(response.json()["error"]["fields"]) == ["messageId"]


def test_an_answer_that_is_not_there_is_not_found(client, bob, answer):
    client.force_login(bob)

    assert client.get(ADDRESS + "another").status_code == 404
