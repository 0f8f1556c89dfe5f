"""A card as files: README.md, croissant.jsonld, and the facts that they are made from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gpte_data.cards import facts as kept
from gpte_data.cards import origins, sections
from gpte_data.cards.croissant import croissant
from gpte_data.cards.front import front
from gpte_data.cards.layout import layout
from gpte_data.cards.licences import parsed
from gpte_data.cards.limits import limits
from gpte_data.files import atomic

README = "README.md"
CROISSANT = "croissant.jsonld"


def card_files(facts: Mapping[str, Any], given: Sequence[str]) -> dict[str, str]:
    """Return the files, name -> text.

    Args:
        facts: See `facts.gathered`.
        given: Licences, NAME or DATASET=NAME.
    """
    said = parsed(given, [one["name"] for one in facts["sources"]])
    found = layout(facts)
    text = [
        front(facts, found, said),
        sections.summary(facts),
        sections.figures(facts, said),
        sections.use(facts, found),
        sections.content(facts, found),
        origins.sources(facts),
        sections.licence(facts, said),
        origins.steps(facts),
        origins.models(facts),
        origins.filters(facts),
        limits(facts),
        sections.citation(facts),
    ]
    return {
        kept.KEPT: kept.dumped({**facts, "given": list(given)}),
        CROISSANT: croissant(facts, found, said),
        README: "\n".join(part.rstrip("\n") + "\n" for part in text if part),
    }


def renew(output: Path, given: Sequence[str]) -> bool:
    """Write a card again if a licence is given that it does not have yet; tell whether it did."""
    facts = kept.read(output)
    if not given or facts is None or facts.get("given") == list(given):
        return False
    texts = card_files(facts, given)
    last = texts.pop(kept.KEPT)  # once it names the licence, the others are not looked at again
    for name, text in [*texts.items(), (kept.KEPT, last)]:
        with atomic(output / name) as target:
            target.write(text.encode())
    return True
