"""filter-texts: each rule holds against what it is for, and against nothing in a good text."""

from typing import Any

import pytest

from gpte_data.errors import BadInput, BadOption
from gpte_data.stage import Rejected, Row
from gpte_data.stages import load
from gpte_data.text_rules import personal
from gpte_data.text_rules.mojibake import fixed

GOOD = {
    "en": "The river carries sand and clay from the mountains down to the sea, where the water "
    "slows and drops it; in a few thousand years this builds a delta with many small islands.",
    "de": "Der Fluss trägt Sand und Lehm aus den Bergen hinunter zum Meer, wo das Wasser langsamer "
    "wird und sie fallen lässt; in einigen tausend Jahren entsteht so ein Delta mit Inseln.",
    "zh": "河流把沙子和黏土从山上带到海里，水流在那里变慢，把泥沙留下来；几千年以后，"
    "这里就会形成一个有许多小岛的三角洲。人们在岛上种植水稻，也在浅水里捕鱼，因为土地肥沃，食物很多。",
    "th": "แม่น้ำพัดพาทรายและดินเหนียวจากภูเขาลงสู่ทะเล ที่ซึ่งน้ำไหลช้าลงและทิ้งตะกอนไว้ "
    "ในเวลาไม่กี่พันปีก็จะเกิดเป็นดินดอนสามเหลี่ยมที่มีเกาะเล็กเกาะน้อยมากมาย",
    "hi": "नदी पहाड़ों से रेत और मिट्टी को समुद्र तक ले जाती है, जहाँ पानी धीमा हो जाता है "
    "और उन्हें छोड़ देता है; "
    "कुछ हज़ार वर्षों में इससे कई छोटे द्वीपों वाला एक डेल्टा बन जाता है।",
    "ar": "يحمل النهر الرمل والطين من الجبال إلى البحر حيث تبطئ المياه وتتركها، "
    "وفي بضعة آلاف من السنين "
    "تتكون دلتا فيها جزر صغيرة كثيرة يزرع الناس فيها الأرز ويصيدون السمك.",
}
ALL = {
    "quality": True, "boilerplate": True, "mojibake": "drop", "personal_data": "drop",
    "phone_region": "DE", "max_upper": 0.5, "max_links": 0.3,
}  # fmt: skip
NOTICE = "cookie or script notice, or navigation"
MOJIBAKE = "Die schÃ¶ne MÃ¼llerin ging Ã¼ber die StraÃŸe."


def run(row: Row, **options: Any) -> Row | Rejected:
    lost: list[Rejected] = []
    kept = list(load("filter-texts")([row], on_reject=lost.append, **options))
    assert len(kept) + len(lost) == 1
    return lost[0] if lost else kept[0]


def rules(text: str, **options: Any) -> list[str]:
    found = run({"doc_id": "d", "text": text}, **options)
    return found.row["rules"] if isinstance(found, Rejected) else []


@pytest.mark.parametrize("language", GOOD)
def test_a_good_text_in_any_script_keeps_all_rules(language: str) -> None:
    assert rules(GOOD[language], language=language, **ALL) == []
    other = GOOD["de" if language == "en" else "en"]
    assert rules(f"{GOOD[language]}\n\n{other}", **ALL) == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (GOOD["en"].upper(), "mostly upper case"),
        (MOJIBAKE, "mojibake"),
        ("a text that has lost \ufffd some", "lost characters"),
        ("lorem ipsum dolor sit amet", "placeholder text"),
        ("This website uses cookies to improve your experience.", NOTICE),
        ("Wir verwenden Cookies. Weiter", NOTICE),
        (" ".join(["see https://example.org/a/long/path"] * 6), "mostly links"),
        ("\n".join(f"- point {n} of some words" for n in range(9)), "mostly bullet points"),
        ("\n".join(f"line {n} breaks off..." for n in range(9)), "too many lines that break off"),
        ("\n".join(["the same line of words"] * 6), "repeated lines"),
        ("\n".join([GOOD["zh"]] * 3), "repeated phrases"),
        (f"{GOOD['th']} " * 3, "repeated phrases"),
        ("buy now at once " * 10, "one phrase over and over"),
        ("1 2 3 4 5 6 7 8 9 10 " * 3, "too few words with letters"),
        ("a b c d e f g h " * 3 + GOOD["en"][:9], "words too short on average"),
        ("0123456789abcdef0123 " * 10 + "word " * 12, "words too long on average"),
        ("# one # two # three " * 7, "too many hash signs and ellipses"),
        ("write to jane.doe@example.org", "personal data: e-mail address"),
        ("  \n", "empty"),
    ],
)  # fmt: skip
def test_each_rule_holds_against_what_it_is_for(text: str, rule: str) -> None:
    assert rule in rules(text, **ALL)


def test_short_texts_are_not_judged_by_shares() -> None:
    assert rules("What is it? I am a B C", quality=True) == []
    assert rules("12 34 5", quality=True) == []
    assert rules(f"- {GOOD['en']}...", quality=True) == []


def test_a_passage_about_cookies_is_no_notice() -> None:
    about = f"{GOOD['en']} Most browsers let the reader accept cookies or refuse them."
    assert rules(f"{about} {GOOD['en']}", boilerplate=True) == []


@pytest.mark.parametrize(
    ("text", "region", "says"),
    [
        ("mail a.b+c@x-y.co.uk, or jörg@münchen.de.", "", "mail <EMAIL>, or <EMAIL>."),
        ("call +49 30 23125 123 now", "", "call <PHONE> now"),
        ("call (650) 253-0000 now", "US", "call <PHONE> now"),
        ("call (650) 253-0000 now", "", "call (650) 253-0000 now"),
        ("pay DE89 3704 0044 0532 0130 00 AT ONCE", "", "pay <IBAN> AT ONCE"),
        ("pay DE89 3704 0044 0532 0130 01", "", "pay DE89 3704 0044 0532 0130 01"),
        ("card 4111 1111 1111 1111, 3782 822463 10005", "", "card <CARD>, <CARD>"),
        ("number 4111 1111 1111 1112", "", "number 4111 1111 1111 1112"),
        ("from 8.8.8.8 or 2001:4860:4860::8888", "", "from <IP> or <IP>"),
        ("192.168.0.1, v8.8.8.8, version 8.8.8.8, 12:30:45", "", ""),
        ("in 1654–57, 1665, 1691 and 1720–1722; F1 0.4709 and 0.4783", "DE", ""),
        ("ISBN 978-3-16-148410-0; bytes 97 115 115 101 115 115 109 101 110 116 32", "US", ""),
    ],
)
def test_personal_data_is_masked_and_masking_again_changes_nothing(
    text: str, region: str, says: str
) -> None:
    found, kinds = personal.masked(text, region)
    assert found == (says or text)
    assert len(kinds) == found.count("<")
    assert personal.masked(found, region) == (found, [])


def test_all_texts_of_a_row_are_masked_and_counted() -> None:
    said = "write to jane@example.org"
    row = {"query_id": "q", "query": said, "text": said, "title": said, "context": said,
           "written": [{"doc_id": "w", "text": said}]}  # fmt: skip
    found = run(row, personal_data="mask")
    assert isinstance(found, dict)
    assert "jane" not in str(found)
    assert found["masked"] == ["EMAIL"] * 5
    assert run(found, personal_data="mask") == found


def test_mojibake_is_fixed_line_by_line_and_once() -> None:
    assert fixed(MOJIBAKE) == "Die schöne Müllerin ging über die Straße."
    mixed = f"{GOOD['ar']}\n{MOJIBAKE}\n{GOOD['zh']}"
    assert fixed(mixed) == f"{GOOD['ar']}\n{fixed(MOJIBAKE)}\n{GOOD['zh']}"
    assert fixed(fixed(mixed)) == fixed(mixed)
    for text in GOOD.values():
        assert fixed(text) == text


def test_languages_asked_for_and_the_row_s_own() -> None:
    assert rules(GOOD["de"], language="en, fr") == ["wrong language"]
    assert rules(GOOD["de"], language="en,German") == []
    row = {"query_id": "q", "query": GOOD["de"], "language": "fr"}
    found = run(row, match_language=True)
    assert isinstance(found, Rejected)
    assert found.row["detected_language"] == "de"
    assert run(row | {"language": "de-CH"}, match_language=True) == row | {"language": "de-CH"}


def test_words_are_counted_in_scripts_without_spaces_too() -> None:
    assert rules(GOOD["zh"], min_words=30, max_words=80) == []
    assert rules(GOOD["zh"], max_words=20) == ["too many words"]
    assert rules("ทราย", min_words=3) == ["too few words"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "no rule was asked for"),
        ({"phone_region": "DE"}, "no rule was asked for"),
        ({"phone_region": "DE", "quality": True}, "--phone-region changes nothing"),
        ({"language": "en,xx"}, "'xx' is no language that is known"),
        ({"min_words": 9, "max_words": 3}, "more than the most allowed, 3"),
        ({"mojibake": "maybe"}, "--mojibake 'maybe' won't do"),
    ],
)
def test_options_that_do_nothing_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BadOption, match=says):
        rules("a text", **options)


def test_what_is_none_is_not_there() -> None:
    """Rows of other libraries have all columns."""
    row = {"query_id": "q", "query": "ask a@b.com", "title": None, "written": None, "masked": None}
    kept = run(row | {"language": None}, personal_data="mask", match_language=True)
    assert kept == row | {"language": None, "query": "ask <EMAIL>", "masked": ["EMAIL"]}


def test_rows_without_texts_are_named() -> None:
    with pytest.raises(BadInput, match="row 'd' has neither"):
        run({"doc_id": "d", "title": "a"}, quality=True)
    with pytest.raises(BadInput, match="row 'd' must hold a text as text, found 7"):
        run({"doc_id": "d", "text": 7}, quality=True)
    with pytest.raises(BadOption, match="--phone-region 'Germany' is no country"):
        personal.check("Germany")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("\u200b \u2060\n", "empty"), ("。" * 60, "too few words with letters")],
)
def test_texts_that_say_nothing(text: str, reason: str) -> None:
    lost: list[Rejected] = []
    rows = [{"doc_id": "1", "text": text}]
    assert not list(load("filter-texts")(rows, on_reject=lost.append, quality=True))
    assert lost[0].reason == reason
