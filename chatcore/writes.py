"""Rows written by one of their unique indexes, without putting a query together.

What `chatcore.rows` is for reads. A turn begins and ends with a few writes in a row while a person
waits; to build each of them costs Django several times what the store takes to carry it out. All of
these belong into a transaction of `chatcore.db`, as Django's own do.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any, cast

from django.db import connection, connections, models

from chatcore.db import column_of
from chatcore.money import UsdField
from chatcore.rows import Row, as_python

Values = Mapping[str, Any]


def values_of(instance: models.Model) -> dict[str, Any]:
    """All fields of a row, by their names."""
    fields = instance._meta.concrete_fields
    return {field.attname: getattr(instance, field.attname) for field in fields}


def insert(instance: models.Model) -> None:
    """Write a new row; signals are not sent. Raises IntegrityError."""
    model, values = type(instance), values_of(instance)
    stored = _stored(model, values)
    if connection.vendor == "mongodb":
        columns = [column_of(model, name) for name in values]
        _mongodb_insert(model, dict(zip(columns, stored, strict=True)))
    else:
        with connection.cursor() as cursor:
            cursor.execute(_insert_statement(model, tuple(values)), stored)
    instance._state.adding = False
    instance._state.db = connection.alias


def insert_each(model: type[models.Model], rows: Sequence[Values]) -> None:
    """Write many new rows at once, each with all fields of the model. Raises IntegrityError."""
    if not rows:
        return
    names = tuple(field.attname for field in model._meta.concrete_fields)
    prepare = _preparer(model, names)
    stored = [prepare([row[name] for name in names]) for row in rows]
    if connection.vendor == "mongodb":
        columns = [column_of(model, name) for name in names]
        _mongodb_insert_each(model, [dict(zip(columns, each, strict=True)) for each in stored])
        return
    with connection.cursor() as cursor:
        cursor.executemany(_insert_statement(model, names), stored)


def update(
    model: type[models.Model],
    equal: Values,
    *,
    values: Values | None = None,
    add: Mapping[str, int] | None = None,
    returning: Sequence[str] = (),
) -> Row | None:
    """Change one row, whose fields are `equal` to these: set `values`, and `add` to numbers.

    Returns its `returning` fields as they are then ({} for none), or None if there is no such row.
    """
    values, add = values or {}, add or {}
    if connection.vendor == "mongodb":
        found = _mongodb_update(model, equal, values, add, returning)
    else:
        # Something has to come back, or a row that is not there would look like one that is.
        wanted = tuple(returning) or (model._meta.pk.attname,)
        sql = _update_statement(model, tuple(equal), tuple(values), tuple(add), wanted)
        parameters = [*_stored(model, values), *add.values(), *_stored(model, equal)]
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            found = next(iter(cursor.fetchall()), None)
    if found is None:
        return None
    return as_python(model, returning, found[: len(returning)])


def update_each(model: type[models.Model], rows: Sequence[tuple[Values, Values]]) -> None:
    """Change many rows at once, each given as (equal, values) with the same fields.

    A row that is not there is passed over.
    """
    if not rows:
        return
    if connection.vendor == "mongodb":
        _mongodb_update_each(model, rows)
        return
    equal, values = rows[0]
    sql = _update_statement(model, tuple(equal), tuple(values), (), ())
    with connection.cursor() as cursor:
        cursor.executemany(
            sql, [[*_stored(model, new), *_stored(model, which)] for which, new in rows]
        )


def add_each(model: type[models.Model], rows: Sequence[tuple[Values, Mapping[str, int]]]) -> None:
    """Add numbers to many rows, each given as (its fields, {field: number}); quickest where
    neighbours have the same names.

    A row that is not there yet is made of its fields, of which one is the primary key, and the
    numbers. "durations.17" is the number under "17" in the JSON field `durations`.
    """
    if not rows:
        return
    if connection.vendor == "mongodb":
        _mongodb_add_each(model, rows)
        return
    with connection.cursor() as cursor:
        for form, alike in groupby(rows, _form):
            cursor.executemany(_add_statement(model, *form), [_added(model, *row) for row in alike])


def _form(row: tuple[Values, Mapping[str, int]]) -> tuple[tuple[str, ...], ...]:
    """What `_add_statement` is made of: fields, numbers, and JSON fields with a number inside."""
    fields, add = row
    nested = (name.partition(".")[0] for name in add if "." in name)
    return tuple(fields), tuple(name for name in add if "." not in name), tuple(nested)


def _added(model: type[models.Model], fields: Values, add: Mapping[str, int]) -> list[Any]:
    """The parameters of `_add_statement`."""
    inside = [(*name.partition(".")[::2], number) for name, number in add.items() if "." in name]
    plain = [number for name, number in add.items() if "." not in name]
    paths = [(f'$."{key}"', number) for _, key, number in inside]
    return [
        *_stored(model, fields),
        *plain,
        *(json.dumps({key: number}) for _, key, number in inside),
        *(each for path, number in paths for each in (path, path, number)),
    ]


def _stored(model: type[models.Model], values: Values) -> list[Any]:
    return _preparer(model, tuple(values))(values.values())


def _preparer(
    model: type[models.Model], names: Sequence[str]
) -> Callable[[Iterable[Any]], list[Any]]:
    """What makes values of these fields what the store has."""
    # The connection itself: to look it up costs more than most values take.
    database = connections[connection.alias]
    fields = [cast("models.Field[Any, Any]", model._meta.get_field(name)) for name in names]
    # Whole numbers, of which most rows have many, are what they are on either store.
    prepares = [(field.get_db_prep_save, isinstance(field, UsdField)) for field in fields]

    def prepare(values: Iterable[Any]) -> list[Any]:
        return [
            value if type(value) is int and not is_usd else prepare_one(value, database)
            for (prepare_one, is_usd), value in zip(prepares, values, strict=True)
        ]

    return prepare


# --- SQL: all names in the statements come from the models ----------------------------------------
def _column(model: type[models.Model], name: str) -> str:
    return connection.ops.quote_name(column_of(model, name))


@cache
def _insert_statement(model: type[models.Model], names: tuple[str, ...]) -> str:
    return (
        f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)}"  # noqa: S608
        f" ({', '.join(_column(model, name) for name in names)})"
        f" VALUES ({', '.join(['%s'] * len(names))})"
    )


@cache
def _update_statement(
    model: type[models.Model],
    equal: tuple[str, ...],
    values: tuple[str, ...],
    add: tuple[str, ...],
    returning: tuple[str, ...],
) -> str:
    changes = [f"{_column(model, name)} = %s" for name in values]
    changes += [f"{_column(model, name)} = {_column(model, name)} + %s" for name in add]
    where = " AND ".join(f"{_column(model, name)} = %s" for name in equal)
    sql = (
        f"UPDATE {connection.ops.quote_name(model._meta.db_table)}"  # noqa: S608
        f" SET {', '.join(changes)} WHERE {where}"
    )
    if returning:
        sql += f" RETURNING {', '.join(_column(model, name) for name in returning)}"
    return sql


@cache
def _add_statement(
    model: type[models.Model],
    fields: tuple[str, ...],
    add: tuple[str, ...],
    inside: tuple[str, ...],
) -> str:
    names = [*fields, *add, *inside]
    # What is not named has its default, of which a JSON field's is {}.
    others = [
        field.attname
        for field in model._meta.concrete_fields
        if isinstance(field, models.JSONField) and field.attname not in inside
    ]
    places = ["%s"] * len(names) + ["'{}'"] * len(others)
    changes = [
        f"{_column(model, name)} = {_column(model, name)} + excluded.{_column(model, name)}"
        for name in add
    ]
    changes += [
        "{0} = json_set({0}, %s, coalesce(json_extract({0}, %s), 0) + %s)".format(
            _column(model, name)
        )
        for name in inside
    ]
    columns = ", ".join(_column(model, name) for name in [*names, *others])
    key = _column(model, model._meta.pk.attname)
    return (
        f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)} ({columns})"  # noqa: S608
        f" VALUES ({', '.join(places)}) ON CONFLICT ({key}) DO UPDATE SET {', '.join(changes)}"
    )


# --- MongoDB --------------------------------------------------------------------------------------
def _document(model: type[models.Model], values: Values) -> dict[str, Any]:
    columns = [column_of(model, name) for name in values]
    return dict(zip(columns, _stored(model, values), strict=True))


def _collection(model: type[models.Model]) -> Any:
    return cast(Any, connection).get_collection(model._meta.db_table)


def _mongodb_insert(model: type[models.Model], document: dict[str, Any]) -> None:
    from django_mongodb_backend.query import wrap_database_errors

    database = cast(Any, connection)

    @wrap_database_errors  # type: ignore[untyped-decorator]
    def run() -> None:
        with database.watched():
            _collection(model).insert_one(document, session=database.session)

    run()


def _mongodb_insert_each(model: type[models.Model], documents: list[dict[str, Any]]) -> None:
    from django_mongodb_backend.query import wrap_database_errors

    database = cast(Any, connection)

    @wrap_database_errors  # type: ignore[untyped-decorator]
    def run() -> None:
        with database.watched():
            _collection(model).insert_many(documents, ordered=False, session=database.session)

    run()


def _mongodb_update(
    model: type[models.Model],
    equal: Values,
    values: Values,
    add: Mapping[str, int],
    returning: Sequence[str],
) -> tuple[Any, ...] | None:
    from django_mongodb_backend.query import wrap_database_errors
    from pymongo import ReturnDocument

    database = cast(Any, connection)
    columns = [column_of(model, name) for name in returning]
    change = {"$set": _document(model, values)} if values else {}
    if add:
        change["$inc"] = {column_of(model, name): number for name, number in add.items()}

    @wrap_database_errors  # type: ignore[untyped-decorator]
    def run() -> tuple[Any, ...] | None:
        with database.watched():
            found = _collection(model).find_one_and_update(
                _document(model, equal),
                change,
                projection={"_id": 1, **dict.fromkeys(columns, 1)},
                return_document=ReturnDocument.AFTER,
                session=database.session,
            )
        return None if found is None else tuple(found.get(column) for column in columns)

    return cast("tuple[Any, ...] | None", run())


def _mongodb_update_each(model: type[models.Model], rows: Sequence[tuple[Values, Values]]) -> None:
    from django_mongodb_backend.query import wrap_database_errors
    from pymongo import UpdateOne

    database = cast(Any, connection)
    changes = [
        UpdateOne(_document(model, equal), {"$set": _document(model, values)})
        for equal, values in rows
    ]

    @wrap_database_errors  # type: ignore[untyped-decorator]
    def run() -> None:
        with database.watched():
            _collection(model).bulk_write(changes, ordered=False, session=database.session)

    run()


def _mongodb_add_each(
    model: type[models.Model], rows: Sequence[tuple[Values, Mapping[str, int]]]
) -> None:
    from django_mongodb_backend.query import wrap_database_errors
    from pymongo import UpdateOne

    database = cast(Any, connection)
    changes = []
    for fields, add in _together(rows):
        document = _document(model, fields)
        touched = {name.partition(".")[0] for name in add}
        others: dict[str, Any] = {
            column_of(model, field.attname): {}
            for field in model._meta.concrete_fields
            if isinstance(field, models.JSONField) and field.attname not in touched
        }
        key = {"_id": document.pop("_id")}
        more = {_path(model, name): number for name, number in add.items()}
        changes.append(
            UpdateOne(key, {"$setOnInsert": {**document, **others}, "$inc": more}, upsert=True)
        )

    @wrap_database_errors  # type: ignore[untyped-decorator]
    def run() -> None:
        with database.watched():
            _collection(model).bulk_write(changes, ordered=False, session=database.session)

    run()


def _together(
    rows: Sequence[tuple[Values, Mapping[str, int]]],
) -> Iterable[tuple[Values, Mapping[str, int]]]:
    """What is added to one row, as one change: each costs the server as much as the first."""
    changes: dict[tuple[Any, ...], tuple[Values, Counter[str]]] = {}
    for fields, add in rows:
        changes.setdefault(tuple(fields.values()), (fields, Counter()))[1].update(add)
    return changes.values()


def _path(model: type[models.Model], name: str) -> str:
    field, dot, key = name.partition(".")
    return f"{column_of(model, field)}{dot}{key}"
