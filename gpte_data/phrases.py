"""Phrases of language models that have no place in training data, language by language.

Three kinds: a refusal, talk of the passage that was shown, a template that was not filled in. The
first two are looked for in folded text (`gpte_data.gates.fold`: lower case, no punctuation, no
apostrophes), a refusal at its beginning only, and in the first person of what can't be done here:
`I can't log in` and `why do chatbots say as an AI` are queries. English is covered best. Of 60,539
queries and sentences that people wrote (xquad in 12 languages, scifact, cranfield, cisi, tatqa,
acl, medquad, banking77, stsb …) REFUSAL and TEMPLATE match none. OF_PASSAGE matches 15: 8 abstracts
that serve as queries, 3 sentences of news, 4 questions that do ask for what a text says.

Most texts hold none of a kind's hints, plain words that are quick to find; patterns see the rest.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

BEGINNING = 64
"""Characters in which a refusal's first words must stand."""


@dataclass(frozen=True)
class Phrases:
    """One kind of phrase: words without which there is none, and what it looks like."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]

    def begin(self, folded: str) -> bool:
        """Tell whether the text begins so."""
        return self._hinted(folded[:BEGINNING]) and self.pattern.match(folded) is not None

    def stand_in(self, folded: str) -> bool:
        """Tell whether the text has such a phrase anywhere."""
        return self._hinted(folded) and self.pattern.search(folded) is not None

    def _hinted(self, text: str) -> bool:
        hints = self._ascii if text.isascii() else self.hints
        return any(map(text.__contains__, hints))

    @cached_property
    def _ascii(self) -> tuple[str, ...]:
        """The only hints that can stand in a text of ASCII letters."""
        return tuple(filter(str.isascii, self.hints))


def _phrases(hints: Iterable[str], *patterns: str) -> Phrases:
    """Fold hints and patterns as texts are; escapes in patterns are lower-case ones."""
    folded = [unicodedata.normalize("NFKC", text).casefold() for text in (*hints, *patterns)]
    number = len(folded) - len(patterns)
    return Phrases(tuple(folded[:number]), re.compile("|".join(folded[number:])))


_APOLOGIES = {
    # language: (apology, what can't be done, "as a model", first person or negation after that)
    "de": ("tut mir leid|leider", "kann .*(?:nicht|kein).*(?:helfen|erfüllen|erstellen|generieren)",
           "als ki|als sprachmodell|als ein sprachmodell|als großes sprachmodell", "(?:kann )?ich"),
    "fr": ("désolé|regrette", "ne (?:peux|suis) pas.*(?:aider|répondre à|générer|créer|fournir)",
           "en tant quia|en tant que modèle de langage|en tant quassistant ia", "je"),
    "es": ("lo siento|lo lamento|disculp", "no puedo .*(?:ayudar|cumplir|generar|crear|propor)",
           "como ia|como modelo de lenguaje|como una ia|como un modelo de lenguaje", "no|puedo"),
    "pt": ("desculp|sinto muito|lamento", "não (?:posso|consigo) .*(?:ajud|cumprir|gerar|criar)",
           "como ia|como modelo de linguagem|como uma ia|como um modelo de linguagem", "não|eu"),
    "it": ("mi dispiace|spiacente", "non (?:posso|sono in grado).*(?:aiutar|generare|creare)",
           "in quanto ia|come ia|come modello linguistico|in quanto modello", "non|posso"),
    "nl": ("spijt me|helaas|sorry", "ik kan .*(?:niet|geen).*(?:helpen|genereren|maken|voldoen)",
           "als ai|als taalmodel|als een ai|als een taalmodel", "(?:kan )?ik"),
    "pl": ("przykro mi|przepraszam", "nie mogę .*(?:pomóc|wygenerować|utworzyć|spełnić)",
           "jako model językowy|jako sztuczna inteligencja|jako ai", "nie|ja"),
    "ro": ("îmi pare rău|ne pare rău", "nu pot .*(?:ajut|gener|crea|ofer|îndeplin)",
           "ca model de limbaj|ca inteligență artificială|ca ai", "nu|eu"),
    "ru": ("извините|простите|к сожалению", "не могу .*(?:помочь|выполнить|создать|предоставить)",
           "как языковая модель|как искусственный интеллект|как ии", "я|не"),
    "tr": ("üzgünüm|maalesef|özür dilerim", "yardımcı olama|oluşturama|yerine getireme|üreteme",
           "bir yapay zeka olarak|yapay zeka dil modeli olarak|bir dil modeli olarak", "bu|ben"),
    "vi": ("xin lỗi|rất tiếc", "không thể .*(?:giúp|tạo|cung cấp|thực hiện|hỗ trợ)",
           "là một mô hình ngôn ngữ|là mô hình ngôn ngữ|là một ai", "tôi"),
    "id": ("maaf", "tidak (?:dapat|bisa) .*(?:bantu|membuat|menghasilkan|memenuhi)",
           "sebagai model bahasa|sebagai ai", "saya"),
    "el": ("λυπάμαι|συγγνώμη", "δεν μπορώ .*(?:βοηθήσω|δημιουργήσω|εκπληρώσω|παράσχω)",
           "ως γλωσσικό μοντέλο|ως τεχνητή νοημοσύνη", "δεν"),
    "ar": ("عذر|آسف|أعتذر", "(?:لا|لن) (?:أستطيع|يمكنني).*(?:مساعد|إنشاء|تقديم|تلبية)",
           "باعتباري نموذج|بصفتي نموذج|كنموذج لغ|باعتباري ذكاء", "لا|لغ|اصط"),
    "hi": ("खेद|क्षमा|माफ़", "(?:मदद|सहायता|प्रदान|उत्पन्न|पूरा|बना).*(?:नहीं|असमर्थ)",
           "एआई|एक एआई|एक भाषा मॉडल|एक ai", "के रूप में मैं"),
    "zh": ("抱歉|对不起|對不起", "(?:无法|無法|不能).*(?:提供|生成|回答|完成|满足|协助|協助|帮|幫)",
           "作为ai|作为一个ai|作为人工智能|作为语言模型|作為ai", "我(?:无法|無法|不|没)"),
    "ja": ("申し訳|すみません", "(?:お手伝い|生成|作成|提供|お答え|対応).*(?:できません|かねます)",
           "aiとして|ai言語モデルとして|大規模言語モデルとして|私はai", "私は|なので|です|お答え"),
    "ko": ("죄송|미안", "(?:도와|도움|생성|제공|작성|답변).*(?:수 없|어렵|못)",
           "ai로서|인공지능으로서|언어 모델로서|저는 ai|저는 언어 모델", "저는|입|이므로"),
    "th": ("ขออภัย|ขอโทษ", "ไม่สามารถ.*(?:ช่วย|สร้าง|ให้|ดำเนินการ)",
           "ในฐานะโมเดลภาษา|ในฐานะปัญญาประดิษฐ์|ในฐานะที่เป็นโมเดลภาษา|ในฐานะ ai", "ไม่|ฉัน|ผม"),
}  # fmt: skip

_SELF = "(?:ai|artificial intelligence|language model|large language model)"
_MADE = r"(?: language)?(?: model| assistant| system| chatbot)?(?: (?:\w+ )?by \w+)?"
_CANNOT = (
    "(?:i|we|im|were)(?: am| are)? (?:cannot|cant|can not|couldnt|could not|will not|wont"
    "|(?:unable|not able|not allowed) to|must decline to|have to decline to) "
)
_TASK = (
    "(?:(?:help|assist)(?: you)? (?:with|in) (?:that|this|your request|the request|creating|writing"
    "|generating)|(?:fulfill?|complete|process|comply with|satisfy) (?:this|that|your|such a)"
    " (?:request|task|prompt|instruction)|comply$|(?:generate|create|write|produce|provide"
    "|formulate)(?: [a-z]+){0,4}? (?:query|queries|questions?|content|passages?|personas?)"
    "(?:$| (?:for|from|about|on|like|based on) (?:this|that|the|such|your|it)| (?:as|because) ))"
)

REFUSAL = _phrases(
    [
        *("cannot", "cant ", "can not", "could", "will not", "wont ", "unable to"),
        *("not able", "not allowed", "decline to", "sorry", "apolog", "unfortunately"),
        *("i am ", "im "),
        *("as an ", "as a ai", "as a artificial", "as a la"),
        *(hint for row in _APOLOGIES.values() for hint in f"{row[0]}|{row[2]}".split("|")),
    ],
    rf"(?:.{{0,30}}(?:sorry|apolog|unfortunately).{{0,60}}?)?{_CANNOT}{_TASK}",
    rf"(?:.{{0,30}}(?:sorry|apolog)[^ ]* (?:but )?)?as an? {_SELF}{_MADE} (?:i|im|my)\b",
    rf"(?:i am|im) (?:just |only )?an? {_SELF}(?: model| assistant)?(?:$| (?:and|i|so)\b)",
    *(
        rf".{{0,30}}(?:{sorry}).*?(?:{cannot})"
        rf"|(?:{model})(?![a-z])(?: ?[^ ]{{1,12}})? ?(?:{after})(?![a-z])"
        for sorry, cannot, model, after in _APOLOGIES.values()
    ),
)

_TEXT = "(?:passage|text|article|document|paragraph|excerpt|snippet|abstract)"
_WORK = f"(?:{_TEXT}|study|paper|report)"
_WHO = f"(?:{_TEXT}|authors?)"
_SAYS = (
    "(?:say|state|mention|describe|discuss|argue|claim|suggest|conclude|propose|explain|highlight"
    "|imply|indicate|refer|provide|present|report)"
)

OF_PASSAGE = _phrases(
    [
        *("passage", "text", "article", "document", "paragraph", "excerpt", "snippet", "abstract"),
        *("study", "paper", "report", "author", "abschnitt", "artikel", "dokument"),
        *("tekście", "fragmen", "artyku", "bacaan", "pasaj", "articol"),
        *(
            "extrait",
            "pasaje",
            "artículo",
            "fragmento",
            "trecho",
            "artigo",
            "brano",
            "articolo",
            "testo",
        ),
        *(
            "tekst",
            "fragment",
            "metin",
            "metn",
            "parça",
            "makale",
            "đoạn văn",
            "bài viết",
            "bài báo",
        ),
        *("văn bản", "teks", "artikel", "κείμενο", "απόσπασμα", "άρθρο", "текст", "отрыв", "стать"),
        *("نص", "مقال", "فقرة", "गद्यांश", "अनुच्छेद", "पाठ", "लेख", "文", "段", "資料"),
        *("材料", "記事", "지문", "본문", "글", "문서", "ข้อความ", "บทความ", "เนื้อหา"),
    ],
    rf"\b(?:in|from|of|by|on|to|about) (?:this|the (?:above|given|provided|following)) {_WORK}\b",
    rf"\b(?:according to|based on|as per) (?:the|this) {_WHO}\b",
    r"\b(?:according to|based on) (?:the|this) (?:study|paper|report)\b(?! (?:by|of|from|on))",
    rf"{_SAYS}[a-z]* (?:in|by) (?:the|this) {_WHO}\b",
    rf"\b(?:the|this) {_WHO} {_SAYS}(?:s|d|ed|es)?\b",
    rf"\b(?:do|does|did|is|are) (?:the|this) {_WHO} (?:trying to )?{_SAYS}",
    rf"\bauthors? of (?:this|the) {_WORK}\b",
    rf"\b(?:idea|point|topic|theme|message|purpose|focus) of (?:this|the) {_TEXT}\b",
    rf"\b(?:the|this) (?:given|provided|above) {_WORK}\b|\b{_TEXT} above\b",
    r"\b(?:laut|gemäß|nach) (?:dem|des|der) (?:text|abschnitt|artikel|dokument|passage)",
    r"\bin (?:diesem|dieser|dem vorliegenden) (?:text|abschnitt|artikel|dokument|passage)",
    r"\b(?:selon|daprès|dans) (?:le|la|ce|cet|cette) (?:texte|passage|document|extrait|article)\b",
    r"\bselon larticle\b|\bsegún (?:el|la|este) (?:texto|pasaje|artículo|documento|fragmento)\b",
    r"\ben este (?:texto|pasaje|artículo|fragmento)\b|\bsecondo (?:il|lo|questo) (?:testo|brano)",
    r"\b(?:de acordo com|segundo|conforme) (?:o|a|este) (?:texto|trecho|artigo|passagem)\b",
    r"\b(?:neste|nesse) (?:texto|trecho|artigo)\b|\bin questo (?:testo|brano|articolo)\b",
    r"\bsecondo larticolo\b|\b(?:volgens|in) (?:de|deze|dit|het) (?:tekst|passage|artikel)\b",
    r"\b(?:według|zgodnie z) (?:tekst|fragment|artykuł)|\bw tym (?:tekście|fragmencie|artykule)\b",
    r"\b(?:conform|potrivit) (?:acestui )?(?:text|pasajului|articolului)|\bîn acest text\b",
    r"согласно (?:этому )?(?:тексту|отрывку|статье)|в (?:этом|данном|этой) (?:текст|стать|отрыв)",
    r"\b(?:metne|metnin|parçaya|makaleye) göre\b|\bbu (?:metin|metne|metinde|parça|makale)",
    r"(?:theo|trong) (?:đoạn văn|bài viết|bài báo|văn bản)(?: này| trên|$)|theo đoạn văn",
    r"\b(?:menurut|berdasarkan|dalam) (?:teks|artikel|bacaan)(?: ini| tersebut| di atas|$)",
    r"σύμφωνα με (?:το|αυτό το) (?:κείμενο|απόσπασμα|άρθρο)|σε αυτό το (?:κείμενο|απόσπασμα|άρθρο)",
    r"(?:وفقا|وفقًا|طبقا|حسب) (?:ل|ال)?(?:هذا )?(?:لنص|نص|لمقال|مقال|لفقرة)|في هذا النص",
    r"(?:इस|दिए गए|उपरोक्त) (?:गद्यांश|अनुच्छेद|पाठ|लेख)|(?:गद्यांश|अनुच्छेद|पाठ|लेख) के अनुसार",
    r"(?:根据|根據)(?:这|這|本|该|上|以上|段|篇)*(?:文|段|材料)|(?:本|这篇|這篇|该)文(?:章|中|$)",
    r"文中(?:提|所)|(?:この|上記の|以下の)(?:文章|記事|論文|文書|段落)|本文(?:に|で)|文章によ",
    r"(?:이|위|주어진|해당) ?(?:글|지문|본문|문서)(?:에|은|의|을)|(?:본문|지문)에 따르면",
    r"(?:จาก|ตาม|ใน)(?:ข้อความ|บทความ|เนื้อหา)(?:นี้|ข้างต้น|ที่|ดังกล่าว|$)",
)

_FIELD = "(?:query|question|passage|topic|persona|answer|keyword|entity|document|language)s?"
_ANY = f"(?:{_FIELD}|text|title|name|term|type|say|number|context|difficulty|length)"

TEMPLATE = Phrases(
    ("{", "<", "[", "here", "Here", "HERE"),
    re.compile(
        rf"\{{\{{\s*{_ANY}\s*\}}\}}|\$\{{{_FIELD}\}}|\{{(?:your[ _])?{_FIELD}\}}"
        rf"|<(?:your|insert|the)[ _-](?:\w+[ _-])?{_ANY}(?:[ _-]here)?>|<{_FIELD}>"
        rf"|\[(?:your|insert|placeholder)\b[^\]]*\]|\[{_FIELD}(?: here)?\]"
        rf"|\b(?:your|insert) (?:\w+ )?{_ANY} here\b",
        re.IGNORECASE,
    ),
)
"""Looked for in the text itself."""
NOTHING_ELSE = frozenset(
    {"string", "query", "question", "example query", "placeholder", "none", "null"}
)
"""Folded texts that only name what was asked for."""
