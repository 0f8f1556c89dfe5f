"""HTML from Python: what is no markup is escaped, always.

A number or a text of the survey comes onto the page through `Found`, which knows where in the
survey it stands: the JSON pointer (RFC 6901) is written beside it as `data-path`, so that the page
can be held against `inspect --json`.
"""

import html
import re
from collections.abc import Iterator
from typing import Any, Self

VOID = frozenset({"meta", "link", "br", "rect", "line", "polyline"})
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def escape(text: str) -> str:
    """Return text that means itself in HTML, in attributes too; what HTML has not becomes �."""
    return html.escape(_UNSEEN.sub("\ufffd", text))


Child = str | None


def tag(element: str, /, *children: Child, **attributes: str | float | None) -> Html:
    """Return an element; `class_` is class, `data_path` data-path, None is left out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = join(*children)
    end = "/>" if element in VOID else f">{inner}</{element}>"
    return Html(f"<{element}{told}{end}")


def join(*children: Child) -> Html:
    """Return elements and texts, one behind the other."""
    return Html(
        "".join(
            one if isinstance(one, Html) else escape(one) for one in children if one is not None
        )
    )


class Found:
    """A value of the survey, and where it stands."""

    __slots__ = ("path", "value")

    def __init__(self, value: Any, path: str = "") -> None:
        self.value = value
        self.path = path

    def __getitem__(self, key: str | int) -> Self:
        step = str(key).replace("~", "~0").replace("/", "~1")
        return type(self)(self.value[key], f"{self.path}/{step}")

    def __bool__(self) -> bool:
        return bool(self.value)

    def __iter__(self) -> Iterator[Self]:
        return (self[n] for n in range(len(self.value)))

    def items(self) -> Iterator[tuple[Html, Self]]:
        """Yield each key of an object as it is shown, with its value."""
        return ((self.key(name), self[name]) for name in self.value)

    def get(self, key: str) -> Self | None:
        """Return what stands under a key, or None."""
        return self[key] if self.value.get(key) is not None else None

    def key(self, name: str) -> Html:
        """Return one of the keys, as text."""
        return tag("bdi", name or "(none)", class_="key", data_key=self.path, data_name=name)

    def text(self, most: int | None = None) -> Html:
        """Return a text, cut to so many characters."""
        shown = " ".join(str(self.value).split())
        cut = most is not None and len(shown) > most
        return tag("bdi", shown[:most] + "…" if cut else shown, data_path=self.path)

    def number(self, digits: int | None = None) -> Html:
        """Return a number: whole with commas, others with so many digits behind the point."""
        return self._as(_written(self.value, digits))

    def percent(self, digits: int = 1) -> Html:
        """Return a share as a percentage."""
        return self._as(f"{100 * self.value:.{digits}f} %")

    def dollars(self) -> Html:
        """Return an amount."""
        return self._as(f"${self.value:,.2f}")

    def _as(self, shown: str) -> Html:
        return tag("data", shown, value=repr(self.value), data_path=self.path)

    def mark(self) -> dict[str, str]:
        """Return attributes for a shape that stands for a number."""
        return {"data_path": self.path, "data_value": repr(self.value)}


def _written(value: float, digits: int | None) -> str:
    if isinstance(value, int) and digits is None:
        return f"{value:,}"
    if digits is None:
        digits = 3 if abs(value) < 100 else 1
    return f"{value:,.{digits}f}".replace("-", "\u2212")
