"""What SQLite and MongoDB do differently, behind one name each."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    connection,
    models,
    transaction,
)

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
        # At random, so that the same two do not meet again.
        time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
    raise AssertionError("unreachable")


def with_commit(work: Callable[[], None]) -> None:
    """Do what many simultaneous transactions write to one row: inside this one, or just behind it.

    On MongoDB all but one of them would be ended and begin again, so there `work` follows the
    commit. A process that is killed between the two has done the one and not the other.
    """
    if connection.vendor == "mongodb":
        transaction.on_commit(work)
    else:
        work()


def store_is_away(error: Exception) -> bool:
    """Whether the store cannot be reached or is busy, so that the same may work later."""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return isinstance(error, DatabaseError) and _mongodb_is_away(error.__cause__)


def _mongodb_is_away(cause: BaseException | None) -> bool:
    # The driver is not imported where there is no MongoDB.
    if cause is None or not type(cause).__module__.startswith("pymongo"):
        return False
    from pymongo.errors import ConnectionFailure, ExecutionTimeout

    return isinstance(cause, ConnectionFailure | ExecutionTimeout)


def _is_write_conflict(error: DatabaseError) -> bool:
    """Whether MongoDB says that the same again may work, and means the transaction by it.

    A server that is away is "transient" as well, but waiting for it is not for a transaction to do.
    """
    has_error_label = getattr(error.__cause__, "has_error_label", None)
    return (
        has_error_label is not None
        and bool(has_error_label("TransientTransactionError"))
        and not _mongodb_is_away(error.__cause__)
    )


def column_of(model: type[models.Model], field: str) -> str:
    """The name that a field has in the store."""
    return str(cast("models.Field[Any, Any]", model._meta.get_field(field)).column)


class SparseIndex(models.Index):
    """Sparse on MongoDB, and partial, without the nulls, on SQLite.

    MongoDB leaves out only documents that lack the field; Django always writes it, so there the
    index holds the nulls as well.
    """

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
