"""Windows made of spans, and durations in bins. Plain values."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.histograms import bin_of, merged, quantile
from analytics.spans import DAY, HOUR, QUARTER, QUARTER_DAY, SPANS, Window, cover, floor

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def at(**since) -> datetime:
    return BEGIN + timedelta(**since)


moments = st.integers(0, 40 * 86_400_000).map(lambda ms: BEGIN + timedelta(milliseconds=ms))


@given(st.tuples(moments, moments).map(sorted))
def test_the_parts_are_the_window_without_a_gap_and_on_their_marks(ends):
    window = Window(*ends)

    parts = list(cover(window))

    moment = window.start
    for part in parts:
        assert part.window.start == moment
        moment = part.window.end
        if part.span is None:
            # No quarter is whole in it.
            assert floor(part.window.end, QUARTER) - part.window.start < timedelta(minutes=QUARTER)
        else:
            assert all(start == floor(start, part.span) for start in part.starts)
    assert moment == window.end or (window.start == window.end and not parts)


def test_days_stand_in_the_middle_and_shorter_spans_towards_the_edges():
    parts = cover(Window(at(hours=4, minutes=40, seconds=1), at(days=3, hours=7, minutes=15)))

    found = [(part.span, len(part.starts) if part.span else 0) for part in parts]
    assert found == [
        *((None, 0), (QUARTER, 1), (HOUR, 1), (QUARTER_DAY, 3), (DAY, 2)),
        *((QUARTER_DAY, 1), (HOUR, 1), (QUARTER, 1)),
    ]


def test_a_window_within_a_quarter_is_of_the_ledger_alone():
    window = Window(at(minutes=1), at(minutes=14))

    assert [(part.span, part.window) for part in cover(window)] == [(None, window)]


@pytest.mark.parametrize("span", SPANS)
def test_a_span_begins_on_its_mark_and_not_before(span):
    length = timedelta(minutes=span)

    assert floor(BEGIN, span) == BEGIN
    assert floor(BEGIN + length - timedelta(milliseconds=1), span) == BEGIN
    assert floor(BEGIN + length, span) == BEGIN + length


@given(st.lists(st.integers(1, 600_000), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_right_to_a_tenth(durations, share):
    histogram = merged({bin_of(each): 1} for each in durations)

    found = quantile(histogram, share)

    # The least duration that so large a share did not exceed.
    exact = sorted(durations)[max(0, -int(-share * len(durations) // 1) - 1)]
    assert found is not None
    assert abs(found - exact) <= 0.1 * exact + 1


def test_of_no_calls_there_is_no_quantile():
    assert quantile({}, 0.5) is None
    assert quantile({"17": 0}, 0.5) is None
