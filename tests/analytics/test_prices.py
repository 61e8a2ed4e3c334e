"""What a call costs, to the last decimal."""

import logging
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version

import pytest
from django.db import OperationalError

from analytics import prices
from analytics.entries import TokenCounts
from analytics.models import AppendOnly, ModelPrice
from analytics.prices import NOTHING_USED, UNPRICED, Price, price_of
from chatcore import clock
from tests.at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
VERSION = version("genai_prices")
MILLION = 1_000_000


def a_price(pattern: str = "gpt-own", **fields) -> ModelPrice:
    return ModelPrice.objects.create(
        **{
            "pattern": pattern,
            "starts_at": datetime(2026, 1, 1, tzinfo=UTC),
            "input_usd": Decimal(2),
            "output_usd": Decimal(10),
            **fields,
        }
    )


def cost(
    provider: str, model: str, moment: datetime = NOON, *, api_url: str = "", **tokens: int
) -> str | None:
    """The dollars as one would write them, or None for unpriced."""
    price = price_of(provider, model, TokenCounts(**tokens), moment, api_url=api_url)
    return None if price.cost_usd is None else prices.plain(price.cost_usd)


# --- genai-prices: the figures are those of its lists at 0.2.3, for a million tokens --------------
@pytest.mark.parametrize(
    ("provider", "model", "tokens", "expected"),
    [
        # gpt-4o: input 2.50, cache read 1.25, output 10.
        ("openai", "gpt-4o", {"input": 1000, "output": 100}, "0.0035"),
        ("openai", "gpt-4o-2024-08-06", {"input": 1000, "output": 100}, "0.0035"),
        ("openai", "GPT-4o", {"input": 1000, "output": 100}, "0.0035"),
        ("openai", "gpt-4o", {"input": 1}, "0.0000025"),
        ("openai", "gpt-4o", {"input": 400, "cache_read": 600, "output": 100}, "0.00275"),
        # What was thought is a part of the output, not more of it.
        ("openai", "gpt-4o", {"input": 1000, "output": 100, "reasoning": 90}, "0.0035"),
        # Sonnet 4.5: input 3, cache read 0.30, writes 3.75, writes for an hour 6, output 15.
        ("anthropic", "claude-sonnet-4-5-20250929", {"input": 1000, "output": 1000}, "0.018"),
        ("anthropic", "claude-sonnet-4-5", {"cache_read": 1000}, "0.0003"),
        ("anthropic", "claude-sonnet-4-5", {"cache_write": 1000}, "0.00375"),
        ("anthropic", "claude-sonnet-4-5", {"cache_write": 1000, "cache_write_1h": 1000}, "0.006"),
        (
            "anthropic",
            "claude-sonnet-4-5",
            {
                "input": 10,
                "cache_read": 2000,
                "cache_write": 1500,
                "cache_write_1h": 500,
                "output": 300,
                "reasoning": 200,
            },
            # 10*3 + 2000*0.30 + 1000*3.75 + 500*6 + 300*15 = 11880 millionths
            "0.01188",
        ),
        # gpt-4: input 30, output 60, and nothing for caches: they cost what the input costs.
        ("openai", "gpt-4", {"cache_read": 1000}, "0.03"),
        ("openai", "gpt-4", {"cache_write": 1000}, "0.03"),
        ("openai", "gpt-4", {"cache_write": 1000, "cache_write_1h": 1000}, "0.03"),
        # GPT-5.6 Sol has a price for writes, 5, and none for writes for an hour.
        ("openai", "gpt-5.6-sol", {"cache_write": 1000, "cache_write_1h": 1000}, "0.005"),
        # Sonar: 1 and 1, and 12 dollars for a thousand requests.
        ("perplexity", "sonar", {"input": 1000, "output": 1000}, "0.014"),
        # Deep research: input 2, output 8, reasoning 3.
        (
            "perplexity",
            "sonar-deep-research",
            {"input": 1000, "output": 1000, "reasoning": 400},
            "0.008",
        ),
    ],
)
def test_the_catalogue_prices_each_class_of_tokens(provider, model, tokens, expected):
    assert cost(provider, model, **tokens) == expected


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        # Up to 200,000 tokens of input, those of the cache included: 3, 0.30, 15.
        ({"input": 200_000, "output": 1000}, "0.615"),
        ({"input": 100_000, "cache_read": 100_000, "output": 1000}, "0.345"),
        # Beyond, all of them cost 6, 0.60, 22.50.
        ({"input": 200_001, "output": 1000}, "1.222506"),
        ({"input": 100_000, "cache_read": 100_001, "output": 1000}, "0.6825006"),
    ],
)
def test_a_long_input_costs_the_price_of_its_tier(tokens, expected):
    assert cost("anthropic", "claude-sonnet-4-5", **tokens) == expected


@pytest.mark.parametrize(
    ("model", "moment", "expected"),
    [
        # From 10 to 2 dollars on 10 June 2025.
        ("o3", datetime(2025, 6, 9, 23, 59, tzinfo=UTC), "10"),
        ("o3", datetime(2025, 6, 10, tzinfo=UTC), "2"),
    ],
)
def test_the_catalogue_prices_by_the_date_of_the_call(model, moment, expected):
    assert cost("openai", model, moment, input=MILLION) == expected


@pytest.mark.parametrize(("hour", "expected"), [(0, "0.135"), (12, "0.27")])
def test_the_catalogue_prices_by_the_time_of_day(hour, expected):
    moment = datetime(2026, 11, 20, hour, tzinfo=UTC)

    assert cost("deepseek", "deepseek-chat", moment, input=MILLION) == expected


def test_a_price_of_the_catalogue_names_its_version():
    price = price_of("openai", "gpt-4o", TokenCounts(input=1000), NOON)

    assert price == Price(Decimal("0.0025"), "genai-prices", VERSION)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-unheard-of"),
        ("nobody", "gpt-4o"),
        # genai-prices knows these, and nothing or no price of tokens, which it takes for free.
        ("cerebras", "qwen-3-coder-480b"),
        ("openai", "tts-1"),
    ],
)
def test_what_nobody_has_a_price_for_is_unpriced(provider, model):
    assert price_of(provider, model, TokenCounts(input=10, output=10), NOON) == UNPRICED


def test_a_price_for_the_input_alone_is_none_for_an_output():
    # 0.02 for a million of input; an embedding has no output.
    assert cost("openai", "text-embedding-3-small", input=MILLION) == "0.02"
    assert cost("openai", "text-embedding-3-small", input=MILLION, output=1) is None


@pytest.mark.parametrize(
    ("api_url", "model", "expected"),
    [
        ("http://localhost:11434/v1", "gpt-4o", None),
        ("https://llm.acme.example/v1", "gpt-4o", None),
        # Its server is known, and what it takes for this model: input 0.59, output 0.79.
        ("https://api.groq.com/openai/v1", "llama-3.3-70b-versatile", "0.00138"),
        ("https://api.openai.com/v1", "gpt-4o", "0.0125"),
    ],
)
def test_a_server_that_is_not_the_providers_never_gets_its_price(api_url, model, expected):
    assert cost("openai", model, api_url=api_url, input=1000, output=1000) == expected


def test_nothing_used_costs_nothing_whatever_the_model():
    assert price_of("openai", "gpt-unheard-of", TokenCounts(), NOON) == NOTHING_USED
    assert price_of("openai", "gpt-4o", TokenCounts(), NOON) == NOTHING_USED


def test_the_demo_costs_nothing_even_where_everything_has_a_price():
    a_price("*")

    assert price_of("demo", "demo", TokenCounts(output=40), NOON) == NOTHING_USED


@pytest.mark.parametrize("name", TokenCounts.__struct_fields__)
def test_negative_counts_are_refused(name):
    with pytest.raises(ValueError, match="negative"):
        price_of("openai", "gpt-4o", TokenCounts(**{"input": 10, name: -1}), NOON)


def test_a_part_larger_than_its_whole_counts_as_the_whole():
    a_price("own", reasoning_usd=Decimal(20), cache_write_1h_usd=Decimal(4))

    assert cost("openai", "own", output=10, reasoning=50) == "0.0002"
    assert cost("openai", "own", cache_write=10, cache_write_1h=50) == "0.00004"
    assert cost("anthropic", "claude-sonnet-4-5", cache_write=10, cache_write_1h=50) == "0.00006"


def test_a_fault_of_the_catalogue_is_logged_and_unpriced(monkeypatch, caplog):
    import genai_prices

    monkeypatch.setattr(genai_prices, "calc_price", lambda *_, **__: {}["missing"])

    with caplog.at_level(logging.ERROR, "chatcore.usage"):
        price = price_of("openai", "gpt-4o", TokenCounts(input=1), NOON)

    assert price == UNPRICED
    assert [each.message for each in caplog.records] == ["genai-prices failed at gpt-4o of openai"]


def test_an_unknown_model_is_nothing_to_log(caplog):
    with caplog.at_level(logging.DEBUG, "chatcore.usage"):
        price_of("openai", "gpt-unheard-of", TokenCounts(input=1), NOON)

    assert caplog.records == []


# --- what administrators set ----------------------------------------------------------------------
def test_an_administrators_price_goes_before_the_catalogue():
    row = a_price("gpt-4o", input_usd=Decimal("0.5"))

    price = price_of("openai", "gpt-4o", TokenCounts(input=1000), NOON)

    assert price == Price(Decimal("0.0005"), "override", str(row.pk))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # 1000 input, 100 cache read, 50 + 20 cache write, 200 + 30 output; of 2 and 10 dollars.
        ({}, "0.00464"),
        ({"cache_read_usd": "0.2"}, "0.00446"),
        ({"cache_write_usd": "3"}, "0.00471"),
        ({"cache_write_1h_usd": "4"}, "0.00468"),
        ({"cache_write_usd": "3", "cache_write_1h_usd": "4"}, "0.00473"),
        ({"reasoning_usd": "20"}, "0.00494"),
        ({"reasoning_usd": "0"}, "0.00434"),
        ({"input_usd": "0", "output_usd": "0"}, "0"),
    ],
)
def test_each_class_has_its_price_or_that_of_its_kind(fields, expected):
    a_price("own", **{name: Decimal(value) for name, value in fields.items()})

    assert (
        cost(
            "openai",
            "own",
            input=1000,
            cache_read=100,
            cache_write=70,
            cache_write_1h=20,
            output=230,
            reasoning=30,
        )
        == expected
    )


def test_a_cost_is_rounded_to_ten_decimals_half_to_even():
    a_price("own", input_usd=Decimal("0.00005"), output_usd=Decimal(0))

    assert cost("openai", "own", input=1) == "0"
    assert cost("openai", "own", input=3) == "0.0000000002"


@pytest.mark.parametrize(
    ("pattern", "model", "is_match"),
    [
        ("llama3.2", "llama3.2", True),
        ("llama3.2", "LLAMA3.2", True),
        ("llama3.2", "llama3x2", False),
        ("llama3.2", "llama3.2-vision", False),
        ("llama*", "llama3.2", True),
        ("llama*", "meta/llama3.2", False),
        ("*llama*", "meta/llama3.2", True),
        ("*", "anything", True),
        ("gpt-?", "gpt-4", False),
        ("gpt-?", "gpt-?", True),
        ("[ab]*", "a1", False),
        ("[ab]*", "[ab]1", True),
        ("a*a*a*a*a*a*a*a*a*b", "a" * 200, False),
    ],
)
def test_only_the_asterisk_stands_for_anything(pattern, model, is_match):
    a_price(pattern)

    assert (cost("own", model, input=MILLION) == "2") is is_match


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # The exact name before any pattern, even one that is longer.
        ([("gpt-5-min*", "openai", 1), ("gpt-5-mini", "", 3)], "3"),
        # The longest literal part.
        ([("gpt-5-*", "", 1), ("gpt-*", "openai", 3)], "1"),
        # A named provider before any.
        ([("gpt-5*", "openai", 1), ("gpt-5*", "", 3)], "1"),
        # Another one's price is none of this one's.
        ([("gpt-5*", "azure", 1), ("gpt-5*", "", 3)], "3"),
        # As administrators may write it.
        ([("gpt-5*", "OpenAI", 1), ("gpt-5*", "", 3)], "1"),
    ],
)
def test_the_most_specific_price_holds(rows, expected):
    for pattern, provider, dollars in rows:
        a_price(pattern, provider=provider, input_usd=Decimal(dollars))

    assert cost("openai", "gpt-5-mini", input=MILLION) == expected


def test_the_latest_start_holds_and_of_these_the_newest_row():
    day = datetime(2026, 11, 10, tzinfo=UTC)
    a_price("own", input_usd=Decimal(1), starts_at=datetime(2026, 11, 1, tzinfo=UTC))
    a_price("own", input_usd=Decimal(2), starts_at=day, created_at=day.replace(minute=1))
    a_price("own", input_usd=Decimal(3), starts_at=day, created_at=day)

    assert cost("own", "own", datetime(2026, 10, 31, tzinfo=UTC), input=MILLION) is None
    assert cost("own", "own", datetime(2026, 11, 1, tzinfo=UTC), input=MILLION) == "1"
    assert cost("own", "own", datetime(2026, 11, 9, tzinfo=UTC), input=MILLION) == "1"
    assert cost("own", "own", day, input=MILLION) == "2"


def test_a_price_that_has_not_begun_leaves_it_to_the_catalogue():
    a_price("gpt-4o", starts_at=datetime(2026, 12, 1, tzinfo=UTC))

    assert cost("openai", "gpt-4o", input=1000) == "0.0025"


def test_an_own_server_gets_the_administrators_price():
    a_price("llama*", input_usd=Decimal("0.1"))

    assert cost("openai", "llama3.2", api_url="http://localhost:1/v1", input=MILLION) == "0.1"


def test_overrides_alone_leave_the_catalogue_out():
    assert prices.override_of("openai", "gpt-4o", TokenCounts(input=1), NOON) == UNPRICED


def test_a_price_is_used_at_once_in_the_process_that_saves_it():
    assert cost("own", "own", input=MILLION) is None

    a_price("own")

    assert cost("own", "own", input=MILLION) == "2"


def test_prices_are_read_once_in_ten_seconds(django_assert_num_queries, monkeypatch):
    seconds = [100.0]
    monkeypatch.setattr(prices.time, "monotonic", lambda: seconds[0])
    a_price("own")

    with django_assert_num_queries(1):
        cost("own", "own", input=1)
        seconds[0] = 110.0
        cost("own", "own", input=1)
    with django_assert_num_queries(1):
        seconds[0] = 110.1
        cost("own", "own", input=1)


def test_an_empty_table_is_kept_as_well(django_assert_num_queries):
    with django_assert_num_queries(1):
        cost("own", "own", input=1)
        cost("own", "own", input=1)


def test_what_was_read_before_a_change_is_not_kept(monkeypatch):
    """One thread reads the table, another one saves a price before it is done."""
    read = prices._read_table

    def read_while_another_saves():
        table = read()
        monkeypatch.setattr(prices, "_read_table", read)
        a_price("own")
        return table

    monkeypatch.setattr(prices, "_read_table", read_while_another_saves)

    assert cost("own", "own", input=MILLION) is None
    assert cost("own", "own", input=MILLION) == "2"


def test_many_threads_find_the_same_price():
    a_price("own")
    found = []

    at_once(8, lambda _n: found.extend(cost("own", "own", input=MILLION) for _ in range(50)))

    assert found == ["2"] * 400


def test_a_store_that_is_away_is_heard_of(monkeypatch):
    def away():
        raise OperationalError("gone")

    monkeypatch.setattr(prices, "_read_table", away)

    with pytest.raises(OperationalError):
        cost("openai", "gpt-4o", input=1)


def test_a_price_is_not_changed_or_deleted():
    row = a_price("own")
    row.input_usd = Decimal(0)

    for change in (row.save, row.delete):
        with pytest.raises(AppendOnly):
            change()

    assert ModelPrice.objects.get().input_usd == Decimal(2)


def test_loading_brings_the_lists():
    prices.load()

    assert cost("openai", "gpt-4o", clock.now(), input=1000) == "0.0025"


@pytest.mark.parametrize(
    ("amount", "text"),
    [("2.5000000000", "2.5"), ("100", "100"), ("0E-10", "0"), ("1E-10", "0.0000000001")],
)
def test_dollars_are_written_plainly(amount, text):
    assert prices.plain(Decimal(amount)) == text
