"""Languages: codes, names and shares; when a text is surely in another language."""

import subprocess
import sys

import pytest

from gpte_data import languages
from gpte_data.errors import BadOption, MissingExtra
from gpte_data.languages import code_of, is_wrong, language_name, language_of, parse_weights


@pytest.mark.parametrize(
    ("said", "code", "name"),
    [
        ("de", "de", "German"), ("DE", "de", "German"), ("German", "de", "German"),
        ("de-CH", "de", "German"), ("zh_Hant", "zh", "Traditional Chinese"),
        ("pt-BR", "pt", "Brazilian Portuguese"), ("en-US", "en", "American English"),
        ("Farsi", "fa", "Farsi"), ("sw", "sw", "Swahili"), ("Klingon", "", "Klingon"),
        ("", "", ""), ("yue", "yue", "Cantonese"), ("scottish gaelic", "gd", "scottish gaelic"),
    ],
)  # fmt: skip
def test_codes_and_names(said: str, code: str, name: str) -> None:
    assert code_of(said) == code
    assert language_name(said).casefold() == name.casefold()


def test_the_table_is_whole() -> None:
    assert len([code for code in languages.NAMES if len(code) == 2]) == 183
    known = [code for code in languages.detector().labels if len(code) == 2]
    assert not set(known) - set(languages.NAMES)
    for code, name in languages.NAMES.items():
        assert code_of(name) == code.partition("-")[0], name


@pytest.mark.parametrize(
    ("said", "shares"),
    [
        ("", {}), (" de ", {"de": 1.0}), ("de,zh,sw:0.2", {"de": 0.4, "zh": 0.4, "sw": 0.2}),
        ("de:2,zh:1", {"de": 2 / 3, "zh": 1 / 3}), ("de:0.25, fr : 0.25", {"de": 0.5, "fr": 0.5}),
        ("German,zh-Hans", {"de": 0.5, "zh-Hans": 0.5}), ("de,fr:0", {"de": 1.0, "fr": 0.0}),
    ],
)  # fmt: skip
def test_shares(said: str, shares: dict[str, float]) -> None:
    assert parse_weights(said) == pytest.approx(shares)


@pytest.mark.parametrize(
    ("said", "about"),
    [
        ("de,,zh", "names no language"), (":0.5", "names no language"), ("de,German", "twice"),
        ("de:x", "found 'x'"), ("de:-1", "found '-1'"), ("de:nan", "found 'nan'"),
        ("de:inf", "found 'inf'"), ("de:", "found ''"), ("de:1,zh", "1 language"),
        ("de:0", "shares of 0"), ("de:0.6,zh:0.6,fr", "shares of 1.2"),
    ],
)  # fmt: skip
def test_shares_that_will_not_do(said: str, about: str) -> None:
    with pytest.raises(BadOption, match=about) as told:
        parse_weights(said)
    assert "--query-languages" in str(told.value) and "\n" not in str(told.value)


def test_what_is_too_short_or_unknown_is_never_wrong() -> None:
    for text in ("", "ok", "BERT", "Luke Kuechly", "3.14159 2.71828 1.41421", "nvidia-smi -q -d"):
        assert not is_wrong(text, "de") and language_of(text) is None, text
    for wanted in ("", "Klingon", "x-unknown", "tlh"):
        assert not is_wrong("How do bees show each other the way to food?", wanted)
    for keywords in ("plasma cell myeloma", "deep learning GPU", "東京都知事選挙 投票率 推移"):
        assert not is_wrong(keywords, "ja")
        assert keywords[0] > "z" or not is_wrong(keywords, "en")


def test_a_script_is_enough_where_words_are_few() -> None:
    assert (
        is_wrong("你好世界", "en") and is_wrong("привет мир", "el") and is_wrong("안녕하세요", "ja")
    )
    assert not is_wrong("你好世界", "zh-TW") and not is_wrong(
        "the effect of αβγδ and ω on rates of decay", "en"
    )
    assert not is_wrong("Колико људи живи у граду?", "sr")
    assert not is_wrong("Koliko ljudi živi u glavnom gradu zemlje?", "sr")


def test_a_missing_detector_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    languages.detector.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid", None)
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(MissingExtra, match="pip install 'py3langid"):
        is_wrong("How do bees show each other the way to food?", "de")
    assert not is_wrong("How do bees show each other the way to food?", "Klingon")


def test_gates_are_light_at_import() -> None:
    script = "import sys, gpte_data.gates; print({'numpy', 'py3langid', 'lzma'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
