"""What the user wants of vLLM's engine: --engine-args, a JSON object, and --tensor-parallel.

What is given there wins over what gpte-data would set, one name at a time. Names and values are
vLLM's own; only what the SPEC or the number of workers says already is refused.
"""

import difflib
import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson

from gpte_data.backends import Options
from gpte_data.errors import BadOption

TAKEN: Mapping[str, str] = {
    "model": "the model is in the SPEC, vllm:MODEL",
    "runner": "the stage decides whether the model writes, embeds or scores",
    "data_parallel_size": "every one of --workers has an engine of its own",
    "hf_token": "it is a secret: set HF_TOKEN in the environment",
}
"""Arguments that are not the user's to give, and why."""
SPREAD = ("tensor_parallel_size", "pipeline_parallel_size")
"""An engine is spread over the product of these, in GPUs."""


def user_args(options: Options) -> dict[str, Any]:
    """Return the engine's arguments that the user gave.

    Raises:
        BadOption: --engine-args is no JSON object, or gives an argument that is not the user's.
    """
    args = _parsed(options.engine_args) if options.engine_args.strip() else {}
    for name in args:
        if name in TAKEN:
            raise BadOption(f"--engine-args can't set {name}: {TAKEN[name]}")
    if options.tensor_parallel > 1:
        args.setdefault("tensor_parallel_size", options.tensor_parallel)
    return args


def _parsed(text: str) -> dict[str, Any]:
    """Return the object that a text is the JSON of; it may hold a secret, so no error shows it."""
    wanted = '--engine-args takes a JSON object such as {"max_model_len": 8192}'
    try:
        args = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadOption(f"{wanted}, found what is not JSON: {error}") from None
    if not isinstance(args, dict):
        raise BadOption(f"{wanted}, found JSON of another kind ({type(args).__name__})")
    return args


def gpus_of_one(options: Options) -> int:
    """Return how many GPUs one engine is spread over; raise BadOption as `user_args`."""
    args, spread = user_args(options), 1
    for name in SPREAD:
        size = args.get(name, 1)
        if type(size) is not int or size < 1:
            raise BadOption(f"--engine-args {name} takes a whole number, found {size!r}")
        spread *= size
    return spread


def check_names(names: Mapping[str, Any]) -> None:
    """Raise BadOption for an argument that the installed vLLM does not have."""
    if unknown := sorted(names.keys() - _known()):
        near = difflib.get_close_matches(unknown[0], _known(), n=1)
        hint = f"did you mean {near[0]}?" if near else "see the engine arguments in vLLM's docs"
        raise BadOption(f"--engine-args: vLLM has no engine argument {unknown[0]!r}; {hint}")


@cache
def _known() -> frozenset[str]:
    """Return the names of all arguments of vLLM's engine; vLLM is imported by now."""
    import dataclasses

    import vllm

    of_engine = {part.name for part in dataclasses.fields(vllm.EngineArgs)}
    of_class = inspect.signature(vllm.LLM.__init__).parameters.keys() - {"self", "kwargs"}
    return frozenset(of_engine | of_class)
