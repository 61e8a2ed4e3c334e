"""How long calls took, as numbers that can be added up: how many took about so long.

Each bin is 19% longer than the one before, four of them to each doubling, so that a quantile is
right to a tenth. A histogram is {number of the bin: calls}; keys are text, as JSON has them.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

PER_DOUBLING = 4

Histogram = Mapping[str, int]


def bin_of(milliseconds: int) -> str:
    """The bin of a duration; what took less than a millisecond is in the first."""
    return str(math.floor(PER_DOUBLING * math.log2(max(milliseconds, 1))))


def merged(histograms: Iterable[Histogram]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in histograms:
        total.update(each)
    return total


def quantile(histogram: Histogram, share: float) -> int | None:
    """Milliseconds below which this share of the calls were; None of no calls."""
    bins = sorted((int(key), calls) for key, calls in histogram.items() if calls > 0)
    left = share * sum(calls for _, calls in bins)
    for number, calls in bins:
        left -= calls
        if left <= 0:
            # The middle of the bin, on its own scale.
            return round(2 ** ((number + 0.5) / PER_DOUBLING))
    return None
