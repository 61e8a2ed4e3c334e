"""What a call costs: an administrator's price, else genai-prices, else nobody knows."""

import glob
import logging
import re
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from msgspec.structs import astuple

from analytics.entries import TokenCounts
from analytics.models import ModelPrice, PriceSource
from chatcore.money import usd

if TYPE_CHECKING:
    import genai_prices.types

logger = logging.getLogger("chatcore.usage")

MILLION = 1_000_000
# Tokens; of a call as short as most.
_SAMPLE = 1_000
# The built-in demo asks no model, whatever it counts.
FREE_PROVIDERS = frozenset({"demo"})


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

    `api_url` is the address of a server that is not the provider's own: genai-prices is asked for
    that address, not for the provider. Its figures are those of the providers' price lists, for
    calls of the standard tier. Raises ValueError for negative counts, and what the store says if
    the administrators' prices cannot be read.
    """
    price = override_of(provider, model, tokens, moment)
    if price.is_unpriced:
        return _catalogue_price(provider, model, tokens, moment, api_url)
    return price


def per_million(
    provider: str, model: str, moment: datetime, *, api_url: str = ""
) -> tuple[Decimal, Decimal] | None:
    """USD for a million tokens in and out, as a short question is charged; None if unpriced.

    Asked by a sample: the lists of some models have other prices for long prompts.
    """
    samples = (TokenCounts(input=_SAMPLE), TokenCounts(output=_SAMPLE))
    prices = [override_of(provider, model, tokens, moment).cost_usd for tokens in samples]
    if None in prices:
        # To ask genai-prices takes a third of a millisecond, and its lists change by the day.
        hour = moment.replace(minute=0, second=0, microsecond=0)
        prices = [_listed_cost(provider, model, tokens, hour, api_url) for tokens in samples]
    if None in prices:
        return None
    input_usd, output_usd = (
        usd(each * (MILLION // _SAMPLE)) for each in prices if each is not None
    )
    return input_usd, output_usd


@lru_cache(maxsize=1_000)
def _listed_cost(
    provider: str, model: str, tokens: TokenCounts, moment: datetime, api_url: str
) -> Decimal | None:
    return _catalogue_price(provider, model, tokens, moment, api_url).cost_usd


def override_of(provider: str, model: str, tokens: TokenCounts, moment: datetime) -> Price:
    """As `price_of`, by the administrators' prices alone. Nothing used costs nothing as well."""
    if min(astuple(tokens)) < 0:
        raise ValueError(f"Tokens cannot be negative: {tokens}")
    if provider in FREE_PROVIDERS or not tokens.total:
        return NOTHING_USED
    for each in _overrides.all():
        if each.holds_for(provider, model, moment):
            return Price(each.cost_of(tokens), PriceSource.OVERRIDE, str(each.id))
    return UNPRICED


def model_pattern(pattern: str) -> re.Pattern[str]:
    """Matches whole names of models, without regard to case. `*` alone stands for anything."""
    parts = [glob.escape(part) for part in pattern.split("*")]
    return re.compile(translate("*".join(parts)), re.IGNORECASE)


def plain(amount: Decimal) -> str:
    """An amount of dollars as one writes it: "2.5", "0.0000125", "0"."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def in_dollars(amount: Decimal) -> str:
    """ "$0.0123", "-$2"."""
    return f"{'-' if amount < 0 else ''}${plain(abs(amount))}"


# --- what administrators set ----------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class _Override:
    """A row of the administrators' prices, ready to be used. USD for a million tokens."""

    id: UUID
    provider: str
    models: re.Pattern[str]
    starts_at: datetime
    input: Decimal
    cache_read: Decimal
    cache_write: Decimal
    cache_write_1h: Decimal
    output: Decimal
    reasoning: Decimal

    def holds_for(self, provider: str, model: str, moment: datetime) -> bool:
        return (
            self.provider in ("", provider.casefold())
            and self.starts_at <= moment
            and self.models.fullmatch(model) is not None
        )

    def cost_of(self, tokens: TokenCounts) -> Decimal:
        """USD. A part that is said to be larger than its whole counts as the whole."""
        writes_1h = min(tokens.cache_write_1h, tokens.cache_write)
        reasoning = min(tokens.reasoning, tokens.output)
        millionths = (
            tokens.input * self.input
            + tokens.cache_read * self.cache_read
            + (tokens.cache_write - writes_1h) * self.cache_write
            + writes_1h * self.cache_write_1h
            + (tokens.output - reasoning) * self.output
            + reasoning * self.reasoning
        )
        return usd(millionths / MILLION)


def _override(row: ModelPrice) -> _Override:
    def either(price: Decimal | None, instead: Decimal) -> Decimal:
        return instead if price is None else price

    cache_write = either(row.cache_write_usd, row.input_usd)
    return _Override(
        id=row.pk,
        provider=row.provider.casefold(),
        models=model_pattern(row.pattern),
        starts_at=row.starts_at,
        input=row.input_usd,
        cache_read=either(row.cache_read_usd, row.input_usd),
        cache_write=cache_write,
        cache_write_1h=either(row.cache_write_1h_usd, cache_write),
        output=row.output_usd,
        reasoning=either(row.reasoning_usd, row.output_usd),
    )


def _precedence(row: ModelPrice) -> tuple[Any, ...]:
    """The higher, the rather: the more specific one, then the later one."""
    literal = row.pattern.replace("*", "")
    is_exact = literal == row.pattern
    named = bool(row.provider)
    return (is_exact, len(literal), named, row.starts_at, row.created_at, row.pk)


@dataclass(frozen=True)
class _Table:
    """All overrides, the first that holds being the one, as they were read at a time."""

    overrides: tuple[_Override, ...]
    read_at: float


# Seconds. A process other than the one where a price was saved uses it at the latest then.
PRICES_LIFETIME = 10.0


class _Overrides:
    """This process's copy of the administrators' prices. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table: _Table | None = None
        # How often it was forgotten, so that what was read before is not kept after.
        self._forgotten = 0

    def forget(self) -> None:
        with self._lock:
            self._table = None
            self._forgotten += 1

    def all(self) -> tuple[_Override, ...]:
        """In the order in which they are to be tried. Raises what the store says."""
        forgotten, table = self._forgotten, self._table
        if table is None or time.monotonic() - table.read_at > PRICES_LIFETIME:
            # Read without the lock: two threads that read the same are better than one that waits
            # for a store that hangs.
            table = _read_table()
            with self._lock:
                if forgotten == self._forgotten:
                    self._table = table
        return table.overrides


_overrides = _Overrides()


def forget_prices() -> None:
    """Read the administrators' prices anew at the next call of this process."""
    _overrides.forget()


def prices_changed(**_signal: Any) -> None:
    """A receiver of signals: forget now, and once others can see what was saved."""
    forget_prices()
    transaction.on_commit(forget_prices)


def _read_table() -> _Table:
    read_at = time.monotonic()
    rows = sorted(ModelPrice.objects.order_by(), key=_precedence, reverse=True)
    return _Table(tuple(map(_override, rows)), read_at)


# --- genai-prices ---------------------------------------------------------------------------------
def load() -> None:
    """Import genai-prices with its price lists, for which the first answer would wait 0.2 s."""
    from genai_prices.data_snapshot import get_snapshot

    get_snapshot()


def _catalogue_price(
    provider: str, model: str, tokens: TokenCounts, moment: datetime, api_url: str
) -> Price:
    try:
        return _ask_catalogue(provider, model, tokens, moment, api_url)
    except Exception as error:
        # That alone says "not in the catalogue". A KeyError is one too, and would be a fault.
        if type(error) is not LookupError:
            logger.exception("genai-prices failed at %s of %s", model, provider)
        return UNPRICED


def _ask_catalogue(
    provider: str, model: str, tokens: TokenCounts, moment: datetime, api_url: str
) -> Price:
    """Unpriced if the model is known but not its price. Raises LookupError if it is unknown.

    Where a model has no price of its own for cache reads or writes, genai-prices counts these at
    the price of the input, and writes for an hour at that of the other writes.
    """
    from genai_prices import __version__, calc_price

    usage = _usage(tokens)
    if api_url:
        found = calc_price(usage, model, provider_api_url=api_url, genai_request_timestamp=moment)
    else:
        found = calc_price(usage, model, provider_id=provider, genai_request_timestamp=moment)
    if not _is_covered(tokens, found.model_price):
        return UNPRICED
    return Price(usd(found.total_price), PriceSource.CATALOGUE, __version__)


def _usage(tokens: TokenCounts) -> "genai_prices.types.Usage":
    """In genai-prices the input contains what was read from and written to the cache."""
    from genai_prices import Usage

    writes_1h = min(tokens.cache_write_1h, tokens.cache_write)
    return Usage(
        input_tokens=tokens.input + tokens.cache_read + tokens.cache_write,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        cache_write_5m_tokens=tokens.cache_write - writes_1h,
        cache_write_1h_tokens=writes_1h,
        output_tokens=tokens.output,
        output_reasoning_tokens=min(tokens.reasoning, tokens.output),
    )


def _is_covered(tokens: TokenCounts, price: "genai_prices.types.ModelPrice") -> bool:
    """Whether all that was used has a price.

    genai-prices takes for free what it has no price for: some 180 of its models have none at all,
    and those that make no text have none for tokens.
    """
    has_input = tokens.total > tokens.output
    return not (
        (has_input and price.input_mtok is None) or (tokens.output and price.output_mtok is None)
    )
