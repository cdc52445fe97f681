"""Logs: structured, on standard error, without personal data or secrets."""

import logging
import os
import time
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter

from mien.errors import MienError

AGAIN_SECONDS = 60.0
"""How often a trouble that lasts is logged."""


def set_up(*, as_json: bool) -> None:
    """Write our logs and those of the libraries as lines of text, or of JSON."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    )
    stream = os.fdopen(os.dup(2), "w", buffering=1)
    structlog.configure(processors=[*shared, render], logger_factory=structlog.WriteLoggerFactory(file=stream))
    handler = logging.StreamHandler(stream)
    processors: list[structlog.types.Processor] = [ProcessorFormatter.remove_processors_meta, render]
    handler.setFormatter(ProcessorFormatter(processors=processors, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # What this driver warns of, it raises too; then we say it in our words, and once.
    logging.getLogger("psycopg").setLevel(logging.ERROR)


def trace(error: BaseException) -> list[str]:
    """Return where an error came from, without its text, which may hold somebody's data."""
    places, step = [type(error).__name__], error.__traceback__
    while step is not None:
        places.append(f"{step.tb_frame.f_code.co_qualname}:{step.tb_lineno}")
        step = step.tb_next
    return places


class Trouble:
    """Logs that something does not work: when it begins, now and then while it lasts, and when it is over."""

    def __init__(self, log: Any, what: str) -> None:
        self._log = log
        self._what = what
        self._met_at: float | None = None

    def met(self, error: MienError) -> None:
        """Say that it is there, unless that was said already."""
        now = time.monotonic()
        if self._met_at is None or now - self._met_at > AGAIN_SECONDS:
            self._met_at = now
            self._log.warning(self._what, reason=str(error), detail=getattr(error, "detail", ""))

    def over(self) -> None:
        """Say that it is over, if it was there."""
        if self._met_at is not None:
            self._met_at = None
            self._log.warning(f"over: {self._what}")
