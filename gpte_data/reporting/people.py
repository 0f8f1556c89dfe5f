"""The parts of the page that speak of queries: fields, personas, copies, real ones, and cost."""

from collections.abc import Sequence

from gpte_data.reporting.charts import bars, histograms
from gpte_data.reporting.markup import Found, Html, join, tag
from gpte_data.reporting.sections import how, named, section

FIELDS = {
    "query_type": "Query types",
    "language": "Languages",
    "recipe": "Recipes",
    "difficulty": "Difficulty",
    "task": "Tasks",
    "generator": "Written by",
}
MOST = 12


def fields(dataset: Found) -> Html | None:
    """Return how many rows have each type, language, recipe and so on."""
    lists = [
        tag("div", tag("h3", title), bars(list(dataset["fields"][name].items())[:MOST]))
        for name, title in FIELDS.items()
        if dataset["fields"].get(name)
    ]
    return section(
        "What was asked for",
        how("Rows by what was drawn or found for them; a bar that is missing was never drawn."),
        tag("div", *lists, class_="pair"),
    ) if lists else None  # fmt: skip


def personas(dataset: Found) -> Html | None:
    """Return how many personas there are, and which are frequent."""
    found = dataset["personas"]
    if not found:
        return None
    about = "" if found["distinct_is_exact"] else "about "
    lists = [tag("h3", "Most frequent"), bars(list(found["most_frequent"].items())[:MOST])]
    if found["domains"]:
        lists += [tag("h3", "Domains"), bars(list(found["domains"].items())[:MOST])]
    return section(
        "Personas",
        tag("p", about, found["distinct"].number(), " different ones.", class_="big"),
        how("A persona that speaks far more often than the others gives its voice to the data."),
        *lists,
    )


def nearest(queries: Found) -> Html | None:
    """Return how near queries are to the nearest other one."""
    found = queries.get("nearest") if queries else None
    if found is None:
        return None
    title = "Queries that are nearly the same"
    if left_out := found.get("left_out"):
        return section(title, how("Left out: "), tag("p", left_out.text()))
    levels = [
        (join("cosine of ", name, " or more"), value) for name, value in found["at_least"].items()
    ]
    pairs = (
        tag("li", one["cosine"].number(3), " ", one["text"].text(160), tag("br"),
            one["other"].text(160))
        for one in found["pairs"]
    )  # fmt: skip
    return section(
        title,
        tag("p", "A sample of ", found["sample"].number(), " of ", found["of"].number(),
            " queries, as ", found["teacher"].text(), " sees them.", class_="note"),
        histograms([(Html("nearest other query"), "plain", found["cosine"])], "cosine", 3),
        how(
            "Each query of the sample counts once, at the cosine of the nearest other one in the "
            "sample; a heap at the right end is repetition."
        ),
        bars(levels),
        tag("h3", "The nearest pairs"),
        tag("ol", *pairs, class_="pairs"),
    )  # fmt: skip


def real(queries: Found) -> Html | None:
    """Return how a run's queries differ from real ones."""
    found = queries.get("real") if queries else None
    if found is None:
        return None
    sides = [(Html("of this run"), "negatives", "synthetic"), (Html("real"), "positive", "real")]
    words = [(name, kind, found[side]["words"]) for name, kind, side in sides]
    return section(
        "Beside real queries",
        tag("p", "Real ones: ", found["file"].text(), class_="note"),
        _depth(found["depth"], sides),
        tag("h3", "Words"),
        histograms(words, "words", None),
        how(
            "How many words people use, and how many this run does; each has its own scale upwards."
        ),
        tag("h3", "First words"),
        tag(
            "div",
            *(
                tag("div", tag("h4", name), bars(list(found[side]["first_words"].items())[:MOST]))
                for name, _, side in sides
            ),
            class_="pair",
        ),
        how("How queries begin: a writer that always asks what, or how, shows here."),
        _questions(found, sides),
        wide=True,
    )


def _questions(found: Found, sides: Sequence[tuple[Html, str, str]]) -> Html:
    key = "ending in a question mark"
    rows = [
        tag("tr", tag("th", name, scope="row"), tag("td", found[side]["count"].number()),
            tag("td", found[side]["distinct"].number()), tag("td", found[side][key].number()))
        for name, _, side in sides
    ]  # fmt: skip
    heads = ("queries", "all", "different", "ending in ?")
    head = tag("thead", tag("tr", *(tag("th", one, scope="col") for one in heads)))
    return tag("table", head, tag("tbody", *rows))


def _depth(found: Found, sides: Sequence[tuple[Html, str, str]]) -> Html:
    """Return the depth of queries among real ones, and the test."""
    if left_out := found.get("left_out"):
        return tag("p", "Depth is left out: ", left_out.text(), class_="note")
    q = found["q"].value
    word = "further out than" if q < 0.5 else "more central than" if q > 0.5 else "as deep as"
    numbers = (
        tag("div", tag("dt", name), tag("dd", value))
        for name, value in (
            ("Q", found["q"].number(3)), ("W", found["w"].number(2)), ("p", _p(found["p"])),
        )
    )  # fmt: skip
    rows = [(name, kind, found[side]) for name, kind, side in sides]
    return join(
        tag("h3", "Depth among real queries"),
        tag("dl", *numbers, class_="figures"),
        histograms(rows, "statistical depth", 3),
        tag("p", "A query of this run is more often ", tag("b", word), " a real one (",
            found["teacher"].text(), ", reference of ", found["reference"].number(),
            " real queries). Q is the chance that a real query is no deeper: a half means alike. "
            "W is the rank sum in standard deviations, and p is two-sided.", class_="how"),
    )  # fmt: skip


def _p(found: Found) -> Html:
    return tag("data", f"{found.value:.2g}", value=repr(found.value), data_path=found.path)


def cost(datasets: Found) -> Html | None:
    """Return calls, tokens and cost by recipe."""
    rows = []
    for one in datasets:
        for used in one["usage"]:
            price = used.get("cost")
            rows.append(
                tag("tr",
                    tag("th", named(one), " ", used["recipe"].text(), scope="row"),
                    tag("td", used["calls"].number()),
                    tag("td", used["prompt_tokens"].number()),
                    tag("td", used["completion_tokens"].number()),
                    tag("td", price.dollars() if price else "not known"))
            )  # fmt: skip
    if not rows:
        return None
    heads = ("recipe", "calls", "tokens in", "tokens out", "cost")
    head = tag("thead", tag("tr", *(tag("th", one, scope="col") for one in heads)))
    return section(
        "Tokens and cost",
        how("What language models were asked, by output and recipe; a prompt is tokens in."),
        tag("div", tag("table", head, tag("tbody", *rows)), class_="scroll"),
    )
