"""Times as text."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.web.times import read_time, write_time


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-22T00:53:25.369+00:00", "2026-11-22T00:53:25.369Z"),
        ("2026-11-22T00:53:25.369Z", "2026-11-22T00:53:25.369Z"),
        ("2026-11-22T02:53:25.369123+02:00", "2026-11-22T00:53:25.369123Z"),
        ("2026-11-22T00:53:25.369123999Z", "2026-11-22T00:53:25.369123Z"),
        ("2015-2-02T00:30:08.276Z", "2015-02-02T00:30:08.276Z"),
        ("2015-2-2 0:30:8", "2015-02-02T00:30:08Z"),
        ("2015-2-02T00:30:08-0130", "2015-02-02T02:00:08Z"),
        ("2006-01-02", "2006-01-02T00:00:00Z"),
        ("2006-1-2", "2006-01-02T00:00:00Z"),
        ("  2006-01-02T00:00:00Z ", "2006-01-02T00:00:00Z"),
        (1_500_000_000, "2017-07-14T02:40:00Z"),
        (1_500_000_000_123, "2017-07-14T02:40:00.123Z"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_many_spellings_are_read(text: str | int, time: str) -> None:
    read = read_time(text)
    assert read is not None
    assert write_time(read) == time


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "2015-13-01",
        "2015-02-30T00:00:00Z",
        "2015-02-01T25:00:00Z",
        None,
        True,
        {},
        [],
        10**300,
        "٢٠٢٦-01-01",
        "x" * 10_000,
    ],
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert read_time(value) is None


def test_digits_are_as_many_as_needed_and_at_least_so_many() -> None:
    assert write_time(1_500_000) == "1970-01-01T00:00:01.5Z"
    assert write_time(1_500_000, digits=3) == "1970-01-01T00:00:01.500Z"
    assert write_time(0) == "1970-01-01T00:00:00Z"
    assert write_time(-1) == "1969-12-31T23:59:59.999999Z"
    assert write_time(10**30) == "9999-12-31T23:59:59.999999Z"


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_reads_back(moment: datetime) -> None:
    micros = read_time(moment.isoformat())
    assert micros is not None
    assert read_time(write_time(micros)) == micros
    assert datetime.fromisoformat(write_time(micros)) == moment


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text: str) -> None:
    time = read_time(text)
    assert time is None or read_time(write_time(time)) == time
