"""Arrows point one way, and every dialect has the same rooms."""

import subprocess
import sys
from pathlib import Path

import mien

ROOT = Path(mien.__file__).parent


def test_the_import_contracts_hold() -> None:
    """The contracts stand in pyproject.toml."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_dialect_has_the_same_files() -> None:
    rooms = {"routes.py", "parse.py", "render.py", "errors.py", "auth.py", "names.py", "settings.py", "COVERAGE.md"}
    dialects = [folder for folder in (ROOT / "dialects").iterdir() if (folder / "__init__.py").exists()]
    assert dialects
    for dialect in dialects:
        assert rooms <= {file.name for file in dialect.iterdir()}, dialect.name


def test_nothing_knows_a_vendor_but_its_dialect_and_the_wiring() -> None:
    vendors = ("segment", "mparticle", "clevertap", "growthloop")
    for file in ROOT.rglob("*.py"):
        place = file.relative_to(ROOT)
        if place.parts[0] in {"dialects", "cli"} or place.name == "app.py":
            continue
        for line in file.read_text("utf-8").splitlines():
            for vendor in vendors:
                assert f"mien.dialects.{vendor}" not in line, place
                assert f"import {vendor}" not in line, place


def test_files_stay_small_enough_to_read() -> None:
    for file in ROOT.rglob("*.py"):
        assert len(file.read_text("utf-8").splitlines()) <= 450, file.name
