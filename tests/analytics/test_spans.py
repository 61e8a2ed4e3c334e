"""Windows made of spans, and durations in bins. Plain values."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.histograms import bin_of, merged, quantile
from analytics.spans import DAY, QUARTER, SPANS, TWO_HOURS, WEEK, Part, Window, cover, floor

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def at(**since) -> datetime:
    return BEGIN + timedelta(**since)


moments = st.integers(0, 40 * 86_400_000).map(lambda ms: BEGIN + timedelta(milliseconds=ms))


@given(st.tuples(moments, moments).map(sorted), st.booleans())
def test_the_parts_add_up_to_the_window_exactly_and_are_on_their_marks(ends, ends_now):
    window = Window(*ends)

    covered: Counter[datetime] = Counter()
    for part in cover(window, window.end if ends_now else None):
        # As steps up and down on the line of time.
        covered[part.window.start] += part.sign
        covered[part.window.end] -= part.sign
        if part.span is None:
            assert part.window.end - part.window.start < timedelta(minutes=QUARTER)
        else:
            assert all(start == floor(start, part.span) for start in part.starts)
    assert {moment: step for moment, step in covered.items() if step} == (
        {window.start: 1, window.end: -1} if window.start < window.end else {}
    )


def test_weeks_stand_in_the_middle_and_shorter_spans_towards_the_edges():
    # From a Sunday to the end of a Friday: three days behind a Thursday, and two.
    window = Window(at(hours=4, minutes=40, seconds=1), at(days=12, hours=23, minutes=15))

    found = [(part.span, len(part.starts) if part.span else 0, part.sign) for part in cover(window)]
    assert found == [
        *((WEEK, 2, 1), (DAY, 3, -1), (TWO_HOURS, 2, -1), (QUARTER, 3, -1), (None, 0, 1)),
        *((DAY, 2, 1), (QUARTER, 3, -1)),
    ]


def test_few_parts_are_left_at_the_edges_whatever_the_window():
    most = 4 + 4 + 6 + 3
    for hours in range(24 * 60):
        window = Window(at(hours=hours / 7, minutes=3), at(days=30, hours=hours / 7, minutes=3))
        parts = [part for part in cover(window) if part.span not in (None, WEEK)]
        assert sum(len(part.starts) for part in parts) <= 2 * most


def test_of_a_window_that_ends_now_nothing_shorter_is_read_at_that_end():
    now = at(days=11, hours=3, minutes=40)

    parts = list(cover(Window(at(days=4), now), now))

    whole, *ahead = parts
    assert whole == Part(WEEK, Window(at(days=4), at(days=11) + timedelta(days=7)))
    assert all(part.sign == -1 and part.window.start >= now for part in ahead)


def test_a_window_near_one_mark_is_of_the_ledger_alone():
    window = Window(at(minutes=1), at(minutes=7))

    assert list(cover(window)) == [Part(None, window)]


def test_what_a_quarter_has_outside_of_the_window_is_taken_off():
    window = Window(at(minutes=1), at(minutes=14))

    assert list(cover(window)) == [
        Part(QUARTER, Window(at(), at(minutes=15))),
        Part(None, Window(at(), at(minutes=1)), -1),
        Part(None, Window(at(minutes=14), at(minutes=15)), -1),
    ]


@pytest.mark.parametrize("span", SPANS)
def test_a_span_begins_on_its_mark_and_not_before(span):
    length = timedelta(minutes=span)
    begin = floor(BEGIN, span)

    assert BEGIN - length < begin <= BEGIN
    assert floor(begin, span) == begin
    assert floor(begin + length - timedelta(milliseconds=1), span) == begin
    assert floor(begin + length, span) == begin + length


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
