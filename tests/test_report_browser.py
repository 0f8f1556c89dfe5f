"""The page in a real Chromium: it loads at once, asks for nothing, and fits every screen."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, requests, show
from conftest import SAMPLE, ok
from test_report import hostile, run

__all__ = ["run"]

OVERLAPPING = """
const boxes = [...document.querySelectorAll('.tick, .dot, .what, .name, .n')]
  .filter(e => e.offsetParent && e.textContent.trim())
  .map(e => [e.textContent, ...[...e.getClientRects()]
    .map(b => [b.left, b.top, b.right, b.bottom])]);
const found = [];
for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++)
  for (const a of boxes[i].slice(1)) for (const b of boxes[j].slice(1))
    if (a[0] < b[2] - 1 && b[0] < a[2] - 1 && a[1] < b[3] - 2 && b[1] < a[3] - 2)
      found.push(boxes[i][0] + ' / ' + boxes[j][0]);
return found;
"""
OUTSIDE = """
return [...document.querySelectorAll('body *')].filter(e => {
  const b = e.getBoundingClientRect();
  return b.width && (b.right > document.documentElement.clientWidth + 1 || b.left < -1)
}).map(e => e.outerHTML.slice(0, 120));
"""
CONTRAST = """
const numbers = c => c.match(/[\\d.]+/g).map(Number);
const light = c => { const [r, g, b] = numbers(c).map(v => v / 255)
  .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b };
const behind = e => { for (; e; e = e.parentElement) {
  const c = getComputedStyle(e).backgroundColor; if ((numbers(c)[3] ?? 1) > 0) return c } };
return [...document.querySelectorAll('body *')].filter(e => e.offsetParent &&
  [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())).map(e => {
  const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
  return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.outerHTML.slice(0, 120)];
}).filter(([ratio]) => ratio < 4.5);
"""
LOADED = "return performance.getEntriesByType('navigation')[0].loadEventEnd"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="session")
def pages(browser: Any, run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page with all that there is, and one whose texts want to be markup."""
    folder = tmp_path_factory.mktemp("pages")
    flags = ("--real-queries", SAMPLE, "--nearest", 60)
    ok("report", run, "-o", folder / "run.html", *flags)
    hostile(folder / "x")
    ok("report", folder / "x", "-o", folder / "hostile.html", "--nearest", 0)
    return {"run": folder / "run.html", "hostile": folder / "hostile.html"}


@pytest.mark.parametrize("name", ["run", "hostile"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_stays_at_home(
    browser: Any, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    show(browser, pages[name], width, scheme)
    loaded = browser.execute_script(LOADED)
    asked = requests(browser)
    assert asked == [pages[name].as_uri()]
    assert browser.get_log("browser") == []
    assert browser.execute_script(OUTSIDE) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(OVERLAPPING) == []
    assert browser.execute_script(CONTRAST) == []
    dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", dark))) < 200) == (scheme == "dark"), dark
    assert 0 < loaded < 1000, json.dumps(loaded)


def test_the_checks_of_the_page_can_fail(browser: Any, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        "<link rel=icon href='data:,'><body style='background:#fff'><p class=tick>one</p>"
        "<p class=tick style='margin-top:-30px;color:#ccc;width:3000px'>two</p>"
        "<img src='http://127.0.0.1:9/x.png'><script>console.error('x')</script>"
    )
    show(browser, page, 390, "light")
    assert any("127.0.0.1" in one for one in requests(browser))
    assert browser.get_log("browser")
    for script in (OUTSIDE, OVERLAPPING, CONTRAST):
        assert browser.execute_script(script)
