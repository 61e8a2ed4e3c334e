"""Several threads that do the same at the same moment."""

import threading
from collections.abc import Callable

from django.db import connection

PATIENCE = 30


def at_once(times: int, work: Callable[[int], object]) -> None:
    """Call `work` with 0, 1, ... in threads that begin together. Raises what one of them raised."""
    barrier = threading.Barrier(times)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads)
