"""Importing a table: its rows as Messages, batch by batch, each durable before the next is begun.

Ids of messages follow from the content of rows. So an import that was interrupted is simply run again, and a file
that is imported twice changes nothing the second time.
"""

import time
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from mien.clock import ReceiptClock
from mien.core.message import Message, Submission, order_of
from mien.core.space import Source, Space
from mien.errors import CatalogChanged, RetryLater, SpaceNotFound
from mien.services.ingest import Receipt, settle
from mien.services.spaces import Catalogs
from mien.store.base import Store
from mien.tables.columns import Columns, RowRefused, Said, read_row
from mien.tables.files import Row
from mien.tables.repeats import Repeats

BATCH = 500
BATCH_BYTES = 4 << 20
WAITS = (0.2, 0.5, 1, 2, 4, 8, 15, 30)
"""Seconds to wait for a store that is busy or away, before giving up."""
GIVE_WAY = 0.03
"""Seconds to leave the store alone after each batch: a serving Mien beside wants to write, too."""


class Report(Struct):
    """How far an import is. `known` rows were imported before; `discarded` counts what `mien discards` lists."""

    rows: int = 0
    taken: int = 0
    known: int = 0
    refused: int = 0
    discarded: int = 0


class Refused(Struct, frozen=True):
    """A row that was not taken in. The reason holds none of its values."""

    line: int
    reason: str


class Import:
    """One import of a table into a space."""

    def __init__(
        self,
        store: Store,
        source: Source,
        columns: Columns,
        *,
        ids: Iterator[int],
        refuse: Callable[[Refused], None],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.report = Report()
        self._store = store
        self._source = source
        self._columns = columns
        self._ids = ids
        self._refuse = refuse
        self._pause = pause
        self._receipts = ReceiptClock()
        self._began = self._receipts.next()
        self._catalogs = Catalogs()
        self._spaces = self._catalogs.current(store).spaces

    def run(self, rows: Iterable[Row]) -> Iterator[Report]:
        """Take rows in; yield the report after each batch, when it is durable.

        Raise RetryLater when the store was away for longer than a minute, SpaceNotFound when the space is gone.
        """
        with Repeats() as repeats:
            batch: list[Message] = []
            size, received_at = 0, self._received_at()
            for row in rows:
                message = self._read(row, repeats, order_of(received_at, len(batch)))
                if message is not None:
                    batch.append(message)
                    size += len(message.properties) + sum(map(len, message.traits.values()))
                if len(batch) >= BATCH or size > BATCH_BYTES:
                    self._settle(batch, received_at)
                    yield self.report
                    batch, size, received_at = [], 0, self._received_at()
            self._settle(batch, received_at)
            yield self.report

    def _received_at(self) -> int:
        self._spaces = self._catalogs.current(self._store).spaces
        return self._receipts.next()

    def _space(self) -> Space:
        space = self._spaces.get(self._source.space)
        if space is None:
            raise SpaceNotFound(f"There is no space `{self._source.space}` any more.")
        return space

    def _read(self, row: Row, repeats: Repeats, order: int) -> Message | None:
        """Return the message a row is; None when it is refused."""
        self.report.rows += 1
        try:
            if row.values is None:
                raise RowRefused(row.reason)
            said = read_row(row.values, self._columns, self._space().policy.rules)
            id = self._id(said, repeats, row.line)  # noqa: A001
        except RowRefused as why:
            self.report.refused += 1
            self._refuse(Refused(row.line, str(why)))
            return None
        return said.message(self._source.space, self._source.id, id, now=self._began, order=order)

    def _id(self, said: Said, repeats: Repeats, line: int) -> str:
        """Return the id of a row's message; raise RowRefused when an earlier row describes the same profile."""
        id = said.digest(self._source.id)  # noqa: A001
        if self._columns.events:
            # That the same happened twice is said by two rows that are alike.
            times = repeats.met(id, line).times
            return said.digest(self._source.id, times) if times else id
        if self._columns.timestamp is None:
            key = said.identifiers[0]
            met = repeats.met(f"{key.type}:{key.value}", line)
            if met.times:
                raise RowRefused(f"its {key.type} stands in line {met.line} already, and no time says which is later")
        return id

    def _settle(self, batch: list[Message], received_at: int) -> None:
        if not batch:
            return
        receipt = self._patiently(Submission(tuple(batch)), received_at)
        self.report.taken += receipt.accepted
        self.report.known += receipt.duplicates
        self.report.discarded += receipt.discarded
        self._store.tend()
        if receipt.accepted:
            self._pause(GIVE_WAY)

    def _patiently(self, submission: Submission, now: int) -> Receipt:
        """Take a batch in, waiting for a store that others keep busy; once more changes nothing."""
        for wait in WAITS:
            try:
                return self._by_today(submission, now)
            except RetryLater:
                self._pause(wait)
        return self._by_today(submission, now)

    def _by_today(self, submission: Submission, now: int) -> Receipt:
        """Take a batch in by the settings of today."""
        while True:
            catalog = self._catalogs.current(self._store)
            try:
                return settle(
                    self._store,
                    [submission],
                    catalog.spaces,
                    now=now,
                    ids=self._ids,
                    revision=catalog.revision,
                )
            except CatalogChanged:
                continue
