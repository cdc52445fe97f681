"""The one implementation of a store: plain SQL, a file per noun, and an engine for what databases do differently."""

from mien.store.sql.engine import Limits
from mien.store.sql.store import SqlStore, open_engine, open_store

__all__ = ["Limits", "SqlStore", "open_engine", "open_store"]
