"""The models as the model picker shows them: by provider, with their prices."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from analytics import prices
from assistant import catalog

UNPRICED = "no price known"
FREE = "free"


@dataclass(frozen=True)
class Offer:
    """A model that can be chosen. `price` is in words, for a million tokens in and out."""

    ref: str
    model: str
    provider_label: str
    price: str
    is_default: bool


def offers(now: datetime, preferred: str = "") -> list[Offer]:
    """What can be chosen at this moment. The default is the preferred one, else the first."""
    choices = catalog.choices()
    default = preferred or (choices[0].ref if choices else "")
    return [
        Offer(
            choice.ref,
            choice.model,
            choice.provider_label,
            _price(choice, now),
            choice.ref == default,
        )
        for choice in choices
    ]


def _price(choice: catalog.Choice, now: datetime) -> str:
    api_url = catalog.api_url(choice.provider)
    found = prices.per_million(choice.provider, choice.model, now, api_url=api_url)
    if found is None:
        return UNPRICED
    if not any(found):
        return FREE
    input_usd, output_usd = map(_in_dollars, found)
    return f"{input_usd} in · {output_usd} out"


def _in_dollars(amount: Decimal) -> str:
    """ "$2.50", "$0.075": cents, and more decimals where there are any."""
    cents = amount.quantize(Decimal("0.01"))
    return f"${cents}" if cents == amount else prices.in_dollars(amount)
