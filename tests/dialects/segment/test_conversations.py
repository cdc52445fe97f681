"""What was recorded of Segment, against the running server."""

from pathlib import Path

import pytest

from tests.conversations import play
from tests.server import Tenant

FOLDER = Path(__file__).parent / "conversations"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_conversation(file: Path, tenant: Tenant) -> None:
    names = {"@space": tenant.slug, "@token": tenant.token, "@write_key": tenant.write_key}
    play(file, tenant.http, names, in_order=lambda where: where.endswith(".traits"))
