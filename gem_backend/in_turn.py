"""A lock for threads that is given in the order in which it was asked for."""

import threading
from collections import deque


class InTurn:
    """Held by one thread at a time; who asks again stands behind those who wait already.

    A ``threading.Lock`` may be given back to the thread that has just let it go, again and again.
    """

    def __init__(self) -> None:
        self._line: deque[int] = deque()  # thread ids, the holder's first
        self._moved = threading.Condition()

    def __enter__(self) -> None:
        """Wait for the turn."""
        me = threading.get_ident()
        with self._moved:
            self._line.append(me)
            try:
                self._moved.wait_for(lambda: self._line[0] == me)
            except BaseException:  # Ctrl-C: nobody may wait for who has gone
                self._leave(me)
                raise

    def __exit__(self, *_: object) -> None:
        """Let the next one have it."""
        with self._moved:
            self._leave(threading.get_ident())

    @property
    def num_in_line(self) -> int:
        """How many hold it or wait for it."""
        return len(self._line)

    def _leave(self, thread_id: int) -> None:
        self._line.remove(thread_id)
        self._moved.notify_all()
