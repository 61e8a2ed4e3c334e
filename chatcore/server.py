"""uvicorn as this product runs it: what it listens on, its settings, and how it starts and ends."""

import asyncio
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from chatcore.sockets import WebSocketProtocol

logger = logging.getLogger("chatcore.start")

APPLICATION = "chatcore.asgi:application"

# The end, in order: the running answers are saved, requests and browsers are let go, and what was
# asked meanwhile is saved. All of it is over before those who stop services lose patience at 10 s,
# with the second or so that the parent of workers needs behind them.
SAVE_SECONDS = 4.5
LAST_SECONDS = 2
SAVE_AGAIN_SECONDS = 1.0
END_SECONDS = 8.0
# A connection that was taken a moment before the end has this long to send its request.
GRACE_SECONDS = 0.1

# Longer than proxies keep an idle connection, or they would now and then use one as it is closed.
KEEP_ALIVE_SECONDS = 75
# A client that has taken nothing of what was sent for so long is gone, or as good as gone: a
# machine asleep, a network that fell silent, a program that does not read. Pauses of mobile
# networks are shorter; whoever comes back later connects anew and reads on where it was.
STALLED_SECONDS = 30
# More often than proxies end what is silent, 60 s with nginx. A machine that vanished while nothing
# was sent to it is noticed within the sum of both.
PING_SECONDS = 20.0
PONG_SECONDS = 20.0
LARGEST_MESSAGE_BYTES = 8 * 1024 * 1024
# A worker may be busy that long without a sign of life, in C code that holds Python's lock.
HUNG_SECONDS = 30
# Objects made and kept between two looks for garbage. Python's 700 are those of a few dozen pieces.
GARBAGE_THRESHOLD = 10_000


def listen(host: str, port: int) -> socket.socket:
    """Raises OSError if the port is not ours to take."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the number asyncio takes it for no TCP, and small answers wait 40 ms for their end.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. Not on macOS, where those who do not read are kept.
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_SECONDS * 1000)
        listener.bind((host, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def config(application: Any = APPLICATION, *, workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        loop="asyncio",
        http="httptools",
        ws=WebSocketProtocol,
        lifespan="off",
        workers=workers,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PONG_SECONDS,
        # A third more CPU for each chunk, to save a few kB a second for each reader.
        ws_per_message_deflate=False,
        # Past these the server can only hang up; below them we say what is wrong.
        ws_max_size=LARGEST_MESSAGE_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=LAST_SECONDS,
        timeout_worker_healthcheck=HUNG_SECONDS,
        # accounts/clients.py knows how many proxies to believe.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
    )


class Server(uvicorn.Server):
    """Says when it listens, and saves the running answers before it hangs up."""

    def __init__(self, config: uvicorn.Config, greet: Callable[[], None] | None = None) -> None:
        super().__init__(config)
        self._greet = greet

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        from assistant.generations import registry
        from chatcore import serving

        serving.prepare()
        await super().startup(sockets)
        registry.open()
        if self._greet is not None:
            self._greet()
        threading.Thread(target=_settle, daemon=True).start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Other workers take what comes now, and who was let in a moment ago is not cut off.
        for server in self.servers:
            server.close()
        await asyncio.sleep(GRACE_SECONDS)
        await _save_running_answers(SAVE_SECONDS)
        # A request that does not end in time is cut off, as at every stop; no traceback for each.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)
        # And what somebody asked while we did so.
        await _save_running_answers(SAVE_AGAIN_SECONDS)
        # What was frozen at the start holds connections to the store, which are to be closed.
        gc.unfreeze()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """For good: uvicorn's own would let a second signal kill a process that is on its way out,
        and raises the first one again at the end, which would look like a failure."""
        for kind in HANDLED_SIGNALS:
            signal.signal(kind, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in good order, and within END_SECONDS whatever hangs."""
        if self.should_exit:
            return
        self.should_exit = True
        last_resort = threading.Timer(END_SECONDS, _end_now)
        last_resort.daemon = True
        last_resort.start()


def _end_now() -> None:
    """Threads that wait for the store would hold the process; a lock of SQLite for 20 seconds."""
    logger.error("Something did not end within %.1f seconds and was cut off", END_SECONDS)
    os._exit(0)


async def _save_running_answers(seconds: float) -> None:
    """Each answer as far as it was written."""
    from assistant.generations import registry

    saving = asyncio.ensure_future(registry.close())
    # Not wait_for: to cancel what hangs in a thread can take as long as the thread does.
    await asyncio.wait([saving], timeout=seconds)
    if saving.done():
        saving.result()
    else:
        logger.error("The store does not answer; what was written since the last save is lost")


def _settle() -> None:
    """What would come later, while somebody waits for it."""
    from assistant import catalog

    # The providers' libraries take a second to import.
    catalog.load()
    # To look through all that was loaded for garbage stops every answer for 0.15 seconds, again and
    # again. None of it is garbage, so it is not looked at any more, and the rest less often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, *gc.get_threshold()[1:])
