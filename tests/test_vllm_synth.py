"""Real vLLM in process, at the level of requests: nested iterators, second tries, arguments.

One process for all of it, since an engine takes seconds to open; see SCRIPT. The rest of vLLM's
tests are in test_vllm.py.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_vllm import ENVIRONMENT, PYTHON, pytestmark  # noqa: F401

SCRIPT = """
import itertools, json, sys
from gpte_data.backends import Options, Request, open_embedder, open_llm
from gpte_data.backends import vllm_engine
from gpte_data.backends.answers import repair
from gpte_data.backends.embedded import embed
from gpte_data.errors import UserError

models = sys.argv[1]
schema = {"type": "object", "properties": {"query": {"type": "string", "maxLength": 20}},
          "required": ["query"], "additionalProperties": False}

def asked(text, seed, most=100):
    sampling = {"temperature": 0.7, "max_tokens": most, "seed": seed}
    return Request("tiny", [{"role": "user", "content": text}], schema, sampling)

def opened(**options):
    return open_llm(f"vllm:{models}/tiny", Options(**options))

def error(use):
    try:
        use()
    except UserError as error:
        return str(error)

nobody = lambda request, completion: None
llm = opened()
found = {}

# Requests made from the answers of another iterator, in one engine.
def then(completion, n):
    return asked(f"More about {completion.answer['query']}", 1000 + n)

first = [asked(f"river {n}", n) for n in range(40)]
one_by_one = list(llm.complete(first, nobody))
after = list(llm.complete([then(c, n) for n, c in enumerate(one_by_one)], nobody))
inner, outer, finished = [], [], []
keep = lambda kept: (lambda request, completion: kept.append(completion))
made = (then(c, n) for n, c in enumerate(llm.complete(first, keep(inner))))
nested = list(llm.complete(made, keep(outer)))
found["nested"] = nested == after and len(inner) == len(outer) == 40

# Two side by side, one of them dropped on the way: the other is not disturbed.
left, right = llm.complete(first, nobody), llm.complete(first[::-1], nobody)
beside = [next(left), next(right), next(left)]
right.close()
beside += list(left)
del beside[1]
found["beside"] = beside == one_by_one
engine = vllm_engine.engine(f"{models}/tiny", "generate", Options())
found["left over"] = len(engine.waiting)

# An answer that is none is asked for once more, and what both cost is booked.
short = [asked(f"river {n}", n, most=16) for n in range(120)]
tried = list(llm.complete(short, nobody))
again = list(llm.complete(short, nobody))
found["same"] = tried == again
found["tried"] = [(c.error, c.prompt_tokens, c.completion_tokens, c.raw) for c in tried]
tokens = engine.llm.get_tokenizer()
count = lambda messages: len(tokens.apply_chat_template(
    messages, add_generation_prompt=True, return_dict=True)["input_ids"])
cut = next(iter(llm.complete([asked("river", 5, most=2)], nobody)))
before = [{"role": "user", "content": "river"}]
(written,) = engine.llm.chat([before], [engine._sampling(schema, asked("", 5, 2).sampling)],
                             use_tqdm=False)[0].outputs
found["cut"] = (cut.error, cut.completion_tokens, cut.raw)
found["asked twice"] = cut.prompt_tokens == count(before) + count(
    repair(before, written.text, "answer cut off at max_tokens"))
# No room for a second try.
fill = lambda n: [{"role": "user", "content": "a " * n}]
times = next(n for n in itertools.count(900) if count(fill(n)) > 2030)
full = asked("a " * times, 1, most=2)
found["no room"] = [(c.error, c.completion_tokens, bool(c.raw))
                    for c in llm.complete([full], nobody)]

# Another model is not opened over requests that are running.
waiting = llm.complete(first, nobody)
next(waiting)
teacher = open_embedder(f"vllm:{models}/embedder", Options())
found["busy"] = error(lambda: embed(teacher, ["a"]))
waiting.close()

# The user's arguments: another engine, the same answers.
small = opened(engine_args='{"max_num_seqs": 4, "max_model_len": 512}')
found["small"] = list(small.complete(first, nobody)) == one_by_one
found["too long"] = [c.error for c in small.complete([asked("a " * 600, 1)], nobody)]
found["room"] = vllm_engine.engine(f"{models}/tiny", "generate", small.options).room
found["open"] = len(vllm_engine._engines)
teacher = open_embedder(f"vllm:{models}/embedder", Options(engine_args='{"max_model_len": 16}'))
found["cut texts"] = embed(teacher, ["a " * 40]).truncated
for name, args in (("unknown", '{"max_modl_len": 1}'), ("bad value", '{"dtype": "tiny"}')):
    found[name] = error(lambda: list(opened(engine_args=args).complete(first, nobody)))
# A request with a seed whose prefill is split ends vLLM on a CPU: an engine that breaks down.
split = opened(engine_args='{"enable_chunked_prefill": true, "max_num_batched_tokens": 256}')
long = [asked("b " * 700, n) for n in range(3)]
found["broken"] = error(lambda: list(split.complete(long, nobody)))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What SCRIPT found."""
    import tiny_models

    folder: Path = tmp_path_factory.mktemp("models")
    tiny_models.tiny_llama(folder / "tiny")
    tiny_models.tiny_embedder(folder / "embedder")
    command = [str(PYTHON), "-c", SCRIPT, str(folder)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_iterators_may_be_nested_and_dropped(found: dict[str, Any]) -> None:
    assert found["nested"]
    assert found["beside"]
    assert found["left over"] == 0


def test_an_answer_that_is_none_is_asked_for_once_more(found: dict[str, Any]) -> None:
    tried = found["tried"]
    mended = [row for row in tried if not row[0] and row[2] > 16]
    failed = [row for row in tried if row[0]]
    at_once = [row for row in tried if not row[0] and row[2] <= 16]
    assert mended
    assert at_once
    assert failed
    assert "answer cut off at max_tokens" in {error for error, *_ in failed}
    assert all(16 < completed <= 32 and raw for _, _, completed, raw in failed)
    assert all(not raw for *_, raw in mended + at_once)
    least = max(prompt for _, prompt, *_ in at_once)
    assert all(prompt > 2 * least for _, prompt, *_ in mended + failed)
    assert found["same"]


def test_a_second_try_is_the_same_conversation_and_what_was_wrong(found: dict[str, Any]) -> None:
    error, completed, raw = found["cut"]
    assert error == "answer cut off at max_tokens"
    assert completed == 4
    assert raw
    assert found["asked twice"]


def test_without_room_there_is_no_second_try(found: dict[str, Any]) -> None:
    assert found["no room"] == [["answer cut off at max_tokens", 2, True]]


def test_one_engine_at_a_time(found: dict[str, Any]) -> None:
    assert found["open"] == 1
    assert "can't be opened while vllm:" in found["busy"]
    assert "one vLLM engine" in found["busy"]


def test_the_users_arguments_win_and_change_no_answer(found: dict[str, Any]) -> None:
    assert found["small"]
    assert found["room"] == 8
    assert found["too long"] == ["longer than the model takes"]
    assert found["cut texts"] == 1


def test_bad_arguments_are_one_sentence(found: dict[str, Any]) -> None:
    assert "no engine argument 'max_modl_len'; did you mean max_model_len?" in found["unknown"]
    assert "can't be opened by vLLM" in found["bad value"]


def test_an_engine_that_breaks_down_is_one_sentence(found: dict[str, Any]) -> None:
    assert "broke down" in found["broken"]
    assert "run the same command again" in found["broken"]
