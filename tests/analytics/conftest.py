"""What the tests of analytics share."""

from collections.abc import Iterator

import pytest

from analytics import prices


@pytest.fixture(autouse=True)
def _forgotten_prices() -> Iterator[None]:
    """A test that is rolled back tells nobody that its prices are gone."""
    prices.forget_prices()
    yield
    prices.forget_prices()
