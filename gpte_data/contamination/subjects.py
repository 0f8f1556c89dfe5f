"""Which texts of a row are compared with the evaluation sets, and what becomes of the row."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gpte_data.contamination.checking import RULES, Checker, Hit, Text
from gpte_data.corpus import Corpus
from gpte_data.errors import BadInput
from gpte_data.positives import only
from gpte_data.stage import Event, Row
from gpte_data.verdicts import settled

NO_POSITIVE = "all positives are evaluation texts"
TAKEN_OUT = "positives taken out, which are evaluation texts"
NOWHERE = "no positive in the corpus"
LEFT_OUT = "positives not in the corpus, left out"
NOT_SEEN = "pairs whose positives were not looked at, without --corpus"
MEASURED = ("contaminated_by", "eval_part", "eval_id", "overlap", "similarity")
ROWS, LETTERS = 2048, 1 << 22
"""Rows taken together, and letters of their own texts, whichever is reached first."""


def check_row(row: Row, number: int, corpus: Corpus | None, *, drop: bool) -> None:
    """Raise BadInput for a row that is neither passage nor pair, or names what is not there.

    Args:
        row: The row.
        number: Its number, from 1 on.
        corpus: Where positives are looked up, or None.
        drop: Whether positives that are not there will be left out.
    """
    own = "query" if "query" in row else "text"
    if not isinstance(row.get(own), str) or not isinstance(row.get("title"), str | None):
        found = ", ".join(sorted(row)) or "nothing"
        raise BadInput(
            f"row {number} is neither a passage, with text, nor a pair, with query, as strings "
            f"(found: {found}): rename the columns"
        )
    if own != "query" or corpus is None:
        return
    if not isinstance(row.get("positives"), list):
        raise BadInput(
            f"row {number}, {row.get('query_id')!r}, has no list of positives: leave --corpus out "
            "to look at queries alone"
        )
    known = _known(row, corpus)
    if len(known) < len(row["positives"]) and not drop:
        lost = next(doc_id for n, doc_id in enumerate(row["positives"]) if n not in known)
        raise BadInput(
            f"row {row.get('query_id')!r} names {lost!r}, which is not in {corpus}: "
            "give the corpus that the pairs speak of, or --missing-positives drop"
        )


def _known(row: Row, corpus: Corpus) -> list[int]:
    """Return which of a pair's positives are there, by their places."""
    written = _written(row)
    return [
        place
        for place, doc_id in enumerate(row["positives"])
        if doc_id in written or doc_id in corpus.position
    ]


def blocks(
    rows: Iterable[Row], corpus: Corpus | None, notes: Counter[str], *, drop: bool
) -> Iterator[list[Row]]:
    """Yield rows, checked, as many as are compared together."""
    block: list[Row] = []
    letters = 0
    for number, row in enumerate(rows, 1):
        check_row(row, number, corpus, drop=drop)
        if drop and corpus is not None and "query" in row:
            known = _known(row, corpus)
            notes[LEFT_OUT] += len(row["positives"]) - len(known)
            row = only(row, known) if len(known) < len(row["positives"]) else row
        block.append(row)
        letters += len(row["query"] if "query" in row else row["text"])
        if len(block) == ROWS or letters >= LETTERS:
            yield block
            block, letters = [], 0
    if block:
        yield block


def judged(
    block: Sequence[Row], checker: Checker, corpus: Corpus | None, notes: Counter[str]
) -> Iterator[Event]:
    """Yield the rows of a block, those rejected with all rules that hold against them."""
    hits = checker.hits([_own(row) for row in block])
    of_positives: list[Mapping[str, list[Hit]]] = [{} for _ in block]
    if corpus is not None:
        of_positives = _positives(block, checker, corpus)
    for row, own, known in zip(block, hits, of_positives, strict=True):
        if "query" in row and corpus is None:
            notes[NOT_SEEN] += 1
        nowhere = "query" in row and corpus is not None and not row["positives"]
        yield settled(row, [NOWHERE]) if nowhere else _judged(row, own, known, notes)


def _own(row: Row) -> Text:
    """Return the text that is the row's own: of a pair its query."""
    return ("", row["query"]) if "query" in row else (row.get("title") or "", row["text"])


def _written(row: Row) -> dict[str, str]:
    """Return the passages that a recipe wrote for a pair, which may be in no corpus yet."""
    return {passage["doc_id"]: passage["text"] for passage in row.get("written") or ()}


def _positives(
    block: Sequence[Row], checker: Checker, corpus: Corpus
) -> list[Mapping[str, list[Hit]]]:
    """Return for each pair what its positives hold; a passage of several pairs is read once."""
    pairs = [row if "query" in row else {"positives": []} for row in block]
    written = [_written(row) for row in pairs]
    ids = dict.fromkeys(
        doc_id
        for row, own in zip(pairs, written, strict=True)
        for doc_id in row["positives"]
        if doc_id not in own
    )
    texts: dict[tuple[int, str], str] = {
        (-1, doc_id): text for doc_id, text in corpus.texts(ids).items()
    }
    texts |= {(n, doc_id): text for n, own in enumerate(written) for doc_id, text in own.items()}
    hits = dict(zip(texts, checker.hits([("", text) for text in texts.values()]), strict=True))
    return [
        {doc_id: hits[n if doc_id in own else -1, doc_id] for doc_id in row["positives"]}
        for n, (row, own) in enumerate(zip(pairs, written, strict=True))
    ]


def _judged(
    row: Row, own: Sequence[Hit], known: Mapping[str, list[Hit]], notes: Counter[str]
) -> Event:
    """Return what becomes of a row.

    Args:
        row: The row.
        own: What its own text holds.
        known: What each of its positives holds.
        notes: Counts of the books.
    """
    bad = [doc_id for doc_id in row.get("positives") or () if known.get(doc_id)]
    of_bad = [hit for doc_id in bad for hit in known[doc_id]]
    for group in dict.fromkeys(hit.group for hit in [*own, *of_bad]):
        notes[f"contaminated by {group}"] += 1
    rules = _rules(own)
    lost = bool(bad) and len(bad) == len(row["positives"])
    if lost:
        rules += [NO_POSITIVE, *(rule for rule in _rules(of_bad) if rule not in rules)]
    found = dict(row)
    if bad:
        before = row.get("contaminated_positives") or []
        found["contaminated_positives"] = list(dict.fromkeys([*before, *bad]))
    if rules:
        found = {name: value for name, value in found.items() if name not in MEASURED}
        return settled(found | (own or of_bad)[0].fields(), rules)
    if bad:
        notes[TAKEN_OUT] += len(bad)
        left = [n for n, doc_id in enumerate(row["positives"]) if doc_id not in bad]
        found = only(found, left)
    return settled(found, [])


def _rules(hits: Sequence[Hit]) -> list[str]:
    """Return the rules by which something was found, the surest first."""
    return [RULES[number] for number in sorted({hit.rule for hit in hits})]
