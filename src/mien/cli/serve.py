"""`mien serve`: answer requests until told to stop."""

import gc
import os
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from mien import clock, logs
from mien.app import SECTIONS, create_app
from mien.cli.common import StoreOption, console, tell, without_password
from mien.services.spaces import apply
from mien.settings import Settings, read_settings
from mien.store.sql import open_store
from mien.web.server import BoundedProtocol


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on. [env: MIEN_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on. [env: MIEN_PORT]")] = None,
    store: StoreOption = None,
    apply_file: Annotated[
        Path | None,
        typer.Option("--apply", exists=True, dir_okay=False, help="Apply this file of spaces first."),
    ] = None,
) -> None:
    """Serve every dialect until Ctrl-C."""
    settings = read_settings(os.environ, host=host, port=port, store=store)
    if apply_file is not None:
        with open_store(settings.store) as opened:
            text = apply_file.read_text("utf-8", "surrogateescape")
            changes = apply(opened, text, SECTIONS, os.environ, now=clock.now())
        console.print(f"Applied {apply_file}:")
        tell(changes)
    run(settings)


def run(settings: Settings) -> None:
    """Serve until told to stop."""
    logs.set_up(as_json=settings.log_json)
    app = create_app(settings)
    console.print(
        f"Mien serves on http://{settings.host}:{settings.port} (store: {without_password(settings.store)})"
    )
    # What is there now stays, and what a request leaves goes by itself: the collector need not look often.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # web/proxies.py looks where it is needed
        timeout_graceful_shutdown=10,
    )
