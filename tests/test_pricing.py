"""Prices: given by hand or by a file, and what tokens cost."""

import json
from pathlib import Path

import pytest

from gpte_data.errors import BadOption
from gpte_data.pricing import Price, cost, price_of, read_prices

YAML = "small: {in: 0.15, out: 0.6}\nopenai:big: {in: 2, out: 8, batch: 0.4}\n"


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    file = tmp_path / "prices.yaml"
    file.write_text(YAML)
    return file


def test_cost_is_dollars_per_million() -> None:
    assert cost(1_000_000, 500_000, Price(0.15, 0.6)) == pytest.approx(0.45)
    assert cost(0, 0, Price(1, 1)) == 0


def test_prices_by_hand_win_over_the_file(prices: Path) -> None:
    assert price_of("openai:small", 0.1, 0.4, None) == Price(0.1, 0.4)
    assert price_of("openai:small", None, None, prices) == Price(0.15, 0.6)
    assert price_of("openai:small", None, 0.7, prices) == Price(0.15, 0.7)
    assert price_of("vllm:small", None, None, prices) == Price(0.15, 0.6)
    assert price_of("openai:big", None, None, prices) == Price(2, 8)
    assert price_of("openai:small", None, None, None) is None


def test_a_batch_costs_less(prices: Path) -> None:
    assert price_of("openai:small", None, None, prices, batch=True) == Price(0.075, 0.3)
    found = price_of("openai:big", None, None, prices, batch=True)
    assert found is not None and (found.prompt, found.completion) == pytest.approx((0.8, 3.2))
    assert price_of("openai:x", 1, 2, None, batch=True) == Price(0.5, 1)


def test_no_model_costs_nothing(prices: Path) -> None:
    assert price_of("extractive", None, None, prices) is None
    assert price_of("", 1, 1, None) is None


def test_every_kind_of_file_says_the_same(tmp_path: Path, prices: Path) -> None:
    toml = tmp_path / "prices.toml"
    toml.write_text('[small]\nin = 0.15\nout = 0.6\n["openai:big"]\nin = 2\nout = 8\nbatch = 0.4\n')
    as_json = tmp_path / "prices.json"
    as_json.write_text(json.dumps(read_prices(prices)))
    assert read_prices(prices) == read_prices(toml) == read_prices(as_json)


@pytest.mark.parametrize(
    ("name", "content", "about"),
    [
        ("p.yaml", "small: 3", "must have in and out"), ("p.yaml", "[1, 2]", "found list"),
        ("p.yaml", "small: {in: 1}", "must have in and out"), ("p.yaml", "", "found NoneType"),
        ("p.yaml", "small: {in: 1, out: 2, cached: 3}", "may have batch"),
        ("p.yaml", "small: {in: free, out: 2}", "found 'free'"),
        ("p.yaml", "small: {in: -1, out: 2}", "found -1"), ("p.yaml", "{", "not valid yaml"),
        ("p.json", "{", "not valid json"), ("p.toml", "x", "not valid toml"),
        ("p.json", '{"small": {"in": true, "out": 2}}', "found True"),
        ("p.csv", "small,1,2", ".json, .toml or .yaml"), ("p.yaml", YAML, "says nothing of other"),
        ("p.yaml", b"\xff\xfe\xfa", "not valid yaml"),
    ],
)  # fmt: skip
def test_files_that_will_not_do(
    tmp_path: Path, name: str, content: str | bytes, about: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadOption, match=about) as told:
        price_of("openai:other", None, None, file)
    assert str(file) in str(told.value) or name in str(told.value)
    assert "\n" not in str(told.value)


def test_options_that_will_not_do(prices: Path) -> None:
    with pytest.raises(BadOption, match="without --price-out"):
        price_of("openai:m", 1, None, None)
    with pytest.raises(BadOption, match="without --price-in"):
        price_of("openai:other", None, 1, prices)
    with pytest.raises(BadOption, match="--price-in must be a number"):
        price_of("openai:m", -1, 1, None)
    with pytest.raises(BadOption, match="can't be read"):
        price_of("openai:m", None, None, prices.parent / "none.yaml")
    assert price_of("openai:other", None, None, prices, missing_ok=True) is None
