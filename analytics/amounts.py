"""Numbers of the reports in words for people, as static/js/amounts.js has them."""

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

NONE = "–"
_UNITS = (("B", 1_000_000_000), ("M", 1_000_000), ("k", 1000))
MOST_PERCENT = 999


def in_tokens(count: int) -> str:
    """950, 12.3k, 4.5M."""
    for number, (unit, size) in enumerate(_UNITS):
        # What would be rounded to 1000 of a unit is 1 of the next.
        if abs(count) >= size * (0.9995 if number < len(_UNITS) - 1 else 1):
            short = Decimal(count) / size
            digits = "0.1" if abs(short) < Decimal("99.95") else "1"
            text = f"{short.quantize(Decimal(digits), ROUND_HALF_UP):,}"
            return f"{text.removesuffix('.0')}{unit}"
    return str(count)


def in_dollars(cost: Decimal | None) -> str:
    """ "$1.25"; of little "<$0.01"; of what has no price "unpriced", which is not nothing."""
    if cost is None:
        return "unpriced"
    if 0 < cost < Decimal("0.01"):
        return "<$0.01"
    cents = abs(cost).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"{'-' if cost < 0 else ''}${cents:,}"


def in_full_dollars(cost: Decimal | None, unpriced_calls: int = 0) -> str:
    """To the last digit, with the calls that are not in it."""
    without = f"{counted(unpriced_calls, 'call')} without a price" if unpriced_calls else ""
    if cost is None:
        return without
    amount = f"{'-' if cost < 0 else ''}${abs(cost):,f}"
    return f"{amount}, and {without}" if without else amount


def counted(number: int, what: str) -> str:
    """ "1 call", "1,200 calls"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def in_seconds(milliseconds: int | None) -> str:
    """ "850 ms", "1.3 s", "75 s"; a dash for None."""
    if milliseconds is None:
        return NONE
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = Decimal(milliseconds) / 1000
    return f"{seconds.quantize(Decimal('0.1' if seconds < 10 else '1'), ROUND_HALF_UP)} s"


def in_percent(share: float) -> str:
    """ "93.3%" of 0.9333; rounded down, so that 100% is all of them."""
    percent = (Decimal(repr(share)) * 100).quantize(Decimal("0.1"), ROUND_FLOOR)
    return f"{percent}".removesuffix(".0") + "%"


def change(now: Decimal | int, before: Decimal | int) -> str:
    """ "+12%" of 112 after 100. `before` is above 0."""
    percent = ((Decimal(now) / Decimal(before) - 1) * 100).quantize(Decimal(1), ROUND_HALF_UP)
    if percent > MOST_PERCENT:
        return f"over +{MOST_PERCENT}%"
    return f"{percent:+}%" if percent else "±0%"
