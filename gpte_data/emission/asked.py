"""What options ask of mixtures, batches and instructions, held to what goes together."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpte_data.emission.arranging import Batches
from gpte_data.emission.instructions import Instructions
from gpte_data.emission.kinds import Kinds, alone_of, check_names
from gpte_data.emission.mixture import Mixture, mixture
from gpte_data.emission.teacher_options import EmitOptions
from gpte_data.errors import BadOption
from gpte_data.formats import OpenFormat
from gpte_data.stage import Context

if TYPE_CHECKING:
    from gpte_data.teachers import Teacher


@dataclass(frozen=True)
class Asked:
    """What was asked for."""

    kinds: Kinds
    mixture: Mixture
    batches: Batches
    instructions: Instructions

    @classmethod
    def of(cls, cfg: EmitOptions, format_: OpenFormat, datasets: list[str]) -> "Asked":
        """Read options.

        Args:
            cfg: All of them.
            format_: What is written.
            datasets: Names of the folders that are read.

        Raises:
            BadOption: Some don't go together, or name what is not there.
        """
        wanted, alone = mixture(cfg.mix, cfg.total, cfg.cap), alone_of(cfg.no_in_batch)
        if cfg.mix_by is None:
            check_names("--mix", list(wanted.weights), datasets)
            check_names("--no-in-batch", sorted(alone - {"auto"}), datasets)
        if cfg.instruct == "field" and format_.of.place != "field":
            raise BadOption(
                f"{cfg.format} has no field for an instruction: give --instruct query or none"
            )
        _check_batches(cfg)
        batches = Batches(
            cfg.batch_order, cfg.batch_size, cfg.last_batch == "drop", cfg.clusters,
            cfg.curriculum_steps, cfg.seed,
        )  # fmt: skip
        instructions = Instructions.read(cfg.instructions, cfg.prompt)
        return cls(Kinds(cfg.mix_by or "", alone), wanted, batches, instructions)

    def note(self, ctx: Context) -> None:
        """Check names and note what no row has, once all rows have been seen."""
        known = sorted({kind.name for kind in self.kinds.known})
        if known and self.kinds.by:  # folders are known from the start
            check_names("--mix", list(self.mixture.weights), known)
            check_names("--no-in-batch", sorted(self.kinds.alone - {"auto"}), known)
        for name in self.instructions.unused():
            ctx.ledger.notes[f"rows of {name!r}, which --instructions names"] += 0


def _check_batches(cfg: EmitOptions) -> None:
    """Raise BadOption for a batch order that lacks something."""
    order = cfg.batch_order
    if order != "cluster" and cfg.clusters is not None:
        raise BadOption("--clusters changes nothing without --batch-order cluster")
    steps = EmitOptions.model_fields["curriculum_steps"].default
    if order != "curriculum" and cfg.curriculum_steps != steps:
        raise BadOption("--curriculum-steps changes nothing without --batch-order curriculum")
    if cfg.batch_size is None and (order != "shuffled" or cfg.last_batch == "drop"):
        why = f"--batch-order {order}" if order != "shuffled" else "--last-batch drop"
        raise BadOption(f"{why} needs --batch-size: how many examples stand in a batch")
    if order == "cluster" and not cfg.teacher:
        raise BadOption(
            "--batch-order cluster needs --teacher: whose vectors lie beside the corpus "
            "(gpte-data embed CORPUS --teacher SPEC makes them)"
        )
    if order == "curriculum" and not cfg.num_negatives:
        raise BadOption(
            "--batch-order curriculum needs negatives, whose margin it goes by: "
            "--num-negatives 1 or more"
        )
    if order == "curriculum" and cfg.scores == "auto":
        raise BadOption(
            "--batch-order curriculum compares margins, so they must be on one scale: "
            "give --scores teacher or reranker"
        )


def teacher_of(cfg: EmitOptions) -> "Teacher | None":
    """Return whose vectors make clusters, or None where none are wanted."""
    if cfg.batch_order != "cluster":
        return None
    return cfg.open_teacher()
