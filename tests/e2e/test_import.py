"""Importing a file beside a running server."""

import random
import subprocess
import sys
import time
from pathlib import Path

from mien.core.message import Identifier
from mien.store.sql import open_store
from tests.server import Server, Tenant, identify

ROWS = 6000


def test_an_import_that_is_killed_again_and_again_ends_complete_beside_a_server(
    tenant: Tenant, server: Server, tmp_path: Path
) -> None:
    """Sales at one store, so that each of them is counted; meanwhile the server goes on taking messages in."""
    file = tmp_path / "sales.csv"
    lines = [f"ulm,{n % 1000},u{n}" for n in range(ROWS - 1)]
    file.write_text("\n".join(["store_id,price,who", *lines, lines[-1], "broken"]))
    command = [sys.executable, "-m", "mien", "import", tenant.slug, str(file), "--collection", "stores"]
    command += ["--id", "store_id=id", "--event", "Sold", "--store", server.store]
    chance, kills, sent = random.Random(7), 0, 0
    while _count(tenant, server) < ROWS * 2 // 3:
        goal = _count(tenant, server) + chance.randrange(1, ROWS // 4)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and _count(tenant, server) < goal:
            tenant.send(identify(f"u{sent}", {"n": sent}))
            sent += 1
            time.sleep(0.002)
        process.kill()
        process.wait()
        kills += 1
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert kills > 1
    assert done.returncode == 1
    assert f"Read {ROWS + 1:,} rows" in done.stdout
    assert f"line {ROWS + 2}: it has 1 values" in done.stdout
    assert _count(tenant, server) == ROWS
    assert len(tenant.events("id:ulm", "stores")) == ROWS
    assert tenant.traits(f"user_id:u{sent - 1}") == {"n": sent - 1}
    with open_store(server.store) as store:
        assert store.check() == []


def _count(tenant: Tenant, server: Server) -> int:
    """Return how many sales the store's profile counts."""
    with open_store(server.store) as store:
        owner = store.owner(tenant.slug, Identifier("stores", "id", "ulm"))
        return 0 if owner is None else store.activity(owner)["Sold"].times


def test_what_was_imported_is_read_at_once(tenant: Tenant, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "stores.jsonl"
    file.write_text('{"store_id": "ulm", "area": 120}\n{"store_id": "bonn", "area": 95}\n')
    tenant.get("id:ulm/traits", "stores")
    server.mien("import", tenant.slug, str(file), "--collection", "stores", "--id", "store_id=id")
    assert tenant.traits("id:ulm", "stores") == {"area": 120}
    assert len(tenant.pages("", "stores")) == 2
