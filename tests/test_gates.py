"""Gates: what breaks a rule is dropped with its reason, and what people ask passes."""

import time

import pytest

from gpte_data.gates import REASONS, Gates, Source, fold
from gpte_data.languages import is_wrong
from gpte_data.scripts import count_words

PASSAGE = (
    "Bees tell each other where flowers are by dancing in the hive. The waggle dance was decoded "
    "by Karl von Frisch, who shared the Nobel Prize in Physiology or Medicine in 1973 with Konrad "
    "Lorenz and Nikolaas Tinbergen; its angle to the vertical gives the direction of the food."
)
ALL = Gates(copied_words=8, min_words=2, max_words=30, check_language=True, speaks_of_passage=True)


def problem(text: str, gates: Gates = ALL, **given: object) -> str | None:
    asked: dict[str, object] = {"sources": [PASSAGE], "language": "en", "siblings": ()}
    return gates.problem(text, **(asked | given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("How do bees show the way to food?", None),
        ("", "empty"), (" \n\t", "empty"), ("?!", "empty"), ("\u200b", "empty"),
        ("…", "left a template"), ("...", "left a template"), ("string", "left a template"),
        ("what is {{ query }} about bees", "left a template"),
        ("<your query here>", "left a template"), ("<Question>", "left a template"),
        ("the dance of [insert animal]", "left a template"),
        ("bees", "too short"), (" ".join(["bees dance"] * 16), "too long"),
        (PASSAGE, "the whole passage"), (PASSAGE.upper().replace(".", " ;"), "the whole passage"),
        ("Here you are: " + PASSAGE.replace("dancing", "\n**dancing**"), "the whole passage"),
        ("why do Bees tell each other, where flowers are: by dancing", "copies the passage"),
        ("shared Nobel Prize in Physiology or Medicine in 1973 winners", None),
        ("Karl von Frisch 1973 Konrad Lorenz Nikolaas Tinbergen", None),
        ("who decoded how bees dance, according to the passage?", "speaks of the passage"),
        ("Wie zeigen Bienen einander den Weg zu den Blumen?", "wrong language"),
        ("蜜蜂怎样告诉同伴花在哪里？", "wrong language"),
    ],
)  # fmt: skip
def test_each_rule_has_its_reason(text: str, reason: str | None) -> None:
    assert problem(text) == reason
    assert reason is None or reason in REASONS


def test_a_short_source_may_be_asked_about() -> None:
    assert problem("when was the Berlin Wall built", sources=["Berlin Wall"]) is None
    assert problem(" berlin  wall!", sources=["Berlin Wall"]) == "the whole passage"
    assert problem("Also: " + PASSAGE, Gates()) == "the whole passage"


@pytest.mark.parametrize("number", [1, 2, 3, 5, 8])
def test_a_copied_run_is_found_wherever_it_stands(number: int) -> None:
    words = [f"word{place}" for place in range(30)]
    passage, own = Source.of(" ".join(words)), [f"own{place}" for place in range(20)]
    for start in range(len(words) - number + 1):
        for before in range(9):
            run = words[start : start + number]
            text = [*own[:before], *run, *own[before : before + 7]]
            assert passage.lends(" ".join(text), number)
            assert not passage.lends(" ".join([*text[: before + number - 1], "own"]), number)


def test_rules_can_be_off() -> None:
    off = Gates(copied_words=0)
    copied = "according to the passage bees tell each other where flowers are by dancing"
    assert problem(copied, off) is None
    assert problem(copied, Gates()) == "copies the passage"
    assert problem("Wie zeigen Bienen den anderen den Weg?", off) is None
    assert problem("Wie zeigen Bienen den anderen den Weg?", ALL, language=None) is None


def test_names_are_judged_as_the_passage_writes_them() -> None:
    """A copy in title case is a copy; a list of names is none, in whatever case."""
    copy = "Bees Tell Each Other Where Flowers Are By Dancing"
    names = "physiology or medicine in 1973 with konrad lorenz and"
    assert problem(copy) == "copies the passage"
    assert problem(names, Gates(copied_words=5)) == "copies the passage"
    listed = ["Anna Berg, Otto Klein, Ida Lang, Max Ernst, 12 34"]
    assert problem("anna berg otto klein ida lang max ernst papers", sources=listed) is None


@pytest.mark.parametrize(
    ("passage", "copy", "own"),
    [
        (
            "蜜蜂通过在蜂巢里跳舞来告诉同伴花朵在哪里，舞蹈的角度表示食物的方向。",
            "为什么蜜蜂通过在蜂巢里跳舞来告诉同伴？",
            "蜜蜂怎样告诉同伴食物的方向？",
        ),
        (
            "มนุษย์ต่างก็พึ่งพาแม่น้ำเพื่อการเพาะปลูกและการเดินทางมาตั้งแต่สมัยโบราณ",
            "ทำไมมนุษย์ต่างก็พึ่งพาแม่น้ำเพื่อการเพาะปลูกและการเดินทาง",
            "แม่น้ำสำคัญต่อผู้คนอย่างไร",
        ),
        (
            "Реки веками служили людям дорогой, и города росли на их берегах у переправ.",
            "почему реки веками служили людям дорогой и города росли",
            "почему города стоят на реках",
        ),
    ],
)
def test_copies_are_found_in_any_script(passage: str, copy: str, own: str) -> None:
    assert problem(copy, Gates(), sources=[passage]) == "copies the passage"
    assert problem(own, Gates(), sources=[passage]) is None


def test_what_differs_only_in_form_repeats() -> None:
    before = {"How do bees dance?", "What's C++?"}
    for text in ("how do Bees dance", "How do bees — dance ?", "HOW DO BEES DANCE?!", "Whats c++"):
        assert problem(text, siblings=before) == "repeats another query of the passage"
    assert problem("What's C, then?", siblings=before) is None
    assert fold("x < 2") != fold("x > 2") and fold("5 %") != fold("5")


REFUSALS = """
I'm sorry, but I can't assist with that request.
I cannot generate a query for this passage.
As an AI language model, I don't have personal opinions.
Unfortunately, I cannot provide a question based on this content
I apologize, but I am not able to write such queries.
I'm just an AI and I cannot answer
Es tut mir leid, aber ich kann dabei nicht helfen.
Als KI-Sprachmodell kann ich keine Fragen erstellen.
Je suis désolé, mais je ne peux pas vous aider.
Lo siento, pero no puedo ayudar con eso.
Desculpe, mas não posso ajudar com isso.
Mi dispiace, ma non posso aiutarti con questa richiesta.
Het spijt me, maar ik kan daar niet mee helpen.
Przykro mi, ale nie mogę w tym pomóc.
Îmi pare rău, dar nu pot ajuta cu această cerere.
Извините, но я не могу помочь с этим запросом.
Üzgünüm, bu konuda yardımcı olamam.
Xin lỗi, tôi không thể giúp với yêu cầu này.
Maaf, saya tidak dapat membantu permintaan ini.
Λυπάμαι, αλλά δεν μπορώ να βοηθήσω με αυτό.
عذرًا، لا أستطيع المساعدة في هذا الطلب.
क्षमा करें, मैं इस अनुरोध में मदद नहीं कर सकता।
抱歉，我无法提供该内容。
作为一个AI语言模型，我无法回答这个问题。
申し訳ありませんが、そのリクエストには対応できません。
죄송하지만 도와드릴 수 없습니다.
ขออภัย ฉันไม่สามารถช่วยเรื่องนี้ได้
""".strip().splitlines()

QUERIES = """
Why does the AI say as an AI language model?
I can't log in to my account
I cannot create a new virtual card
I am unable to generate a report in Power BI
I cannot write a query that joins two tables
I'm sorry, how do I cancel my order?
Unfortunately I cannot use my card abroad, why?
As an AI engineer what should I learn
I am an AI engineer looking for datasets
I can't help but worry about my transfer
Ich kann mich nicht anmelden, was tun?
Als Kind habe ich mir den Arm gebrochen, was nun?
Als KI-Entwickler möchte ich wissen, wie ich Modelle teste
Je ne peux pas me connecter à mon compte
对不起这首歌是谁唱的
作为一个家长，我无法理解孩子怎么办
passage of the Clean Air Act
text of the 14th amendment
does the author get royalties
the passage of time in physics
document object model
how do I cite an article in APA
根据法律规定，合同何时生效
文章を書くコツ
what does the <title> tag do in html
how to use {{ }} in vue
what is ${HOME} in bash
who said "text me"
""".strip().splitlines()

SPEAKING = """
According to the passage, who won?
What does the author argue about trade?
What is the main idea of the text?
Which methods are described in this paper?
What did the authors of this study find?
Based on the given text, what is X?
Laut dem Text, wer hat gewonnen?
Selon le passage, qui a gagné ?
Según el texto, ¿quién ganó?
De acordo com o texto, quem venceu?
Secondo il testo, chi ha vinto?
Согласно тексту, кто победил?
Metne göre kim kazandı?
Theo đoạn văn, ai đã thắng?
Σύμφωνα με το κείμενο, ποιος κέρδισε;
وفقًا للنص، من فاز؟
गद्यांश के अनुसार कौन जीता?
根据本文，谁赢了？
この文章によると、誰が勝ちましたか？
본문에 따르면 누가 이겼나요?
ตามข้อความนี้ ใครชนะ
""".strip().splitlines()


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals_are_known_in_many_languages(text: str) -> None:
    assert problem(text, Gates()) == "refuses"


@pytest.mark.parametrize("text", SPEAKING)
def test_talk_of_the_passage_is_known_in_many_languages(text: str) -> None:
    assert problem(text, Gates(speaks_of_passage=True)) == "speaks of the passage"
    assert problem(text, Gates()) is None


@pytest.mark.parametrize("text", QUERIES)
def test_what_people_ask_passes(text: str) -> None:
    assert problem(text, Gates(speaks_of_passage=True)) is None


def test_words_are_counted_in_scripts_without_spaces() -> None:
    assert count_words("how do bees dance") == count_words("comment dansent les abeilles") == 4
    assert count_words("मधुमक्खियाँ कैसे नाचती हैं?") == 4
    assert 4 <= count_words("蜜蜂怎样跳舞？") <= 6
    assert count_words("Python 3 教程") == 4
    assert 4 <= count_words("แม่น้ำสำคัญต่อผู้คนอย่างไร") <= 7


def test_a_passage_is_prepared_once_and_a_query_costs_little() -> None:
    """A fraction of a millisecond, detector aside, for a passage of 200 words; measured: 0.02."""
    passage, gates = PASSAGE * 5, Gates(8, 1, 100, speaks_of_passage=True)
    assert Source.of(passage) is Source.of(passage)
    queries = [f"How do bees number {n} show where the flowers are?" for n in range(2000)]
    start = time.process_time()
    found = {problem(query, gates, sources=[passage]) for query in queries}
    assert found == {None}
    assert time.process_time() - start < 0.0003 * len(queries)


def test_what_is_written_in_the_wanted_language_passes_every_time() -> None:
    wanted = {
        "de": "Wie lange dauert die Lieferung nach Österreich?",
        "ja": "この都市の人口はどのくらいですか？",
        "French": "Quelle est la capitale de la région la plus peuplée ?",
        "zh-Hans": "如何使用 PyTorch DistributedDataParallel 训练 Llama 模型？",
        "no": "Hvor mange innbyggere har den største byen i landet?",
        "hi": "Python में list comprehension कैसे काम करता है?",
        "sw": "Ni watu wangapi wanaishi katika mji mkubwa wa nchi?",
    }  # fmt: skip
    for language, text in wanted.items():
        assert problem(text, ALL, sources=[], language=language) is None
        others = [other for other in wanted if other != language]
        assert all(is_wrong(text, other) for other in others if other != "zh-Hans"), language
