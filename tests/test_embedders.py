"""The teacher in this process: equal to sentence-transformers, and to itself in any batch."""

import random
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_cross_encoder

from gpte_data.backends import Encoding, Options, open_embedder, open_reranker
from gpte_data.backends.embedded import embed
from gpte_data.backends.models import MINILM_SHA256, model_path
from gpte_data.backends.reranking import Reranking
from gpte_data.backends.scan import has_bf16
from gpte_data.files import sha256_file

WORDS = [
    "river",
    "stone",
    "light",
    "copper",
    "orbit",
    "yeast",
    "lease",
    "margin",
    "kernel",
    "valve",
]


def texts(count: int) -> list[str]:
    chance = random.Random(4)
    return [" ".join(chance.choices(WORDS, k=chance.randint(1, 400))) for _ in range(count)]


def test_minilm_is_the_published_one() -> None:
    path = Path(model_path("all-MiniLM-L6-v2")) / "model.safetensors"
    assert sha256_file(path) == MINILM_SHA256


def test_same_vectors_as_sentence_transformers() -> None:
    from sentence_transformers import SentenceTransformer

    some = texts(24)
    exact = Options(encoding=Encoding(dtype="float32"))
    ours = embed(open_embedder("st:all-MiniLM-L6-v2", exact), some, "query: ")
    theirs = SentenceTransformer(model_path("all-MiniLM-L6-v2")).encode(
        [f"query: {text}" for text in some]
    )
    assert np.abs(ours.vectors - theirs).max() < 1e-5
    assert 0 < ours.truncated < 24


def test_truncation_is_counted_exactly() -> None:
    embedder = open_embedder("st:all-MiniLM-L6-v2", Options())
    fits, too_long = "river " * 254, "river " * 255
    assert embed(embedder, [fits]).truncated == 0
    assert embed(embedder, [fits, too_long, "x"]).truncated == 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("tokens", [64, 1024, 32768])
def test_bits_do_not_depend_on_the_batch(tokens: int, dtype: str) -> None:
    """Any order, any batch size, any threads: what makes shards equal on any number of workers."""
    import torch

    if dtype == "bfloat16" and not has_bf16():
        pytest.skip("bfloat16 is not what this processor runs models in")
    some, encoding = texts(20), Encoding(dtype=dtype)
    model = open_embedder("st:all-MiniLM-L6-v2", Options(encoding=encoding))
    expected = embed(model, some).vectors
    order = list(range(20))
    random.Random(tokens).shuffle(order)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        options = Options(encoding=encoding, batch_tokens=tokens)
        other = open_embedder("st:all-MiniLM-L6-v2", options)
        shuffled = embed(other, [some[i] for i in order]).vectors
        alone = embed(other, [some[3]]).vectors
    finally:
        torch.set_num_threads(before)
    assert (shuffled == expected[order]).all()
    assert (alone[0] == expected[3]).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_bits_of_short_texts_do_not_depend_on_their_number(dtype: str) -> None:
    """Queries are short: one alone, some in a shard, or all of them in one."""
    if dtype == "bfloat16" and not has_bf16():
        pytest.skip("bfloat16 is not what this processor runs models in")
    chance = random.Random(9)
    some = [" ".join(chance.choices(WORDS, k=chance.randint(1, 12))) for _ in range(40)]
    model = open_embedder("st:all-MiniLM-L6-v2", Options(encoding=Encoding(dtype=dtype)))
    together = embed(model, some).vectors
    for count in (1, 8, 9, 17):
        assert (embed(model, some[:count]).vectors == together[:count]).all(), count


def test_no_texts_give_no_vectors() -> None:
    assert len(embed(open_embedder("st:all-MiniLM-L6-v2", Options()), []).vectors) == 0


def test_cross_encoder_gives_the_probabilities_of_predict(tmp_path: Path) -> None:
    import torch
    from sentence_transformers import CrossEncoder

    folder = tiny_cross_encoder(tmp_path / "ce")
    some = texts(12)
    pairs = [(" ".join(text.split()[:9]), other) for text in some[:4] for other in some]
    reported: list[int] = []
    exact = Reranking(dtype="float32")
    ours = open_reranker(f"st:{folder}", Options(reranking=exact)).score(pairs, reported.append)
    theirs = CrossEncoder(str(folder)).predict(pairs, activation_fn=torch.nn.Sigmoid())
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert sum(reported) == len(pairs)
    for dtype in ("float32", "bfloat16"):
        many, few = (
            open_reranker(f"st:{folder}", Options(batch_tokens=n, reranking=Reranking(dtype=dtype)))
            for n in (8192, 256)
        )
        first = many.score(pairs, lambda pairs: None)
        assert (few.score(pairs[::-1], lambda pairs: None)[::-1] == first).all()
        assert abs(first - theirs).max() < (1e-5 if dtype == "float32" else 0.1)


def test_maxsim_is_the_mean_of_the_best_cosines() -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(model_path("all-MiniLM-L6-v2"))
    pairs = [("where do cats sleep", "A cat naps."), ("bond yields", "Dough rises slowly.")]
    ours = open_reranker("maxsim", Options()).score(pairs, lambda pairs: None)
    for (query, document), score in zip(pairs, ours, strict=True):
        q, d = (
            model.encode(text, output_value="token_embeddings").numpy()[1:-1]
            for text in (query, document)
        )
        q, d = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (q, d))
        assert score == pytest.approx((q @ d.T).max(axis=1).mean(), abs=1e-5)
    assert ours[0] > ours[1]
