"""What is known of GrowthLoop, and what we chose where it is silent, against the running server."""

from pathlib import Path

import pytest

from tests.conversations import play
from tests.dialects.growthloop.conftest import Shop

FOLDER = Path(__file__).parent / "conversations"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_conversation(file: Path, shop: Shop) -> None:
    names = {"@write_key": shop.write_key, "@unscoped": shop.unscoped, "@narrow": shop.narrow, "@key": shop.key}
    play(file, shop.http, {**names, "@origin": shop.origin}, in_order=lambda _: True)
