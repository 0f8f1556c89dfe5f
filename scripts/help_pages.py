"""Write docs/commands.md from the help of every command; with --check, only compare.

The pages are what `gpte-data COMMAND --help` prints at 80 columns, so they can't be wrong.
"""

import sys
from pathlib import Path

from typer.testing import CliRunner

from gpte_data.cli import app_for
from gpte_data.commands import COMMANDS
from gpte_data.stages import STAGES

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"
INTRO = """# Commands

What each command's `--help` prints; made by `make docs`, checked by the tests.
"""


def help_of(words: list[str]) -> str:
    """Return what the command line prints for `gpte-data WORDS --help`."""
    result = CliRunner().invoke(app_for(words), [*words, "--help"], env={"COLUMNS": "80"})
    if result.exit_code != 0:
        raise SystemExit(f"gpte-data {' '.join(words)} --help failed: {result.output}")
    return "\n".join(line.rstrip() for line in result.output.strip("\n").splitlines())


def page() -> str:
    """Return the whole page."""
    parts = [INTRO]
    for words in [[], *([name] for name in STAGES | COMMANDS)]:
        title = " ".join(["gpte-data", *words])
        parts.append(f"## {title}\n\n```text\n{help_of(words)}\n```\n")
    return "\n".join(parts)


def main() -> None:
    """Write the page, or with --check exit 1 if it is not up to date."""
    made = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != made:
        raise SystemExit("docs/commands.md is not up to date: run make docs")


if __name__ == "__main__":
    main()
