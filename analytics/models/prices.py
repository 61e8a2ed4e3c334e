"""The prices that administrators set."""

from typing import Any

from django.core.validators import MinValueValidator
from django.db import models

from analytics.models.ledger import Appended
from chatcore import clock
from chatcore.ids import new_id
from chatcore.money import UsdField

_PER_MILLION = "USD for a million tokens"


def _price(name: str, *, if_empty: str = "") -> Any:
    """`if_empty` says what holds where there is none; without it there has to be one."""
    help_text = f"{_PER_MILLION}. Empty: {if_empty}." if if_empty else _PER_MILLION
    return UsdField(
        name,
        null=bool(if_empty),
        blank=bool(if_empty),
        validators=[MinValueValidator(0)],
        help_text=help_text,
    )


class ModelPrice(Appended):
    """What an administrator says a model costs from a date on. It goes before genai-prices.

    A new price is a new row: what was charged stays charged. `pattern` is a model's name, with `*`
    for any characters; `provider` empty means any.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, db_column="_id")
    provider = models.CharField(max_length=64, blank=True, help_text="Empty for any provider.")
    pattern = models.CharField(
        max_length=200, help_text="The name of a model; * stands for any characters."
    )
    starts_at = models.DateTimeField("from", default=clock.now, db_column="startsAt")
    input_usd = _price("input")
    output_usd = _price("output")
    # Null: as the input.
    cache_read_usd = _price("cache read", if_empty="as the input")
    cache_write_usd = _price("cache write", if_empty="as the input")
    cache_write_1h_usd = _price("cache write for an hour", if_empty="as the other cache writes")
    reasoning_usd = _price("reasoning", if_empty="as the output, of which it is a part")
    created_at = models.DateTimeField(default=clock.now, editable=False, db_column="createdAt")

    class Meta:
        db_table = "model_prices"
        verbose_name = "price of a model"
        verbose_name_plural = "prices of models"
        ordering = ["pattern", "-starts_at"]
        indexes = [models.Index(fields=["-starts_at"], name="model_prices_starts")]

    def __str__(self) -> str:
        return f"{self.pattern} from {self.starts_at:%Y-%m-%d}"
