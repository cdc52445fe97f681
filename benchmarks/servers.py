"""Servers under measurement, each in a process of its own; on the first core unless told otherwise."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

SERVER_CORE, LOAD_CORE = 0, 1


def pin(core: int) -> None:
    """Keep this process, and what it starts, on one core where there are two."""
    os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})


def unpin() -> None:
    """Let this process, and what it starts, run on every core."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))


@contextmanager
def mien(url: str, port: int, *, core: int | None = SERVER_CORE) -> Iterator[int]:
    """Run Mien itself, one worker and its writer, on a core or on any."""
    command = [sys.executable, "-m", "mien", "serve", "--store", url, "--port", str(port)]
    with _serve(command, port, "/readyz", core=core):
        yield port


@contextmanager
def fixed(size: int, port: int) -> Iterator[int]:
    """Run the reference for reads: the same Starlette and uvicorn, the same auth, a fixed body of this size."""
    command = [sys.executable, "-m", "benchmarks.reference", str(size), str(port)]
    with _serve(command, port, "/livez"):
        yield port


@contextmanager
def point_reads(url: str, size: int, port: int) -> Iterator[int]:
    """Run the reference for reads over PostgreSQL, with bodies of this size; on any core."""
    command = [sys.executable, "-m", "benchmarks.point_reads", url, str(size), str(port)]
    with _serve(command, port, "/livez", core=None):
        yield port


@contextmanager
def _serve(command: list[str], port: int, path: str, *, core: int | None = SERVER_CORE) -> Iterator[None]:
    place = unpin if core is None else (lambda: pin(core))
    process = subprocess.Popen(command, preexec_fn=place, stdout=subprocess.DEVNULL)  # noqa: PLW1509
    try:
        _await(f"http://127.0.0.1:{port}{path}", process)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError("the server ended at its start")
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise RuntimeError("the server did not begin to answer")
