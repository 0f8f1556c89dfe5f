"""Mojibake: texts that were read in a wrong encoding (`schÃ¶n` for `schön`), found by ftfy.

Line by line, since a text may be put together from several sources. Mending goes on until nothing
changes, so that doing it again changes nothing; what was lost (U+FFFD) stays lost.
"""

from functools import cache
from typing import Any

from gpte_data.errors import MissingExtra

LOST = "\ufffd"
MOST = 4
"""How often a text may have gone through a wrong encoding."""


@cache
def _ftfy() -> tuple[Any, Any]:
    """Return ftfy's mending of encodings and its settings, here nothing else than that.

    Raises:
        MissingExtra: ftfy is not installed.
    """
    try:
        import ftfy
    except ImportError:
        raise MissingExtra.of("ftfy", "text") from None
    return ftfy.fix_encoding, ftfy.TextFixerConfig(unescape_html=False, explain=False)


def check() -> None:
    """Raise MissingExtra if ftfy is not installed."""
    _ftfy()


def fixed(text: str) -> str:
    """Return the text as it was meant."""
    if text.isascii():
        return text
    mend, settings = _ftfy()
    for _ in range(MOST):
        before = text
        lines = text.splitlines(keepends=True)
        text = "".join(line if line.isascii() else mend(line, settings) for line in lines)
        if text == before:
            break
    return text
