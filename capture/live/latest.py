"""One value that one thread makes and any number of browsers wait for: whoever is slow skips, nobody is waited for."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """The newest value, with its number. ``put`` from any thread, ``after`` in any event loop."""

    def __init__(self, value: T) -> None:
        self._value = value
        self._number = 0
        self._lock = threading.Lock()
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def value(self) -> T:
        return self._value

    @property
    def number(self) -> int:
        """How many values there were."""
        return self._number

    def put(self, value: T) -> None:
        """A new value; whoever waits is woken."""
        with self._lock:
            self._value = value
            self._number += 1
            waiting, self._waiting = self._waiting, set()
        for future in waiting:
            with suppress(RuntimeError):  # its loop is closed: nobody waits there any more
                future.get_loop().call_soon_threadsafe(_wake, future)

    async def after(self, number: int) -> tuple[int, T]:
        """The newest value and its number, as soon as that is above ``number``."""
        while True:
            with self._lock:
                if self._number > number:
                    return self._number, self._value
                future = asyncio.get_running_loop().create_future()
                self._waiting.add(future)
            try:
                await future
            finally:
                with self._lock:
                    self._waiting.discard(future)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
