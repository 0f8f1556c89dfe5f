"""The page as a whole: what stands on it, in what order."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpte_data.measures.counted import scored
from gpte_data.reporting.examples import examples
from gpte_data.reporting.markup import Found, Html, join, tag
from gpte_data.reporting.people import cost, fields, nearest, personas, real
from gpte_data.reporting.sections import drops, flow, hardness, lengths, scores

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the browser may load: nothing."""


def page(survey: Mapping[str, Any]) -> str:
    """Return a survey as an HTML document.

    Args:
        survey: As `inspection.survey` returns it, in plain values.
    """
    found = Found(survey)
    datasets = found["datasets"]
    name = Path(survey["folder"]).resolve().name
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{name}: report"),
        tag("style", Html(style)),
    )
    body = tag("body", _header(found, name), tag("main", *_parts(found)), _footer(datasets))
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _parts(found: Found) -> list[Html]:
    """Return the sections for which there is something to say."""
    datasets = found["datasets"]
    every = list(datasets)
    mined = _last(datasets, "verdicts") or every[-1]
    which = scored(datasets.value)
    described = [one for one in every if one["fields"]] or every
    hard = _last(datasets, "hardness") or every[-1]
    people = _last(datasets, "personas") or every[-1]
    queries = found["queries"]
    shown = [
        flow(datasets),
        scores(every[-1 if which is None else which]),
        hardness(hard),
        drops(datasets),
        fields(described[-1]),
        personas(people),
        lengths(_measured(every)),
        nearest(queries),
        cost(datasets),
        real(queries),
        examples(mined if mined["examples"] else every[-1]),
    ]
    return [one for one in shown if one is not None]


def _last(datasets: Found, name: str) -> Found | None:
    """Return the last dataset that has something under a name."""
    return next((one for one in reversed(list(datasets)) if one[name]), None)


def _measured(every: list[Found]) -> list[Found]:
    """Return the datasets whose lengths are shown: passages, and the last with negatives."""
    there = [one for one in every if one["lengths"]]
    passages = [one for one in there if "text" in one["lengths"].value][:1]
    mined = [one for one in there if "negatives" in one["lengths"].value][-1:]
    return passages + (mined or [one for one in there if one not in passages][-1:])


def _header(found: Found, name: str) -> Html:
    """Return the run's name and the numbers that matter most."""
    datasets = found["datasets"]
    every = list(datasets)
    asking, hard = _last(datasets, "queries"), _last(datasets, "hardness")
    figures = [("rows at the end", every[-1]["rows"].number())]
    if asking is not None:
        figures.append(("different queries", asking["queries"]["distinct"].number()))
    positives = "positives, teacher"
    which = scored(datasets.value)
    if which is not None and positives in every[which]["scores"].value:
        mean = every[which]["scores"][positives]["mean"]
        figures.append(("mean score, positives", mean.number(2)))
    five = _five(hard)
    if five is not None:
        number = join("mean score of ", five["negatives"].number(), " negatives")
        figures.append((number, five["score"].number(2)))
        if five.value["false_negative"] is not None:
            figures.append(("of them estimated false", five["false_negative"].percent()))
    running = [one for one in every if one["unfinished"]]
    return tag(
        "header",
        tag("p", "gpte-data report", class_="over"),
        tag("h1", tag("bdi", name, data_path="/folder", data_end=name)),
        _unfinished(running) if running else None,
        tag("dl", *(tag("div", tag("dt", k), tag("dd", v)) for k, v in figures), class_="figures"),
    )


def _five(hard: Found | None) -> Found | None:
    """Return hardness and leak of five negatives a query, or of as many as there are."""
    if hard is None or not hard["hardness"]["by_number"]:
        return None
    by_number = hard["hardness"]["by_number"]
    return by_number[min(5, len(by_number.value)) - 1]


def _unfinished(running: list[Found]) -> Html:
    from gpte_data.reporting.sections import named

    names = join(*(join(", " if n else "", named(one)) for n, one in enumerate(running)))
    return tag(
        "p", tag("b", "This run is not finished. "), "Still being written, or ended half-way: ",
        names, ". Numbers are those of the shards that are there.", class_="warning", role="note",
    )  # fmt: skip


def _footer(datasets: Found) -> Html:
    from gpte_data import __version__

    several = "outputs" if len(datasets.value) > 1 else "output"
    return tag(
        "footer",
        tag("p", f"Counted from the marks and rows of the {several} by gpte-data ",
            tag("span", __version__, class_="tick"),
            ". Every number here is one that gpte-data inspect --json prints for this folder."),
    )  # fmt: skip
