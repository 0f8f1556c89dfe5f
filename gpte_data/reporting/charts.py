"""Charts in SVG and CSS: bars, histograms on one axis, a line. Text stands in HTML, beside shapes.

Shapes stretch with the page, text does not: nothing becomes too small to read on a phone. Every
shape carries its number; what stands on an axis is of class `tick`.
"""

from collections.abc import Sequence
from math import floor, log10

from gpte_data.reporting.markup import Found, Html, join, tag

WIDTH, HEIGHT = 1000, 100
"""Of a drawing, in its own units."""


def bars(rows: Sequence[tuple[Html, Found]], kind: str | Sequence[str] = "") -> Html:
    """Return names with a bar and a number each; the longest bar stands for the highest.

    Args:
        rows: Name and number of each.
        kind: What the bars are, by which they are coloured; or that of each.
    """
    kinds = [kind] * len(rows) if isinstance(kind, str) else kind
    top = max((found.value for _, found in rows), default=0) or 1
    return tag(
        "ul",
        *(
            tag(
                "li",
                tag("span", name, class_="name"),
                tag("span", found.number(), class_="n"),
                _bar([(found, one)], top),
            )
            for (name, found), one in zip(rows, kinds, strict=True)
        ),
        class_="bars",
    )


def _bar(parts: Sequence[tuple[Found, str]], top: float) -> Html:
    """Return one bar of several parts, as long as they are of `top`."""
    start, drawn = 0.0, []
    for found, kind in parts:
        length = WIDTH * found.value / top
        if length:
            drawn.append(
                tag("rect", x=_n(start), y=0, width=_n(max(length, 2)), height=10,
                    class_=kind or None, **found.mark())
            )  # fmt: skip
        start += length
    return svg(join(*drawn), 10, "bar", None)


def stacked(parts: Sequence[tuple[Found, str]], top: float) -> Html:
    """Return a bar of parts, each of its kind."""
    return _bar(parts, top or 1)


def svg(inner: Html, height: float, kind: str, label: str | None) -> Html:
    """Return a drawing as wide as its place; one that says no more than its text is hidden."""
    role = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    return tag(
        "svg", inner, viewBox=f"0 0 {WIDTH} {_n(height)}", preserveAspectRatio="none",
        class_=kind, **role,
    )  # fmt: skip


def histograms(rows: Sequence[tuple[Html, str, Found]], what: str, digits: int | None) -> Html:
    """Return distributions below each other, on one axis.

    Args:
        rows: Name, kind (its colour) and distribution of each.
        what: What the axis is, in words.
        digits: Digits behind the point of the numbers; None for whole ones.
    """
    low = min(found["min"].value for *_, found in rows)
    high = max(
        found["min"].value + found["width"].value * len(found["histogram"].value)
        for *_, found in rows
    )
    axis = Axis(low, high)
    drawn = (
        tag(
            "div",
            tag("p", tag("span", name, class_="name"), _summary(found, digits), class_="head"),
            svg(_histogram(found, kind, axis), HEIGHT, "hist", f"Histogram of {what}"),
        )
        for name, kind, found in rows
    )
    return tag("div", *drawn, axis.ticks(what), class_="hists")


def _summary(found: Found, digits: int | None) -> Html:
    """Return count, mean and quantiles of a distribution."""
    quantiles = found["quantiles"]
    mean = found["mean"].number(1 if digits is None else digits)
    return tag(
        "span",
        found["count"].number(), " · mean ", mean,
        " · half between ", quantiles["0.25"].number(digits),
        " and ", quantiles["0.75"].number(digits),
        class_="n",
    )  # fmt: skip


def _histogram(found: Found, kind: str, axis: "Axis") -> Html:
    top = max(found["histogram"].value) or 1
    low, width = found["min"].value, found["width"].value
    drawn = []
    for n, count in enumerate(found["histogram"]):
        left, right = axis.at(low + n * width), axis.at(low + (n + 1) * width)
        height = HEIGHT * count.value / top
        if height:
            drawn.append(
                tag("rect", x=_n(left), y=_n(HEIGHT - height), width=_n(max(right - left, 1)),
                    height=_n(height), class_=kind, **count.mark())
            )  # fmt: skip
    middle = found["quantiles"]["0.5"]
    place = _n(axis.at(middle.value + (width / 2 if isinstance(width, int) else 0)))
    line = tag("line", x1=place, x2=place, y1=0, y2=HEIGHT, class_="median", **middle.mark())
    return join(*drawn, line)


class Axis:
    """From numbers to places, with round numbers to read it by."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high if high > low else low + 1

    def at(self, value: float) -> float:
        """Return the place of a number, from 0 to WIDTH."""
        return WIDTH * (value - self.low) / (self.high - self.low)

    def round(self, most: int = 5) -> list[float]:
        """Return at most so many round numbers on the axis."""
        raw = (self.high - self.low) / most
        power = 10.0 ** floor(log10(raw))
        step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw)
        first = -(-self.low // step)
        count = int((self.high - first * step) // step) + 1
        return [round((first + n) * step, 10) for n in range(count)]

    def ticks(self, what: str) -> Html:
        """Return the axis below a chart."""
        places = (
            tag("span", f"{value:,g}".replace("-", "\u2212"), class_=f"tick{self._edge(value)}",
                style=f"left:{self.at(value) / WIDTH * 100:.2f}%")
            for value in self.round()
        )  # fmt: skip
        return tag(
            "div", *places, tag("span", what, class_="what"), class_="axis", aria_hidden="true"
        )

    def _edge(self, value: float) -> str:
        """Return where a number stands that would else reach over the end of the axis."""
        place = self.at(value) / WIDTH
        return " first" if place < 0.04 else " last" if place > 0.96 else ""


def line(points: Sequence[tuple[Found, Found, Found]], across: str, up: str) -> Html:
    """Return points (label, x, y) on a line; labels are read in the table beside it."""
    x = _padded([one.value for _, one, _ in points])
    y = _padded([one.value for *_, one in points])
    height = 420
    places = [(x.at(one.value), height * (1 - y.at(two.value) / WIDTH)) for _, one, two in points]
    path = " ".join(f"{_n(left)},{_n(top)}" for left, top in places)
    dots = (
        tag("span", label.number(), class_="dot" + (" loud" if n == 0 else ""),
            style=f"left:{left / WIDTH * 100:.2f}%;top:{top / height * 100:.2f}%")
        for n, ((label, *_), (left, top)) in enumerate(zip(points, places, strict=True))
        if _far(places, n)
    )  # fmt: skip
    drawn = svg(tag("polyline", points=path, class_="path"), height, "plot", f"{up} over {across}")
    levels = (
        tag("span", f"{value * 100:,g} %", class_="tick",
            style=f"top:{(1 - y.at(value) / WIDTH) * 100:.2f}%")
        for value in y.round(4)
    )  # fmt: skip
    side = tag("div", *levels, class_="side", aria_hidden="true")
    field = tag("div", drawn, *dots, class_="field")
    return tag("div", tag("p", up, class_="up"), side, field, x.ticks(across), class_="line")


def _padded(values: Sequence[float]) -> Axis:
    """Return an axis with some room at both ends."""
    low, high = min(values), max(values)
    room = (high - low) * 0.12 or abs(high) * 0.1 or 1
    return Axis(low - room, high + room)


def _far(places: Sequence[tuple[float, float]], n: int) -> bool:
    """Tell whether the dot of a point has room beside those before it that were drawn."""
    drawn: list[int] = []
    for one, (left, top) in enumerate(places[: n + 1]):
        if all(
            abs(left - places[two][0]) >= 95 or abs(top - places[two][1]) >= 55 for two in drawn
        ):
            drawn.append(one)
    return n in drawn


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
