"""A team with two months of usage, put into the store of a server that runs."""

import random
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.server import PASSWORD, ROOT, Server

MEMBERS = 28
# Provider, name, and USD for a token.
MODELS = (
    ("anthropic", "claude-sonnet-5-5", Decimal("0.000009")),
    ("openai", "gpt-6.1-sol", Decimal("0.000006")),
    ("openai", "gpt-6-luna", Decimal("0.0000007")),
    ("groq", "llama-5-70b", None),
)


def add_team(server: Server, *, calls_each: int) -> None:
    """Of Acme 28 members, of whom one has left, and Dave, its manager; of Globex Carol, a member.

    Number n of them made `calls_each` calls and n more; Carol, and Bob of Acme, made one.
    """
    command = [
        *(sys.executable, "manage.py", "shell", "-c"),
        f"from tests.e2e.team import make_team; make_team({calls_each})",
    ]
    subprocess.run(command, cwd=ROOT, env=server.environment, check=True, capture_output=True)


def make_team(calls_each: int) -> None:
    """Inside the server's Django, beside Alice of Acme, who is there already."""
    from accounts.models import Organization, Role, User
    from chatcore import clock

    acme = Organization.objects.get(name="Acme")
    globex = Organization.objects.create(name="Globex")
    people = User.objects
    people.create_user(
        "dave@acme.example", PASSWORD, organization=acme, name="Dave", role=Role.MANAGER
    )
    bob = people.create_user("bob@acme.example", PASSWORD, organization=acme, name="Bob")
    carol = people.create_user("carol@globex.example", organization=globex, name="Carol")
    chance, now = random.Random(7), clock.now()
    for number in range(MEMBERS):
        place = f"{number + 1:02}"
        person = people.create_user(
            f"member-{place}@acme.example", organization=acme, name=f"Member {place}"
        )
        _use(person, calls_each + number, chance, now)
    people.filter(email="member-02@acme.example").update(is_active=False)
    for person in (bob, carol):
        _use(person, 1, chance, now)


def _use(person: Any, calls: int, chance: random.Random, now: datetime) -> None:
    """One of them in the last days, the others at any time of two months."""
    for number in range(calls):
        at = now - timedelta(minutes=chance.randint(5, 60 * 24 * (58 if number else 5)))
        # There are fewer at weekends.
        if number and at.weekday() >= 5 and chance.random() < 0.8:
            at -= timedelta(days=2)
        _call(person, at, chance)
        _write(person, at, chance)
        if chance.random() < 0.15:
            _look_up(person, at, chance)


def _call(person: Any, at: datetime, chance: random.Random) -> None:
    from analytics import recording
    from analytics.entries import TokenCounts, UsageEntry
    from chatcore.ids import new_id

    provider, model, price = chance.choices(MODELS, (5, 4, 3, 1))[0]
    tokens = TokenCounts(input=chance.randint(800, 60_000), output=chance.randint(50, 4_000))
    has_failed = chance.random() < 0.03
    recording.write(
        UsageEntry(
            id=new_id(),
            organization_id=person.organization_id,
            user_id=person.pk,
            provider=provider,
            model=model,
            endpoint="assistant_stream",
            status="error" if has_failed else "success",
            error="The provider is overloaded. Try again in a moment." if has_failed else "",
            created_at=at,
            tokens=tokens,
            cost_usd=None if price is None else tokens.total * price,
            duration_ms=chance.randint(900, 14_000),
            ttft_ms=chance.randint(180, 1_900),
        )
    )


def _look_up(person: Any, at: datetime, chance: random.Random) -> None:
    from analytics import recording
    from analytics.entries import UsageEntry
    from chatcore.ids import new_id

    is_search = chance.random() < 0.6
    recording.write(
        UsageEntry(
            id=new_id(),
            organization_id=person.organization_id,
            user_id=person.pk,
            provider="rocketreach",
            endpoint="person_search" if is_search else "person_lookup",
            status="error" if chance.random() < 0.1 else "success",
            created_at=at,
            duration_ms=chance.randint(200, 2_000),
            is_paid_in_credits=True,
            credits=0 if is_search else 1,
        )
    )


def _write(person: Any, at: datetime, chance: random.Random) -> None:
    from analytics import activity
    from chatcore.db import in_transaction

    in_transaction(
        lambda: activity.note(
            user_id=person.pk,
            organization_id=person.organization_id,
            chats=int(chance.random() < 0.3),
            messages=2,
            at=at,
        )
    )
