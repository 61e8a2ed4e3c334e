"""The prices that administrators set."""

from typing import Any, NoReturn

from django.core.validators import MinValueValidator
from django.db import models

from analytics.models.ledger import AppendOnly
from chatcore import clock
from chatcore.ids import new_id
from chatcore.money import UsdField

_PER_MILLION = "USD for a million tokens"


class ModelPrice(models.Model):
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
    input_usd = UsdField("input", validators=[MinValueValidator(0)], help_text=_PER_MILLION)
    output_usd = UsdField("output", validators=[MinValueValidator(0)], help_text=_PER_MILLION)
    # Null: as the input.
    cache_read_usd = UsdField(
        "cache read",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=f"{_PER_MILLION}. Empty: as the input.",
    )
    cache_write_usd = UsdField(
        "cache write",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=f"{_PER_MILLION}. Empty: as the input.",
    )
    cache_write_1h_usd = UsdField(
        "cache write for an hour",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=f"{_PER_MILLION}. Empty: as the other cache writes.",
    )
    reasoning_usd = UsdField(
        "reasoning",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=f"{_PER_MILLION}. Empty: as the output, of which it is a part.",
    )
    created_at = models.DateTimeField(default=clock.now, editable=False, db_column="createdAt")

    class Meta:
        db_table = "model_prices"
        verbose_name = "price of a model"
        verbose_name_plural = "prices of models"
        ordering = ["pattern", "-starts_at"]
        indexes = [models.Index(fields=["-starts_at"], name="model_prices_starts")]

    def __str__(self) -> str:
        return f"{self.pattern} from {self.starts_at:%Y-%m-%d}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise AppendOnly
