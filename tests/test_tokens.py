"""Tokens: counted by the model's tokenizer where it is at hand, else estimated, and said so."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_models import tiny_llama

from gpte_data import tokens
from gpte_data.tokens import ESTIMATE, PER_ANSWER, PER_MESSAGE, counter, estimate

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Why do leaves change their colour in the autumn?"},
]
OVERHEAD = 2 * PER_MESSAGE + PER_ANSWER


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("models") / "llama")


def test_the_models_own_tokenizer_counts(llama: Path) -> None:
    from transformers import AutoTokenizer

    count, name = counter(f"vllm:{llama}")
    tokenizer = AutoTokenizer.from_pretrained(llama)
    assert name == "its tokenizer"
    inside = [len(tokenizer.encode(m["content"], add_special_tokens=False)) for m in MESSAGES]
    assert count(MESSAGES) == sum(inside) + OVERHEAD
    rendered = tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True, tokenize=False)
    real = len(tokenizer.encode(rendered, add_special_tokens=False))
    assert abs(real - count(MESSAGES)) <= OVERHEAD, "the template's own tokens are nearly those"


def test_long_texts_are_counted_whole(llama: Path) -> None:
    """A tokenizer.json may say that texts are cut, as sentence encoders' do."""
    from gpte_data.backends.models import model_path

    count, name = counter(f"vllm:{model_path('all-MiniLM-L6-v2')}")
    assert name == "its tokenizer"
    assert count([{"role": "user", "content": "word " * 3000}]) == 3000 + PER_MESSAGE + PER_ANSWER


def test_a_model_in_the_hubs_cache_is_found(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    snapshot = tmp_path / "models--some--model" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "tokenizer.json").write_bytes((llama / "tokenizer.json").read_bytes())
    refs = tmp_path / "models--some--model" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    count, name = counter("openai:some/model")
    assert name == "its tokenizer"
    assert count(MESSAGES) == counter(f"vllm:{llama}")[0](MESSAGES)


@pytest.mark.parametrize(
    "spec",
    ["openai:gpt-4o-mini", "openai:no/such-model", "vllm:./none", "openai:a b/c", "openai:x"],
)
def test_without_a_tokenizer_it_is_an_estimate_that_says_so(spec: str) -> None:
    count, name = counter(spec)
    assert name == ESTIMATE and name.startswith("estimate")
    assert count(MESSAGES) == sum(estimate(m["content"]) for m in MESSAGES) + OVERHEAD


def test_a_tokenizer_that_cannot_be_read_is_no_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    assert counter(f"vllm:{tmp_path}")[1] == ESTIMATE


def test_tiktoken_is_used_only_where_nothing_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in: no vocabulary of OpenAI's is at hand in tests."""
    encoding = SimpleNamespace(encode=lambda text, disallowed_special: text.split())
    named = {"gpt-4o-mini": "o200k_base"}
    fake = SimpleNamespace(
        encoding_name_for_model=named.__getitem__, get_encoding=lambda name: encoding,
        __spec__=SimpleNamespace(),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "tiktoken", fake)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert counter("openai:gpt-4o-mini")[1] == ESTIMATE
    (tmp_path / tokens.TIKTOKEN_FILES["o200k_base"]).write_text("")
    count, name = counter("openai:gpt-4o-mini")
    assert name == "tiktoken's o200k_base" and count(MESSAGES) == 2 + 9 + OVERHEAD
    assert counter("openai:other")[1] == ESTIMATE and counter("vllm:gpt-4o-mini")[1] == ESTIMATE


def test_extractive_asks_nothing() -> None:
    count, name = counter("extractive")
    assert count(MESSAGES) == 0 and name == "no model is asked"


def test_the_estimate_knows_scripts() -> None:
    """Against the true numbers of Mistral's Tekken, to which the estimate was fitted."""
    texts = {
        "The river carries sand and clay from the mountains down to the sea.": 14,
        "Der Fluss trägt Sand und Lehm von den Bergen hinunter zum Meer.": 14,
        "Река несёт песок и глину с гор в море.": 14,
        "河流把沙子和黏土从山上带到海里。": 17,
        "แม่น้ำพัดพาทรายและดินเหนียวจากภูเขาลงสู่ทะเล": 26,
        "नदी पहाड़ों से रेत और मिट्टी समुद्र तक ले जाती है।": 19,
    }
    for text, real in texts.items():
        assert 0.7 * real <= estimate(text) <= 1.3 * real, text
    assert estimate("") == 0 and estimate("   \n") == 0
