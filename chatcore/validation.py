"""What comes from outside, checked to the last field before anything is done with it.

Shapes are msgspec types; the API's schema is made of the same ones, so that both always agree.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from chatcore.errors import Invalid

Shape = TypeVar("Shape")

# MongoDB ends at 100 levels and 64 bits; no message of a model comes near either.
MAX_DEPTH = 32
LARGEST_INTEGER = 2**63 - 1


def decode(raw: bytes) -> Any:
    """The JSON value in `raw`, of which every part can be stored. Raises Invalid."""
    try:
        value = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid("The body is not valid JSON.", code="malformed") from error
    _refuse_what_no_store_takes(value)
    return value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def convert(value: Any, shape: type[Shape], *, strict: bool = True) -> Shape:
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


def query(params: Mapping[str, Any], shape: type[Shape]) -> Shape:
    """The query string as a `shape`. Raises Invalid for a name that is unknown or there twice.

    `params` is a QueryDict.
    """
    values: dict[str, str] = {}
    for name, given in params.lists():  # type: ignore[attr-defined]
        if len(given) > 1:
            raise invalid(name[:64], "may be there only once")
        values[name] = given[0]
    _refuse_what_no_store_takes(values)
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


def _refuse_what_no_store_takes(value: Any, path: str = "", depth: int = 0) -> None:
    """Raises Invalid for NUL, half of a surrogate pair, too large a number, too deep a nesting."""
    match value:
        case str():
            _check_text(value, path)
        case int() if abs(value) > LARGEST_INTEGER:
            raise invalid(path, "is too large a number")
        case float() if value in (float("inf"), float("-inf")):
            raise invalid(path, "is too large a number")
        case dict() | list():
            if depth >= MAX_DEPTH:
                raise invalid(path, f"is nested deeper than {MAX_DEPTH} levels")
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            for name, each in pairs:
                inner = f"{path}[{name}]" if isinstance(name, int) else f"{path}.{name[:64]}"
                if isinstance(name, str):
                    _check_text(name, path)
                _refuse_what_no_store_takes(each, inner.removeprefix("."), depth + 1)


def _check_text(text: str, path: str) -> None:
    if "\x00" in text:
        raise invalid(path, "contains NUL")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise invalid(path, "contains half of a surrogate pair") from error
