"""`--dry-run` and `--preview N`: what is wanted before a language model is asked in earnest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpte_data.errors import BadOption
from gpte_data.flags import TRYING
from gpte_data.inputs import as_file, with_input
from gpte_data.manifest import check_finished
from gpte_data.plan import RunOptions
from gpte_data.pricing import Price, price_of
from gpte_data.stage import Stage


@dataclass(frozen=True)
class Trying:
    """What is wanted before a run."""

    dry_run: bool = False
    probe: bool = False
    preview: int | None = None
    price_in: float | None = None
    price_out: float | None = None
    prices: Path | None = None

    @classmethod
    def taken(cls, options: dict[str, Any]) -> "Trying":
        """Take these options out of all that were given; raise BadOption if they don't fit."""
        found = cls(**{name: options.pop(name) for name in TRYING if name in options})
        if found.preview is not None and (type(found.preview) is not int or found.preview < 1):
            raise BadOption(f"--preview takes a number of rows, found {found.preview!r}")
        if found.preview is not None and found.dry_run:
            raise BadOption("--dry-run asks nothing and --preview does: give one of them")
        if found.probe and not found.dry_run:
            raise BadOption("--probe measures for a dry run: give --dry-run too")
        return found

    def price(self, spec: str, batch: bool) -> Price | None:
        """Return what the model of a SPEC costs, if that is known."""
        return price_of(spec, self.price_in, self.price_out, self.prices, batch=batch)

    def price_of_second(self, cfg: Any) -> Price | None:
        """Return what a stage's second model costs: by the file of prices, which knows both."""
        second = cfg.second()
        if second is None:
            return None
        return price_of(second.spec, None, None, self.prices, batch=second.batch)


def try_out(
    stage: Stage, cfg: Any, source: str, output: str | None, how: RunOptions, wanted: Trying
) -> None:
    """Do and print what is wanted before a run."""
    from gpte_data.trial import forecast, preview
    from gpte_data.trial_tables import show_forecast, show_preview

    if wanted.dry_run and not cfg.spec:
        raise BadOption(
            "--dry-run shows what a language model would be asked, and none is asked here: give "
            f"--{cfg.model_option} too, or leave --dry-run out"
        )
    price, other = wanted.price(cfg.spec, cfg.batch), wanted.price_of_second(cfg)
    folder = Path(output) if output not in (None, "-") else None
    with as_file(source) as path:
        check_finished(path)
        cfg = with_input(stage, cfg, source, path)
        if wanted.preview is not None:
            found = preview(stage, cfg, path, folder, how, wanted.preview)
            show_preview(found, price, other)
        else:
            told = forecast(stage, cfg, path, folder, how, wanted.probe)
            show_forecast(told, price, cfg.concurrency, other)
