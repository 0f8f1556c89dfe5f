"""What vLLM is told, tested without vLLM and without a GPU: its arguments, each worker's cards."""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch

from gpte_data.backends import Options, vllm_devices
from gpte_data.backends.vllm_args import gpus_of_one, user_args
from gpte_data.backends.vllm_devices import shares, visible_gpus, worker_gpus
from gpte_data.engines import _start_worker, dealt, run_jobs
from gpte_data.errors import BadOption
from gpte_data.shard import Job
from gpte_data.stages import load


def test_what_the_user_gives_is_passed_on() -> None:
    assert user_args(Options()) == {}
    assert user_args(Options(tensor_parallel=2)) == {"tensor_parallel_size": 2}
    given = Options(engine_args='{"max_model_len": 512, "trust_remote_code": true}')
    assert user_args(given) == {"max_model_len": 512, "trust_remote_code": True}
    both = Options(engine_args='{"tensor_parallel_size": 4}', tensor_parallel=2)
    assert user_args(both) == {"tensor_parallel_size": 4}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_model_len=512", "takes a JSON object such as"),
        ("[1, 2]", "JSON of another kind (list)"),
        ('{"model": "another"}', "can't set model: the model is in the SPEC"),
        ('{"runner": "pooling"}', "can't set runner: the stage decides"),
        ('{"data_parallel_size": 2}', "every one of --workers has an engine of its own"),
        ('{"hf_token": "hf_secret"}', "set HF_TOKEN in the environment"),
        ('{"hf_token": "hf_secret', "takes a JSON object such as"),
    ],
)
def test_what_is_not_the_users_to_give_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadOption) as refused:
        user_args(Options(engine_args=text))
    assert words in str(refused.value)
    assert "hf_secret" not in str(refused.value)


def test_an_engine_takes_the_product_of_what_it_is_spread_over() -> None:
    spread = '{"tensor_parallel_size": 2, "pipeline_parallel_size": 3}'
    assert gpus_of_one(Options(engine_args=spread)) == 6
    assert gpus_of_one(Options(tensor_parallel=4)) == 4
    with pytest.raises(BadOption, match="tensor_parallel_size takes a whole number, found 'two'"):
        gpus_of_one(Options(engine_args='{"tensor_parallel_size": "two"}'))


def test_cards_are_shared_out_in_order() -> None:
    assert shares(["0", "1", "2", "3"], 4, 1) == ["0", "1", "2", "3"]
    assert shares(["4", "5", "6", "7", "9"], 2, 2) == ["4,5", "6,7"]
    with pytest.raises(BadOption, match=r"take 6 GPUs, found 4: give --workers 2"):
        shares(["0", "1", "2", "3"], 3, 2)
    with pytest.raises(BadOption, match="give --tensor-parallel a smaller number"):
        shares(["0", "1"], 2, 4)


@pytest.mark.parametrize(
    ("variable", "found", "cards"),
    [
        (None, 0, []),
        (None, 3, ["0", "1", "2"]),
        ("2, 5", 2, ["2", "5"]),
        ("GPU-aa,GPU-bb", 2, ["GPU-aa", "GPU-bb"]),
        ("3,-1,4", 1, ["3"]),  # CUDA ends the list at what is no card
        ("0,1", 0, []),  # set on a machine without a GPU
    ],
)
def test_the_cards_are_those_that_the_user_lets_us_see(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, found: int, cards: list[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible_gpus() == cards


def test_only_stages_that_run_vllm_get_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_devices, "visible_gpus", lambda: ["0", "1"])
    synth, mine, emit = load("synth").config, load("mine-negatives").config, load("emit").config
    assert worker_gpus(synth.of({"llm": "vllm:model"}), 2) == ["0", "1"]
    assert worker_gpus(synth.of({"llm": "openai:model"}), 2) == []
    assert worker_gpus(mine.of({"corpus": ["c"], "teacher": "vllm:model"}), 2) == ["0", "1"]
    assert worker_gpus(emit.of({"corpus": ["c"]}), 2) == []
    monkeypatch.setattr(vllm_devices, "visible_gpus", list)
    assert worker_gpus(synth.of({"llm": "vllm:model"}), 8) == []


def seen(_: int) -> tuple[int, str | None]:
    """Return which process this is, and the cards that it sees; slow, so that all get some."""
    time.sleep(0.3)
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")


def test_each_worker_sees_its_own_cards_and_keeps_them() -> None:
    context = multiprocessing.get_context("spawn")
    reports, stop = context.SimpleQueue(), context.Event()
    told = (reports, os.getpid(), stop, dealt(["0,1", "2,3"], context))
    with ProcessPoolExecutor(2, context, _start_worker, told) as pool:
        found = list(pool.map(seen, range(6)))
    assert sorted({cards or "" for _, cards in found}) == ["0,1", "2,3"]
    assert len(set(found)) == 2


def test_too_few_cards_are_found_out_before_any_worker_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(vllm_devices, "visible_gpus", lambda: ["0"])
    cfg = load("synth").config.of({"llm": "vllm:model"})
    jobs = [Job("synth", cfg, tmp_path / f"{n}.jsonl", tmp_path / "out", str(n), {}) for n in "01"]
    with pytest.raises(BadOption, match=r"take 2 GPUs, found 1: give --workers 1"):
        next(run_jobs(jobs, "local", 2, lambda rows, tokens: None))
    assert not (tmp_path / "out").exists()
