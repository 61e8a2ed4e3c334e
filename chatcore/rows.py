"""Rows of one table by one of its indexes, as plain dicts: what the hot reads are made of.

To put a query together costs Django several times what the store takes to answer it, and a model
more than its row. On MongoDB its ordered queries also compute fields before they sort, which keeps
every index from serving the order. So these few shapes of a query are written here, for each store.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, TypeVar, cast
from uuid import UUID

import msgspec
from django.db import connection, models

from chatcore.db import column_of
from chatcore.money import UsdField, from_stored

Model = TypeVar("Model", bound=models.Model)

Row = dict[str, Any]
# Field and direction, outermost first.
Order = Sequence[tuple[str, Literal[1, -1]]]
# One alternative of a condition: field, operator, value.
Condition = tuple[str, Literal["=", "<", ">"], Any]


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
    find = _find if connection.vendor == "mongodb" else _select
    found = find(model, fields, equal, present, order, beyond, limit)
    return [as_python(model, fields, row) for row in found]


def as_python(model: type[models.Model], fields: Sequence[str], values: Sequence[Any]) -> Row:
    """{field: value} of what the driver gave for these fields."""
    row = dict(zip(fields, values, strict=True))
    for name, reader in _readers(model, tuple(fields)):
        if row[name] is not None:
            row[name] = reader(row[name])
    return row


def one(model: type[Model], **equal: Any) -> Model | None:
    """The instance whose fields have these values, which a unique index is to serve; else None."""
    names = [field.attname for field in model._meta.concrete_fields]
    found = read(model, names, equal=equal, limit=1)
    return model.from_db(connection.alias, names, list(found[0].values())) if found else None


def _beyond(order: Order, after: Sequence[Any]) -> list[list[Condition]]:
    """Behind a row in `order`: further in one field, and the same in all fields before it.

    An index is entered by the first field alone, so whoever uses this bounds that one as well.
    """
    alternatives: list[list[Condition]] = []
    same: list[Condition] = []
    for (name, direction), value in zip(order, after, strict=True):
        alternatives.append([*same, (name, ">" if direction == 1 else "<", value)])
        same.append((name, "=", value))
    return alternatives


def _stored(model: type[models.Model], name: str, value: Any) -> Any:
    field = cast("models.Field[Any, Any]", model._meta.get_field(name))
    return field.get_db_prep_value(value, connection)


def _select(
    model: type[models.Model],
    fields: Sequence[str],
    equal: Mapping[str, Any],
    present: str | None,
    order: Order,
    beyond: list[list[Condition]],
    limit: int,
) -> list[tuple[Any, ...]]:
    nulls = frozenset(name for name, value in equal.items() if value is None)
    bounds = [beyond[0][0], *(each for every in beyond for each in every)] if beyond else []
    sql = _statement(
        model, tuple(fields), tuple(equal), nulls, present, tuple(order), has_bounds=bool(beyond)
    )
    values = [
        *(_stored(model, name, value) for name, value in equal.items() if value is not None),
        *(_stored(model, name, value) for name, _, value in bounds),
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} LIMIT {limit:d}", values)
        return cast("list[tuple[Any, ...]]", cursor.fetchall())


@cache
def _statement(
    model: type[models.Model],
    fields: tuple[str, ...],
    equal: tuple[str, ...],
    nulls: frozenset[str],
    present: str | None,
    order: tuple[tuple[str, Literal[1, -1]], ...],
    *,
    has_bounds: bool,
) -> str:
    """All names in it come from the models; values are passed beside it."""

    def column(name: str) -> str:
        return connection.ops.quote_name(column_of(model, name))

    where = [
        f"{column(name)} IS NULL" if name in nulls else f"{column(name)} = %s" for name in equal
    ]
    if present is not None:
        where.append(f"{column(present)} IS NOT NULL")
    if has_bounds:
        alternatives = _beyond(order, [None] * len(order))
        name, operator, _ = alternatives[0][0]
        where.append(f"{column(name)} {operator}= %s")
        where.append(
            "("
            + " OR ".join(
                "(" + " AND ".join(f"{column(name)} {sign} %s" for name, sign, _ in every) + ")"
                for every in alternatives
            )
            + ")"
        )
    sql = (
        f"SELECT {', '.join(map(column, fields))}"  # noqa: S608
        f" FROM {connection.ops.quote_name(model._meta.db_table)} WHERE {' AND '.join(where)}"
    )
    if order:
        sql += " ORDER BY " + ", ".join(
            f"{column(name)} {'ASC' if direction == 1 else 'DESC'}" for name, direction in order
        )
    return sql


_OPERATORS = {"=": "$eq", "<": "$lt", ">": "$gt"}


def _find(
    model: type[models.Model],
    fields: Sequence[str],
    equal: Mapping[str, Any],
    present: str | None,
    order: Order,
    beyond: list[list[Condition]],
    limit: int,
) -> list[tuple[Any, ...]]:
    from django_mongodb_backend.query import wrap_database_errors

    where: dict[str, Any] = {
        column_of(model, name): None if value is None else _stored(model, name, value)
        for name, value in equal.items()
    }
    if present is not None:
        where[column_of(model, present)] = {"$ne": None}
    if beyond:
        name, operator, value = beyond[0][0]
        bound = {f"{_OPERATORS[operator]}e": _stored(model, name, value)}
        where[column_of(model, name)] = {**where.get(column_of(model, name), {}), **bound}
        where["$or"] = [
            {
                column_of(model, name): {_OPERATORS[operator]: _stored(model, name, value)}
                for name, operator, value in every
            }
            for every in beyond
        ]
    columns = [column_of(model, name) for name in fields]
    sort = [(column_of(model, name), direction) for name, direction in order]

    @wrap_database_errors  # type: ignore[untyped-decorator]
    def find() -> list[tuple[Any, ...]]:
        database = cast(Any, connection)
        found = database.get_collection(model._meta.db_table).find(
            where,
            {"_id": "_id" in columns, **dict.fromkeys(columns, 1)},
            sort=sort or None,
            limit=limit,
            session=database.session,
        )
        with database.watched():
            return [tuple(row.get(column) for column in columns) for row in found]

    return cast("list[tuple[Any, ...]]", find())


@cache
def _readers(
    model: type[models.Model], fields: tuple[str, ...]
) -> list[tuple[str, Callable[[Any], Any]]]:
    """The fields whose values are not Python's yet, and how they become so."""
    readers = _FROM_MONGODB if connection.vendor == "mongodb" else _FROM_SQL
    found = []
    for name in fields:
        field: Any = model._meta.get_field(name)
        while isinstance(field, models.ForeignKey):
            field = field.target_field
        found += [(name, reader) for kind, reader in readers.items() if isinstance(field, kind)]
    return found


def _in_utc(moment: datetime) -> datetime:
    """Both drivers give times without a zone."""
    return moment.replace(tzinfo=UTC)


_FROM_SQL: dict[type[Any], Callable[[Any], Any]] = {
    models.UUIDField: UUID,
    models.DateTimeField: _in_utc,
    models.JSONField: msgspec.json.decode,
    UsdField: from_stored,
}
_FROM_MONGODB: dict[type[Any], Callable[[Any], Any]] = {
    models.UUIDField: UUID,
    models.DateTimeField: _in_utc,
    # The driver's Int64 is an int that no encoder knows.
    models.IntegerField: int,
    UsdField: from_stored,
}
