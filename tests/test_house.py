"""The house's own rules: which way imports run, what is documented, how large rooms are."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gpte_data.commands import COMMANDS
from gpte_data.formats import FORMATS
from gpte_data.stages import STAGES, load

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "gpte_data"
FLOORS = [
    ["errors", "scripts", "fields", "__init__"],
    [
        "config",
        "ledger",
        "randomness",
        "files",
        "progress",
        "records",
        "chunks",
        "languages",
        "phrases",
        "memory",
        "text_hashes",
        "table_files",
    ],
    ["candidates", "doc_ids", "judged_records"],
    ["stage", "prompts", "gates", "pricing", "recipe_checks"],
    ["usage", "verdicts", "positives"],
    ["recipes", "parquet"],
    ["io"],
    ["manifest", "sources"],
    ["corpus", "personas"],
    ["backends"],
    ["vectors", "formats", "writing", "tokens", "forecast", "scoring"],
    ["partial_vectors", "earlier_vectors"],
    [
        "embedding",
        "indexes",
        "near_duplicates",
        "subjects",
        "outcomes",
        "asking",
        "pair_texts",
    ],
    ["teachers", "casting", "distinct", "examples", "rehearsal", "prompt_lint"],
    ["emission"],
    ["card"],
    ["mining"],
    ["judges"],
    ["contamination"],
    ["deduping"],
    ["pair_rules", "text_rules"],
    ["denoising"],
    ["stages"],
    ["shard"],
    ["whole", "engines", "ray"],
    ["whole_files"],
    ["plan", "inputs"],
    ["run"],
    ["pipe", "talk", "inspection", "tables", "flags", "trial"],
    ["reasons"],
    ["trial_tables", "reasons_tables", "auditing", "audit_tables"],
    ["trying", "audit_plot"],
    ["commands"],
    ["cli"],
    ["__main__"],
]
"""Rooms from the ground up: a room imports from floors below its own, or from itself."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
UPWARD = {("engines", "ray"), ("shard", "stages"), ("ingest", "ingest_pairs")}
"""The exceptions: an engine opened by name, the list of stages, and ingest's companion."""


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[tuple[str, ...]]:
    """Return the parts of what a module imports of the package, imports in functions included."""
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gpte_data"):
            inside = tuple((node.module or "").split(".")[1:])
            names = [(alias.name,) for alias in node.names] if not inside else [inside]
            found.update(name for name in names if name[0] in FLOOR)
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    mine = room(path)
    for parts in imported(path):
        pair = (path.stem if mine in ("stages", "sources") else mine, parts[-1])
        if pair in UPWARD or parts[0] == "__init__":
            continue
        if mine == parts[0] == "stages":
            pytest.fail(f"{path.name} imports another stage, {'.'.join(parts)}")
        assert FLOOR[parts[0]] < FLOOR[mine] or parts[0] == mine, f"{mine} imports {parts[0]}"


@pytest.mark.parametrize("name", sorted(STAGES))
def test_stages_leave_files_and_runs_to_others(name: str) -> None:
    path = PACKAGE / "stages" / f"{name.replace('-', '_')}.py"
    forbidden = {"io", "files", "manifest", "shard", "whole", "engines", "run", "pipe", "cli"}
    assert not {parts[0] for parts in imported(path)} & forbidden


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_are_small_and_say_what_they_are_for(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 250
    assert ast.get_docstring(ast.parse(text))


def test_the_median_function_is_short() -> None:
    lengths = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert lengths[len(lengths) // 2] < 20
    assert lengths[-1] <= 50


def test_nothing_heavy_is_imported_by_help() -> None:
    heavy = [
        "numpy",
        "pyarrow",
        "datasets",
        "faiss",
        "torch",
        "openai",
        "transformers",
        "vllm",
        "ray",
    ]
    script = (
        "import sys; from gpte_data.cli import app_for\n"
        "for name in sys.argv[1:]: app_for([name])\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    command = [sys.executable, "-c", script, *STAGES, *COMMANDS]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_help_pages_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "help_pages.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_every_option_has_help() -> None:
    for name in STAGES:
        for field, info in load(name).config.model_fields.items():
            assert info.description, f"{name} --{field} has no help"


def test_everything_is_documented() -> None:
    """Commands in the README; prompts, pipelines and formats in docs/."""
    readme = (ROOT / "README.md").read_text()
    docs = "\n".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    for name in STAGES | COMMANDS:
        assert f"`{name}`" in readme, f"README does not speak of {name}"
    files = [*(ROOT / "prompts").glob("*.md"), *(ROOT / "pipelines").glob("*.sh")]
    for path in files:
        assert path.name in docs, f"docs/ do not speak of {path.name}"
    for name in FORMATS:
        assert f"`{name}`" in docs, f"docs/ do not speak of the format {name}"


def test_commands_in_the_docs_exist() -> None:
    """Every `gpte-data WORD` in the Markdown files is a command, every --option one of its."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for block in re.findall(r"```(?:bash|sh)\n(.*?)```", page.read_text(), re.S):
            for line in block.replace("\\\n", " ").splitlines():
                match = re.match(r"\s*gpte-data ([a-z-]+)(.*)", line)
                if match and match[1] in STAGES:
                    check_options(match[1], match[2], page)
                elif match:
                    assert match[1] in COMMANDS, f"{page.name}: gpte-data {match[1]}"


def check_options(name: str, rest: str, page: Path) -> None:
    from gpte_data.flags import common

    config = load(name).config
    known = {field.replace("_", "-") for field in [*config.model_fields, *common(config), "output"]}
    for option in re.findall(r"--([a-z][a-z-]+)", rest.split("#")[0].split("|")[0]):
        assert option in known, f"{page.name}: gpte-data {name} has no --{option}"
