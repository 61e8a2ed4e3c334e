"""Rows of many threads, written together: one transaction for all that has gathered meanwhile.

What is written to the ledger and of chats is added to the sums of its organisation and person.
MongoDB ends all but one of the transactions that do so at one moment, and SQLite makes them wait in
any case, so that a process has one at a time. Who waits for it hands over a row, and whoever is
next writes them all: the store is asked as often for twenty rows as for one.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar
from uuid import UUID

from django.db import IntegrityError, models

from chatcore.db import in_transaction, store_is_away

Row = TypeVar("Row", bound=models.Model)

MOST_TOGETHER = 50
# Each process has a line of its own: one that writes without a pause is quicker than another one's
# attempt more often than not, and eight in a row were seen to fail.
ATTEMPTS = 12

# Of all lines: they write the same sums.
_turn = threading.Lock()


class _Waiting(Generic[Row]):
    def __init__(self, row: Row) -> None:
        self.row = row
        self.is_over = False
        self.error: BaseException | None = None


class Line(Generic[Row]):
    """Of rows of one kind, which `write` writes inside a transaction, each id once."""

    def __init__(self, write: Callable[[Sequence[Row]], None]) -> None:
        self._write = write
        self._waiting: list[_Waiting[Row]] = []
        self._gate = threading.Lock()

    def put(self, row: Row) -> None:
        """Return when it is written; raises what the store says of it.

        Never inside another transaction: whoever is in the line may be waiting for it.
        """
        mine = _Waiting(row)
        with self._gate:
            self._waiting.append(mine)
        with _turn:
            while not mine.is_over:
                self._carry_out(self._next())
        if mine.error is not None:
            raise mine.error

    def _next(self) -> list[_Waiting[Row]]:
        """The first ones. Of two with one id the second has to see what became of the first."""
        taken: dict[UUID, _Waiting[Row]] = {}
        with self._gate:
            for each in self._waiting[:MOST_TOGETHER]:
                taken.setdefault(each.row.pk, each)
            chosen = set(map(id, taken.values()))
            self._waiting = [each for each in self._waiting if id(each) not in chosen]
        return list(taken.values())

    def _carry_out(self, batch: Sequence[_Waiting[Row]]) -> None:
        try:
            self._write_together([each.row for each in batch])
        except BaseException as error:
            if isinstance(error, Exception) and len(batch) > 1 and not store_is_away(error):
                # What is wrong with one of them is nothing to the others.
                for each in batch:
                    self._carry_out([each])
                return
            for each in batch:
                each.error = error
        for each in batch:
            each.is_over = True

    def _write_together(self, rows: Sequence[Row]) -> None:
        work = partial(self._write, rows)
        try:
            in_transaction(work, attempts=ATTEMPTS)
        except IntegrityError:
            # Another process made the same row, or the first one of its bucket, at the same moment.
            in_transaction(work, attempts=ATTEMPTS)
