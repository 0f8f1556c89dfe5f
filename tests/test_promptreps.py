"""PromptReps: prompts, bags of words and their search, with transformers; the pass itself by vLLM.

Bags are compared with what a few lines of plain Python make of the whole vocabulary's logits.
"""

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from safetensors.torch import save_file
from test_vllm import ENVIRONMENT, PYTHON, WITH_VLLM, assert_one_sentence, gpte, rows, write_jsonl
from transformers import AutoModelForCausalLM, AutoTokenizer

from gpte_data import io
from gpte_data.backends import Batch, Encoding, Options
from gpte_data.backends.bag_of_words import Bagger, bag, words
from gpte_data.backends.one_word import OPENING, PASSAGE, QUERY, around
from gpte_data.backends.output_layer import OutputLayer
from gpte_data.backends.promptreps import PromptReps, open_promptreps
from gpte_data.backends.vllm_devices import gpus_of_worker
from gpte_data.corpus import Corpus
from gpte_data.errors import BadOption
from gpte_data.mining import inverted
from gpte_data.mining.bags import BagSecond, bags_spec, ensure_bags
from gpte_data.mining.mine_options import MineConfig
from gpte_data.mining.opening import opened
from gpte_data.mining.terms import unpacked
from gpte_data.records import full_text
from gpte_data.stage import Context
from gpte_data.teachers import open_teacher, teacher_identity
from gpte_data.teachers.promptreps import PromptRepsTeacher, promptreps_identity

with_vllm = [
    pytest.mark.vllm,
    pytest.mark.skipif(not PYTHON.exists(), reason="no vLLM: name its folder in GPTE_VLLM_VENV"),
]


class ByTransformers(PromptReps):
    """The same model run by transformers, one prompt at a time."""

    passes, most = 0, 10_000

    @cached_property
    def run(self) -> Any:
        return AutoModelForCausalLM.from_pretrained(self.model, dtype=torch.float32).eval()

    def hidden(self, texts: Sequence[str], prompt: str, query: bool) -> Iterator[Batch]:
        for place, text in enumerate(texts):
            if self.passes == self.most:
                raise KeyboardInterrupt
            read = self._encoded([prompt + text])[0]
            some = self._prompts[query]
            ids = torch.tensor([[*some.before, *read[: self.room], *some.after]])
            with torch.inference_mode():
                state = self.run.model(ids).last_hidden_state[:, -1].numpy()
            self.passes += 1
            yield Batch([place], state, int(len(read) > self.room))


@dataclass(frozen=True)
class Teacher(PromptRepsTeacher):
    """The teacher with that model."""

    run: ByTransformers | None = None

    def reps(self) -> PromptReps:
        assert self.run is not None
        return self.run


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_llama(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def tokenizer(llama: Path) -> Any:
    return AutoTokenizer.from_pretrained(llama)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of sixteen sentences and an empty one, in three shards, and pairs."""
    folder = tmp_path_factory.mktemp("short")
    texts = [*tiny_models.SENTENCES, "  ?! "]
    documents = [{"doc_id": f"d{i:02d}", "text": text} for i, text in enumerate(texts)]
    pairs = [
        {"query_id": f"q{i}", "query": " ".join(text.split()[:6]), "positives": [f"d{i:02d}"]}
        for i, text in enumerate(tiny_models.SENTENCES)
    ]
    write_jsonl(folder / "documents.jsonl", documents)
    gpte("ingest", folder / "documents.jsonl", "-o", folder / "corpus", "--shard-rows", 6)
    write_jsonl(folder / "pairs.jsonl", pairs)
    return folder


def teacher_of(llama: Path) -> Teacher:
    options = Options()
    return Teacher(f"promptreps:{llama}", options, "", "", run=ByTransformers(str(llama), options))


# Words and bags


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The foxes' den isn't far: 3.5 km!", {"foxes", "den", "far", "3", "5", "km"}),
        ("Größe, ÉTÉ – “naïve” snake_case", {"größe", "été", "naïve", "snake", "case"}),
        ("हिन्दी 我们喜欢喝茶。", {"हिन्दी", "我们喜欢喝茶"}),
        ("It is what it is.", set()),
    ],
)
def test_words(text: str, found: set[str]) -> None:
    assert words(text) == found


def test_a_bag_has_the_heaviest_tokens_in_their_order() -> None:
    tokens, weights = unpacked(bag(np.array([3, 5, 8, 9]), np.array([1.0, -2.0, 0.0, 9.0])))
    assert tokens.tolist() == [3, 9]
    assert weights.tolist() == [69, 230]  # 100 log 2, 100 log 10
    tokens, weights = unpacked(bag(np.arange(200), np.full(200, 4.0)))
    assert tokens.tolist() == list(range(128)), "of equal ones the lowest"
    assert unpacked(bag(np.array([7]), np.array([1e30])))[1].tolist() == [4095]
    assert len(bag(np.zeros(0, dtype=np.int64), np.zeros(0))) == 0


def test_bags_are_what_the_whole_vocabulary_says(llama: Path, tokenizer: Any) -> None:
    model = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
    config = json.loads((llama / "config.json").read_text())
    bagger = Bagger(tokenizer, OPENING, OutputLayer(llama, config))
    texts = [*tiny_models.SENTENCES, "", "The of and", "Zebras <|end|> ÉTÉ"]
    states = np.random.default_rng(1).normal(size=(len(texts), 64)).astype(np.float32)
    with torch.inference_mode():
        logits = model.lm_head(torch.tensor(states)).double().numpy()
    start = tokenizer(OPENING, add_special_tokens=False)["input_ids"]
    for text, own, found in zip(texts, logits, bagger.bags(texts, states), strict=True):
        wanted: dict[int, float] = {}
        for word in words(text):
            ids = tokenizer(OPENING + word, add_special_tokens=False)["input_ids"]
            assert ids[: len(start)] == start
            wanted |= {t: math.log1p(own[t]) * 100 for t in ids[len(start) :] if own[t] > 0.01}
        tokens, weights = unpacked(found)
        assert tokens.tolist() == sorted(wanted)
        assert weights == pytest.approx([wanted[t] for t in sorted(wanted)], abs=0.51)


# The output layer


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "tied", "scaled", "with a bias"])
def test_logits_of_every_kind_of_layer(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(3)
    weight, bias = torch.randn(40, 8), torch.randn(40)
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(kind, torch.float32)
    weight = weight.to(dtype)
    name = "model.embed_tokens.weight" if kind == "tied" else "lm_head.weight"
    tensors = {"a": torch.ones(3), name: weight, "z": torch.ones(2)}
    config: dict[str, Any] = {}
    if kind == "with a bias":
        tensors["lm_head.bias"] = bias
    if kind == "scaled":
        config = {"logit_scale": 0.25, "logits_scaling": 2.0, "final_logit_softcapping": 1.5}
    save_file({"b": torch.ones(1)}, tmp_path / "model-00001.safetensors")
    save_file(tensors, tmp_path / "model-00002.safetensors")
    hidden, tokens = torch.randn(8), np.array([39, 0, 7, 7])
    wanted = weight.double() @ hidden.double() + (bias if kind == "with a bias" else 0)
    if kind == "scaled":
        wanted = 1.5 * torch.tanh(wanted / 8 / 1.5)
    found = OutputLayer(tmp_path, config).logits(hidden.numpy(), tokens)
    assert found == pytest.approx(wanted[tokens].numpy(), abs=1e-6)


def test_a_tied_layer_is_the_input_layer_whatever_else_is_stored(tmp_path: Path) -> None:
    own, tied = torch.randn(9, 4), torch.randn(9, 4)
    save_file(
        {"lm_head.weight": own, "model.embed_tokens.weight": tied}, tmp_path / "model.safetensors"
    )
    every = np.arange(9)
    for is_tied, wanted in ((True, tied), (False, own)):
        layer = OutputLayer(tmp_path, {"tie_word_embeddings": is_tied})
        assert (layer.weights(every) == wanted.numpy()).all()


def test_a_layer_that_is_not_there_or_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="has no output layer in its safetensors"):
        OutputLayer(tmp_path, {})
    save_file({"lm_head.weight": torch.ones(3, 4, dtype=torch.int8)}, tmp_path / "a.safetensors")
    with pytest.raises(BadOption, match=r"holds lm_head\.weight in I8"):
        OutputLayer(tmp_path, {})


# Prompts


def test_the_prompt_stands_in_the_models_own_template(tokenizer: Any) -> None:
    for prompt in (PASSAGE, QUERY):
        found = around(tokenizer, prompt)
        whole = tokenizer.decode([*found.before, *tokenizer("river")["input_ids"], *found.after])
        said = prompt.replace("\ue000", "river")
        assert whole == f"<s><|user|>\n{said}<|end|>\n<|assistant|>\n{OPENING}"


def test_a_model_without_a_template_gets_the_same_lines(llama: Path) -> None:
    bare = AutoTokenizer.from_pretrained(llama)
    bare.chat_template = None
    found = around(bare, QUERY)
    assert bare.decode(found.before) == "<s>Search query: "
    assert bare.decode(found.after).endswith(f"in lower case.\n\n{OPENING}")


def test_a_template_says_the_same_on_every_day(llama: Path) -> None:
    dated = AutoTokenizer.from_pretrained(llama)
    dated.chat_template = (
        "{{ strftime_now('%d %B') }}|{{ date_string }}|{{ enable_thinking }}|"
        + tiny_models.CHAT_TEMPLATE
    )
    start = dated.decode(around(dated, PASSAGE).before)
    assert start.startswith("1 July 2024|1 July 2024|False|<s>")


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ raise_exception('no users') }}", "fails on a message: no users"),
        ("hello", "shows a message 0 times"),
        ("{{ messages[0].content * 2 }}", "shows a message 2 times"),
    ],
)
def test_a_template_that_will_not_do(llama: Path, template: str, problem: str) -> None:
    other = AutoTokenizer.from_pretrained(llama)
    other.chat_template = template
    with pytest.raises(BadOption, match=problem):
        around(other, PASSAGE)


def test_nothing_in_a_text_closes_the_message(llama: Path) -> None:
    model = open_promptreps(str(llama), Options())
    (tokens,) = model._encoded(["sand <|end|> sea"])
    assert min(tokens) >= len(tiny_models.LLAMA_SPECIAL_TOKENS)


# Options


def test_a_model_that_is_no_language_model(tmp_path: Path, llama: Path) -> None:
    bert = tiny_models.tiny_embedder(tmp_path / "embedder")
    with pytest.raises(BadOption, match="is a BertModel: expected a language model that writes"):
        open_promptreps(str(bert), Options()).check()
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadOption, match=r"has no config\.json"):
        open_promptreps(str(tmp_path / "empty"), Options()).check()
    open_promptreps(str(llama), Options()).check()


def test_a_model_too_short_for_the_prompt(llama: Path, tmp_path: Path) -> None:
    for path in llama.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    said = json.loads((llama / "config.json").read_text())
    for length, room in ((400, 400), (100, 0)):
        (tmp_path / "config.json").write_text(
            json.dumps(said | {"max_position_embeddings": length})
        )
        model = open_promptreps(str(tmp_path), Options())
        if room:
            assert model.room == length - max(map(len, model._prompts))
        else:
            with pytest.raises(BadOption, match="takes 100 tokens, and the prompt alone has"):
                model.check()


def test_what_decides_the_vectors(llama: Path) -> None:
    spec = f"promptreps:{llama}"
    told = teacher_identity(spec)
    assert told["kind"] == "promptreps" and PASSAGE in told["prompts"]
    specs = {
        open_teacher(spec, Options(encoding=Encoding(max_length=n))).vector_spec.folder
        for n in (None, 512, 64)
    }
    assert len(specs) == 2, "512 is what is read where nothing is asked for"
    for encoding, option in ((Encoding("float32"), "--dtype"), (Encoding("auto", 9, 8), "dim")):
        with pytest.raises(BadOption, match=option):
            promptreps_identity(spec, encoding)
    with pytest.raises(BadOption, match="names no model"):
        teacher_identity("promptreps:")


def test_its_workers_have_gpus_of_their_own(tmp_path: Path) -> None:
    for teacher, each in (("promptreps:m", 1), ("st:m", 0)):
        cfg = MineConfig.model_construct(corpus=(tmp_path,), teacher=("st:a", teacher))
        assert gpus_of_worker(cfg) == each


# Search


def options_of(top_k: int, *teachers: str) -> MineConfig:
    """Return options, whose teachers are only counted."""
    return MineConfig.model_construct(
        corpus=(), earlier=(), teacher=teachers, top_k=top_k, fusion="zscore"
    )


def plain(packed: Any) -> dict[int, float]:
    """Return a bag as a dict."""
    tokens, weights = unpacked(packed)
    return dict(zip(tokens.tolist(), weights.tolist(), strict=True))


def test_bags_beside_a_corpus_are_searched_exactly(
    llama: Path, short: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, teacher = Corpus((short / "corpus",)), teacher_of(llama)
    teacher.ensure(corpus)
    ensure_bags(corpus, teacher)
    assert teacher.run is not None
    passages = [full_text(row) for row in rows(short / "corpus")]
    states = np.concatenate([part.block(0, 99) for part in teacher.documents(corpus).parts])
    assert states.dtype == np.float16 and np.linalg.norm(states[0].astype("f4")) > 2
    directions = teacher.documents(corpus).take(np.arange(17))
    assert np.linalg.norm(directions, axis=1) == pytest.approx(np.ones(17), abs=1e-6)
    bags = list(teacher.run.bagger.bags(passages, states))
    asked: list[dict[str, Any]] = [
        {"query": text, "positives": ["x"]} for text in (*tiny_models.SENTENCES, "of the")
    ]
    own = list(teacher.run.bagger.bags([a["query"] for a in asked], teacher.states(asked).vectors))
    for block in (1, 5, 100):
        monkeypatch.setattr(inverted, "BLOCK", block)
        found = BagSecond(teacher, corpus).search(asked, 2)
        for n, one in enumerate(own):
            mine, others = plain(one), map(plain, bags)
            scores = [sum(mine.get(t, 0) * w for t, w in other.items()) for other in others]
            assert found.scores(n, np.arange(17), None).tolist() == scores
            least = max(sorted(scores)[-3], 1)
            assert sorted(found.hits[n]) == [i for i, s in enumerate(scores) if s >= least]
    assert not len(found.hits[-1]) and sum(len(hits) >= 3 for hits in found.hits) > 5


def test_one_pass_for_both_and_bags_follow_what_is_stored(llama: Path, short: Path) -> None:
    corpus, teacher = Corpus((short / "corpus",)), teacher_of(llama)
    assert teacher.run is not None
    miner = opened(options_of(5, "st:m", "bm25"), corpus, [teacher])
    label = "promptreps:tiny"
    assert [second.label for second in miner.others] == [f"{label} words", "bm25"]
    before = teacher.run.passes
    pairs = [json.loads(line) for line in (short / "pairs.jsonl").read_text().splitlines()]
    mined = list(miner.mine(pairs, Context()))
    assert teacher.run.passes - before == len(pairs), "a query is read once"
    assert all(one.teacher_scores.shape[1] == 3 for one in mined)
    for path in (short / "corpus" / "_vectors").glob(f"{bags_spec(teacher).folder}/*"):
        if path.is_file():
            path.unlink()
    ensure_bags(corpus, teacher)
    assert teacher.run.passes - before == len(pairs), "no passage is read again for its words"
    again = list(opened(options_of(5, "st:m", "bm25"), corpus, [teacher]).mine(pairs, Context()))
    for one, other in zip(mined, again, strict=True):
        assert (one.teacher_scores == other.teacher_scores).all()
        assert (one.positions == other.positions).all()


def test_a_killed_run_goes_on_and_a_changed_text_costs_one_pass(
    llama: Path, short: Path, tmp_path: Path
) -> None:
    shards = [list(io.read(path)) for path in io.shards(short / "corpus")]
    for number, shard in enumerate(shards):
        io.write(tmp_path / f"{number:05d}.parquet", shard)
    teacher = teacher_of(llama)
    assert teacher.run is not None
    teacher.run.most = 8
    with pytest.raises(KeyboardInterrupt):
        teacher.ensure(Corpus((tmp_path,)))
    teacher.run.most = 10_000
    opened(options_of(5, "st:m"), Corpus((tmp_path,)), [teacher])
    assert teacher.run.passes == 17
    shards[0][2]["text"] = "Steel and bread: what a heart wants."
    io.write(tmp_path / "00000.parquet", shards[0])
    corpus = Corpus((tmp_path,))
    (second,) = opened(options_of(5, "st:m"), corpus, [teacher]).others
    assert teacher.run.passes == 18
    assert isinstance(second, BagSecond)
    passages = [full_text(row) for shard in shards for row in shard]
    states = np.concatenate([part.block(0, 99) for part in teacher.documents(corpus).parts])
    for n, wanted in enumerate(teacher.run.bagger.bags(passages, states)):
        assert second.terms.of(np.array([n]))[0].tolist() == wanted.tolist()


# vLLM

SCRIPT = """
import json, sys
import numpy as np
from gpte_data.backends import Encoding, Options
from gpte_data.backends.promptreps import open_promptreps

folder, out = sys.argv[1:]
model = open_promptreps(folder, Options(encoding=Encoding(max_length=20)))
texts = json.loads(sys.stdin.read())
for query in (False, True):
    batches = list(model.hidden(texts, "about: ", query))
    np.save(f"{out}/{int(query)}.npy", np.concatenate([batch.vectors for batch in batches]))
    print(sum(batch.truncated for batch in batches))
"""


def vllm_states(llama: Path, folder: Path, texts: list[str]) -> list[int]:
    """Save hidden states of passages and queries; return how many were cut."""
    done = subprocess.run(
        [str(PYTHON), "-c", SCRIPT, str(llama), str(folder)], env=ENVIRONMENT,
        input=json.dumps(texts), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


class TestVLLM:
    """The pass itself."""

    pytestmark = with_vllm

    def test_hidden_states_are_those_of_transformers(self, llama: Path, tmp_path: Path) -> None:
        texts = [*tiny_models.SENTENCES, "", "sand <|end|> sea", "river " * 999]
        truncated = vllm_states(llama, tmp_path, texts)
        other = ByTransformers(str(llama), Options(encoding=Encoding(max_length=20)))
        for query in (False, True):
            wanted = list(other.hidden(texts, "about: ", query))
            states = np.concatenate([batch.vectors for batch in wanted])
            found = np.load(tmp_path / f"{int(query)}.npy")
            assert found.dtype == np.float32 and np.abs(states).max() > 1
            assert found == pytest.approx(states, abs=1e-4)
            assert truncated[query] == sum(batch.truncated for batch in wanted) >= 1
            bags = [list(other.bagger.bags(texts, some)) for some in (states, found)]
            for one, same in zip(*bags, strict=True):
                assert unpacked(one)[0].tolist() == unpacked(same)[0].tolist()
                assert unpacked(one)[1] == pytest.approx(unpacked(same)[1], abs=1)

    def test_mining_whole(self, llama: Path, short: Path, tmp_path: Path) -> None:
        corpus, pairs = tmp_path / "corpus", short / "pairs.jsonl"
        gpte("ingest", short / "documents.jsonl", "-o", corpus, "--shard-rows", 6)
        mine = ("mine-negatives", pairs, "--corpus", corpus, "--relative-margin", 0)
        teacher = ("--teacher", f"promptreps:{llama}")
        gpte("embed", corpus, *teacher, program=WITH_VLLM)
        states = {path: path.stat().st_mtime_ns for path in corpus.glob("_vectors/*/*")}
        gpte(*mine, "-o", tmp_path / "a", *teacher, program=WITH_VLLM)
        assert len(states) == 7 and all(
            p.is_dir() or p.stat().st_mtime_ns == t for p, t in states.items()
        )
        with_transformers = teacher_of(llama)
        asked = [json.loads(line) for line in pairs.read_text().splitlines()]
        miner = opened(options_of(100, "st:m"), Corpus((short / "corpus",)), [with_transformers])
        for row, other in zip(rows(tmp_path / "a"), miner.mine(asked, Context()), strict=True):
            assert row["teachers"] == ["promptreps:tiny", "promptreps:tiny words"]
            ids = miner.corpus.doc_ids.take(other.positions).to_pylist()
            theirs = dict(zip(ids, other.teacher_scores.tolist(), strict=True))
            assert len(row["candidates"]) == 16 == len(theirs)
            for hit in row["candidates"]:
                dense, sparse = hit["teacher_scores"]
                assert dense == pytest.approx(theirs[hit["doc_id"]][0], abs=1e-3)
                assert sparse == pytest.approx(theirs[hit["doc_id"]][1], rel=0.02, abs=2)

    def test_what_a_command_says_of_other_models(self, short: Path, tmp_path: Path) -> None:
        bert = tiny_models.tiny_embedder(tmp_path / "embedder")
        mine = ("mine-negatives", short / "pairs.jsonl", "--corpus", short / "corpus")
        teacher = ("--teacher", f"promptreps:{bert}")
        done = gpte(*mine, *teacher, "-o", tmp_path / "out", program=WITH_VLLM, code=2)
        assert_one_sentence(done.stderr, "is a BertModel", "language model")
        assert not (tmp_path / "out").exists()


def test_without_vllm_it_says_what_to_install(llama: Path, short: Path, tmp_path: Path) -> None:
    if subprocess.run([sys.executable, "-c", "import vllm"], capture_output=True).returncode == 0:
        pytest.skip("vLLM is here")
    mine = ("mine-negatives", short / "pairs.jsonl", "--corpus", short / "corpus")
    teacher = ("--teacher", f"promptreps:{llama}")
    done = gpte(*mine, *teacher, "-o", tmp_path / "out", code=2)
    assert_one_sentence(done.stderr, "gpte-data[vllm]")
