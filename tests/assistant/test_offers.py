"""The models as the picker shows them."""

from decimal import Decimal

import pytest

from analytics import prices
from analytics.models import ModelPrice
from assistant import catalog
from assistant.offers import offers
from chatcore import clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def three_models(settings):
    settings.OPENAI_API_KEY = "sk-test"
    settings.OPENAI_MODELS = ["priced", "nobody-knows", "free"]
    catalog.providers.cache_clear()
    yield
    catalog.providers.cache_clear()


def price(pattern: str, input_usd: str, output_usd: str) -> None:
    ModelPrice.objects.create(
        pattern=pattern,
        input_usd=Decimal(input_usd),
        output_usd=Decimal(output_usd),
        starts_at=clock.now().replace(year=2000),
    )
    prices.forget_prices()


@pytest.mark.usefixtures("three_models")
def test_each_model_has_its_price_and_the_first_is_the_default():
    price("priced", "2.5", "0.075")
    price("free", "0", "0")

    shown = [(each.ref, each.price, each.is_default) for each in offers(clock.now())]

    assert shown == [
        ("openai:priced", "$2.50 in · $0.075 out", True),
        ("openai:nobody-knows", "no price known", False),
        ("openai:free", "free", False),
    ]


def test_the_demo_is_free_and_needs_no_list(client, bob):
    client.force_login(bob)

    text = client.get("/").text

    assert [each.price for each in offers(clock.now())] == ["free"]
    assert 'data-ref="demo:demo"' in text
    assert 'id="model-button"' not in text
