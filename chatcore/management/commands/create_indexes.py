"""Make every index that the models declare, on either store, and say what was there already."""

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.apps import apps
from django.core.management import CommandError
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection, models

from chatcore.db import SparseIndex, column_of

OUR_APPS = ("accounts", "conversations", "assistant")

Declared = models.Index | models.UniqueConstraint


@dataclass(frozen=True)
class Shape:
    """What matters of an index. A column is (name, 1) or (name, -1) for a descending one."""

    columns: tuple[tuple[str, int], ...]
    unique: bool
    # Without some of the rows: sparse on MongoDB, partial on SQLite.
    sparse: bool
    # Restricted to some rows by a filter of MongoDB's, which no index of ours is.
    filtered: bool = False

    def __str__(self) -> str:
        columns = ", ".join(f"{name}: {direction}" for name, direction in self.columns)
        return (
            f"{{{columns}}}{' unique' * self.unique}{' sparse' * self.sparse}"
            f"{' filtered' * self.filtered}"
        )


class Command(BaseCommand):
    help = "Make the indexes that are missing. Safe to run again."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check",
            action="store_true",
            help="Make nothing; exit with 1 and name each index that is missing or different.",
        )

    def handle(self, *, check: bool, **_options: Any) -> None:
        wrong = 0
        for model in _models():
            present = _present(model)
            for index in (*model._meta.indexes, *model._meta.constraints):
                if not isinstance(index, models.Index | models.UniqueConstraint):
                    continue
                expected, actual = _shape(model, index), present.get(str(index.name))
                state = "missing" if actual is None else "different"
                if actual == expected:
                    state = "there already"
                elif check:
                    wrong += 1
                else:
                    _make(model, index, replace=actual is not None)
                    state = "made"
                line = f"{model._meta.db_table}.{index.name} {expected}: {state}"
                self.stdout.write(f"{line}, is {actual}" if state == "different" else line)
        if wrong:
            raise CommandError(f"{wrong} indexes are missing or different.", returncode=1)


def _models() -> Iterator[type[models.Model]]:
    tables = set(connection.introspection.table_names())
    for config in apps.get_app_configs():
        if config.label not in OUR_APPS:
            continue
        for model in config.get_models():
            if model._meta.db_table not in tables:
                raise CommandError(
                    f"{model._meta.db_table} is not there yet. Run: manage.py migrate"
                )
            yield model


def _shape(model: type[models.Model], index: Declared) -> Shape:
    orders = (
        index.fields_orders
        if isinstance(index, models.Index)
        else tuple((name, "") for name in index.fields)
    )
    columns = tuple(
        (column_of(model, name), -1 if order == "DESC" else 1) for name, order in orders
    )
    unique = isinstance(index, models.UniqueConstraint)
    return Shape(columns, unique=unique, sparse=isinstance(index, SparseIndex))


def _present(model: type[models.Model]) -> dict[str, Shape]:
    """The indexes that the store has for this model, by name."""
    if connection.vendor == "mongodb":
        collection = cast(Any, connection).get_collection(model._meta.db_table)
        return {
            name: Shape(
                tuple((column, int(direction)) for column, direction in details["key"]),
                unique=details.get("unique", False),
                sparse=details.get("sparse", False),
                filtered="partialFilterExpression" in details,
            )
            for name, details in collection.index_information().items()
        }
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'")
        partial = {name for (name,) in cursor.fetchall()}
        constraints = connection.introspection.get_constraints(cursor, model._meta.db_table)
    return {
        name: Shape(
            tuple(
                (column, -1 if order == "DESC" else 1)
                for column, order in zip(
                    details["columns"],
                    details.get("orders") or ["ASC"] * len(details["columns"]),
                    strict=True,
                )
            ),
            unique=details["unique"],
            sparse=name in partial,
        )
        for name, details in constraints.items()
    }


def _make(model: type[models.Model], index: Declared, *, replace: bool) -> None:
    try:
        with connection.schema_editor() as editor:
            if isinstance(index, models.Index):
                if replace:
                    editor.remove_index(model, index)
                editor.add_index(model, index)
            else:
                if replace:
                    editor.remove_constraint(model, index)
                editor.add_constraint(model, index)
    except DatabaseError as error:
        raise CommandError(
            f"{model._meta.db_table}.{index.name} could not be made: {error}"
        ) from error
