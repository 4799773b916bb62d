"""An event loop that cannot keep the interpreter from ending."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from ._notice import THREAD_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Loop(asyncio.SelectorEventLoop):
    """asyncio's loop without its thread pool.

    The pool's threads are joined when the interpreter ends, so one name server that does not
    answer would hold up the user's program. Names are looked up in daemon threads instead.
    """

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        """Look a name up."""
        return await in_thread(lambda: socket.getaddrinfo(*args, **kwargs))


async def in_thread(work: Callable[[], T]) -> T:
    """Run blocking work in a daemon thread of its own."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if not future.done():
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as caught:  # noqa: BLE001 # it is raised where the work is awaited
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=run, name=THREAD_PREFIX + "work", daemon=True).start()
    return await future
