"""The database engine for MONGODB_URI."""

from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, ClassVar

from django.db import DatabaseError
from django.db.backends.utils import debug_transaction
from django.db.models import Field, Index, Model
from django_mongodb_backend.base import DatabaseWrapper as BaseDatabaseWrapper
from django_mongodb_backend.query import wrap_database_errors
from django_mongodb_backend.schema import DatabaseSchemaEditor as BaseSchemaEditor
from django_mongodb_backend.utils import OperationDebugWrapper
from pymongo import ASCENDING, DESCENDING, timeout
from pymongo.errors import PyMongoError

from chatcore.db import column_of, store_breaker
from chatcore.mongodb.watch import (
    ANSWER_SECONDS,
    FAREWELL_SECONDS,
    WatchedCollection,
    in_time,
    watched,
)

COMMIT_ATTEMPTS = 3


class DatabaseSchemaEditor(BaseSchemaEditor):
    """Makes plain unique indexes.

    The backend restricts each unique index to rows of the column's type, so that several nulls may
    stand side by side. MongoDB uses such an index only for queries that name the type as well, and
    Django's never do: every look-up by a unique value read the whole collection. Where no column
    can be null, the restriction is not needed.
    """

    @wrap_database_errors  # type: ignore[untyped-decorator]
    def add_index(
        self,
        model: type[Model],
        index: Index,
        *,
        field: "Field[Any, Any] | None" = None,
        unique: bool = False,
        column_prefix: str = "",
        parent_model: type[Model] | None = None,
    ) -> None:
        names = [(field.name, "")] if field else index.fields_orders
        if (
            not unique
            or index.condition
            or column_prefix
            or any(model._meta.get_field(name).null for name, _ in names)
        ):
            super().add_index(
                model,
                index,
                field=field,
                unique=unique,
                column_prefix=column_prefix,
                parent_model=parent_model,
            )
            return
        keys = [
            (column_of(model, name), DESCENDING if order == "DESC" else ASCENDING)
            for name, order in names
        ]
        collection = self.get_collection(model._meta.db_table)
        collection.create_index(keys, name=index.name, unique=True)


class DatabaseWrapper(BaseDatabaseWrapper):
    SchemaEditorClass = DatabaseSchemaEditor
    # Whether this process answers people, who are not to wait. Commands may take their time: to
    # build an index or to delete a year of chats is work of minutes.
    is_serving: ClassVar[bool] = False

    def serve(self) -> None:
        """From here on an operation has ANSWER_SECONDS, in every thread that begins after this."""
        type(self).is_serving = True
        # The next one is made with the limit.
        self.close_pool()

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        if self.is_serving:
            # For what is not in `watched` as well: reading on in a long result.
            params["timeoutMS"] = int(ANSWER_SECONDS * 1000)
        return params

    def get_collection(self, name: str, **kwargs: Any) -> Any:
        if not self.is_serving:
            return super().get_collection(name, **kwargs)
        collection = WatchedCollection(self.database, name, **kwargs)
        return OperationDebugWrapper(self, collection) if self.queries_logged else collection

    def ping(self) -> None:
        """Ask whether it is there, also while it is left alone. Raises PyMongoError."""
        self.ensure_connection()
        with in_time(self.connection):
            self.connection.admin.command("ping")

    def watched(self) -> AbstractContextManager[None]:
        """For what is asked of the driver itself. Raises LeftAlone while MongoDB is left alone."""
        if not self.is_serving:
            return nullcontext()
        # It may be the first thing that this thread asks.
        self.ensure_connection()
        return watched(self.connection)

    def commit_mongo(self) -> None:
        """As the backend's, but a failure is Django's DatabaseError.

        The driver's own error would pass by the code that ends the session, and this thread would
        write outside of any transaction from then on, without a word.
        """
        if self.session is not None:
            try:
                with self.watched():
                    self._commit_session()
            except PyMongoError as error:
                raise DatabaseError(str(error)) from error
            self._end_session()
        self.run_and_clear_commit_hooks()

    def _commit_session(self) -> None:
        for attempt in range(1, COMMIT_ATTEMPTS + 1):
            try:
                with debug_transaction(self, "session.commit_transaction()"):
                    self.session.commit_transaction()
                return
            except PyMongoError as error:
                # Whether it took place is not known; to ask again is safe, to run again is not.
                is_unknown = error.has_error_label("UnknownTransactionCommitResult")
                if not is_unknown or attempt == COMMIT_ATTEMPTS:
                    raise

    def rollback_mongo(self) -> None:
        """As the backend's, and the session is ended whatever the server says, or does not say."""
        is_away = self.is_serving and store_breaker.has_failed
        try:
            # After a commit that failed there is nothing to abort, which the driver calls an error.
            with suppress(PyMongoError), timeout(FAREWELL_SECONDS) if is_away else nullcontext():
                super().rollback_mongo()
        finally:
            if self.session is not None:
                self._end_session()
            self.run_on_commit: list[Any] = []
