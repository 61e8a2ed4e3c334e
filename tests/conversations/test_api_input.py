"""What the API refuses: a 400 that names the field, and nothing written."""

import base64
import json
from uuid import UUID

import pytest

from conversations.models import Conversation, Message
from tests.conversations.api import PATH, Api, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(bob) -> Api:
    return Api(bob)


def cursor(moment: str) -> str:
    """A well-formed one that points there."""
    return base64.urlsafe_b64encode(json.dumps([moment, str(UUID(int=0))]).encode()).decode()


def deep(levels: int) -> dict:
    value: dict = {"type": "data"}
    for _ in range(levels):
        value = {"type": "data", "inner": value}
    return value


OPERATOR = {"$gt": ""}
BODIES = {
    "an unknown field": ({"id": "c1", "owner": "bob"}, "owner"),
    "an unknown field of a message": ({"id": "c1", "messages": [say("m1", x=1)]}, "messages[0].x"),
    "an unknown field of the metadata": ({"id": "c1", "metadata": {"$inc": 1}}, "metadata.$inc"),
    "no id": ({"title": "T"}, "id"),
    "an id of null": ({"id": None}, "id"),
    "an empty id": ({"id": ""}, "id"),
    "an id with a blank": ({"id": "a b"}, "id"),
    "an id with a line end": ({"id": "a\n"}, "id"),
    "an id in another script": ({"id": "ä"}, "id"),
    "an id too long": ({"id": "a" * 65}, "id"),
    "an operator for an id": ({"id": OPERATOR}, "id"),
    "a number for a title": ({"id": "c1", "title": 7}, "title"),
    "an operator for a title": ({"id": "c1", "title": OPERATOR}, "title"),
    "a title too long": ({"id": "c1", "title": "x" * 201}, "title"),
    "an object for the messages": ({"id": "c1", "messages": {}}, "messages"),
    "text for a message": ({"id": "c1", "messages": ["hi"]}, "messages[0]"),
    "a message without a role": ({"id": "c1", "messages": [{"id": "m1"}]}, "messages[0].role"),
    "an unknown role": ({"id": "c1", "messages": [say("m1", role="system")]}, "messages[0].role"),
    "an operator for content": (
        {"id": "c1", "messages": [{**say("m1"), "content": OPERATOR}]},
        "messages[0].content",
    ),
    "a message too long": (
        {"id": "c1", "messages": [say("m1", "x" * 200_001)]},
        "messages[0].content",
    ),
    "too many messages": ({"id": "c1", "messages": [say("m1")] * 5_001}, "messages"),
    "a message twice": ({"id": "c1", "messages": [say("m1"), say("m1")]}, "messages[1].id"),
    "a part that is text": (
        {"id": "c1", "messages": [say("m1", parts=["x"])]},
        "messages[0].parts[0]",
    ),
    "a part without a type": (
        {"id": "c1", "messages": [say("m1", parts=[{"text": "x"}])]},
        "messages[0].parts[0].type",
    ),
    "a part whose text is none": (
        {"id": "c1", "messages": [say("m1", parts=[{"type": "text", "text": 1}])]},
        "messages[0].parts[0].text",
    ),
    "a parent that is not there": (
        {"id": "c1", "messages": [say("m1", parentId="m0")]},
        "messages[0].parentId",
    ),
    "a parent that comes later": (
        {"id": "c1", "messages": [say("m1", parentId="m2"), say("m2")]},
        "messages[0].parentId",
    ),
    "a message that is its own parent": (
        {"id": "c1", "messages": [say("m1", parentId="m1")]},
        "messages[0].parentId",
    ),
    "a negative count": (
        {"id": "c1", "messages": [say("m1", tokenCount=-1)]},
        "messages[0].tokenCount",
    ),
    "a count that is true": (
        {"id": "c1", "messages": [say("m1", tokenCount=True)]},
        "messages[0].tokenCount",
    ),
    "a time without a zone": (
        {"id": "c1", "messages": [say("m1", createdAt="2024-01-01T00:00:00")]},
        "messages[0].createdAt",
    ),
    "a time before all time": (
        {"id": "c1", "messages": [say("m1", createdAt="0001-01-01T00:00:00+14:00")]},
        "messages[0].createdAt",
    ),
    "negative tokens": ({"id": "c1", "metadata": {"totalTokens": -1}}, "metadata.totalTokens"),
    "a cost that is text": ({"id": "c1", "metadata": {"totalCost": "1"}}, "metadata.totalCost"),
    "tools that are one": ({"id": "c1", "metadata": {"toolsUsed": "x"}}, "metadata.toolsUsed"),
    "too deep a nesting": (
        {"id": "c1", "messages": [say("m1", parts=[deep(40)])]},
        "messages[0].parts[0]" + ".inner" * 28,
    ),
    "too large a number": (
        {"id": "c1", "messages": [say("m1", parts=[{"type": "data", "n": 2**63}])]},
        "messages[0].parts[0].n",
    ),
    "more text in the parts than a message may have": (
        {"id": "c1", "messages": [say("m1", parts=[{"type": "text", "text": "x" * 150_000}] * 2)]},
        "messages[0].parts",
    ),
    "a message of too many bytes": (
        {"id": "c1", "messages": [say("m1", parts=[{"type": "data", "n": "x" * 600_000}])]},
        "messages[0]",
    ),
    "NUL": ({"id": "c1", "title": "a\0b"}, "title"),
    "NUL in a name": ({"id": "c1", "messages": [say("m1", error={"a\0": 1})]}, "messages[0].error"),
    "half of a pair": ({"id": "c1", "messages": [say("m1", "\ud800")]}, "messages[0].content"),
}


@pytest.mark.parametrize(("body", "field"), BODIES.values(), ids=BODIES)
def test_a_body_that_cannot_be_taken_names_the_field_and_writes_nothing(api, body, field):
    status, answer = api.post(body)

    assert (status, answer["error"]["code"]) == (400, "invalid")
    assert list(answer["error"]["fields"]) == [field]
    assert (Conversation.objects.count(), Message.objects.count()) == (0, 0)


@pytest.mark.parametrize("name", sorted(set(BODIES) - {"no id", "an unknown field"}))
def test_a_change_is_checked_as_well(api, name):
    body, field = BODIES[name]
    api.post({"id": "c1"})
    before = api.get(id="c1")

    status, answer = api.patch({"version": 1, **body})

    assert (status, list(answer["error"]["fields"])) == (400, [field])
    assert api.get(id="c1") == before


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{", b"[]", b'"x"', b"null", b"{'id': 'c1'}", b"\xff\xfe", b"[" * 100_000),
        *(b'{"id": "c1", "metadata": {"totalCost": NaN}}', b'{"id": "c1"} {}'),
        '{"id": "c1"}'.encode("utf-16"),
    ],
)
def test_a_body_that_is_no_object_is_refused(api, raw):
    for method in ("POST", "PATCH"):
        status, answer = api.send(method, raw)

        assert status == 400
        assert answer["error"]["code"] in ("malformed", "invalid")
    assert Conversation.objects.count() == 0


def test_a_number_beyond_all_bounds_is_refused(api):
    status, answer = api.send("POST", b'{"id": "c1", "metadata": {"totalCost": 1e999}}')

    assert (status, list(answer["error"]["fields"])) == (400, ["metadata.totalCost"])


def test_a_body_of_very_many_values_is_refused(api):
    status, answer = api.send("POST", b'{"id": "c1", "zz": [' + b"0," * 300_000 + b"0]}")

    assert (status, answer["error"]["code"]) == (400, "invalid")
    assert "200,000 values" in answer["error"]["message"]


def test_a_body_too_large_is_refused(api):
    status, answer = api.send("POST", b'{"id": "' + b"x" * (8 * 1024 * 1024) + b'"}')

    assert (status, answer["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"ID": "c1"}, "ID"),
        ({"id[$gt]": ""}, "id[$gt]"),
        ({"id": ""}, "id"),
        ({"id": '{"$gt": ""}'}, "id"),
        ({"id": ["a", "b"]}, "id"),
        ({"id": "c\0"}, "id"),
        ({"id": "c1", "q": "x"}, "q"),
        ({"id": "c1", "cursor": "x"}, "cursor"),
        ({"id": "c1", "before": "nowhere"}, "before"),
        ({"id": "c1", "limit": "501"}, "limit"),
        ({"before": "m1"}, "before"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"deleted": "perhaps"}, "deleted"),
        ({"q": ""}, "q"),
        ({"q": "x" * 201}, "q"),
        ({"q": "a\0"}, "q"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "WyJhIl0"}, "cursor"),
        ({"cursor": "W251bGwsbnVsbF0"}, "cursor"),
        ({"cursor": "ü"}, "cursor"),
        ({"cursor": cursor("0001-01-01T00:00:00+14:00")}, "cursor"),
        ({"cursor": cursor("9999-12-31T23:59:59-14:00")}, "cursor"),
        ({"cursor": cursor("2026-01-01T00:00:00")}, "cursor"),
        ({"format": "xml"}, None),
    ],
)
def test_a_query_that_makes_no_sense_names_the_parameter(api, query, field):
    api.post({"id": "c1"})

    status, answer = api.get(**query)

    assert status == (404 if field is None else 400)
    assert list(answer["error"].get("fields", {})) == ([field] if field else [])


def test_a_cursor_of_the_list_is_none_of_the_trash(api):
    for name in ("c1", "c2"):
        api.post({"id": name})
    _, first = api.get(limit=1)

    assert api.get(deleted="true", cursor=first["nextCursor"])[0] == 400


@pytest.mark.parametrize("query", [{}, {"id": ""}, {"id": "a b"}, {"id": "c1", "hard": "true"}])
def test_to_delete_takes_one_id_and_nothing_else(api, query):
    api.post({"id": "c1"})

    status, answer = api.delete(**query)

    assert (status, len(answer["error"]["fields"])) == (400, 1)
    assert api.get(id="c1")[0] == 200


def test_a_query_in_no_encoding_is_answered(api):
    response = api.client.get(f"{PATH}?q=%ff%fe%00")

    assert response.status_code == 400
    assert set(json.loads(response.content)) == {"error"}
