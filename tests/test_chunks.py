"""Chunks: nothing is lost, nothing is too long, and the cuts are where a reader would put them."""

import json
import os
import random
import re
from pathlib import Path

import pytest

from gpte_data.chunks import chunks, count_words, first_words, sentences
from gpte_data.stages.ingest import ingest

DATA = Path(os.environ.get("GPTE_SHARED_DATA", Path(__file__).parent.parent / "../shared/data"))
PIECES = [
    *(
        "word",
        "the",
        "Smith",
        "et",
        "al.",
        "Fig.",
        "2",
        "3.5",
        "J.",
        "e.g.",
        "end.",
        "What?",
        "No!",
    ),
    *(
        "?!",
        "...",
        "…",
        "(see",
        "it)",
        ")",
        "“quoted",
        "end.”",
        "*",
        "-",
        "#",
        "1.",
        "|",
        ";",
        "a,",
    ),
    *(
        "黑豹队",
        "的防守。",
        "「好」",
        "，",
        "ความ",
        "ที่",
        "น้ำ",
        "हिन्दी।",
        "نعم؟",
        "é",
        "😀",
        "\u200b",
    ),
]
SPACES = [" ", " ", " ", " ", "  ", "\n", "\n\n", "\n- ", "\n# ", "\t", "", "\u00a0", "\u3000"]


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def random_text(chance: random.Random) -> str:
    length = chance.choice([0, 1, 3, 10, 80])
    return "".join(chance.choice(PIECES) + chance.choice(SPACES) for _ in range(length))


def check_covers(text: str, words: int) -> None:
    """Hold the chunks of a text to all that is promised of them."""
    place, seen = 0, []
    for chunk in chunks(text, words):
        start = text.index(chunk.text, place)
        assert not text[place:start].strip(), "what stands between chunks is white space"
        place = start + len(chunk.text)
        assert chunk.text == chunk.text.strip() != ""
        assert 1 <= count_words(chunk.text) <= words
        assert chunk.text in chunk.context and chunk.context in text
        seen.append(chunk.text)
    assert not text[place:].strip(), "nothing follows the last chunk"
    squeezed = re.sub(r"\s+", "", text)
    assert re.sub(r"\s+", "", "".join(seen)) == squeezed


def test_random_texts_are_covered() -> None:
    chance = random.Random(1)
    for _ in range(1500):
        check_covers(random_text(chance), chance.choice([1, 2, 3, 8, 30]))


def test_texts_without_words() -> None:
    assert chunks("", 8) == chunks(" \n\t\n ", 8) == []
    for text in ("...", "\n\n---\n\n", "?!", "。。。", "- \n- \n", "#", "\u3000。\u3000"):
        check_covers(text, 8)
        check_covers(text, 1)


def test_long_runs_take_no_time() -> None:
    """No pattern goes over the same characters again and again."""
    for run in (
        " ",
        "\n",
        "\n ",
        ".",
        ". ",
        "*",
        '."',
        "a",
        "A.",
        "#",
        "# ",
        "1.",
        "。",
        "ก",
        "\n-",
        "(",
    ):
        text = run * 60_000
        covered = "".join(chunk.text for chunk in chunks(text, 50))
        assert re.sub(r"\s+", "", covered) == re.sub(r"\s+", "", text)


@pytest.mark.parametrize(
    "text",
    [
        "We used 3.5 ml of it, as Smith et al. did in 2010.|It worked.",
        "As Fig. 2 shows (see also Figs. 3 and 4, p. 12), it grew.|No. 7 did not.",
        "It was J. K. Rowling, e.g. in the U.S. edition, vs. them.|Dr. Who came.",
        "Is it?!|Yes!|It was... well, over.|Then came more...|The rest.",
        '"It is so."|He left.|(It was late.)|“Why?” he asked.',
        "Approx. five, i.e. four, etc. and so on.|The end.",
        "p53 is a gene.|23 patients had it.|mTOR too.",
        "The risk was 0.71 (oral or iv).|Twenty-one studies say so.|It ended.|Then more.",
        "# Results\nThe first is long.|The second is short.",
        "Take:\n|- an egg\n|- some milk, i.e. a pint\n|1. Mix it\n|2. Bake it\nfor an hour.|Eat.",
        "A line\nthat goes on\n\n|A paragraph without an end\n\n|Another, by J.\n\n|Last",
        "Unter 3.000 waren es.|Nur 7 % sagten „nein“.|Über 5 nicht.",
        "他说：“好。”|然后走了。|真的吗？！|是的。",
        "यह एक वाक्य है।|दूसरा वाक्य।",
        "هل هذا سؤال؟|نعم.|هذا جواب.",
        "ทีมชนะรางวัล|ซึ่งเป็นแชมป์",
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str) -> None:
    """A bar stands where the sentence ends."""
    joined = re.sub(r"(?<=[^\n。？！”।؟])\|", " ", text).replace("|", "")
    joined = joined.replace("iv). Twenty", "iv).Twenty").replace("ended. Then", "ended.Then")
    assert cut(joined) == [piece.strip() for piece in text.split("|")]


def test_a_sentence_that_is_too_long_is_cut_at_a_comma() -> None:
    text = "one two three four five, six (seven or eight) nine ten eleven twelve"
    assert [chunk.text for chunk in chunks(text, 6)] == [
        "one two three four five,",
        "six (seven or eight) nine ten",
        "eleven twelve",
    ]
    plain = "w " * 100
    assert [count_words(chunk.text) for chunk in chunks(plain, 30)] == [30, 30, 30, 10]


def test_characters_are_words_where_there_are_no_spaces() -> None:
    assert count_words("黑豹队，的。") == 4
    assert [chunk.text for chunk in chunks("黑豹队，的防守很好。", 4)] == [
        "黑豹队，",
        "的防守很",
        "好。",
    ]
    assert first_words("黑豹队，的防守很好。", 3) == "黑豹队，"
    assert first_words("one  two three", 2) == "one  two"
    assert first_words("...", 0) == first_words("", 5) == ""


def test_thai_marks_stay_with_their_character() -> None:
    text = "น้ำที่ได้เป็นแชมป์ซูเปอร์โบว์ล" * 20
    marks = {chr(code) for code in (0xE31, *range(0xE34, 0xE3B), *range(0xE47, 0xE4F))}
    for chunk in chunks(text, 8):
        assert chunk.text[0] not in marks
        assert chunk.text[-1] not in "เแโใไ"


def test_context_is_the_chunk_with_its_neighbours() -> None:
    text = "A one two. B one two. C one two. D one two."
    found = chunks(text, 3)
    assert [chunk.text for chunk in found] == [
        "A one two.",
        "B one two.",
        "C one two.",
        "D one two.",
    ]
    assert found[0].context == "A one two. B one two."
    assert found[1].context == "A one two. B one two. C one two."
    assert found[3].context == "C one two. D one two."


def test_ids_are_stable_under_reingest(tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_text('{"_id": "d", "title": "T", "text": "One two three. Four five six. Seven."}\n')

    def once() -> list[dict[str, object]]:
        cfg = ingest.config.of({"source": str(path), "chunk_words": 8})
        assert ingest.hooks.read is not None
        return list(ingest(ingest.hooks.read(cfg), cfg))

    rows = once()
    assert [row["doc_id"] for row in rows] == ["d#0"] and rows == once()
    assert rows[0]["source"] == "d" and rows[0]["title"] == "T"


@pytest.mark.parametrize("language", ["ar", "de", "el", "en", "hi", "ru", "th", "tr", "vi", "zh"])
def test_real_texts_in_many_languages(language: str) -> None:
    path = DATA / "xquad" / language / "corpus.jsonl"
    if not path.is_file():
        pytest.skip(f"{path} is not there: set GPTE_SHARED_DATA")
    for line in path.read_text(encoding="utf-8").splitlines():
        text = json.loads(line)["text"]
        for words in (8, 60):
            check_covers(text, words)
            assert len(chunks(text, words)) < 2 * len(text) / words + 2


def test_real_abstracts_are_cut_between_sentences() -> None:
    """Nearly all chunks of scientific abstracts end where a sentence does."""
    path = DATA / "scifact" / "corpus.jsonl"
    if not path.is_file():
        pytest.skip(f"{path} is not there: set GPTE_SHARED_DATA")
    texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    ends = [chunk.text for text in texts[::10] for chunk in chunks(text, 60)]
    whole = sum(text.endswith((".", "!", "?", '."', ".)")) for text in ends)
    assert whole / len(ends) > 0.97
    wrong = [text for text in ends if re.search(r"(?:et al|Fig|e\.g|i\.e|\b[A-Z])\.$", text)]
    assert len(wrong) / len(ends) < 0.01, wrong[:5]
