"""A time by which something has to be done that waits often."""

import asyncio
from types import TracebackType


class DeadlinePassed(Exception):
    """The time is over."""


class Deadline:
    """Ends the wait inside `with deadline:` when the time is over, by DeadlinePassed.

    `asyncio.timeout` around a whole generator would cancel whoever reads it while it rests at a
    `yield`, and one around each wait costs as much as the wait brings. This is one timer, and
    what is done between two waits is never cut short.
    """

    def __init__(self, seconds: float) -> None:
        self._has_passed = False
        self._task: asyncio.Task[object] | None = None
        self._cancelled_before = 0
        self._timer = asyncio.get_running_loop().call_later(seconds, self._pass)

    def _pass(self) -> None:
        self._has_passed = True
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        self._timer.cancel()

    def __enter__(self) -> None:
        if self._has_passed:
            raise DeadlinePassed
        self._task = task = asyncio.current_task()
        assert task is not None
        self._cancelled_before = task.cancelling()

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        task, self._task = self._task, None
        if not self._has_passed or task is None:
            return
        # The cancellation was ours. If somebody else wants the task to end as well, it ends.
        is_ours_alone = task.uncancel() <= self._cancelled_before
        if is_ours_alone and error_type is asyncio.CancelledError:
            raise DeadlinePassed from None
