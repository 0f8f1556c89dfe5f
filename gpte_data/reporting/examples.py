"""Rows as people read them: the query, what answers it, what does not, and why."""

from gpte_data.measures.texts import QUERIES
from gpte_data.reporting.markup import Found, Html, join, tag
from gpte_data.reporting.sections import how, named, section

TEXT, QUERY = 420, 1000
"""Characters of a text that are shown."""
TOLD = ("query_type", "language", "persona", "difficulty", "recipe", "instruction")
OPEN = 3
"""Examples that are open when the page is."""
PARTS = 8
"""Positives of a row that are shown, or texts of a row of another layout."""


def examples(dataset: Found) -> Html | None:
    """Return the examples of a dataset."""
    known = any(_is_pair(row) for row in dataset["examples"])
    rows = [_example(row, n < OPEN) for n, row in enumerate(dataset["examples"])]
    return section(
        "Examples",
        tag("p", "From ", named(dataset), ", at even distances.", class_="note"),
        how(
            "Each document says what it is: a positive, a negative that was kept, or a candidate "
            "that was dropped, and by which rule."
        ) if known else None,
        *rows,
        wide=True,
    ) if rows else None  # fmt: skip


def _is_pair(row: Found) -> bool:
    return "query" in row.value and "positives" in row.value


def _example(row: Found, is_open: bool) -> Html:
    if not _is_pair(row):
        return _plain(row, is_open)
    told = [tag("span", row[name].text(80)) for name in TOLD if row.value.get(name)]
    inner = tag(
        "details",
        tag("summary", tag("h3", row["query"].text(QUERY))),
        tag("p", *told, class_="tags") if told else None,
        tag("ul", *_positives(row), *_candidates(row), class_="documents"),
        open="" if is_open else None,
    )
    return tag("article", inner)


def _positives(row: Found) -> list[Html]:
    scores = row.value.get("positive_scores") or []
    found = []
    for n, one in enumerate(row["positives"]):
        if n == PARTS:
            more = tag("p", "more positives, not shown", class_="head")
            found.append(tag("li", more, class_="positive"))
            break
        score = row["positive_scores"][n] if n < len(scores) else None
        found.append(_document(row, one, score, None, "positive"))
    return found


def _candidates(row: Found) -> list[Html]:
    if row.value.get("candidates") is None:
        hits = row.value.get("negatives") or []
        return [_document(row, row["negatives"][n], None, None, "kept") for n in range(len(hits))]
    return [
        _document(
            row, hit["doc_id"], hit.get("score"), hit.get("reason"),
            "dropped" if hit.value.get("verdict") == "drop" else "kept",
        )
        for hit in row["candidates"]
    ]  # fmt: skip


def _document(
    row: Found, doc_id: Found, score: Found | None, reason: Found | None, kind: str
) -> Html:
    """Return a document with what became of it."""
    text = row["texts"].get(str(doc_id.value))
    return tag(
        "li",
        tag(
            "p",
            tag("span", {"kept": "negative"}.get(kind, kind), class_="badge"),
            score.number(3) if score is not None and _finite(score.value) else None,
            doc_id.text(60),
            tag("em", reason.text(200)) if reason is not None else None,
            class_="head",
        ),
        tag("p", text.text(TEXT), class_="text") if text is not None else None,
        class_=kind,
    )


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and value == value and abs(value) != float("inf")


def _plain(row: Found, is_open: bool) -> Html:
    """Return a row of another layout: its texts by name, under its query or what comes first."""
    names = [
        name for name, value in row.value.items()
        if name != "texts" and value not in (None, "", [], {})
    ]  # fmt: skip
    first = next((name for name in (*QUERIES, *names) if name in names), None)
    if first is None:
        return Html("")
    shown = [name for name in names if name != first][:PARTS]
    told = (join(tag("dt", row.key(name)), tag("dd", _value(row[name]))) for name in shown)
    inner = tag(
        "details",
        tag("summary", tag("h3", row[first].text(QUERY))),
        tag("dl", *told, class_="plain"),
        open="" if is_open else None,
    )
    return tag("article", inner)


def _value(found: Found) -> Html:
    """Return what a field holds: a text, or the first few of a list."""
    if isinstance(found.value, list):
        some = [tag("li", one.text(TEXT)) for n, one in enumerate(found) if n < PARTS]
        return tag("ul", *some)
    return found.text(TEXT)
