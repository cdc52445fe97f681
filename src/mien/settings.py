"""Every setting of the process once: name, type, default, help.

A setting comes from a command-line flag, or from the environment variable `MIEN_` and its name in capitals.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, structs

from mien.errors import SettingsRefused


class Settings(Struct, frozen=True, kw_only=True):
    """How this process runs."""

    host: Annotated[str, Meta(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="The port to listen on.")] = 8800
    store: Annotated[str, Meta(description="Where profiles are kept: sqlite:///FILE, or postgresql://….")] = (
        "sqlite:///mien.db"
    )
    store_connections: Annotated[
        int,
        Meta(ge=1, le=1000, description="Connections to PostgreSQL that reads share; a node has three more."),
    ] = 8
    store_wait: Annotated[
        float,
        Meta(gt=0, le=60, description="Seconds to wait for a connection to PostgreSQL before answering 503."),
    ] = 3.0
    store_statement: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds after which PostgreSQL gives up a statement; answered with 503."),
    ] = 10.0
    store_lock: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds to wait in PostgreSQL for another writer before folding anew."),
    ] = 3.0
    queue_bytes: Annotated[
        int,
        Meta(ge=1 << 20, description="Bytes that may wait for the writer before clients are told to wait."),
    ] = 64 << 20
    patience: Annotated[
        float, Meta(gt=0, le=60, description="Seconds a client is kept waiting for its data to be durable.")
    ] = 8.0
    access_log: Annotated[bool, Meta(description="Log every request: its route, never its path.")] = False
    log_json: Annotated[bool, Meta(description="Log JSON lines instead of text.")] = False
    trusted_proxies: Annotated[
        str,
        Meta(description="Addresses whose X-Forwarded headers are believed, separated by commas; * for all."),
    ] = "127.0.0.1"


def read_settings(environment: Mapping[str, str], **flags: Any) -> Settings:
    """Return the settings: a flag that is not None, else the environment, else the default.

    Raise SettingsRefused with the name and the reason.
    """
    given: dict[str, Any] = {}
    for field in structs.fields(Settings):
        text = environment.get(f"MIEN_{field.name.upper()}")
        if text is not None:
            given[field.name] = text
    given.update((name, value) for name, value in flags.items() if value is not None)
    try:
        return msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        reason, _, setting = str(error).rstrip("`").partition(" - at `$.")
        raise SettingsRefused(f"The setting `{setting}` (MIEN_{setting.upper()}): {reason}.") from None
