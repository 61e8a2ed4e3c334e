"""What SQLite and MongoDB do differently, behind one name each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.db import DatabaseError, connection, models, transaction

if TYPE_CHECKING:
    from pymongo.operations import IndexModel

Result = TypeVar("Result")


@contextmanager
def atomic() -> Iterator[None]:
    """All or nothing, on either store; usable as a decorator too.

    Django's own `atomic` does nothing on MongoDB, without a word. On MongoDB an IntegrityError ends
    the whole transaction and there are no savepoints, so catch errors outside the block, not in it.
    """
    if connection.vendor == "mongodb":
        from django_mongodb_backend import transaction as mongodb_transaction

        with mongodb_transaction.atomic():
            yield
    else:
        with transaction.atomic():
            yield


def in_transaction(work: Callable[[], Result], *, attempts: int = 8) -> Result:
    """What `work` returns, run inside `atomic()`, and run again if another writer was quicker.

    MongoDB ends one of two transactions that write one document; the loser has changed nothing
    and may begin again. SQLite lets the second one wait instead.
    """
    for attempt in range(1, attempts + 1):
        try:
            with atomic():
                return work()
        except DatabaseError as error:
            if attempt == attempts or not _is_write_conflict(error):
                raise
    raise AssertionError("unreachable")


def _is_write_conflict(error: DatabaseError) -> bool:
    """Whether MongoDB says that the same again may work, and means the transaction by it.

    A server that is away is "transient" as well, but waiting for it is not for a transaction to do.
    """
    cause = error.__cause__
    has_error_label = getattr(cause, "has_error_label", None)
    if has_error_label is None:
        return False
    from pymongo.errors import ConnectionFailure

    is_away = isinstance(cause, ConnectionFailure)
    return bool(has_error_label("TransientTransactionError")) and not is_away


def column_of(model: type[models.Model], field: str) -> str:
    """The name that a field has in the store."""
    return str(cast("models.Field[Any, Any]", model._meta.get_field(field)).column)


class SparseIndex(models.Index):
    """An index without the rows that have no value: sparse on MongoDB, partial on SQLite."""

    def __init__(self, *, field: str, name: str) -> None:
        self.field = field
        super().__init__(
            fields=[field], name=name, condition=models.Q(**{f"{field}__isnull": False})
        )

    def deconstruct(self) -> tuple[str, tuple[()], dict[str, Any]]:
        path, _, _ = super().deconstruct()
        return path, (), {"field": self.field, "name": self.name}

    def get_pymongo_index_model(
        self, model: type[models.Model], **_options: object
    ) -> "IndexModel":
        from pymongo.operations import IndexModel

        return IndexModel([(column_of(model, self.field), 1)], name=self.name, sparse=True)
