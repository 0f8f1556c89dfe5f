"""Documents of many kinds into a corpus: one passage a row, with an id that stays the same."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from gpte_data.chunks import chunks
from gpte_data.config import Identity, Runtime, StageConfig
from gpte_data.errors import BadInput, BadOption
from gpte_data.sources import BROKEN, TEXT, AsFound, Columns, read_source, source_identity
from gpte_data.sources.beir import pair_files
from gpte_data.stage import Context, Event, Expanded, Hooks, Rejected, Row, Stage, stage


class IngestConfig(StageConfig):
    """What to read, and how to cut it."""

    source: Annotated[str, Identity(source_identity)] = Field(
        "",
        description="BEIR folder, .jsonl (.gz, .zst), .parquet, .csv, .tsv, folder of .txt/.md, "
        "hf:NAME[:CONFIG][@SPLIT], or - for JSONL on stdin.",
    )
    chunk_words: int | None = Field(
        None, ge=8, description="Cut documents into chunks of at most so many words, at sentences."
    )
    id_column: str = Field("", description="Column with the id; found by itself if usual.")
    title_column: str = Field("", description="Column with the title; found by itself if usual.")
    text_column: str = Field("", description="Column with the text; found by itself if usual.")
    other_columns: bool = Field(
        True, description="Keep the columns that are not id, title or text."
    )
    shard_rows: int = Field(8192, ge=1, description="Rows in a shard.")
    pairs: Annotated[str, Runtime()] = Field(
        "", description="Also write the collection's own queries and judgements to this folder."
    )
    split: Annotated[str, Runtime()] = Field(
        "train", description="Which judgements --pairs takes: qrels/SPLIT.tsv."
    )
    judged_negatives: Annotated[bool, Runtime()] = Field(
        False, description="With --pairs: documents judged 0 are negatives of their query."
    )


def _read(cfg: IngestConfig) -> Iterator[Row]:
    """Yield the source's records; a source where no record has any text is refused."""
    _check_columns(cfg)
    columns = Columns(cfg.id_column, cfg.title_column, cfg.text_column)
    number, with_text, names = 0, 0, ""
    for row in read_source(cfg.source, columns):
        number += 1
        with_text += "text" in row
        names = names or ("" if BROKEN in row else ", ".join(sorted(map(str, row))))
        yield row
    if not number:
        raise BadInput(f"{cfg.source} is empty: expected at least one document")
    if not with_text and names:
        wanted = f"text (or {', '.join(TEXT[1:])})"
        raise BadInput(
            f"{cfg.source} has no column {wanted}, it has {names}: name it with --text-column"
        )


def _check_columns(cfg: IngestConfig) -> None:
    """Refuse a named column that no record has, before anything is written.

    Mostly the first record has them all; the source is read on only for as long as one is missing.
    """
    named = {"id": cfg.id_column, "title": cfg.title_column, "text": cfg.text_column}
    missing = {option: column for option, column in named.items() if column}
    if not missing:
        return
    found: set[str] = set()
    for row in read_source(cfg.source, AsFound()):
        found.update(() if BROKEN in row else map(str, row))
        missing = {option: column for option, column in missing.items() if column not in found}
        if not missing:
            return
    if found:
        option, column = next(iter(missing.items()))
        names = ", ".join(sorted(found)[:20])
        raise BadInput(
            f"{cfg.source} has no column {column}, it has {names}: name it with --{option}-column"
        )


def _also(cfg: IngestConfig) -> tuple[Stage, StageConfig, str] | None:
    """Return what else `ingest` runs: the collection's pairs, where they are asked for."""
    if not cfg.pairs:
        if cfg.judged_negatives:
            raise BadOption("--judged-negatives is for --pairs FOLDER: give that too")
        return None
    if cfg.chunk_words:
        raise BadOption(
            "--pairs can't go with --chunk-words: the judgements name whole documents, not chunks"
        )
    pair_files(cfg.source, cfg.split)
    if Path(cfg.pairs).resolve().is_relative_to(Path(cfg.source).resolve()):
        raise BadOption(f"--pairs {cfg.pairs} lies in {cfg.source}, which is read: name another")
    from gpte_data.stages.ingest_pairs import IngestPairsConfig, ingest_pairs

    pairs = IngestPairsConfig.of(
        {name: getattr(cfg, name) for name in ("source", "split", "shard_rows", "judged_negatives")}
    )
    return ingest_pairs, pairs, cfg.pairs


@stage(
    IngestConfig,
    adds={"doc_id", "text"},
    version=1,
    scope="whole",
    hooks=Hooks(read=_read, also=_also),
)
def ingest(rows: Iterable[Row], cfg: IngestConfig, ctx: Context) -> Iterator[Event]:
    """Check each document, give it an id where it has none, and cut it if asked to."""
    seen: set[str] = set()
    for row in rows:
        ctx.tell(1, 0)
        if BROKEN in row:
            yield Rejected(row, str(row[BROKEN]))
            continue
        document = _document(row, cfg.other_columns)
        problem = _problem(document, seen)
        if problem:
            yield Rejected(row, problem)
            continue
        seen.add(document["doc_id"])
        yield from _passages(document, cfg.chunk_words)


def _document(row: Row, other_columns: bool) -> Row:
    """Return the record with trimmed text, and with an id: its own, or its content's hash.

    A language is a string in every dataset, whatever the source has.
    """
    own = ("doc_id", "title", "text")
    document = {name: row[name] for name in row if other_columns or name in own}
    for name in ("text", "title"):
        if isinstance(document.get(name), str):
            document[name] = document[name].strip()
    if not document.get("title"):
        document.pop("title", None)
    if document.get("language") is not None:
        document["language"] = str(document["language"])
    if document.get("doc_id") in (None, ""):
        text = f"{document.get('title', '')}\0{document.get('text', '')}"
        document["doc_id"] = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
    document["doc_id"] = str(document["doc_id"])
    return document


def _problem(document: Row, seen: set[str]) -> str | None:
    """Return why a document can't be a passage, or None."""
    text = document.get("text")
    if text is None:
        return "no text"
    if not isinstance(text, str) or not isinstance(document.get("title", ""), str):
        return "text or title is not a string"
    if not text:
        return "empty text"
    if "\0" in text or "\ufffd" * 3 in text:
        return "binary text"
    return "duplicate doc_id" if document["doc_id"] in seen else None


def _passages(document: Row, chunk_words: int | None) -> Iterator[Event]:
    """Yield the document, or its chunks with the text around each."""
    if chunk_words is None:
        yield document
        return
    cut = chunks(document["text"], chunk_words)
    yield Expanded(len(cut) - 1)
    for number, chunk in enumerate(cut):
        yield document | {
            "doc_id": f"{document['doc_id']}#{number}",
            "text": chunk.text,
            "context": chunk.context,
            "source": document["doc_id"],
        }
