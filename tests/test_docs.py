"""What a page claims, a test checks."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import yaml
from msgspec import structs

from mien.app import SECTIONS
from mien.cli import app
from mien.core.fold import Loss
from mien.core.identity import Reason
from mien.core.message import ACCOUNTS
from mien.core.parser import audience, computed_trait
from mien.core.query import Operator, Query, Reducer
from mien.dialects.segment.reasons import Dropped
from mien.services import spaces
from mien.settings import Settings
from mien.store.sql import open_store
from tests.server import Tenant

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "demo").glob("*.md"), *(ROOT / "src").rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_every_page_is_reached_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for page in DOCS.rglob("*.md"):
        if page.parent.name != "decisions":
            assert str(page.relative_to(ROOT)) in text, page


def test_the_readme_fits_one_screen() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 60


def test_every_setting_is_described_as_it_is() -> None:
    text = (DOCS / "reference" / "settings.md").read_text("utf-8")
    rows = re.findall(r"^\| `(MIEN_\w+)` \| (?:`--[\w-]+`)? ?\| `([^`]*)` \| (.+) \|$", text, re.MULTILINE)
    described = {name: (default, about) for name, default, about in rows}
    info = msgspec.inspect.type_info(Settings)
    declared = {}
    for field in info.fields:  # type: ignore[attr-defined]
        about = field.type.extra_json_schema["description"]
        declared[f"MIEN_{field.name.upper()}"] = (str(field.default), about)
    assert described == declared
    assert len(declared) == len(structs.fields(Settings))


def test_every_reason_of_a_discard_is_explained() -> None:
    text = (DOCS / "reference" / "discards.md").read_text("utf-8")
    explained = set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))
    assert explained == {*map(str, Dropped), *map(str, Reason), *map(str, Loss)}


def test_every_command_is_listed_and_exists() -> None:
    text = (DOCS / "reference" / "commands.md").read_text("utf-8")
    listed = set(re.findall(r"`mien ([\w ]+?)`", text))
    known = set()
    for command in app.registered_commands:
        known.add(command.name)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        for command in group.typer_instance.registered_commands:
            known.add(f"{group.name} {command.name or command.callback.__name__}")  # type: ignore[union-attr]
    assert listed == known


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = sorted(int(page.name[:4]) for page in (DOCS / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize(("section", "read"), [("Computed traits", computed_trait), ("Audiences", audience)])
def test_the_queries_of_the_docs_are_understood(section: str, read: Callable[..., Query]) -> None:
    text = (DOCS / "reference" / "definitions.md").read_text("utf-8")
    [section_text] = [part for part in text.split("\n## ") if part.startswith(section)]
    queries = "\n".join(re.findall(r"```query\n(.*?)```", section_text, re.DOTALL)).strip().split("\n\n")
    assert len(queries) > 10
    for query in queries:
        assert read(query.strip(), collection=ACCOUNTS)


def test_every_word_of_the_query_language_is_described() -> None:
    text = (DOCS / "reference" / "definitions.md").read_text("utf-8")
    for word in {*Operator, *Reducer} - {Reducer.UNIQUE_COUNT}:
        assert f".{word}(" in text, word


@pytest.mark.parametrize(
    "page", ["tutorial.md", "reference/spaces.md", "howto/personalise-in-the-browser.md", "howto/audiences.md"]
)
def test_the_files_of_spaces_in_the_docs_apply(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        assert yaml.safe_load(block)
        with open_store("sqlite:///:memory:") as store:
            environment = {"SHOP_KEY": "wk_1", "SEGMENT_TOKEN": "tok_1", "GL_KEY": "gl_1"}
            assert spaces.apply(store, block, SECTIONS, environment, now=1)


def test_the_program_of_the_tutorial_runs(tenant: Tenant) -> None:
    text = (DOCS / "tutorial.md").read_text("utf-8")
    [program] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    program = program.replace("wk_acme_web", tenant.write_key).replace("http://127.0.0.1:8800", tenant.server.url)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    assert tenant.traits("user_id:u1") == {"email": "jane@example.com", "plan": "free"}
    assert [event["event"] for event in tenant.events("anonymous_id:a-browser")] == ["Order Completed"]
    curl = re.search(r"/v1/identify -d '(.+)'", text)
    assert curl
    assert tenant.post("/v1/identify", curl[1].encode()).status_code == 200
    assert tenant.traits("user_id:u1")["plan"] == "pro"


def test_the_file_of_the_howto_is_imported_as_it_says(tenant: Tenant, tmp_path: Path) -> None:
    text = (DOCS / "howto" / "import-a-file.md").read_text("utf-8")
    [table] = re.findall(r"```csv\n(.*?)```", text, re.DOTALL)
    (tmp_path / "stores.csv").write_text(table)
    command = re.findall(r"mien import acme stores.csv (.*)", text)[0].split()
    command = ["import", tenant.slug, str(tmp_path / "stores.csv"), *command, "--store", tenant.server.store]
    done = subprocess.run([sys.executable, "-m", "mien", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for line in done.stdout.splitlines():
        assert f"`{line.strip()}`" in text
    assert tenant.traits("id:007", "stores") == {"city": "Ulm", "area": 120, "opened": "2019-05-04"}


def test_make_names_what_the_readme_promises() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"make (\w+)", (ROOT / "README.md").read_text("utf-8")):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    gate = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "make test" in gate
