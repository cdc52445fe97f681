"""What commands have in common."""

import pytest

from mien.cli.common import without_password


@pytest.mark.parametrize(
    ("store", "shown"),
    [
        ("sqlite:////var/lib/mien/mien.db", "sqlite:////var/lib/mien/mien.db"),
        ("postgresql://db.internal/mien", "postgresql://db.internal/mien"),
        ("postgresql://mien@db.internal:5432/mien?sslmode=require", None),
        ("postgresql://mien:s3cret@db.internal:5432/mien", "postgresql://mien:…@db.internal:5432/mien"),
        ("postgresql://mien:s3:cr@et@a,b/mien", "postgresql://mien:…@a,b/mien"),
        ("postgresql:///mien?password=s3cret&user=mien", "postgresql:///mien?password=…&user=mien"),
    ],
)
def test_the_password_in_a_stores_address_is_never_shown(store: str, shown: str | None) -> None:
    assert without_password(store) == (shown or store)
