"""What comes from outside, checked to the last field before anything is done with it.

Shapes are msgspec types; the API's schema is made of the same ones, so that both always agree.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from chatcore.errors import Invalid

Checked = TypeVar("Checked")


class Shape(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An object with these fields and no other. Names in JSON are camelCase."""


# MongoDB ends at 100 levels and 64 bits; no message of a model comes near either.
MAX_DEPTH = 32
# To look at each takes a microsecond: 5,000 messages have some 50,000.
MAX_VALUES = 200_000
LARGEST_INTEGER = 2**63 - 1


def decode(raw: bytes) -> Any:
    """The JSON value in `raw`, of which every part can be stored. Raises Invalid."""
    try:
        value = json.loads(raw.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid("The body is not valid JSON.", code="malformed") from error
    check_storable(value)
    return value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def convert(value: Any, shape: type[Checked], *, strict: bool = True) -> Checked:
    """The value as a `shape`. Raises Invalid, which names the field.

    Without `strict` numbers and booleans may be written as text, as in a query string.
    """
    try:
        return msgspec.convert(value, shape, strict=strict)
    except msgspec.ValidationError as error:
        field, fault = fault_of(error)
        raise invalid(field, fault) from error


def invalid(field: str, fault: str) -> Invalid:
    """One field that cannot be taken; `field` is "" for the whole."""
    if not field:
        return Invalid(f"{fault}.")
    return Invalid(f"{field}: {fault}.", fields={field: f"{fault}."})


def query(params: Mapping[str, Any], shape: type[Checked]) -> Checked:
    """The query string as a `shape`. Raises Invalid for a name that is unknown or there twice.

    `params` is a QueryDict.
    """
    values: dict[str, str] = {}
    for name, given in params.lists():  # type: ignore[attr-defined]
        if len(given) > 1:
            raise invalid(name[:64], "may be there only once")
        values[name] = given[0]
    check_storable(values)
    return convert(values, shape, strict=False)


_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)


def fault_of(error: msgspec.ValidationError) -> tuple[str, str]:
    """Which field, "" for the whole, and what is wrong with it."""
    fault, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").removeprefix(".")
    for pattern, words in ((_UNKNOWN, "is not a known field"), (_MISSING, "is missing")):
        if found := pattern.match(fault):
            return f"{field}.{found[1][:64]}".removeprefix("."), words
    return field, fault


def check_storable(root: Any) -> None:
    """Raises Invalid for NUL, half of a surrogate pair, and what is too large, deep or many."""
    # Each with where it stands; that is put into words only for a fault.
    todo: list[tuple[Any, _Place | None, int]] = [(root, None, 0)]
    seen = 0
    while todo:
        value, place, depth = todo.pop()
        seen += 1
        if seen > MAX_VALUES:
            raise Invalid(f"The body holds more than {MAX_VALUES:,} values.")
        if isinstance(value, str):
            _check_text(value, place)
        elif isinstance(value, int | float):
            # Infinity is larger as well.
            if abs(value) > LARGEST_INTEGER and (isinstance(value, int) or math.isinf(value)):
                raise invalid(_in_words(place), "is too large a number")
        elif isinstance(value, dict | list):
            if depth >= MAX_DEPTH:
                raise invalid(_in_words(place), f"is nested deeper than {MAX_DEPTH} levels")
            if isinstance(value, list):
                todo += [(each, (place, index), depth + 1) for index, each in enumerate(value)]
                continue
            for name, each in value.items():
                _check_text(name, place)
                todo.append((each, (place, name), depth + 1))


# The place of what holds it, and its name or number there.
_Place = tuple[Any, str | int]


def _in_words(place: _Place | None) -> str:
    words = ""
    while place is not None:
        place, name = place
        words = f"[{name}]{words}" if isinstance(name, int) else f".{name[:64]}{words}"
    return words.removeprefix(".")


def _check_text(text: str, place: _Place | None) -> None:
    if "\x00" in text:
        raise invalid(_in_words(place), "contains NUL")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise invalid(_in_words(place), "contains half of a surrogate pair") from error
