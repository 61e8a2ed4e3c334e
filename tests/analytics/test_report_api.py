"""GET /api/admin/analytics: whose usage who sees, in which form."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import Role
from analytics import recording
from chatcore import clock
from tests.analytics.test_recording import an_entry

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/admin/analytics"


def client_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def asked(user, query: str = "", status: int = 200):
    answer = client_of(user).get(f"{URL}{query}")
    assert answer.status_code == status, answer.content
    return json.loads(answer.content, parse_float=Decimal)


@pytest.fixture
def used(bob, carol):
    """An hour ago bob and carol used a model, and bob looked somebody up."""
    at = clock.now() - timedelta(hours=1)
    recording.write(an_entry(bob, created_at=at, cost_usd=Decimal("0.1"), duration_ms=900))
    recording.write(an_entry(carol, created_at=at, cost_usd=Decimal("0.2")))
    for endpoint, status in (("person_search", "success"), ("person_lookup", "error")):
        recording.write(
            an_entry(
                bob,
                provider="rocketreach",
                endpoint=endpoint,
                model="",
                status=status,
                created_at=at,
                is_paid_in_credits=True,
                cost_usd=None,
            )
        )


def test_an_administrator_sees_everything_in_the_form_of_the_seed(alice, bob, carol, used):
    found = asked(alice)

    assert found["period"] == "30d"
    assert found["summary"] == {
        "totalUsers": 3,
        "totalAICost": Decimal("0.3"),
        "totalAITokens": 30,
        "totalAICalls": 2,
        "totalRocketReachCalls": 2,
        "totalConversations": 0,
        "totalMessages": 0,
    }
    assert found["aiUsageByUser"] == [
        {
            "userId": str(user.pk),
            "user": user.name,
            "email": user.email,
            "hasLeft": False,
            "tokens": 15,
            "calls": 1,
            "cost": cost,
            "unpricedCalls": 0,
            "estimatedCalls": 0,
            "errors": 0,
        }
        for user, cost in ((carol, Decimal("0.2")), (bob, Decimal("0.1")))
    ]
    (row,) = found["rocketReachUsageByUser"]
    assert (row["total"], row["search"], row["lookup"], row["success"]) == (2, 1, 1, Decimal("0.5"))
    assert found["conversationStatsByUser"] == []


def test_chats_and_messages_are_counted_where_they_are_written(alice, bob):
    client = client_of(bob)
    messages = [{"id": f"m{number}", "role": "user", "content": "Hi"} for number in range(3)]
    for body in ({"id": "c1", "messages": messages}, {"id": "c2"}):
        made = client.post("/api/assistant/conversations", body, "application/json")
        assert made.status_code == 201, made.content
    client.delete("/api/assistant/conversations?id=c1&permanent=true")

    found = asked(alice)

    (row,) = found["conversationStatsByUser"]
    assert (row["user"], row["chats"], row["messages"], row["average"]) == ("Bob", 2, 3, 1.5)
    assert found["summary"]["totalConversations"] == 2


def test_a_manager_sees_their_own_organisation_and_no_other(dave, bob, carol, used):
    own = asked(dave)
    named = asked(dave, f"?orgId={dave.organization_id}")
    asked(dave, f"?orgId={carol.organization_id}", status=404)

    assert [row["user"] for row in own["aiUsageByUser"]] == ["Bob"]
    assert own["summary"]["totalAICost"] == Decimal("0.1")
    assert named["aiUsageByUser"] == own["aiUsageByUser"]
    assert [step["calls"] for step in own["series"] if step["calls"]] == [1]


def test_an_administrator_may_ask_for_one_organisation(alice, carol, used):
    found = asked(alice, f"?orgId={carol.organization_id}")

    assert [row["user"] for row in found["aiUsageByUser"]] == ["Carol"]
    assert found["summary"]["totalUsers"] == 1


def test_a_member_is_refused_and_a_stranger_is_not_known(bob):
    asked(bob, status=403)

    assert Client().get(URL).status_code == 401


def test_an_administrator_who_is_one_no_more_is_refused(alice, bob):
    client = client_of(alice)
    alice.role = Role.MEMBER
    alice.save()

    assert client.get(URL).status_code == 403


@pytest.mark.parametrize(
    ("query", "field", "fault"),
    [
        ("?period=1y", "period", "is one of 24h, 7d, 30d."),
        ("?orgId=acme", "orgId", "is the id of an organisation."),
        ("?tz=Mars/Base", "tz", "is the name of a time zone, such as Europe/Berlin."),
        ("?to=2026-11-01T00:00:00Z", "from", "is needed beside to."),
        (
            "?from=2026-11-01",
            "from",
            "is a time with its zone, such as 2026-11-01T00:00:00Z.",
        ),
        (
            "?from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z",
            "from",
            "has to be before to, and before now.",
        ),
        ("?tz=America", "tz", "is the name of a time zone, such as Europe/Berlin."),
        ("?from=2099-01-01T00:00:00Z", "from", "has to be before to, and before now."),
        ("?from=1971-01-01T00:00:00Z", "from", "may be at most 3,660 days before to."),
        ("?format=csv", "table", "is one of ai, rocketreach, conversations, models."),
        ("?format=csv&table=all", "table", "is one of ai, rocketreach, conversations, models."),
    ],
)
def test_a_wrong_question_is_told_what_there_is(alice, query, field, fault):
    assert asked(alice, query, status=400)["error"]["fields"] == {field: fault}


def test_a_window_of_ones_own_counts_to_the_second(alice, bob):
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    for seconds in (-1, 0, 59, 60):
        recording.write(an_entry(bob, created_at=noon + timedelta(seconds=seconds)))

    found = asked(alice, "?from=2026-11-01T12:00:00Z&to=2026-11-01T13:01:00%2B01:00")

    assert (found["period"], found["summary"]["totalAICalls"]) == ("custom", 2)


def test_a_table_is_given_as_csv_and_no_name_is_a_formula(alice, bob, used):
    bob.name = '=HYPERLINK("http://evil.example")'
    bob.save()

    answer = client_of(alice).get(f"{URL}?format=csv&table=ai&period=7d")

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="ai-')
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [(row["user"], row["cost"], row["has_left"]) for row in rows] == [
        ("Carol", "0.2", "no"),
        ('\'=HYPERLINK("http://evil.example")', "0.1", "no"),
    ]


@pytest.mark.parametrize("table", ["rocketreach", "conversations", "models"])
def test_every_table_has_a_header_and_its_rows(alice, used, table):
    answer = client_of(alice).get(f"{URL}?format=csv&table={table}")

    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert len(rows) == {"rocketreach": 1, "conversations": 0, "models": 3}[table]


def test_days_are_those_of_the_viewer(alice, bob):
    # Half past midnight in Kolkata is the evening before in UTC.
    at = datetime(2026, 11, 1, 19, 0, tzinfo=UTC)
    recording.write(an_entry(bob, created_at=at))
    window = "?from=2026-10-31T00:00:00Z&to=2026-11-05T00:00:00Z"

    utc = asked(alice, window)["series"]
    kolkata = asked(alice, f"{window}&tz=Asia/Kolkata")["series"]

    assert [step["from"] for step in utc if step["calls"]] == ["2026-11-01T00:00:00Z"]
    assert [step["from"] for step in kolkata if step["calls"]] == ["2026-11-02T00:00:00+05:30"]
