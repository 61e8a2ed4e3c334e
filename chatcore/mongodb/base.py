"""The database engine for MONGODB_URI."""

from contextlib import suppress
from typing import Any

from django.db import DatabaseError
from django.db.models import Field, Index, Model
from django_mongodb_backend.base import DatabaseWrapper as BaseDatabaseWrapper
from django_mongodb_backend.query import wrap_database_errors
from django_mongodb_backend.schema import DatabaseSchemaEditor as BaseSchemaEditor
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import PyMongoError

from chatcore.db import column_of

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

    def commit_mongo(self) -> None:
        """As the backend's, but a failure is Django's DatabaseError.

        The driver's own error would pass by the code that ends the session, and this thread would
        write outside of any transaction from then on, without a word.
        """
        for attempt in range(1, COMMIT_ATTEMPTS + 1):
            try:
                super().commit_mongo()
                return
            except PyMongoError as error:
                # Whether it took place is not known; to ask again is safe, to run again is not.
                is_unknown = error.has_error_label("UnknownTransactionCommitResult")
                if not is_unknown or attempt == COMMIT_ATTEMPTS:
                    raise DatabaseError(str(error)) from error

    def rollback_mongo(self) -> None:
        """As the backend's, and the session is ended whatever the server says, or does not say."""
        try:
            # After a commit that failed there is nothing to abort, which the driver calls an error.
            with suppress(PyMongoError):
                super().rollback_mongo()
        finally:
            if self.session is not None:
                self._end_session()
            self.run_on_commit: list[Any] = []
