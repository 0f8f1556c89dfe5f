"""Languages: their codes and names, weights to draw them by, and whether a text is in another.

Two looks decide that a text is in the wrong language. The script: most letters are of a script
that the language is not written in. Else the detector (py3langid, naive Bayes over byte n-grams:
Lui and Baldwin 2011, I11-1062, and 2012, P12-3005): it is sure of another language and gives this
one next to nothing. What is too short to judge, and what the detector does not know, is never
wrong; varieties that it mixes up count as one.

Measured on the questions of xquad, 1,190 in each of 12 languages: 4 right ones are called wrong, 3
of them English that stands among the Greek; of those labelled with another language 98.6 % are
caught, 96 % in the worst pair. Of 12,796 English queries (scifact, cranfield, cisi, banking77,
dbpedia, tatqa, medquad, limit) none is called wrong, of 2,400 cuts of 3 to 5 words from scifact 3.
"""

import math
from collections import Counter
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from gpte_data.errors import BadOption, MissingExtra
from gpte_data.scripts import LETTERS_PER_WORD, letters

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

SURE = 0.5
"""Probability of another language from which the detector is believed …"""
UNLIKELY = 0.05
"""… if the probability of the wanted one is at most this."""
ENOUGH = {True: 16, False: 18}
"""Letters that the detector needs, in scripts without spaces (a Japanese headline may have no kana)
and in others."""
AT_MOST = 400
"""Characters that it reads."""

NAMES = dict(
    entry.strip().split(" ", 1)
    for entry in """
    aa Afar|ab Abkhazian|ae Avestan|af Afrikaans|ak Akan|am Amharic|an Aragonese|ar Arabic
    |as Assamese|av Avaric|ay Aymara|az Azerbaijani|ba Bashkir|be Belarusian|bg Bulgarian|bi Bislama
    |bm Bambara|bn Bengali|bo Tibetan|br Breton|bs Bosnian|ca Catalan|ce Chechen|ch Chamorro
    |co Corsican|cr Cree|cs Czech|cu Church Slavonic|cv Chuvash|cy Welsh|da Danish|de German
    |dv Dhivehi|dz Dzongkha|ee Ewe|el Greek|en English|eo Esperanto|es Spanish|et Estonian
    |eu Basque|fa Persian|ff Fulah|fi Finnish|fj Fijian|fo Faroese|fr French|fy Western Frisian
    |ga Irish|gd Scottish Gaelic|gl Galician|gn Guarani|gu Gujarati|gv Manx|ha Hausa|he Hebrew
    |hi Hindi|ho Hiri Motu|hr Croatian|ht Haitian Creole|hu Hungarian|hy Armenian|hz Herero
    |ia Interlingua|id Indonesian|ie Interlingue|ig Igbo|ii Nuosu|ik Inupiaq|io Ido|is Icelandic
    |it Italian|iu Inuktitut|ja Japanese|jv Javanese|ka Georgian|kg Kongo|ki Kikuyu|kj Kuanyama
    |kk Kazakh|kl Greenlandic|km Khmer|kn Kannada|ko Korean|kr Kanuri|ks Kashmiri|ku Kurdish|kv Komi
    |kw Cornish|ky Kyrgyz|la Latin|lb Luxembourgish|lg Ganda|li Limburgish|ln Lingala|lo Lao
    |lt Lithuanian|lu Luba-Katanga|lv Latvian|mg Malagasy|mh Marshallese|mi Maori|mk Macedonian
    |ml Malayalam|mn Mongolian|mr Marathi|ms Malay|mt Maltese|my Burmese|na Nauru
    |nb Norwegian Bokmål|nd North Ndebele|ne Nepali|ng Ndonga|nl Dutch|nn Norwegian Nynorsk
    |no Norwegian|nr South Ndebele|nv Navajo|ny Chichewa|oc Occitan|oj Ojibwa|om Oromo|or Odia
    |os Ossetian|pa Punjabi|pi Pali|pl Polish|ps Pashto|pt Portuguese|qu Quechua|rm Romansh|rn Rundi
    |ro Romanian|ru Russian|rw Kinyarwanda|sa Sanskrit|sc Sardinian|sd Sindhi|se Northern Sami
    |sg Sango|si Sinhala|sk Slovak|sl Slovenian|sm Samoan|sn Shona|so Somali|sq Albanian|sr Serbian
    |ss Swati|st Southern Sotho|su Sundanese|sv Swedish|sw Swahili|ta Tamil|te Telugu|tg Tajik
    |th Thai|ti Tigrinya|tk Turkmen|tl Tagalog|tn Tswana|to Tongan|tr Turkish|ts Tsonga|tt Tatar
    |tw Twi|ty Tahitian|ug Uyghur|uk Ukrainian|ur Urdu|uz Uzbek|ve Venda|vi Vietnamese|vo Volapük
    |wa Walloon|wo Wolof|xh Xhosa|yi Yiddish|yo Yoruba|yue Cantonese|za Zhuang|zh Chinese|zu Zulu
    |zh-hans Simplified Chinese|zh-cn Simplified Chinese|zh-hant Traditional Chinese
    |zh-tw Traditional Chinese|zh-hk Traditional Chinese|pt-br Brazilian Portuguese
    |pt-pt European Portuguese|en-us American English|en-gb British English|fr-ca Canadian French
    """.replace("\n", " ").split("|")
)
"""ISO 639-1 code, or a tag of BCP 47 in lower case, -> English name."""
_CODES = {name.casefold(): code for code, name in reversed(NAMES.items())} | {"farsi": "fa"}

_WORDS = (
    "the what how which does why when who whose and with from where are that this did between "
    "during their your you have has been were would should could because into these there"
)
_ENGLISH = frozenset(_WORDS.split())
"""Words of English that are of no other language: two in a text save the detector's time."""

_SCRIPTS = {
    name: codes.split()
    for name, codes in {
        "ARABIC": "ar fa ur ps sd ug ks ku az kk ms ha pa dv", "ARMENIAN": "hy",
        "BENGALI": "bn as", "CJK": "zh yue ja", "DEVANAGARI": "hi mr ne sa sd ks pi",
        "CYRILLIC": "ru uk be bg mk sr bs az uz kk ky mn tg tt tk ba ce cv os av kv ab cu ku ro ug",
        "ETHIOPIC": "am ti", "GEORGIAN": "ka", "GREEK": "el", "GUJARATI": "gu", "GURMUKHI": "pa",
        "HANGUL": "ko", "HEBREW": "he yi", "HIRAGANA": "ja", "KANNADA": "kn", "KATAKANA": "ja",
        "KHMER": "km", "LAO": "lo", "MALAYALAM": "ml", "MONGOLIAN": "mn", "MYANMAR": "my",
        "ORIYA": "or", "SINHALA": "si", "TAMIL": "ta", "TELUGU": "te", "THAANA": "dv",
        "THAI": "th", "TIBETAN": "bo dz", "YI": "ii", "CANADIAN": "cr iu oj",
    }.items()
}  # fmt: skip
"""Script -> the languages written in it; LATIN is never foreign, for the sake of names."""

_VARIETIES = [
    frozenset(group.split())
    for group in (
        "zh yue wuu", "ar ary arz", "el grc", "he hbo", "en pcm", "no nb nn da", "hr bs sr sh",
        "id ms", "es ext an", "it vec lij", "lv ltg", "ku sdh ckb", "fr wa gcr gcf", "uz uzs",
        "tl fil", "ht gcf gcr", "az crh", "rw rn", "zu xh nd nr ss", "st nso tn", "hi mr ne gom",
    )
]  # fmt: skip
"""Languages that a detector mixes up in a single sentence, and varieties of one."""


@lru_cache(maxsize=1024)
def code_of(wanted: str) -> str:
    """Return the code of a language given as a code, a tag (de-CH) or an English name, or ''."""
    said = wanted.strip().casefold().replace("_", "-")
    code = _CODES.get(said, said).partition("-")[0]
    return code if code in NAMES else ""


def language_name(language: str) -> str:
    """Return the English name of a code or tag; what is no code we know stays as given."""
    tag = language.strip().casefold().replace("_", "-")
    return NAMES.get(tag) or NAMES.get(tag.partition("-")[0]) or language


def parse_weights(said: str) -> dict[str, float]:
    """Read `de,zh,sw:0.2`: language -> share; those without a share have equal parts of the rest.

    Where each has one, they need not sum to 1: `de:2,zh:1` is two thirds and one third.

    Raises:
        BadOption: An entry is no LANGUAGE or LANGUAGE:SHARE, or the shares leave nothing.
    """
    entries = [entry.strip().rpartition(":") for entry in said.split(",")] if said.strip() else []
    given: dict[str, float | None] = {}
    for left, colon, right in entries:
        name = (left if colon else right).strip()
        language = _CODES.get(name.casefold(), name)
        if not language or language in given:
            problem = f"{language} stands there twice" if language else "an entry names no language"
            raise BadOption(f"--query-languages takes a list like de,zh,sw:0.2, but {problem}")
        given[language] = _share(language, right) if colon else None
    total = sum(share for share in given.values() if share is not None)
    open_ones = sum(share is None for share in given.values())
    if given and (total >= 1 if open_ones else total <= 0):
        left_over = f"{open_ones} languages without a share" if open_ones else "any language"
        raise BadOption(
            f"--query-languages: shares of {total:g} in all leave nothing for {left_over}; give "
            "shares below 1 in all, or one to each language"
        )
    rest = (1 - total) / open_ones if open_ones else 0.0
    whole = 1.0 if open_ones else total
    return {name: rest if share is None else share / whole for name, share in given.items()}


def _share(language: str, said: str) -> float:
    """Return a share as a number."""
    try:
        share = float(said)
    except ValueError:
        share = math.nan
    if not 0 <= share < math.inf:
        raise BadOption(
            f"--query-languages: the share of {language} must be a number of at least 0, "
            f"found {said.strip()!r}"
        )
    return share


@cache
def detector() -> "LanguageIdentifier":
    """Return the detector, loaded once in a process: 0.5 s, 76 MB.

    Raises:
        MissingExtra: py3langid is not installed.
    """
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise MissingExtra(
            "py3langid is needed to check languages and not installed: pip install 'py3langid>=0.4'"
            ", or leave the check out with --no-check-language"
        ) from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language_of(text: str) -> tuple[str, float] | None:
    """Return the code of a text's language and how sure that is (0 to 1), or None if unsure.

    Codes are those of the detector: two letters where ISO 639-1 has them, else three.
    """
    return _detected(text) if _enough(text, letters(text)) else None


def _detected(text: str) -> tuple[str, float] | None:
    """Ask the detector."""
    code, sure = detector().classify(text[:AT_MOST])
    if sure < SURE:
        sure = _chance(_varieties(code), dict(detector().rank(text[:AT_MOST])))
    return (code, float(sure)) if code != "zxx" and sure >= SURE else None


def is_wrong(text: str, wanted: str) -> bool:
    """Tell whether a text is surely not in the wanted language (a code, a tag or a name)."""
    code = code_of(wanted)
    if not code:
        return False
    if code == "en" and _plainly_english(text):
        return False
    counts = letters(text)
    if _foreign(counts, code):
        return True
    found, same = _detected(text) if _enough(text, counts) else None, _varieties(code)
    if found is None or found[0] in same:
        return False
    chances = dict(detector().rank(text[:AT_MOST]))
    return bool(same & chances.keys() and _chance(same, chances) <= UNLIKELY)


def _plainly_english(text: str) -> bool:
    """Tell whether two words, and one in eight, are English and nothing else; in 1.5 µs."""
    words = text.lower().split()
    return text.isascii() and len(_ENGLISH.intersection(words)) >= max(2, len(words) / 8)


def _varieties(code: str) -> frozenset[str]:
    """Return the languages that count as one with this."""
    return next((group for group in _VARIETIES if code in group), frozenset({code}))


def _chance(group: frozenset[str], chances: Mapping[str, float]) -> float:
    """Return the probability that a text is in one of the languages."""
    return sum(chances.get(name, 0.0) for name in group)


def _foreign(counts: Counter[str], code: str) -> bool:
    """Tell whether most letters, and four at least, are of scripts that are not the language's."""
    foreign = sum(
        count for name, count in counts.items() if code not in _SCRIPTS.get(name, (code,))
    )
    return foreign >= 4 and 2 * foreign > counts.total()


def _enough(text: str, counts: Counter[str]) -> bool:
    """Tell whether a text is long enough for the detector."""
    dense = 2 * sum(counts[name] for name in LETTERS_PER_WORD) > counts.total()
    return counts.total() >= ENOUGH[dense] and (dense or len(text.split()) > 2)
