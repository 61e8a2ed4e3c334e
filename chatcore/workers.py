"""Several processes that serve, behind one listening socket. Not on Windows.

The parent only watches: it starts the workers, each a new Python that imports what it needs, and
starts another one in place of one that died. SIGTERM or Ctrl-C ends them all, SIGHUP replaces them
one after the other. Workers whose parent was killed end by themselves.
"""

import logging
import multiprocessing
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from threading import Thread

import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from chatcore.server import END_SECONDS, HUNG_SECONDS, Server

logger = logging.getLogger("chatcore.workers")

# While the parent waits for a worker to begin or to end, which takes from tenths of a second to
# seconds, and which nothing but a look can tell.
LOOK_SECONDS = 0.05


class Worker(Process):
    """One process that serves. `target` is what runs in it; the rest is the parent's view."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self.is_listening = False
        self._is_asked = False
        self._heard = time.monotonic()

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        self._server = Server(self.config)
        Thread(target=self._end_with_the_parent, daemon=True).start()
        self.config.load()
        super().target(sockets)

    def _end_with_the_parent(self) -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
        # It may be gone because it was told to end, and has told us.
        if not self.server.should_exit:
            logger.error("The parent process is gone; this worker ends as well")
            self.server.handle_exit(signal.SIGTERM, None)

    def start(self) -> None:
        # Ctrl-C reaches every process of the terminal. The parent alone decides; what is blocked
        # here stays so in the child. Python's own helper has to be there, as its start unblocks.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def is_alive(self, timeout: float = HUNG_SECONDS) -> bool:
        """Whether it is there and gave a sign of life within `timeout`. Waits for nothing."""
        self._look()
        return self.process.is_alive() and time.monotonic() - self._heard < timeout

    def _look(self) -> None:
        """Take its answer, if there is one, and ask again."""
        try:
            while self.parent_conn.poll():
                self.is_listening = self.parent_conn.recv()
                self._heard, self._is_asked = time.monotonic(), False
            if not self._is_asked:
                self.parent_conn.send(b"ping")
                self._is_asked = True
        except (OSError, EOFError):
            # It has ended, which is seen elsewhere.
            return


class Supervisor(Multiprocess):
    """uvicorn's, with workers of our kind. It never waits for one of them without an end."""

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket.socket], greet: Callable[[], None]
    ) -> None:
        super().__init__(config, sockets)
        self.has_failed = False
        self._greet = greet
        self._leaving: list[Process] = []

    def init_processes(self) -> None:
        """Greet when all of them listen. If one cannot, all end: the next one could not either."""
        workers = [self._start() for _ in range(self.processes_num)]
        self.processes.extend(workers)
        if all(self._wait_until_it_listens(each) for each in workers):
            self._greet()
        elif not self._is_told_to_end():
            self.has_failed = True
            self.should_exit.set()

    def _start(self) -> Worker:
        worker = Worker(self.config, self.sockets)
        worker.start()
        return worker

    def _wait_until_it_listens(self, worker: Worker) -> bool:
        while worker.is_alive() and not self._is_told_to_end():
            if worker.is_listening:
                return True
            time.sleep(LOOK_SECONDS)
        return False

    def _is_told_to_end(self) -> bool:
        """Also by a signal that nobody has looked at yet."""
        ends = {signal.SIGINT, signal.SIGTERM}
        return self.should_exit.is_set() or not ends.isdisjoint(self.signal_queue)

    def keep_subprocess_alive(self) -> None:
        for index, worker in enumerate(self.processes):
            if self._is_told_to_end():
                return
            if worker.is_alive(HUNG_SECONDS):
                continue
            # One that hangs has no exit code yet.
            reason = "does not answer" if worker.exitcode is None else _ending(worker.exitcode)
            logger.error("Worker %s %s; another one takes its place", worker.pid, reason)
            worker.kill()
            worker.join()
            self.processes[index] = self._start()

    def restart_all(self) -> None:
        """One after the other: a new one listens before an old one ends."""
        for index, old in enumerate(self.processes):
            new = self._start()
            if not self._wait_until_it_listens(new):
                new.kill()
                new.join()
                if not self._is_told_to_end():
                    logger.error("A new worker could not be started; the old ones go on")
                return
            self.processes[index] = new
            self._leaving = [old]
            old.terminate()
            self._wait_for_those_who_leave()
        logger.warning("All %d workers were replaced", len(self.processes))

    def _wait_for_those_who_leave(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        while any(each.process.is_alive() for each in self._leaving):
            if self._is_told_to_end() or time.monotonic() > deadline:
                return
            time.sleep(LOOK_SECONDS)

    def join_all(self) -> None:
        # They cut themselves off at END_SECONDS, unless they are frozen.
        deadline = time.monotonic() + END_SECONDS + LOOK_SECONDS
        for worker in [*self.processes, *self._leaving]:
            worker.process.join(max(0, deadline - time.monotonic()))
            if worker.process.is_alive():
                logger.error("Worker %s did not end and was killed", worker.pid)
                worker.process.kill()
                worker.process.join()

    def handle_ttin(self) -> None:
        """Nothing: how many there are is said by WORKERS alone."""

    def handle_ttou(self) -> None:
        """Nothing, as above."""


def _ending(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
