"""How much of the queries each split gets."""

from collections.abc import Mapping

from gpte_data.errors import BadOption

TRAIN = "train"
NAMES = (TRAIN, "dev", "test")


def shares(spec: str) -> Mapping[str, float]:
    """Return the share of each split, `train=.9,dev=.05,test=.05`, in the order of NAMES.

    Raises:
        BadOption: They are no shares that make 1, or there is no train.
    """
    found: dict[str, float] = {}
    for part in filter(None, spec.split(",")):
        name, _, said = part.strip().partition("=")
        try:
            share = float(said)
        except ValueError:
            share = 0.0
        if name in found or name not in NAMES or not 0 < share < 1:
            raise BadOption(
                f"--split {spec!r} won't do: expected shares such as train=.9,dev=.05,test=.05"
            )
        found[name] = share
    if spec and (TRAIN not in found or len(found) < 2 or abs(sum(found.values()) - 1) > 1e-6):
        raise BadOption(
            f"--split {spec!r} won't do: train and at least one of dev and test, which make 1"
        )
    return {name: found[name] for name in NAMES if name in found}
