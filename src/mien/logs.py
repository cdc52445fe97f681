"""Logs: structured, on standard error, without personal data or secrets."""

import logging
import os

import structlog
from structlog.stdlib import ProcessorFormatter


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


def trace(error: BaseException) -> list[str]:
    """Return where an error came from, without its text, which may hold somebody's data."""
    places, step = [type(error).__name__], error.__traceback__
    while step is not None:
        places.append(f"{step.tb_frame.f_code.co_qualname}:{step.tb_lineno}")
        step = step.tb_next
    return places
