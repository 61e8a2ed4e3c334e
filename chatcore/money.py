"""US dollars, exact on either store: prices of a single token are millionths of a cent."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

PLACES = 10
QUANTUM = Decimal(1).scaleb(-PLACES)
# What fits into 64 bits, as a sum too: more than nine hundred million dollars.
LARGEST = Decimal(2**63 - 1).scaleb(-PLACES)


def usd(amount: Decimal | int | str) -> Decimal:
    """The amount as it can be stored: rounded to ten decimals, half to even."""
    return Decimal(amount).quantize(QUANTUM, ROUND_HALF_EVEN)


def from_stored(units: int) -> Decimal:
    """The dollars that stand in the store as so many ten-billionths."""
    return Decimal(int(units)).scaleb(-PLACES)


def as_stored(amount: Decimal) -> int:
    """The whole number of ten-billionths that stands for it in the store."""
    return int(usd(amount).scaleb(PLACES))


class UsdField(models.BigIntegerField):  # type: ignore[type-arg]
    """A Decimal of US dollars, kept as a whole number of ten-billionths.

    SQLite has no decimal numbers, and would add up dollars as binary fractions; whole numbers are
    added exactly by both stores. `Sum` of it is a Decimal as well.
    """

    # For the type checker.
    _pyi_private_set_type: Decimal | int  # type: ignore[assignment]
    _pyi_private_get_type: Decimal  # type: ignore[assignment]

    def from_db_value(self, value: Any, *_: object) -> Decimal | None:
        return None if value is None else from_stored(value)

    def to_python(self, value: Any) -> Decimal | None:
        if value is None or value == "":
            return None
        try:
            amount = usd(value)
        except (InvalidOperation, TypeError, ValueError) as error:
            raise ValidationError("Write an amount of US dollars, as in 12.50.") from error
        if not abs(amount) <= LARGEST:
            raise ValidationError("That is too large an amount.")
        return amount

    def get_prep_value(self, value: Any) -> int | None:
        amount = self.to_python(value)
        return None if amount is None else as_stored(amount)

    def formfield(self, **kwargs: Any) -> Any:
        from django import forms

        return models.Field.formfield(
            self,
            **{
                "form_class": forms.DecimalField,
                "min_value": 0,
                "decimal_places": PLACES,
                "max_digits": 18,
                **kwargs,
            },
        )
