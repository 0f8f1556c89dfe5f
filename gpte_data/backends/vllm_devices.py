"""Which GPUs each worker's vLLM gets: one engine a worker, each on cards of its own.

What is handed out are the entries of CUDA_VISIBLE_DEVICES, numbers or names, where the user has set
it, else the numbers of the cards that torch sees. Without a GPU nothing is handed out.
"""

import os
from collections.abc import Sequence
from typing import Any

from gpte_data.backends import Options
from gpte_data.backends.vllm_args import gpus_of_one
from gpte_data.errors import BadOption

VARIABLE = "CUDA_VISIBLE_DEVICES"
KINDS = ("vllm:", "promptreps:")
"""How SPECs of models that vLLM runs begin."""


def gpus_of_worker(cfg: Any) -> int:
    """Return how many GPUs a worker of a stage with this config needs; 0 if it runs no vLLM.

    It runs vLLM if a SPEC in its config says so; its `options()` tell how.
    """
    values = [value for _, value in cfg]
    several = [one for value in values if isinstance(value, tuple) for one in value]
    if not any(isinstance(v, str) and v.startswith(KINDS) for v in (*values, *several)):
        return 0
    options: Options = cfg.options()
    return gpus_of_one(options)


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    try:
        import torch
    except ImportError:
        return []
    found = torch.cuda.device_count()  # by the driver: no GPU is opened for it
    named = os.environ.get(VARIABLE)
    names = [str(n) for n in range(found)] if named is None else named.split(",")
    return [name.strip() for name in names][:found]


def shares(gpus: Sequence[str], workers: int, each: int) -> list[str]:
    """Return the CUDA_VISIBLE_DEVICES of each worker, as many GPUs as it needs.

    Raises:
        BadOption: There are too few.
    """
    if workers * each > len(gpus):
        fitting = len(gpus) // each
        mend = f"give --workers {fitting}" if fitting else "give --tensor-parallel a smaller number"
        raise BadOption(
            f"--workers {workers} with a vLLM engine each, of {each} GPU{'s' * (each > 1)}, take "
            f"{workers * each} GPUs, found {len(gpus)}: {mend}"
        )
    return [",".join(gpus[i * each : (i + 1) * each]) for i in range(workers)]


def worker_gpus(cfg: Any, workers: int) -> list[str]:
    """Return the CUDA_VISIBLE_DEVICES of each worker of a stage; none where it changes nothing."""
    each = gpus_of_worker(cfg)
    gpus = visible_gpus() if each else []
    return shares(gpus, workers, each) if gpus else []
