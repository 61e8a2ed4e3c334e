"""The spans of time that sums are kept for, and how a window is made of them. Plain values."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# In minutes. Each is a multiple of the one before, all begin at midnight in UTC, and every time
# zone is a multiple of the smallest away from it: a day of anybody's is made of whole ones.
QUARTER, HOUR, QUARTER_DAY, DAY = 15, 60, 360, 1440
SPANS = (QUARTER, HOUR, QUARTER_DAY, DAY)


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
    """Whole spans side by side, or (`span` None) a rest in which none is whole."""

    span: int | None
    window: Window

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


def cover(window: Window, spans: tuple[int, ...] = SPANS) -> Iterator[Part]:
    """The fewest parts that make up the window exactly: the longest spans in its middle."""
    if window.start >= window.end:
        return
    if not spans:
        yield Part(None, window)
        return
    *shorter, longest = spans
    rest = tuple(shorter)
    first, last = _ceiling(window.start, longest), floor(window.end, longest)
    if first >= last:
        yield from cover(window, rest)
        return
    yield from cover(Window(window.start, first), rest)
    yield Part(longest, Window(first, last))
    yield from cover(Window(last, window.end), rest)


def _ceiling(moment: datetime, span: int) -> datetime:
    start = floor(moment, span)
    return start if start == moment else start + timedelta(minutes=span)
