"""Boilerplate: placeholder text, notices about cookies and scripts, navigation.

C4 (1910.10683, section 2.2) takes out pages with "lorem ipsum" and lines that speak of cookies,
policies or JavaScript. A passage is judged whole here: one notice in a short text, or several kinds
in one of any length, and it is boilerplate; a passage about cookies that mentions them once is not.
"""

import re

from gpte_data.scripts import count_words

PLACEHOLDER = "placeholder text"
NOTICE = "cookie or script notice, or navigation"
SHORT = 40
"""Words up to which one notice makes a text boilerplate."""
_PLACEHOLDER = re.compile(r"\blorem ipsum\b", re.IGNORECASE)
_NOTICES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:this|our) (?:web)?site uses cookies\b|\bwe use cookies\b|\buse of cookies\b"
        r"|\baccept (?:all )?cookies\b|\bcookie (?:policy|settings|preferences)\b",
        r"\bprivacy policy\b|\bterms (?:of (?:use|service)|and conditions)\b",
        r"\b(?:please )?enable javascript\b|\bjavascript (?:is|must be|seems to be) \w+"
        r"|\byour browser does not support\b",
        r"\ball rights reserved\b|©\s*\d{4}|\(c\) \d{4}",
        r"\bskip to (?:main )?content\b|\b(?:log|sign) in\b.{0,40}\b(?:register|sign up)\b"
        r"|\bhome\s*[|>»/]\s*\w+|\bread more\b|\bclick here\b|\bback to top\b",
        r"\bsubscribe to (?:our|the) newsletter\b|\bfollow us on\b|\bshare (?:this )?on\b",
        r"\b(?:wir verwenden|diese (?:web)?seite (?:verwendet|nutzt)) cookies\b"
        r"|\bnous utilisons des cookies\b|\butiliza(?:mos)? cookies\b|\butilizziamo (?:i )?cookie\b"
        r"|\bwij gebruiken cookies\b|используем (?:файлы )?cookie|cookie を使用|クッキーを使用"
        r"|(?:使用|采用) ?cookie|쿠키를 사용",
        r"\bdatenschutzerklärung\b.{0,60}\bimpressum\b|\bimpressum\b.{0,60}\bdatenschutz"
        r"|\bpolitique de confidentialité\b|\bpolítica de privaci?dad",
    )
]


_HINTS = (
    "cookie", "privacy", "terms ", "javascript", "your browser", "rights reserved", "©", "(c)",
    "skip to", "log in", "sign in", "home", "read more", "click here", "back to top", "subscribe",
    "follow us", "share ", "クッキー", "쿠키", "impressum", "confidentialit", "privacidad",
    "privacidade",
)  # fmt: skip
"""Words without which there is no notice: quick to find."""


def boilerplate(text: str) -> list[str]:
    """Return the rules that hold against a text."""
    found = [PLACEHOLDER] if _PLACEHOLDER.search(text) else []
    lower = text.lower()
    if not any(map(lower.__contains__, _HINTS)):
        return found
    kinds = sum(pattern.search(text) is not None for pattern in _NOTICES)
    if kinds > 1 or (kinds and count_words(text) <= SHORT):
        found.append(NOTICE)
    return found
