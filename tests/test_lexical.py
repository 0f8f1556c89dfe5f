"""Words and BM25 against a few lines of plain Python, and the files that they are kept in."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gpte_data import io
from gpte_data.corpus import Corpus
from gpte_data.mining.bm25 import BM25Index
from gpte_data.mining.lexical import Lexical
from gpte_data.mining.terms import Terms, ensure_terms, words

TEXTS = [
    "Rivers carry sand to the sea, and the sea carries sand to the shore.",
    "The sea is salty: rivers bring minerals.",
    "Bees dance.",
]
TITLES = ["Sand", "", "Bees and bees"]


def corpus(folder: Path, texts: list[str], shards: int = 1) -> Corpus:
    """Write passages as shards; those at the beginning have titles."""
    size = -(-len(texts) // shards)
    for number in range(shards):
        rows = [
            {"doc_id": f"d{n}", "title": TITLES[n] if n < 3 else "", "text": texts[n]}
            for n in range(number * size, min((number + 1) * size, len(texts)))
        ]
        io.write(folder / f"{number:05d}.parquet", rows)
    return Corpus((folder,))


def opened(folder: Path, texts: list[str], shards: int = 1) -> Lexical:
    made = corpus(folder, texts, shards)
    ensure_terms(made)
    return Lexical(Terms(made))


class Plain:
    """BM25 as it stands in the books, with the idf of Lucene."""

    def __init__(self, texts: list[str]) -> None:
        self.counts = [
            Counter(words(f"{TITLES[n] if n < 3 else ''} {text}")) for n, text in enumerate(texts)
        ]
        self.mean = sum(one.total() for one in self.counts) / len(texts)

    def idf(self, word: str) -> float:
        inside = sum(word in one for one in self.counts)
        return math.log(1 + (len(self.counts) - inside + 0.5) / (inside + 0.5))

    def score(self, query: Counter[str], n: int) -> float:
        document, found = self.counts[n], 0.0
        for word, times in query.items():
            count = document[word]
            length = 1 - 0.75 + 0.75 * document.total() / self.mean
            found += times * self.idf(word) * count * 2.2 / (count + 1.2 * length)
        return found

    def shared(self, positives: list[int], n: int) -> float:
        """Return the highest share of a positive's own score."""
        return max(self.score(self.counts[p], n) / self.score(self.counts[p], p) for p in positives)


QUERIES = ["why do rivers carry sand, sand, sand to the sea?", "dancing bees", "nothing of it"]


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_scores_are_those_of_plain_bm25(tmp_path: Path, shards: int) -> None:
    lexical, plain = opened(tmp_path, TEXTS, shards), Plain(TEXTS)
    positives, candidates = [[0], [2, 0], [1]], [[2, 1], [1], [0, 2]]
    found = lexical.scores(QUERIES, *(list(map(np.array, one)) for one in (positives, candidates)))
    for query, own, others, (asked, of_own, shared, *_) in zip(
        QUERIES, positives, candidates, found, strict=True
    ):
        said = Counter(words(query))
        assert asked == pytest.approx([plain.score(said, n) for n in others], rel=1e-5)
        assert of_own == pytest.approx([plain.score(said, n) for n in own], rel=1e-5)
        assert shared == pytest.approx([plain.shared(own, n) for n in others], rel=1e-5)


def test_the_numbers_by_hand(tmp_path: Path) -> None:
    """A word that one of three passages has once, in passages of four words each."""
    lexical = opened(tmp_path, ["a b c", "d e f g", "h"])  # with their titles, four words each
    ((asked, own, shared, *_),) = lexical.scores(["b"], [np.array([0])], [np.array([1, 2])])
    assert own == pytest.approx([math.log(1 + 2.5 / 1.5)], rel=1e-5)
    assert asked.tolist() == [0, 0] and shared.tolist() == [0, 0]


def test_a_copy_shares_everything_and_a_stranger_nothing(tmp_path: Path) -> None:
    lexical = opened(tmp_path, [*TEXTS, "Sand " + TEXTS[0], "Bread keeps."])
    ((_, _, shared, *_),) = lexical.scores(["sand"], [np.array([0])], [np.array([3, 4, 1])])
    assert shared[0] == pytest.approx(1) and shared[1] == 0 and 0 < shared[2] < 1


def test_passages_without_words(tmp_path: Path) -> None:
    lexical = opened(tmp_path, [*TEXTS, "", "  ?! ", "sand"], shards=2)
    lists = ([np.array([3]), np.array([0])], [np.array([0, 4, 5]), np.array([3, 4, 5])])
    first, second = lexical.scores(["sand", "sand"], *lists)
    assert first[0][1] == 0 and first[0][2] > first[0][0] > 0
    assert first[1].tolist() == [0] and first[2].tolist() == [0, 0, 0]
    assert second[0].tolist()[:2] == [0, 0] and second[0][2] > 0
    for found in (*first, *second):
        assert np.isfinite(found).all() and found.dtype == np.float32


def test_a_corpus_without_any_word(tmp_path: Path) -> None:
    made = tmp_path / "00000.parquet"
    io.write(made, [{"doc_id": "a", "text": "?"}, {"doc_id": "b", "text": ""}])
    dataset = Corpus((tmp_path,))
    ensure_terms(dataset)
    ((asked, own, shared, *_),) = Lexical(Terms(dataset)).scores(
        ["sand"], [np.array([0])], [np.array([1])]
    )
    assert [asked.tolist(), own.tolist(), shared.tolist()] == [[0], [0], [0]]


def test_no_candidates_have_no_scores(tmp_path: Path) -> None:
    lexical, none = opened(tmp_path, TEXTS), np.zeros(0, dtype=np.int64)
    ((asked, own, shared, *_),) = lexical.scores(["sand"], [np.array([0])], [none])
    assert len(asked) == len(shared) == 0 and own[0] > 0


def test_a_query_does_not_depend_on_the_others(tmp_path: Path) -> None:
    lexical = opened(tmp_path, TEXTS)
    lists = [np.array([0])] * 3, [np.array([1, 2])] * 3
    together = list(lexical.scores(QUERIES, *lists))
    for n, query in enumerate(QUERIES):
        (alone,) = lexical.scores([query], lists[0][:1], lists[1][:1])
        for one, other in zip(alone, together[n], strict=True):
            assert (one == other).all()


# The whole corpus


@pytest.mark.parametrize("block", [1, 7, 100_000])
def test_the_index_finds_the_best(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpte_data.mining.inverted.BLOCK", block)
    random = np.random.default_rng(2)
    vocabulary = [f"word{n}"[-6:] for n in range(40)]
    texts = [" ".join(random.choice(vocabulary, size=random.integers(0, 12))) for _ in range(60)]
    lexical, plain = opened(tmp_path, texts, shards=3), Plain(texts)
    queries = [" ".join(random.choice(vocabulary, size=3)) for _ in range(20)] + ["", "unheard"]
    for query, hits in zip(queries, BM25Index(lexical).hits(queries, 10), strict=True):
        scores = [plain.score(Counter(words(query)), n) for n in range(60)]
        order = sorted((n for n in range(60) if scores[n]), key=lambda n: -scores[n])
        least = scores[order[9]] if len(order) > 9 else 0.0
        sure = {n for n in order[:10] if scores[n] > least + 1e-5}
        assert sure <= set(hits.tolist())
        assert all(scores[n] > max(least - 1e-5, 0) for n in hits.tolist())
        assert len(hits) >= min(10, len(order)) and len(set(hits.tolist())) == len(hits)


# Words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The Foxes' den, 3.5 km", ["the", "foxes", "den", "3", "5", "km"]),
        ("internationalisation INTERNATIONAL", ["intern", "intern"]),
        ("snake_case re-use", ["snake", "case", "re", "use"]),
        ("Größe Straße ÉTÉ", ["größe", "straße", "été"]),
        ("我们喜欢喝茶", ["我们", "们喜", "喜欢", "欢喝", "喝茶"]),
        ("茶 好茶", ["茶", "好茶"]),
        ("GPT模型v2很好。", ["gpt", "模型", "v2", "很好"]),
        ("ฉันรักชา", ["ฉั", "ัน", "นร", "รั", "ัก", "กช", "ชา"]),
        ("カタカナとひらがな", ["カタ", "タカ", "カナ", "ナと", "とひ", "ひら", "らが", "がな"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("Русские слова", ["русски", "слова"]),
        ("", []),
        (" ?!… \n", []),
    ],
)
def test_words_of_many_languages(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize("text", ["हिन्दी", "தமிழ்", "মুখ", "e\u0301te\u0301", "كِتَاب"])
def test_a_word_with_signs_on_its_letters_is_one_word(text: str) -> None:
    """Vowels are signs in the scripts of India, and may be such in others."""
    assert len(words(text)) == 1


def test_forms_of_a_word_are_one_word() -> None:
    assert words("Mineral minerals mineralogy") == ["minera"] * 3
    assert words("River rivers")[0] != words("River rivers")[1], "short ones are told apart"


# Files


def index_files(folder: Path) -> dict[str, tuple[int, int]]:
    found = [path for path in (folder / "_vectors").rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (s.st_mtime_ns, s.st_ino) for path in found
            for s in [path.stat()]}  # fmt: skip


def test_an_index_that_is_there_is_used(tmp_path: Path) -> None:
    dataset = corpus(tmp_path, TEXTS, 3)
    ensure_terms(dataset)
    before = index_files(tmp_path)
    assert sum(name.endswith(".npy") for name in before) == 3
    ensure_terms(Corpus((tmp_path,)))
    assert index_files(tmp_path) == before


def test_of_a_changed_corpus_only_what_changed_is_indexed_again(tmp_path: Path) -> None:
    ensure_terms(corpus(tmp_path, TEXTS, 3))
    before = index_files(tmp_path)
    io.write(tmp_path / "00001.parquet", [{"doc_id": "new", "text": "sand sand sand"}])
    dataset = Corpus((tmp_path,))
    ensure_terms(dataset)
    changed = {name for name, when in index_files(tmp_path).items() if before[name] != when}
    assert changed and all("00001" in name for name in changed)
    ((asked, _, _, *_),) = Lexical(Terms(dataset)).scores(
        ["sand"], [np.array([2])], [np.array([1, 0])]
    )
    assert asked[0] > asked[1] > 0


@pytest.mark.parametrize("ending", [".npy", ".starts", ".passages"])
def test_an_index_that_lost_a_file_is_made_again(tmp_path: Path, ending: str) -> None:
    dataset = corpus(tmp_path, TEXTS)
    ensure_terms(dataset)
    (lost,) = (tmp_path / "_vectors").rglob(f"*{ending}")
    whole = lost.read_bytes()
    lost.unlink()
    ensure_terms(dataset)
    assert lost.read_bytes() == whole
    assert Terms(dataset).mean_length > 0
