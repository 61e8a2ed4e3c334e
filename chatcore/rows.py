"""Rows of one table by one of its indexes, as plain dicts: what the hot reads are made of.

A model costs more than its query. And on MongoDB Django's ordered queries compute fields before
they sort, which keeps every index from serving the order: there these rows are read by `find`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, cast
from uuid import UUID

from django.db import connection, models

from chatcore.db import column_of

Row = dict[str, Any]
# Field and direction, outermost first.
Order = Sequence[tuple[str, Literal[1, -1]]]
# One alternative of a condition: field, operator, value.
Condition = tuple[str, Literal["exact", "lt", "gt"], Any]


def read(
    model: type[models.Model],
    fields: Sequence[str],
    *,
    equal: Mapping[str, Any],
    present: str | None = None,
    order: Order = (),
    after: Sequence[Any] | None = None,
    limit: int,
) -> list[Row]:
    """At most `limit` rows as {field: value}, in `order`.

    Of those whose `equal` fields have these values, and whose field `present` is not null.
    `after` holds the values of the `order` fields of the row to go on behind.
    """
    beyond = _beyond(order, after) if after is not None else []
    if connection.vendor == "mongodb":
        return _find(model, fields, equal, present, order, beyond, limit)
    rows = cast(Any, model).objects.filter(**equal)
    if present is not None:
        rows = rows.filter(**{f"{present}__isnull": False})
    if beyond:
        name, operator, value = beyond[0][0]
        rows = rows.filter(_any_of(beyond), **{f"{name}__{operator}e": value})
    names = [name if direction == 1 else f"-{name}" for name, direction in order]
    return list(rows.order_by(*names).values(*fields)[:limit])


def _beyond(order: Order, after: Sequence[Any]) -> list[list[Condition]]:
    """Behind a row in `order`: further in one field, and the same in all fields before it.

    An index is entered by the first field alone, so whoever uses this bounds that one as well.
    """
    alternatives: list[list[Condition]] = []
    same: list[Condition] = []
    for (name, direction), value in zip(order, after, strict=True):
        alternatives.append([*same, (name, "gt" if direction == 1 else "lt", value)])
        same.append((name, "exact", value))
    return alternatives


def _any_of(alternatives: list[list[Condition]]) -> models.Q:
    any_of = models.Q()
    for conditions in alternatives:
        any_of |= models.Q(**{f"{name}__{operator}": value for name, operator, value in conditions})
    return any_of


def _find(
    model: type[models.Model],
    fields: Sequence[str],
    equal: Mapping[str, Any],
    present: str | None,
    order: Order,
    beyond: list[list[Condition]],
    limit: int,
) -> list[Row]:
    from django_mongodb_backend.query import wrap_database_errors

    def stored(name: str, value: Any) -> Any:
        if value is None:
            return None
        field = cast("models.Field[Any, Any]", model._meta.get_field(name))
        return field.get_db_prep_value(value, connection)

    where: dict[str, Any] = {
        column_of(model, name): stored(name, value) for name, value in equal.items()
    }
    if present is not None:
        where[column_of(model, present)] = {"$ne": None}
    if beyond:
        name, operator, value = beyond[0][0]
        bound = {f"{_OPERATORS[operator]}e": stored(name, value)}
        where[column_of(model, name)] = {**where.get(column_of(model, name), {}), **bound}
        where["$or"] = [
            {
                column_of(model, name): {_OPERATORS[operator]: stored(name, value)}
                for name, operator, value in conditions
            }
            for conditions in beyond
        ]
    columns = {column_of(model, name): name for name in fields}
    sort = [(column_of(model, name), direction) for name, direction in order]

    @wrap_database_errors  # type: ignore[untyped-decorator]
    def find() -> list[Row]:
        database = cast(Any, connection)
        found = database.get_collection(model._meta.db_table).find(
            where,
            {"_id": "_id" in columns, **dict.fromkeys(columns, 1)},
            sort=sort or None,
            limit=limit,
            session=database.session,
        )
        with database.watched():
            return [
                {name: _read(model, name, row[column]) for column, name in columns.items()}
                for row in found
            ]

    return cast("list[Row]", find())


_OPERATORS = {"exact": "$eq", "lt": "$lt", "gt": "$gt"}


def _read(model: type[models.Model], name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)  # the driver's Int64 is an int that no encoder knows
    if isinstance(value, str) and isinstance(model._meta.get_field(name), models.UUIDField):
        return UUID(value)
    return value
