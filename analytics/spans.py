"""The spans of time that sums are kept for, and how a window is made of them. Plain values."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# In minutes. Each is a multiple of the one before. Days begin at midnight in UTC, weeks on
# Thursdays, as the epoch did. Every time zone is a multiple of the smallest away from UTC: a day of
# anybody's is made of whole ones.
QUARTER, TWO_HOURS, DAY, WEEK = 15, 120, 1440, 10_080
SPANS = (QUARTER, TWO_HOURS, DAY, WEEK)


@dataclass(frozen=True)
class Window:
    """From `start`, up to and without `end`."""

    start: datetime
    end: datetime

    @property
    def before(self) -> "Window":
        """The one of the same length that ends where this one starts."""
        return Window(self.start - (self.end - self.start), self.start)


@dataclass(frozen=True)
class Part:
    """Whole spans side by side, or (`span` None) a rest in which none is whole.

    `sign` is -1 for what lies outside the window, and is taken off the parts that reach over it.
    """

    span: int | None
    window: Window
    sign: int = 1

    @property
    def starts(self) -> list[datetime]:
        """Where its spans start."""
        assert self.span is not None
        length = timedelta(minutes=self.span)
        return [
            self.window.start + number * length
            for number in range((self.window.end - self.window.start) // length)
        ]


def floor(moment: datetime, span: int) -> datetime:
    """The start of the span in which the moment is."""
    seconds = int(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % (span * 60), UTC)


def cover(window: Window, now: datetime | None = None) -> Iterator[Part]:
    """The parts that add up to the window exactly: the longest spans in its middle.

    They end where it is nearest to the window's own ends, be it within or outside of it, so that
    half as many shorter ones are left to add or to take off. Of what is after `now` there is
    nothing yet: where a window ends there, they reach over it, and there is nothing to take off.
    """
    yield from _cover(window, SPANS, 1, now)


def _cover(
    window: Window, spans: tuple[int, ...], sign: int, now: datetime | None
) -> Iterator[Part]:
    if window.start >= window.end:
        return
    if not spans:
        yield Part(None, window, sign)
        return
    *shorter, longest = spans
    rest = tuple(shorter)
    first, last = (_mark(moment, longest, now) for moment in (window.start, window.end))
    if first == last:
        yield from _cover(window, rest, sign, now)
        return
    yield Part(longest, Window(first, last), sign)
    yield from _cover(Window(window.start, first), rest, sign, now)
    yield from _cover(Window(first, window.start), rest, -sign, now)
    yield from _cover(Window(last, window.end), rest, sign, now)
    yield from _cover(Window(window.end, last), rest, -sign, now)


def _mark(moment: datetime, span: int, now: datetime | None) -> datetime:
    """Where a span ends that is near the moment."""
    before = floor(moment, span)
    after = before + timedelta(minutes=span)
    if moment == before:
        return before
    is_free = now is not None and moment >= now
    return after if is_free or after - moment <= moment - before else before
