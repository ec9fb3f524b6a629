"""Where work over many scenes or frames runs: processes of this machine, or a Dask cluster.

Both are a ``concurrent.futures.Executor``, so whoever hands out work need not know which.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import cv2

from sidcap.data_manifest.errors import SidcapError, UsageError, WorkersError
from sidcap.data_manifest.schema import Dataset
from sidcap.data_manifest.store import Store

_PATIENCE_S = 10
"""How long a scheduler may take to answer."""

_TALKATIVE = ("distributed", "distributed.client", "tornado.application", "asyncio")
"""Loggers of a cluster's client. They print tracebacks of what goes wrong, and of its end; here that is one line."""


def cores() -> int:
    """How many cores this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def processes(jobs: int) -> Iterator[Executor]:
    """``jobs`` processes of this machine. All have ended when the block is left; at once where an error leaves it.

    They end with this program, however that ends, and leave Ctrl-C to it.
    """
    # A process ends when its lifeline breaks: because this one lets go of its own end, or dies.
    lifeline, held = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("spawn")
    with lifeline, held, ProcessPoolExecutor(jobs, context, initializer=_begin_work, initargs=(lifeline,)) as pool:
        try:
            with _deaf_to_ctrl_c():  # so are the processes begun here, from their first moment
                for _ in range(jobs):
                    pool.submit(os.getpid)
            yield pool
        except BaseException:
            held.close()
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def dask_cluster(address: str, dataset: Path) -> Iterator[Executor]:
    """The workers of the Dask scheduler at ``address``, such as ``tcp://host:8786``, which all see ``dataset``.

    When the block is left by an error, work that no worker has begun is taken back. Raises UsageError where the extra
    is not installed or the address is none; WorkersError where nobody answers, no worker is there, one of them sees
    another dataset or none under this path, or they are lost on the way.
    """
    try:
        from distributed import Client
        from distributed.scheduler import KilledWorker
    except ImportError as error:
        raise UsageError("Dask is not installed: pip install 'sidcap[dask]', or leave --dask out") from error
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_PATIENCE_S, set_as_default=False)
    except ValueError as error:
        raise UsageError(f"{address!r} is no scheduler's address ({error}): give one like tcp://host:8786") from error
    except OSError as error:
        raise WorkersError(f"no Dask scheduler answers at {address}: start one with `dask scheduler`") from error
    with client:
        _must_see(client, address, dataset)
        executor: Executor = client.get_executor(pure=False)  # scenes change: what was found before is no answer
        try:
            yield executor
        except (KilledWorker, CancelledError) as error:
            raise lost_workers() from error
        finally:
            executor.shutdown(wait=False)


def lost_workers() -> WorkersError:
    """What to say when those who work die of it."""
    return WorkersError(
        "the workers are lost, most likely for want of memory; what was done is written: "
        "run it again with fewer --jobs, or more memory for each"
    )


def _must_see(client: Any, address: str, dataset: Path) -> None:
    try:
        seen = client.run(_begin_dask_work, dataset)
    except Exception as error:  # what a worker raises may come as its text alone, in an Exception
        raise WorkersError(f"the workers of {address} cannot run sidcap ({error}): install it there, too") from error
    if not seen:
        raise WorkersError(f"the scheduler at {address} has no workers: start some with `dask worker {address}`")
    here = Store(dataset).dataset()
    for worker, there in seen.items():
        if there != here:
            raise WorkersError(f"worker {worker} does not see this dataset at {dataset}: mount it there as here")


def _begin_work(lifeline: Connection) -> None:
    """In a new process: Ctrl-C is for the parent, there are as many processes as cores, and nobody outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    wait([lifeline])
    os._exit(1)


def _begin_dask_work(dataset: Path) -> Dataset | None:
    """In a worker of a cluster: what it sees of the dataset. The cluster decides how many work on a machine."""
    cv2.setNumThreads(1)
    try:
        return Store.open(dataset).dataset()
    except SidcapError:
        return None


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
