"""What was made once and may be asked for again, up to so many bytes; what is being made is waited for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Cache:
    """The values used last. Threads that ask for one that is being made wait for it."""

    def __init__(self, most: int) -> None:
        """Hold at most so many bytes."""
        self._most, self._held = most, 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, tuple[Future[Any], int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return the value of a key; ``make`` is called where it is not held, ``size`` tells its bytes.

        What ``make`` raises is raised to all who wait, and is not kept.
        """
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
            future: Future[T] = Future() if found is None else found[0]
            if found is None:
                self._entries[key] = (future, 0)
        if found is not None:
            return future.result()
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._entries[key]
            future.set_exception(error)
            raise
        future.set_result(value)
        with self._lock:
            self._entries[key] = (future, size(value))
            self._held += size(value)
            for old in [each for each in self._entries if each != key]:
                if self._held <= self._most:
                    break
                if self._entries[old][0].done():  # what is being made is not held yet
                    self._held -= self._entries.pop(old)[1]
        return value
