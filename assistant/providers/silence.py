"""How long a provider may say nothing."""

import asyncio
from types import TracebackType


class SilentForTooLong(Exception):
    """The wait was ended."""


class Silence:
    """Ends a wait inside `with silence:` that takes longer than so many seconds: SilentForTooLong.

    For the waits of one answer, of which there are thousands. `asyncio.timeout` and the timeouts of
    HTTP libraries set and end a timer at each; here one timer looks when the last wait began. What
    is done between two waits is never cut short.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._has_passed = False
        self._task: asyncio.Task[object] | None = None
        self._cancelled_before = 0
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        if (left := self._left()) > 0:
            self._timer = self._loop.call_later(left, self._look)
        elif self._task is not None:
            self._has_passed = True
            self._task.cancel()

    def _left(self) -> float:
        if self._task is None:
            return self._seconds
        return self._since + self._seconds - self._loop.time()

    def close(self) -> None:
        self._timer.cancel()

    def __enter__(self) -> None:
        self._task = task = asyncio.current_task(self._loop)
        assert task is not None
        self._since = self._loop.time()
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
            raise SilentForTooLong from None
