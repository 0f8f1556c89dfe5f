"""Rules on texts alone, for passages (text, title) and pairs (query): all are off unless asked for.

Language (--language, --match-language), mojibake, boilerplate, quality by Gopher's measures
(2112.11446, appendix A.1.1), personal data. Rows are dropped, with every rule that holds against
them; --mojibake fix and --personal-data mask mend texts instead, and count what they did. Passages
that pairs point to may go: mine-negatives and filter-pairs take --missing-positives drop.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gpte_data.languages import detector, is_wrong, language_of
from gpte_data.scripts import count_words
from gpte_data.stage import Context, Event, Hooks, Row, stage
from gpte_data.text_rules import mojibake, personal
from gpte_data.text_rules.boilerplate import boilerplate
from gpte_data.text_rules.fields import all_texts, judged_texts, mended
from gpte_data.text_rules.options import TextsConfig
from gpte_data.text_rules.quality import is_blank, measured
from gpte_data.verdicts import settled

EMPTY = "empty"
MOJIBAKE = "mojibake"
LOST = "lost characters"
FEW, MANY = "too few words", "too many words"
LANGUAGE = "wrong language"


def _prepare(cfg: TextsConfig, read: Callable[[], Iterable[Row]]) -> None:
    """Find out before the first row whether what is needed is installed."""
    if cfg.mojibake is not None:
        mojibake.check()
    if cfg.personal_data is not None:
        personal.check(cfg.phone_region)
    if cfg.language or cfg.match_language:
        detector()
    for row in read():
        judged_texts(row)
        break


@stage(
    TextsConfig,
    adds={"masked"},
    version=1,
    hooks=Hooks(prepare=_prepare),
)
def filter_texts(rows: Iterable[Row], cfg: TextsConfig, ctx: Context) -> Iterator[Event]:
    """Mend texts as far as asked for, then drop the rows that break a rule."""
    limits, languages = cfg.limits(), cfg.languages()
    for row in rows:
        judged_texts(row)
        row = _mended(row, cfg, ctx)
        texts = judged_texts(row)
        found: dict[str, float] = {}
        broken = _characters(row, cfg)
        if any(map(is_blank, texts)):
            broken.append(EMPTY)
        broken += _personal(row, cfg)
        for text in texts:
            broken += boilerplate(text) if cfg.boilerplate else []
            broken += _length(text, cfg)
            found |= measured(text, limits)
        broken += found
        if cfg.match_language and not row.get("language"):
            ctx.ledger.notes["rows that name no language"] += 1
        wrong = [text for text in texts if _foreign(text, row, languages, cfg)]
        if wrong:
            broken.append(LANGUAGE)
        said = {"measured": found} if found else {}
        yield settled(
            row | (said | _detected(wrong) if broken else {}), list(dict.fromkeys(broken))
        )
        ctx.tell(1, 0)


def _mended(row: Row, cfg: TextsConfig, ctx: Context) -> Row:
    """Return the row with its texts mended and masked, as far as asked for."""
    if cfg.mojibake == "fix":
        before = row
        row = mended(row, mojibake.fixed)
        ctx.ledger.notes["rows with mojibake, fixed"] += row != before
        lost = any(mojibake.LOST in text for text in all_texts(row))
        ctx.ledger.notes["rows with lost characters (U+FFFD), left as they are"] += lost
    return _masked(row, cfg, ctx) if cfg.personal_data == "mask" else row


def _masked(row: Row, cfg: TextsConfig, ctx: Context) -> Row:
    kinds: list[str] = []

    def mask(text: str) -> str:
        text, found = personal.masked(text, cfg.phone_region)
        kinds.extend(found)
        return text

    row = mended(row, mask)
    for kind in kinds:
        ctx.ledger.notes[f"masked as <{kind}>"] += 1
    return row | {"masked": [*(row.get("masked") or ()), *sorted(kinds)]} if kinds else row


def _characters(row: Row, cfg: TextsConfig) -> list[str]:
    """Return the rules on encodings that hold against a row."""
    if cfg.mojibake != "drop":
        return []
    texts = all_texts(row)
    wrong = any(mojibake.fixed(text) != text for text in texts)
    lost = any(mojibake.LOST in text for text in texts)
    return [MOJIBAKE] * wrong + [LOST] * lost


def _personal(row: Row, cfg: TextsConfig) -> list[str]:
    """Return the rules on personal data that hold against a row."""
    if cfg.personal_data != "drop":
        return []
    texts = all_texts(row)
    kinds = {kind for text in texts for kind in personal.masked(text, cfg.phone_region)[1]}
    return [rule for kind, rule in personal.KINDS.items() if kind in kinds]


def _length(text: str, cfg: TextsConfig) -> list[str]:
    """Return the rules on the number of words that hold against a text."""
    if cfg.min_words is None and cfg.max_words is None:
        return []
    words = count_words(text)
    few = cfg.min_words is not None and words < cfg.min_words
    many = cfg.max_words is not None and words > cfg.max_words
    return [FEW] * few + [MANY] * many


def _foreign(text: str, row: Row, languages: list[str], cfg: TextsConfig) -> bool:
    """Tell whether a text is in none of the languages asked for, or not in its row's."""
    if languages and all(is_wrong(text, one) for one in languages):
        return True
    return cfg.match_language and is_wrong(text, str(row.get("language") or ""))


def _detected(wrong: list[str]) -> dict[str, Any]:
    """Return the language that the first of some texts is in, where the detector is sure."""
    found = language_of(wrong[0]) if wrong else None
    return {"detected_language": found[0]} if found else {}
