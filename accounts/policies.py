"""What an organisation has decided, as each question needs it."""

import time
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from accounts.models import Organization

# What an administrator changes counts for every process after this long.
KEPT_SECONDS = 10.0
_MOST_KEPT = 10_000

_kept: dict[UUID, tuple[float, "Policy"]] = {}


@dataclass(frozen=True)
class Policy:
    """`monthly_budget_usd` None: no budget."""

    monthly_budget_usd: Decimal | None = None
    paid_tools_allowed: bool = False


NO_POLICY = Policy()


def policy_of(organization_id: UUID) -> Policy:
    """What holds for an organisation, at most KEPT_SECONDS old; nothing special if it is gone."""
    kept = _kept.get(organization_id)
    if kept is not None and time.monotonic() - kept[0] < KEPT_SECONDS:
        return kept[1]
    found = Organization.objects.filter(pk=organization_id).values_list(
        "monthly_budget_usd", "paid_tools_allowed"
    )
    policy = next((Policy(*row) for row in found), NO_POLICY)
    if len(_kept) >= _MOST_KEPT:
        _kept.clear()
    _kept[organization_id] = (time.monotonic(), policy)
    return policy


def forget(organization_id: UUID) -> None:
    """What was decided has changed, in this process."""
    _kept.pop(organization_id, None)
