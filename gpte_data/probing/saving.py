"""The maps of a probe as a folder that `adapter:FOLDER` reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpte_data.backends.adapter import FACTS, NAMES, WEIGHTS
from gpte_data.backends.encoding import embedder_identity
from gpte_data.errors import BadOption, MissingExtra
from gpte_data.files import atomic
from gpte_data.probing.probe import Asked, Probed

VERSION = 1


def check(folder: Path, *, force: bool) -> None:
    """Raise a UserError if the maps can't be written there: before anything is paid for."""
    try:
        import safetensors  # noqa: F401
    except ImportError:
        raise MissingExtra.of("safetensors", "local") from None
    if folder.exists() and not folder.is_dir():
        raise BadOption(f"-o {folder} is a file: expected a folder for the maps")
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if there and FACTS not in there:
        raise BadOption(f"-o {folder} holds other files ({there[0]}): give a folder of its own")
    if there and not force:
        raise BadOption(f"-o {folder} holds the maps of a probe: give --force, or another folder")


def save(folder: Path, asked: Asked, probed: Probed) -> None:
    """Write the maps that held-out rows gained most from, what they are for, and a README."""
    import orjson
    from safetensors.numpy import save as to_bytes

    encoding, best = asked.options.encoding, probed.best
    known = embedder_identity(asked.teacher, encoding)
    facts = {
        "version": VERSION,
        "teacher": asked.teacher,
        "teacher_identity": {name: one for name, one in known.items() if name != "dtype"},
        "query_prompt": probed.teacher.query_prompt,
        "doc_prompt": probed.teacher.doc_prompt,
        "max_length": encoding.max_length,
        "truncate_dim": encoding.truncate_dim,
        "dimension": best.maps.dimension,
        "rank": best.maps.rank,
        "seed": best.seed,
        "rows": best.trained,
        "temperature": asked.settings.temperature,
        "learning_rate": asked.settings.learning_rate,
    }
    (folder / FACTS).unlink(missing_ok=True)  # half of an adapter must not pass for one
    with atomic(folder / WEIGHTS) as target:
        target.write(to_bytes({name: getattr(best.maps, name) for name in NAMES}))
    with atomic(folder / "README.md") as target:
        target.write(_readme(facts, probed.found).encode())
    with atomic(folder / FACTS) as target:
        target.write(orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))


def _readme(facts: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    lines = [
        f"| {name} | {one['before']:.4f} | {one['after']:.4f} | {one['difference']:+.4f} "
        f"({one['low']:+.4f} to {one['high']:+.4f}) |"
        for name, one in found["measures"].items()
    ]
    return "\n".join(
        [
            "# An adapter",
            "",
            f"Low-rank residual maps (rank {facts['rank']}) on vectors of `{facts['teacher']}`, "
            "trained by `gpte-data probe`:",
            "x + B A x, divided by its length, with matrices A and B for queries (`query_down`, "
            "`query_up`) and for",
            "documents (`document_down`, `document_up`). Use it as `--teacher adapter:FOLDER`.",
            "",
            f"On {found['queries_counted']:,} queries of the evaluation, {found['split']}, mean of "
            f"{len(found['trainings'])} trainings (these maps are of seed {facts['seed']}, which "
            "gained most on held-out",
            "training rows):",
            "",
            "| | before | after | difference (95 %) |",
            "|---|---|---|---|",
            *lines,
            "",
        ]
    )
