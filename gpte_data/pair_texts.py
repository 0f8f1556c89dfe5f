"""What the positives of pairs say, for recipes that read it: looked up in the pairs' corpus."""

from pathlib import Path

from gpte_data.corpus import Corpus, open_corpus
from gpte_data.errors import BadInput, BadOption
from gpte_data.recipes import Recipe
from gpte_data.stage import Row


def reads_positives(recipe: Recipe) -> bool:
    """Tell whether a recipe asks for the text of a pair's first positive."""
    return recipe.input == "pair" and any("passage" in step.fields for step in recipe.steps)


def check_texts(recipe: Recipe, folders: tuple[Path, ...]) -> None:
    """Raise BadOption if a recipe reads what the positives say, and there is no corpus of it."""
    if not reads_positives(recipe):
        return
    try:
        bool(open_corpus(folders).position)
    except BadInput as error:
        raise BadOption(
            f"recipe {recipe.name} reads the texts of the pairs' positives: give their --corpus "
            f"({error})"
        ) from None


def positive_text(row: Row, corpus: Corpus | None) -> str:
    """Return the text of a pair's first positive; raise BadInput if the corpus lacks it."""
    if corpus is None or not row["positives"]:
        return ""
    doc_id = row["positives"][0]
    if doc_id not in corpus.position:
        raise BadInput(
            f"pair {row['query_id']!r} names {doc_id!r}, which is not in {corpus}: give its "
            "--corpus too; of passages that a recipe wrote, gpte-data passages makes one"
        )
    return corpus.texts([doc_id])[doc_id]
