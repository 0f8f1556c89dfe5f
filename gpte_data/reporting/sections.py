"""The parts of the page that speak of counts: the flow, drops, scores, lengths, fields, cost."""

from collections.abc import Sequence
from pathlib import Path

from gpte_data.measures.texts import QUERIES
from gpte_data.records import WRITTEN
from gpte_data.reporting.charts import bars, histograms, line, stacked
from gpte_data.reporting.markup import Found, Html, join, tag

MOST = 12
"""Bars in a list."""


def section(title: str, *parts: Html | None, wide: bool = False) -> Html:
    """Return a part of the page under a heading."""
    name = title.lower().replace(" ", "-").replace(",", "")
    heading = tag("h2", title, id=name)
    return tag("section", heading, *parts, aria_labelledby=name, class_="wide" if wide else None)


def how(text: str) -> Html:
    """Return the sentence that says how to read a chart."""
    return tag("p", text, class_="how")


def named(dataset: Found) -> Html:
    """Return a dataset's name: its folder's, without the way there."""
    folder = dataset["folder"]
    shown = Path(folder.value).resolve().name
    return tag("bdi", shown, class_="key", data_path=folder.path, data_end=shown)


def total(found: Found, kind: str) -> Html:
    """Return numbers by reason, in a sentence."""
    parts = [join(value.number(), " ", kind, ": ", name) for name, value in found.items()]
    return tag("ul", *(tag("li", part) for part in parts), class_="reasons") if parts else Html("")


def flow(datasets: Found) -> Html:
    """Return each output of the run with what came in and what became of it."""
    tops = [one["ledger"]["in"].value + one["ledger"]["expanded"].value for one in datasets]
    rows = [one["rows"].value for one in datasets]
    top = max([*tops, *rows])
    return section(
        "From stage to stage",
        how(
            "Each bar is a stage, in the order in which outputs were made from each other: rows "
            "that went on, rows that were dropped, and rows that failed. All bars have one scale."
        ),
        tag("ol", *(_stage(one, top) for one in datasets), class_="flow"),
        wide=True,
    )


def _stage(dataset: Found, top: float) -> Html:
    ledger = dataset["ledger"]
    lost = [(ledger[kind][name], kind) for kind in ("dropped", "failed")
            for name in ledger[kind].value]  # fmt: skip
    stage = dataset.get("stage")
    parts = [
        join(ledger["in"].number(), " in"),
        join(ledger["expanded"].number(), " expanded") if ledger["expanded"] else None,
        tag("b", dataset["rows"].number(), " out"),
        *(_sum(ledger[kind], kind) for kind in ("dropped", "failed")),
        join(dataset["seconds"].number(1), " s"),
    ]
    if stage is None:
        parts = [tag("b", dataset["rows"].number(), " rows")]
    told = [tag("span", part) for part in parts if part is not None]
    return tag(
        "li",
        tag(
            "p",
            tag("strong", named(dataset)),
            tag("span", stage.text(), class_="stage") if stage else None,
            tag("span", "unfinished", class_="badge failed") if dataset["unfinished"] else None,
            class_="title",
        ),
        stacked([(dataset["rows"], "out"), *lost], top),
        tag("p", *told, class_="numbers"),
    )


def _sum(counts: Found, kind: str) -> Html | None:
    """Return how many were dropped or have failed; one sum is the books' own line."""
    if not counts:
        return None
    numbers = [one.number() for _, one in counts.items()]
    joined = join(*(join(" + " if n else "", one) for n, one in enumerate(numbers)))
    return tag("span", joined, " ", kind, class_=kind)


def drops(datasets: Found) -> Html | None:
    """Return what was dropped and has failed, by stage and reason."""
    lists = []
    for one in datasets:
        for kind in ("dropped", "failed"):
            if counts := one["ledger"][kind]:
                title = tag("h3", named(one), f": rows that {_became(kind)}")
                lists += [title, bars(_most(counts), kind)]
    judged = [one for one in datasets if one["reasons"]]
    for one in judged[-1:]:
        title = tag("h3", named(one), ": candidates, by verdict and reason")
        rows = _most(one["reasons"])
        kinds = ["kept" if ">keep: " in name else "dropped" for name, _ in rows]
        lists += [title, bars(rows, kinds)]
    if not lists:
        return None
    return section(
        "What was left out",
        how(
            "Every row that ended, and every candidate that was judged, has one reason; the "
            "longest bar of a list is its most frequent one."
        ),
        *lists,
    )


def _became(kind: str) -> str:
    return "were dropped" if kind == "dropped" else "have failed"


def _most(counts: Found, most: int = MOST) -> list[tuple[Html, Found]]:
    """Return the most frequent names, with their numbers."""
    rows = sorted(counts.items(), key=lambda pair: -pair[1].value)
    return rows[:most]


def scores(dataset: Found) -> Html | None:
    """Return the scores of positives and negatives, by source and by model."""
    found, by_source = dataset["scores"], dataset["scores_by_source"]
    if not found:
        return None
    rows = []
    if "positives, teacher" in found.value:
        rows.append((Html("positives"), "positive", found["positives, teacher"]))
    for name, verdicts in by_source.items():
        for verdict in ("negatives", "dropped"):
            if one := verdicts.get(verdict):
                source = "" if name.endswith(f">{WRITTEN}</bdi>") else "found by "
                rows.append((join(verdict, ", ", source, name), verdict, one))
    charts = [histograms(rows, "cosine to the query, by the teacher", 3)] if rows else []
    by_model: dict[str, list[tuple[Html, str, Found]]] = {}
    for name in sorted(found.value, key=lambda name: ("pnd".index(name[0]), name)):
        kind, _, model = name.partition(", ")
        if model != "teacher":
            label = {"positives": "positive"}.get(kind, kind)
            by_model.setdefault(model, []).append((found.key(name), label, found[name]))
    charts += [histograms(rows, f"score by {model}", 3) for model, rows in by_model.items()]
    return section(
        "Scores of positives and negatives",
        how(
            "Good data keeps its negatives to the left of the positives and yet near them; the "
            "line in each histogram is its median."
        ),
        *charts,
    )


def hardness(dataset: Found) -> Html | None:
    """Return how hard negatives are against how many are likely to be false."""
    numbers = dataset["hardness"].value.get("by_number") if dataset["hardness"] else None
    if not numbers or any(one["false_negative"] is None for one in numbers):
        return None
    points = dataset["hardness"]["by_number"]
    rows = [
        tag(
            "tr",
            tag("th", one["negatives"].number(), scope="row"),
            tag("td", one["queries"].number()),
            tag("td", one["score"].number(3)),
            tag("td", one["false_negative"].percent(2)),
        )
        for one in points
    ]
    drawn = [(one["negatives"], one["score"], one["false_negative"]) for one in points]
    heads = ("negatives a query", "queries with so many", "mean score", "estimated false")
    table = tag(
        "table",
        tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads))),
        tag("tbody", *rows),
    )
    return section(
        "Hardness and leak",
        how(
            "Each number is how many negatives of a query are taken: further right they are "
            "harder, further up more of them are likely to be positives that nobody labelled."
        ),
        line(drawn, "mean cosine of the negatives to their query", "estimated share of false ones"),
        tag("details", tag("summary", "The same as a table"), table),
    )


def lengths(datasets: Sequence[Found]) -> Html | None:
    """Return words of queries and of documents."""
    charts = []
    for one in datasets:
        if found := one["lengths"]:
            charts.append(tag("h3", named(one)))
            for asked in (True, False):
                rows = [
                    (found.key(name), "plain", found[name])
                    for name in found.value
                    if (name in QUERIES) == asked
                ]
                charts += [histograms(rows, "words", None)] if rows else []
    return section(
        "How long texts are",
        how(
            "Words of each text, the last bar holding all that is longer; negatives much longer or "
            "shorter than positives teach length."
        ),
        *charts,
    ) if charts else None  # fmt: skip
