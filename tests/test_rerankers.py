"""Rerankers of all kinds that run here: their scores are those of the libraries they come from."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_decoder_without_padding, tiny_llama, tiny_yes_no

from gpte_data.backends import Options, open_reranker
from gpte_data.backends.reranking import Reranking, traits
from gpte_data.backends.yes_no import AFTER, BEFORE, INSTRUCTION
from gpte_data.errors import BadOption

EXACT = Reranking(dtype="float32")
PAIRS = [
    ("how does the heart pump blood", "The river carries sand and clay down to the sea."),
    ("how does the heart pump blood", "Bees dance."),
    ("bees", "Bees tell each other where flowers are by dancing in the hive. " * 3),
    ("", "Steel is made from iron."),
]


def score(spec: str, how: Reranking = EXACT, tokens: int = 8192) -> np.ndarray:
    options = Options(reranking=how, batch_tokens=tokens)
    scores: np.ndarray = open_reranker(spec, options).score(PAIRS, lambda pairs: None)
    return scores


def yes_of(folder: Path, instruction: str) -> list[float]:
    """Return the probability of yes against no, asked of transformers one by one."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    no, yes = (tokenizer.convert_tokens_to_ids(word) for word in ("no", "yes"))
    found = []
    for query, document in PAIRS:
        middle = f"<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}"
        ids = tokenizer(BEFORE + middle + AFTER, return_tensors="pt")
        with torch.inference_mode():
            logits = model(**ids).logits[0, -1, [no, yes]].double()
        found.append(float(torch.softmax(logits, 0)[1]))
    return found


def test_a_language_model_that_answers_yes_or_no(tmp_path: Path) -> None:
    folder = tiny_yes_no(tmp_path / "yes-no")
    scores = score(f"st:{folder}")
    assert scores == pytest.approx(yes_of(folder, INSTRUCTION), abs=1e-5)
    told = Reranking(dtype="float32", instruction="find bees")
    assert score(f"st:{folder}", told) == pytest.approx(yes_of(folder, "find bees"), abs=1e-5)
    assert (score(f"st:{folder}", tokens=256) == scores).all()
    identities = [traits(f"st:{folder}", how).identity for how in (EXACT, told)]
    assert identities[0] != identities[1] and identities[0]["reranker"] == identities[1]["reranker"]


def test_what_is_too_long_loses_its_end_not_the_question(tmp_path: Path) -> None:
    folder = tiny_yes_no(tmp_path / "yes-no")
    reranker = open_reranker(f"st:{folder}", Options(reranking=EXACT))
    long = [("bees", f"{words} " * 2000) for words in ("Bees dance", "Steel is made")]
    scores = reranker.score(long, lambda pairs: None)
    assert scores[0] != scores[1] and np.isfinite(scores).all()


def test_a_language_model_that_reads_another_prompt(tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "llama")
    for kind in ("st", "vllm"):
        with pytest.raises(BadOption, match="a LlamaForCausalLM, which reads a prompt of its own"):
            traits(f"{kind}:{folder}", Reranking())


def test_a_decoder_whose_tokenizer_can_not_pad(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tiny_decoder_without_padding(tmp_path / "decoder")
    scores = score(f"st:{folder}")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for (query, document), found in zip(PAIRS, scores, strict=True):
        with torch.inference_mode():
            logit = model(**tokenizer(query, document, return_tensors="pt")).logits[0, 0]
        assert found == pytest.approx(float(torch.sigmoid(logit)), abs=1e-5)
    assert (score(f"st:{folder}", tokens=64) == scores).all()


def test_an_instruction_that_nobody_would_read(tmp_path: Path) -> None:
    folder = tiny_decoder_without_padding(tmp_path / "decoder")
    with pytest.raises(BadOption, match="--instruction is for language models that answer yes or"):
        traits(f"st:{folder}", Reranking(instruction="find"))


def test_maxsim_does_not_hang_on_what_else_is_asked() -> None:
    reranker = open_reranker("maxsim", Options())
    together = reranker.score(PAIRS[:3], lambda pairs: None)
    alone = [reranker.score([pair], lambda pairs: None)[0] for pair in PAIRS[:3]]
    assert (together == alone).all()
