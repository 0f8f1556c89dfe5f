"""What is said of licences: by the user, and by the passages themselves.

Nothing is guessed. Where nobody has said it, the card says `unknown`, and what is to be looked at.
"""

from collections.abc import Sequence

from gpte_data.errors import BadOption

HUB = frozenset({
    "apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m",
    "bigcode-openrail-m", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd", "bsd-2-clause",
    "bsd-3-clause", "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5",
    "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0",
    "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0",
    "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cdla-sharing-1.0", "cdla-permissive-1.0",
    "cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1",
    "eupl-1.2", "agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0",
    "isc", "intel-research", "ms-pl", "mpl-2.0", "odc-by", "odbl", "openrail++", "osl-3.0",
    "postgresql", "ofl-1.1", "ncsa", "unlicense", "zlib", "pddl", "llama2", "llama3", "llama3.1",
    "llama3.2", "llama3.3", "llama4", "gemma", "unknown", "other",
})  # fmt: skip
"""Names that the hub knows (https://huggingface.co/docs/hub/repositories-licenses)."""
UNKNOWN = "unknown"
_LINKS = {
    "mit": "https://opensource.org/license/mit",
    "apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "odc-by": "https://opendatacommons.org/licenses/by/1-0/",
    "odbl": "https://opendatacommons.org/licenses/odbl/1-0/",
    "pddl": "https://opendatacommons.org/licenses/pddl/1-0/",
}


def parsed(given: Sequence[str], datasets: Sequence[str]) -> dict[str, str]:
    """Return whose licence is what; "" stands for all the others.

    Raises:
        BadOption: An empty name, a dataset that there is not, one of them twice.
    """
    found: dict[str, str] = {}
    for one in given:
        dataset, equals, name = one.partition("=")
        dataset, name = (dataset.strip(), name.strip()) if equals else ("", one.strip())
        if not name or (equals and not dataset):
            raise BadOption(f"--license {one!r} won't do: expected NAME or DATASET=NAME")
        if dataset and dataset not in datasets:
            known = ", ".join(filter(None, datasets)) or "one dataset without a name"
            raise BadOption(f"--license {one}: there is no dataset {dataset!r}, found {known}")
        if dataset in found:
            raise BadOption(f"--license names {dataset or 'all datasets'} twice")
        found[dataset] = name
    return found


def of(dataset: str, said: dict[str, str]) -> str:
    """Return the licence of a dataset, or `unknown`."""
    return said.get(dataset, said.get("", UNKNOWN))


def head(said: dict[str, str], datasets: Sequence[str]) -> dict[str, str | list[str]]:
    """Return the keys that the hub reads; a name that it does not know is `other` with a name."""
    names = list(dict.fromkeys(of(dataset, said) for dataset in datasets)) or [UNKNOWN]
    known = [name.lower() if name.lower() in HUB else "other" for name in names]
    ids = list(dict.fromkeys(known))
    keys: dict[str, str | list[str]] = {"license": ids[0] if len(ids) == 1 else ids}
    if own := [name for name, id_ in zip(names, known, strict=True) if id_ == "other"]:
        keys["license_name"] = "-".join("-".join(own).lower().split())
    return keys


def link(name: str) -> str:
    """Return where a licence can be read, or its name where nobody but its owner knows."""
    lower = name.lower()
    if lower.startswith("cc-by"):
        kind, _, version = lower.removeprefix("cc-").rpartition("-")
        return f"https://creativecommons.org/licenses/{kind}/{version}/"
    return _LINKS.get(lower, name)
