"""Personal data by patterns: e-mail addresses, phone numbers, IBANs, credit cards, IP addresses.

A pattern proposes; a check decides: Luhn's digit and the issuer's length for cards, modulo 97 for
IBANs, the numbering plan of each country for phones (phonenumbers), a public address for IPs.
Names and postal addresses are not found.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from gpte_data.errors import BadOption, MissingExtra

EMAIL, IBAN, CARD, IP, PHONE = "EMAIL", "IBAN", "CARD", "IP", "PHONE"
KINDS = {
    EMAIL: "personal data: e-mail address",
    IBAN: "personal data: IBAN",
    CARD: "personal data: credit card",
    IP: "personal data: IP address",
    PHONE: "personal data: phone number",
}
"""What a mask says -> the rule, in the order in which they are looked for."""
Span = tuple[int, int]

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_CARD = re.compile(
    r"(?<![\w.-])(?<!\d )(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})"
    r"(?![\w-]| \d|\.\d)"
)
"""As cards are printed: in one, in fours, or 4-6-5 and 4-6-4."""
_IP4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)")
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_VERSION = re.compile(r"(?:version|release|section|chapter|§|v\.?)\s*$", re.IGNORECASE)
_YEARS = re.compile(r"\D*(?:1[0-9]|20)\d\d\s*[-–/]\s*\d{2,4}\D*")
_DIGITS = re.compile(r"\d(?:\D{0,3}\d){6}")
"""What every phone number has."""


def _emails(text: str, region: str) -> Iterator[Span]:
    if "@" in text:
        yield from (match.span() for match in _EMAIL.finditer(text))


def _ibans(text: str, region: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        start, stop = match.span()
        while stop - start >= 15 and not _is_iban(text[start:stop]):
            stop = text.rfind(" ", start, stop)  # a word behind it may look like a part of it
        if stop - start >= 15:
            yield start, stop


def _is_iban(said: str) -> bool:
    """Tell whether the check digits are right (ISO 7064, modulo 97)."""
    plain = said.replace(" ", "")
    turned = plain[4:] + plain[:4]
    return len(plain) >= 15 and int("".join(str(int(one, 36)) for one in turned)) % 97 == 1


def _cards(text: str, region: str) -> Iterator[Span]:
    for match in _CARD.finditer(text):
        if _is_card(re.sub(r"\D", "", match[0])):
            yield match.span()


def _is_card(digits: str) -> bool:
    """Tell whether an issuer gives out such numbers, and Luhn's digit is right."""
    lengths = {"3": (14, 15, 16), "4": (13, 16, 19), "5": (16,), "6": (16, 17, 18, 19)}
    first = "5" if 2221 <= int(digits[:4]) <= 2720 else digits[0]
    if len(digits) not in lengths.get(first, ()) or len(set(digits)) < 2:
        return False
    doubled = [int(one) * (1 + place % 2) for place, one in enumerate(reversed(digits))]
    return sum(one - 9 * (one > 9) for one in doubled) % 10 == 0


def _ips(text: str, region: str) -> Iterator[Span]:
    for pattern in (_IP4, _IP6):
        for match in pattern.finditer(text):
            before = text[max(0, match.start() - 12) : match.start()]
            if _is_public(match[0]) and not _VERSION.search(before):
                yield match.span()


def _is_public(said: str) -> bool:
    try:
        return ipaddress.ip_address(said).is_global
    except ValueError:
        return False


def _phones(text: str, region: str) -> Iterator[Span]:
    """Find numbers written as their country groups them; years and decimals look like some."""
    if not _DIGITS.search(text) or not (region or "+" in text or "\uff0b" in text):
        return
    strict = library().Leniency.STRICT_GROUPING
    for match in library().PhoneNumberMatcher(text, region or None, strict):
        before = text[max(0, match.start - 1) : match.start]
        if sum(map(str.isdigit, match.raw_string)) < 7:  # a year, in a country of short numbers
            continue
        if not _YEARS.fullmatch(match.raw_string) and before not in (".", ","):
            yield match.start, match.end


_FINDERS: dict[str, Callable[[str, str], Iterator[Span]]] = {
    EMAIL: _emails, IBAN: _ibans, CARD: _cards, IP: _ips, PHONE: _phones,
}  # fmt: skip


@cache
def library() -> Any:
    """Return phonenumbers; raise MissingExtra where it is not installed."""
    try:
        import phonenumbers
    except ImportError:
        raise MissingExtra.of("phonenumbers", "text") from None
    return phonenumbers


def check(region: str) -> None:
    """Raise MissingExtra, or BadOption for a country that has no numbering plan."""
    known = library().SUPPORTED_REGIONS
    if region and region not in known:
        raise BadOption(
            f"--phone-region {region!r} is no country: expected two letters, as DE or US"
        )


def masked(text: str, region: str = "") -> tuple[str, list[str]]:
    """Return the text with <EMAIL> and the like in place of what was found, and what that was.

    Args:
        text: Any.
        region: The country of phone numbers without +; '': only numbers with + are found.
    """
    kinds: list[str] = []
    for kind, spans in _FINDERS.items():
        for start, stop in reversed(sorted(spans(text, region))):
            text = f"{text[:start]}<{kind}>{text[stop:]}"
            kinds.append(kind)
    return text, kinds
