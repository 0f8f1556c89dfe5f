"""`report`: every number of the page is one of `inspect --json`, and no text is markup."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLE, cli, ok

from gpte_data import io, manifest
from gpte_data.ledger import Ledger
from gpte_data.reporting.markup import VOID, escape

HOSTILE = "<script>alert(1)</script> ]]> --> <img src=x onerror=alert(2)> \"' &amp; \u202e \0 \x1b["
NOT_CHECKED = ("title", "style", "summary")


class Page(HTMLParser):
    """What stands on a page: elements with their attributes and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[dict[str, Any]] = []
        self.found: list[dict[str, Any]] = []
        self.feed(page)
        assert not self.open, "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = {"tag": tag, "text": "", **dict(attrs), "in": [one["tag"] for one in self.open],
                   "said": any("data-path" in one or "data-key" in one or "tick" in
                               str(one.get("class")) for one in self.open)}  # fmt: skip
        self.found.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop()["tag"] == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.open[-1]["text"] += data


def at(found: Any, path: str) -> Any:
    """Return what a JSON pointer points at."""
    for step in path.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        found = found[int(key)] if isinstance(found, list) else found[key]
    return found


def shown(text: str) -> float:
    """Return a number as it is shown, as a number."""
    return float(text.strip("$ %").replace(",", "").replace("\u2212", "-"))


def check_number(element: dict[str, Any], value: float) -> None:
    """Hold what is shown, rounded, against the value."""
    text = element["text"]
    digits = len(text.strip(" %").partition(".")[2]) if "e" not in text else 12
    factor = 100 if text.endswith("%") else 1
    assert shown(text) == pytest.approx(factor * value, abs=0.51 * 10**-digits, rel=0.06)


def check(page: str, survey: dict[str, Any]) -> int:
    """Hold a page against the survey; return how many numbers it has."""
    numbers = 0
    for element in Page(page).found:
        path = element.get("data-path")
        if "data-key" in element:
            assert element["data-name"] in at(survey, element["data-key"])
        elif path is not None and element["tag"] == "bdi":
            value = " ".join(escape(str(at(survey, path))).split())
            text = " ".join(escape(element["text"]).removesuffix("…").split())
            assert value.endswith(text) if "data-end" in element else value.startswith(text)
        elif path is not None:
            value = at(survey, path)
            numbers += 1
            assert element.get("value", element.get("data-value")) == repr(value)
            if element["tag"] == "data":
                check_number(element, value)
        elif not element["said"] and "tick" not in str(element.get("class")):
            plain = element["tag"] not in NOT_CHECKED
            assert not (plain and re.search(r"\d", element["text"])), element
    return numbers


def readable(value: Any) -> Any:
    """Return plain values with the characters that HTML can hold."""
    if isinstance(value, dict):
        return {readable(name): readable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [readable(one) for one in value]
    return html.unescape(escape(value)) if isinstance(value, str) else value


def surveyed(folder: Path, *flags: object) -> dict[str, Any]:
    """Return what `inspect --json` prints."""
    done = cli("inspect", folder, "--json", "--examples", 10, *flags)
    assert done.rc == 0, done.stderr
    found = readable(json.loads(done.stdout))
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty passages with queries out of their own words, mined and emitted."""
    run = tmp_path_factory.mktemp("run")
    ok("ingest", SAMPLE, "-o", run / "corpus", "--limit", 30)
    ok("synth", run / "corpus", "-o", run / "queries", "--llm", "extractive")
    ok("mine-negatives", run / "queries", "-o", run / "a-mined", "--corpus", run / "corpus")
    ok("emit", run / "a-mined", "-o", run / "train", "--corpus", run / "corpus")
    return run


def test_every_number_of_a_run_is_one_that_inspect_prints(run: Path, tmp_path: Path) -> None:
    flags = ("--real-queries", SAMPLE, "--nearest", 50, "--price-in", 1, "--price-out", 2)
    done = cli("report", run, "-o", tmp_path / "page.html", *flags)
    assert done.stdout == f"{tmp_path / 'page.html'}\n"
    page = (tmp_path / "page.html").read_text()
    survey = surveyed(run, *flags)
    assert check(page, survey) > 300
    names = [Path(one["folder"]).name for one in survey["datasets"]]
    assert names == ["corpus", "queries", "a-mined", "train"]
    assert survey["queries"]["real"]["depth"]["reference"] == 48
    assert survey["queries"]["nearest"]["sample"] == 50
    for title in ("From stage to stage", "Hardness and leak", "Beside real queries", "Examples"):
        assert title in page
    assert len(page) < 2_000_000


def test_emitted_ids_do_not_hide_the_scores_of_what_was_mined(run: Path, tmp_path: Path) -> None:
    emitted = tmp_path / "run" / "z-ids"
    ok("emit", run / "a-mined", "-o", emitted, "--corpus", run / "corpus", "--format", "ids")
    (tmp_path / "run" / "a-mined").symlink_to(run / "a-mined")
    ok("report", tmp_path / "run", "-o", tmp_path / "page.html", "--nearest", 0)
    page, survey = (tmp_path / "page.html").read_text(), surveyed(tmp_path / "run")
    assert "positives, teacher" in survey["datasets"][-1]["scores"]
    assert "negatives, found by " in re.sub("<[^>]*>", "", page)
    check(page, survey)
    assert "negatives, teacher" in cli("inspect", tmp_path / "run").stdout


def test_a_number_that_is_not_in_the_survey_is_found(run: Path, tmp_path: Path) -> None:
    ok("report", run, "-o", tmp_path / "page.html", "--nearest", 0)
    page, survey = (tmp_path / "page.html").read_text(), surveyed(run)
    check(page, survey)
    survey["datasets"][0]["rows"] += 1
    with pytest.raises(AssertionError):
        check(page, survey)
    with pytest.raises(AssertionError):
        check(page.replace("</header>", "<p>17 rows</p></header>"), surveyed(run))


def hostile(folder: Path) -> None:
    """Write a dataset in which every text wants to be markup."""
    hit = {"doc_id": HOSTILE, "rank": 1, "score": 0.5, "source": HOSTILE, "reason": HOSTILE}
    row = {"query_id": "q", "query": HOSTILE, "positives": [HOSTILE], "positive_scores": [0.7],
           "recipe": HOSTILE, "language": HOSTILE, "persona": HOSTILE, "generator": HOSTILE,
           "candidates": [hit | {"verdict": "keep"}, hit | {"verdict": "drop"}]}  # fmt: skip
    notes = {f"{what} of {HOSTILE}": 3 for what in ("calls", "prompt tokens", "completion tokens")}
    ledger = Ledger(2, 0, 1)
    ledger.dropped[HOSTILE] += 1
    ledger.notes.update(notes)
    io.write(folder / "00000.parquet", [row])
    mark = manifest.Mark({"stage": HOSTILE}, ledger, manifest.describe(folder / "00000.parquet"))
    manifest.write_mark(folder, "00000", mark)


def test_texts_of_the_data_are_never_markup(tmp_path: Path) -> None:
    hostile(tmp_path / "run" / "x")
    (tmp_path / "real.txt").write_text("\n".join([HOSTILE.replace("\0", "")] * 20))
    flags = ("--real-queries", tmp_path / "real.txt", "--nearest", 10)
    ok("report", tmp_path / "run", *flags)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "&lt;script&gt;" in page
    assert "\0" not in page and "\x1b" not in page
    tags = {element["tag"] for element in Page(page).found}
    assert not tags & {"script", "img", "iframe", "object", "embed", "base", "form"}
    on = [name for element in Page(page).found for name in element if name.startswith("on")]
    assert not on
    check(page, surveyed(tmp_path / "run", *flags))


def test_a_row_with_many_positives_shows_some(tmp_path: Path) -> None:
    row = {"query_id": "q", "query": "what", "positives": [f"d{n}" for n in range(30)]}
    io.write(tmp_path / "00000.parquet", [row])
    ok("report", tmp_path, "--nearest", 0)
    page = (tmp_path / "report.html").read_text()
    assert ">d7<" in page and ">d8<" not in page
    assert "more positives, not shown" in page
    check(page, surveyed(tmp_path))


def test_the_page_needs_nothing_else(run: Path) -> None:
    ok("report", run, "--nearest", 0)
    page = (run / "report.html").read_text()
    loaded = [one[name] for one in Page(page).found for name in ("src", "href") if name in one]
    assert loaded == ["data:,"]
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style and "@import" not in style
    assert "default-src 'none'" in html.unescape(page)
    again = surveyed(run)  # the page is no shard, and no dataset
    assert len(again["datasets"]) == 4


@pytest.mark.parametrize("name", ["corpus", "queries", "train"])
def test_a_single_output_has_its_page(run: Path, tmp_path: Path, name: str) -> None:
    ok("report", run / name, "-o", tmp_path / "page.html", "--nearest", 0)
    check((tmp_path / "page.html").read_text(), surveyed(run / name))


def test_an_unfinished_run_says_so_and_one_that_has_not_begun_has_a_page(tmp_path: Path) -> None:
    manifest.begin(tmp_path / "begun")
    ok("report", tmp_path)
    assert "This run is not finished" in (tmp_path / "report.html").read_text()


def test_a_file_of_rows_of_another_layout_has_its_page(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {
            "query": "what",
            "positives": [7],
            "pos": ["a b"],
            "neg": ["c", "d e f"],
            "neg_scores": [0.1, 0.2],
        }
    ] * 9
    io.write(tmp_path / "train.jsonl", rows)
    ok("report", tmp_path / "train.jsonl", "-o", tmp_path / "x.html", "--nearest", 0)
    survey = surveyed(tmp_path / "train.jsonl")
    assert survey["datasets"][0]["lengths"]["neg"]["count"] == 18
    check((tmp_path / "x.html").read_text(), survey)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["nowhere"], "does not exist"),
        (["empty"], "holds no dataset"),
        (["train.jsonl", "-o", "page.parquet"], "one .html file"),
        (["train.jsonl", "-o", "train.jsonl/page.html"], "can't be written"),
        (["odd.jsonl"], "must hold list<candidate>"),
        (["train.jsonl", "--real-queries", "nowhere"], "does not exist"),
        (["train.jsonl", "--real-queries", "other.jsonl"], "has no column query"),
        (["train.jsonl", "--teacher", "st:nothing-of-the-kind", "--nearest", "5"], "nothing-of"),
        (["train.jsonl", "--teacher", "nonsense", "--nearest", "5"], "is no teacher"),
    ],
)
def test_what_will_not_do_is_one_sentence(tmp_path: Path, flags: list[str], sentence: str) -> None:
    io.write(tmp_path / "train.jsonl", [{"query_id": str(n), "query": f"q {n}"} for n in range(9)])
    io.write(tmp_path / "other.jsonl", [{"name": "x"}])
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd.jsonl").write_text('{"query": "x", "candidates": "y"}\n')
    assert sentence in cli("report", *flags, cwd=tmp_path).sentence()
    assert not list(tmp_path.glob("*.html"))
