"""Budgets: how many US dollars a person, and an organisation, may spend in a calendar month (UTC).

There is none unless an administrator sets one. Before each call of a provider the cost that it is
likely to have is held back from both budgets; it is let go of when the answer has ended, behind the
ledger's row of the true one. So calls that run at the same time cannot together pass a budget. One
that comes out dearer than was held back passes it by that difference, and the next one is refused.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from django.db import models
from django.db.models import Sum

from accounts.models import Organization, User
from analytics import prices
from analytics.entries import TokenCounts, tokens_in
from analytics.models import Reservation, SpendingMonth, month_of
from chatcore import rows, writes
from chatcore.money import usd

Of = Literal["you", "organisation"]

# Of a limit: from here on the person is warned.
WARNED_SHARE = Decimal("0.8")
# A page and a half of text. Most answers are shorter, and to hold back what a model may write at
# most would refuse the last dollars of nearly every budget.
ASSUMED_OUTPUT_TOKENS = 1_000
# Of those that ended by themselves. Each turn takes some along, so that none waits for all.
MOST_EXPIRED = 50
# Of this process, by organisation.
_lines = [threading.Lock() for _ in range(64)]


class BudgetExceeded(Exception):
    """The budget of the person, or `of` their organisation, does not allow this. Says so to them.

    `is_used_up` is False where something is left, but less than this is likely to cost together
    with what is running. It begins anew at `resets_at`.
    """

    def __init__(
        self, of: Of, *, limit_usd: Decimal, resets_at: datetime, is_used_up: bool
    ) -> None:
        self.of, self.resets_at, self.is_used_up = of, resets_at, is_used_up
        # What an organisation may spend is not for each of its people to know.
        budget = (
            f"your monthly budget of {_in_dollars(limit_usd)}"
            if of == "you"
            else "your organisation's monthly budget"
        )
        fault = f"{budget} is used up" if is_used_up else f"Too little is left of {budget} for this"
        day = f"{resets_at.day} {resets_at:%B %Y}"
        super().__init__(f"{fault[0].upper()}{fault[1:]}. It begins anew on {day}.")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The budgets that hold for a person, in USD a month; None is no budget."""

    user_usd: Decimal | None = None
    organization_usd: Decimal | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Where a budget stands. `reserved_usd` is held back for calls that run at this moment."""

    of: Of
    limit_usd: Decimal
    spent_usd: Decimal
    reserved_usd: Decimal
    resets_at: datetime

    @property
    def share(self) -> Decimal:
        """What is spent of the limit: 1 is all of it. A limit of nothing is used up."""
        return self.spent_usd / self.limit_usd if self.limit_usd else Decimal(1)

    @property
    def is_warned(self) -> bool:
        return self.share >= WARNED_SHARE

    @property
    def is_exhausted(self) -> bool:
        return self.spent_usd >= self.limit_usd


def limits_of(user_id: UUID, organization_id: UUID) -> Limits:
    """The budgets as they are now. A socket's person may have been read hours ago."""
    return Limits(
        user_usd=_limit(User, user_id), organization_usd=_limit(Organization, organization_id)
    )


def budget_of(user: User, now: datetime) -> Budget | None:
    """The one of the person's and the organisation's budgets of which less is left; None without.

    `user` is as just read. Of equal ones it is the person's own.
    """
    organization_usd = _limit(Organization, user.organization_id)
    limits = Limits(user_usd=user.monthly_budget_usd, organization_usd=organization_usd)
    subjects = _subjects(user.pk, user.organization_id, limits)
    if not subjects:
        return None
    months = SpendingMonth.objects.of([each.id for each in subjects], now)
    spent = {month.subject_id: month.spent_usd for month in months}
    budgets = [
        Budget(
            of=each.of,
            limit_usd=each.limit_usd,
            spent_usd=spent.get(each.id, Decimal(0)),
            reserved_usd=each.reserved(now),
            resets_at=next_month(now),
        )
        for each in subjects
    ]
    return max(budgets, key=lambda budget: budget.share)


@contextmanager
def in_line(organization_id: UUID, limits: Limits) -> Iterator[None]:
    """Around a transaction that reserves, so that this process has one of them at a time for each
    organisation. Where nobody has a budget, nobody waits.

    They all write the row of the organisation's month. MongoDB ends all but one of those that do it
    at the same moment, and of two dozen some would begin again more often than `in_transaction`
    does. Those of other processes still meet; `reserve` is right with and without the line.
    """
    if limits == NO_LIMITS:
        yield
    else:
        with _lines[hash(organization_id) % len(_lines)]:
            yield


def reserve(
    *,
    key: UUID,
    user_id: UUID,
    organization_id: UUID,
    amount_usd: Decimal,
    limits: Limits,
    now: datetime,
    lifetime: timedelta,
) -> None:
    """Hold `amount_usd` back from the budgets under `key`, for `lifetime` at most.

    In place of what was held under the same key. Call it inside a transaction, which has to end
    with what this raises: BudgetExceeded if it is more than is left. Where nobody knows what a call
    will cost the amount is 0, which is refused only when a budget is used up. Without a budget
    nothing is asked of the store.
    """
    subjects = _subjects(user_id, organization_id, limits)
    if not subjects:
        return
    amount = usd(amount_usd)
    # All of them are written before any is read: of two transactions that are made of the same sums
    # MongoDB lets one begin again, if both write.
    spent = [_open(each, now) for each in subjects]
    for each, spent_usd in zip(subjects, spent, strict=True):
        _check(each, spent_usd, each.reserved(now, but=key), amount, now)
    _hold(key, user_id, organization_id, amount, now + lifetime)
    # Everybody of an organisation is one of its people.
    _forget_expired(subjects[-1], now)


def release(key: UUID) -> None:
    """Let go of what is held under `key`: its calls are in the ledger, or were not made."""
    Reservation.objects.filter(pk=key).delete()


def estimate_of(
    provider: str, model: str, prompt_characters: int, now: datetime, api_url: str = ""
) -> Decimal:
    """What a call with a prompt of so many characters is likely to cost in USD; 0 if unpriced."""
    tokens = TokenCounts(input=tokens_in(prompt_characters), output=ASSUMED_OUTPUT_TOKENS)
    price = prices.price_of(provider, model, tokens, now, api_url=api_url)
    return price.cost_usd or Decimal(0)


def next_month(now: datetime) -> datetime:
    """The first moment of the next calendar month in UTC."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    # 32 days from the first of any month is a day of the next one.
    return (first + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True)
class _Subject:
    """A person or an organisation with a budget. `field` names it in a reservation."""

    of: Of
    field: Literal["user_id", "organization_id"]
    id: UUID
    limit_usd: Decimal

    def reserved(self, now: datetime, *, but: UUID | None = None) -> Decimal:
        """USD that are held back at this moment, not counting what is held under `but`."""
        live = Reservation.objects.filter(**{self.field: self.id}, expires_at__gt=now)
        if but is not None:
            live = live.exclude(pk=but)
        return live.aggregate(usd=Sum("amount_usd"))["usd"] or Decimal(0)


def _subjects(user_id: UUID, organization_id: UUID, limits: Limits) -> list[_Subject]:
    """Whose budgets hold, the person first."""
    subjects = []
    if limits.user_usd is not None:
        subjects.append(_Subject("you", "user_id", user_id, limits.user_usd))
    if limits.organization_usd is not None:
        subjects.append(
            _Subject("organisation", "organization_id", organization_id, limits.organization_usd)
        )
    return subjects


def _limit(model: type[models.Model], key: UUID) -> Decimal | None:
    found = rows.read(model, ["monthly_budget_usd"], equal={"id": key}, limit=1)
    return found[0]["monthly_budget_usd"] if found else None


def _open(subject: _Subject, now: datetime) -> Decimal:
    """USD that are spent of this month's budget. Writes the row of the month."""
    key = SpendingMonth.key(subject.id, now)
    month = writes.update(
        SpendingMonth, {"id": key}, add={"reservations": 1}, returning=["spent_usd"]
    )
    if month is not None:
        return Decimal(month["spent_usd"])
    writes.insert(SpendingMonth(id=key, subject_id=subject.id, month=month_of(now), reservations=1))
    return Decimal(0)


def _check(
    subject: _Subject, spent_usd: Decimal, reserved_usd: Decimal, amount: Decimal, now: datetime
) -> None:
    is_used_up = spent_usd >= subject.limit_usd
    is_too_much = amount > 0 and spent_usd + reserved_usd + amount > subject.limit_usd
    if is_used_up or is_too_much:
        raise BudgetExceeded(
            subject.of,
            limit_usd=subject.limit_usd,
            resets_at=next_month(now),
            is_used_up=is_used_up,
        )


def _hold(
    key: UUID, user_id: UUID, organization_id: UUID, amount: Decimal, expires_at: datetime
) -> None:
    values = {"amount_usd": amount, "expires_at": expires_at}
    if writes.update(Reservation, {"id": key}, values=values) is None:
        writes.insert(
            Reservation(id=key, user_id=user_id, organization_id=organization_id, **values)
        )


def _forget_expired(subject: _Subject, now: datetime) -> None:
    expired = Reservation.objects.filter(**{subject.field: subject.id}, expires_at__lte=now)
    keys = list(expired.values_list("pk", flat=True)[:MOST_EXPIRED])
    if keys:
        Reservation.objects.filter(pk__in=keys).delete()


def _in_dollars(amount: Decimal) -> str:
    """ "$10.00"; with more decimals where there are any."""
    cents = amount.quantize(Decimal("0.01"))
    return f"${cents if cents == amount else amount.normalize():,f}"
