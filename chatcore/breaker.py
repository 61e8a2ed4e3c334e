"""A breaker: a server that has just failed is left alone for a while, so that nothing waits."""

import logging
import threading
import time
from datetime import datetime

from chatcore import clock


class Breaker:
    """Closed while `server` answers. Safe to share between threads.

    A first failure opens it for `seconds`. Then one caller at a time tries the server again, for
    `trial_seconds` at most, while the others go on without it. One warning is logged when the
    server goes, with what follows from that, and one when it is back.
    """

    def __init__(
        self,
        server: str,
        consequence: str,
        *,
        seconds: float,
        trial_seconds: float = 0.0,
        logger: logging.Logger,
    ) -> None:
        self.server = server
        self.consequence = consequence
        self.seconds = seconds
        self.trial_seconds = trial_seconds
        self.logger = logger
        self._open_until: float | None = None
        self._away_since: datetime | None = None
        self._lock = threading.Lock()

    @property
    def has_failed(self) -> bool:
        """Whether the server has not answered since it failed."""
        return self._open_until is not None

    @property
    def away_since(self) -> datetime | None:
        """When the server failed that has not answered since; None while it answers."""
        return self._away_since

    def is_open(self) -> bool:
        """Whether the server is to be left alone. After the pause one caller at a time tries it."""
        # Read without the lock: this runs before every call, and a late reader only waits once.
        if self._open_until is None:
            return False
        with self._lock:
            if self._open_until is None:
                return False
            now = time.monotonic()
            if now < self._open_until:
                return True
            self._open_until = now + self.seconds + self.trial_seconds
            return False

    def failed(self, error: BaseException) -> None:
        """The log gets the error's class only: its words may hold an address with a password."""
        with self._lock:
            was_closed = self._open_until is None
            self._open_until = time.monotonic() + self.seconds
            if was_closed:
                self._away_since = clock.now()
        if was_closed:
            self.logger.warning(
                "%s is away (%s); %s.", self.server, type(error).__name__, self.consequence
            )

    def answered(self) -> None:
        # Read without the lock: this runs after every call, and a late reader only logs later.
        if self._open_until is None:
            return
        with self._lock:
            was_open, self._open_until = self._open_until is not None, None
            self._away_since = None
        if was_open:
            self.logger.warning("%s is back.", self.server)
