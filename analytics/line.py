"""Rows of many threads, written together, as databases do by a group commit: one transaction for
all that has gathered meanwhile.

What is written to the ledger and of chats is added to the sums of its organisation and person.
MongoDB ends all but one of the transactions that do so at one moment, and SQLite makes them wait in
any case, so that a process has one at a time. Who waits for it hands over a row, and whoever is
next writes them all: the store is asked as often for twenty rows as for one.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from django.db import IntegrityError

from chatcore.db import in_transaction, is_write_conflict, store_is_away

MOST_TOGETHER = 50
# Each process has a line of its own: one that writes without a pause is quicker than another one's
# attempt more often than not, and eight in a row were seen to fail.
ATTEMPTS = 12
# Of many together: one of which the sums are held by a killed process is to be told apart soon.
ATTEMPTS_TOGETHER = 4

# Of all lines: they write the same sums.
_turn = threading.Lock()


class Counted(Protocol):
    """A row that is added to the sums of its organisation."""

    pk: Any
    organization_id: UUID


Row = TypeVar("Row", bound=Counted)


class _Waiting(Generic[Row]):
    def __init__(self, row: Row) -> None:
        self.row = row
        self.is_over = False
        self.error: Exception | None = None

    def end(self, error: Exception | None = None) -> None:
        self.is_over, self.error = True, error


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
                self._write_next(mine)
        if mine.error is not None:
            raise mine.error

    def _write_next(self, mine: _Waiting[Row]) -> None:
        batch = self._next()
        try:
            self._carry_out(batch, {})
        finally:
            # Whoever does this may be interrupted. The others go on by themselves.
            if left := [each for each in batch if not each.is_over and each is not mine]:
                with self._gate:
                    self._waiting[:0] = left

    def _next(self) -> list[_Waiting[Row]]:
        """The first ones. Of two with one id the second has to see what became of the first."""
        taken: dict[Any, _Waiting[Row]] = {}
        with self._gate:
            for each in self._waiting[:MOST_TOGETHER]:
                taken.setdefault(each.row.pk, each)
            chosen = set(map(id, taken.values()))
            self._waiting = [each for each in self._waiting if id(each) not in chosen]
        return list(taken.values())

    def _carry_out(self, batch: Sequence[_Waiting[Row]], held: dict[UUID, Exception]) -> None:
        """`held` are the organisations whose sums another process does not let go of."""
        for each in batch:
            if each.row.organization_id in held:
                each.end(held[each.row.organization_id])
        batch = [each for each in batch if not each.is_over]
        if not batch:
            return
        try:
            self._write_together([each.row for each in batch])
        except Exception as error:
            if len(batch) > 1:
                self._carry_out_in_halves(batch, held)
                return
            batch[0].end(error)
            if is_write_conflict(error):
                held[batch[0].row.organization_id] = error
        else:
            for each in batch:
                each.end()

    def _carry_out_in_halves(
        self, batch: Sequence[_Waiting[Row]], held: dict[UUID, Exception]
    ) -> None:
        """What is wrong with one of them is nothing to the others, but for a store that is away."""
        half = len(batch) // 2
        self._carry_out(batch[:half], held)
        error = batch[half - 1].error
        if error is not None and store_is_away(error):
            for each in batch[half:]:
                each.end(error)
        else:
            self._carry_out(batch[half:], held)

    def _write_together(self, rows: Sequence[Row]) -> None:
        work = partial(self._write, rows)
        attempts = ATTEMPTS if len(rows) == 1 else ATTEMPTS_TOGETHER
        try:
            in_transaction(work, attempts=attempts)
        except IntegrityError:
            # Another process made the same row, or the first one of its bucket, at the same moment.
            in_transaction(work, attempts=attempts)
