"""vLLM: its settings, the one engine of this process, and its errors in our words.

As vLLM does by default, the engine runs beside us in a process of its own, so that neither waits
for the other's work. A process of ours has one engine at a time, since an engine takes most of an
accelerator's memory; asked for another model, it closes the one before. Settings are vLLM's own
environment variables, so those that the user has set win over ours.
"""

import contextlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from multiprocessing.util import Finalize
from types import ModuleType
from typing import Any

from gpte_data.backends import Options
from gpte_data.backends.models import model_identity, model_path
from gpte_data.backends.vllm_args import check_names, gpus_of_one, user_args
from gpte_data.backends.vllm_orphans import Watch
from gpte_data.backends.vllm_running import Engine, in_a_line
from gpte_data.errors import BadOption, MissingExtra

SETTINGS = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB, of each worker; without it vLLM takes most of the memory
}
ON_CPU = {
    "enforce_eager": True,
    # A prefill that is split, of a request with a seed, ends vLLM 0.32 on a CPU:
    # "CPU Generator does not use offset".
    "enable_chunked_prefill": False,
}
_engines: dict[tuple[str, ...], Engine] = {}
"""The engine that is open, by what it runs, its arguments and the model's identity; at most one."""


def check(model: str, options: Options) -> None:
    """Find out before the first row what can be known without vLLM.

    Raises:
        MissingExtra: There is no vLLM.
        BadOption: The model's folder is not there, or --engine-args won't do.
    """
    gpus_of_one(options)
    if importlib.util.find_spec("vllm") is None:
        raise MissingExtra.of("vllm", "vllm")
    model_path(model)


def engine(
    model: str, runner: str, options: Options, more: Mapping[str, Any] | None = None
) -> Engine:
    """Return the engine of a model, opened if need be.

    Args:
        model: A folder or a hub's name, as in the SPEC.
        runner: `generate` or `pooling`.
        options: `engine_args` and `tensor_parallel`.
        more: Further arguments that the model needs, over which the user's win.

    Raises:
        MissingExtra: vLLM is not installed.
        BadOption: There is no such model, or vLLM can't load it, or not with these arguments, or
            another engine of this process still has requests.
    """
    args = {**(more or {}), **user_args(options)}
    key = (runner, repr(sorted(args.items())), *model_identity(model).values())
    if key not in _engines:
        for other in _engines.values():
            if other.waiting:
                raise BadOption(
                    f"vllm:{model} can't be opened while {other.spec} is writing, a process runs "
                    "one vLLM engine: use a server (openai:) for one of them"
                )
        close()
        watch = Watch()
        with watch.opening():
            llm = _opened(model, runner, args)
        _engines[key] = Engine(f"vllm:{model}", llm, watch.end)
        # Not atexit: a worker process never comes to that, it waits for its children before.
        Finalize(None, close, exitpriority=100)
    return _engines[key]


def pooling_engine(
    model: str, task: str, wanted: str, options: Options, more: Mapping[str, Any] | None = None
) -> Engine:
    """Return the engine of a model that embeds or classifies.

    Args:
        model: As for `engine`.
        task: What vLLM calls it: `embed` or `classify`.
        wanted: What the user would call such a model, for the error.
        options: As for `engine`.
        more: As for `engine`.

    Raises:
        MissingExtra, BadOption: As `engine`, and BadOption if the model does something else.
    """
    opened = engine(model, "pooling", options, more)
    tasks = opened.llm.supported_tasks
    if task not in tasks:
        raise BadOption(f"vllm:{model} is no {wanted}: vLLM runs it for {', '.join(tasks)}")
    return opened


def close() -> None:
    """Shut the open engine down, if there is one."""
    while _engines:
        _engines.popitem()[1].close()


def _opened(model: str, runner: str, args: dict[str, Any]) -> Any:
    vllm, path = _imported(), model_path(model)
    check_names(args)
    told = {"use_tqdm_on_load": False} | _ours(runner) | args
    try:
        with _quiet():
            return vllm.LLM(model=path, runner=runner, **told)
    except Exception as error:  # vLLM raises whatever its parts raise
        raise BadOption(f"vllm:{model} can't be opened by vLLM: {in_a_line(error)}") from error


def _imported() -> ModuleType:
    """Import vLLM with our settings; raise MissingExtra if there is none."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    # A fork would hold the pipe by whose end vllm_orphans.py is told of ours, and copy our threads.
    os.environ["VLLM_WORKER_MULTIPROCESSING_METHOD"] = "spawn"
    try:
        with _quiet():
            import vllm
    except ImportError:
        raise MissingExtra.of("vllm", "vllm") from None
    module: ModuleType = vllm
    return module


def _ours(runner: str) -> dict[str, Any]:
    """Return what the engine is opened with, beside the model, where the user says nothing else.

    A model that generates takes texts as long as the memory allows (max_model_len -1), up to what
    it was made for: passages are far shorter, and the cache for one full context of a modern model
    may not fit. One that embeds or scores keeps its own length, which decides what is cut off.
    """
    from vllm.platforms import current_platform

    options: dict[str, Any] = {"max_model_len": -1} if runner == "generate" else {}
    if not current_platform.is_cpu():
        return options
    # On a CPU the teacher's vectors are those of sentence-transformers to the last few bits.
    return options | ON_CPU | ({} if runner == "generate" else {"dtype": "float32"})


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Ignore warnings, and send to stderr what C++ libraries (Gloo) print on stdout: it is data."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
