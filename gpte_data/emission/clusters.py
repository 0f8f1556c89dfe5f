"""Neighbours in a batch: examples in clusters of their positives' vectors.

k-means over the vectors that lie beside the corpus, dataset by dataset (TAS-Balanced, 2104.06967,
draws each batch from one cluster of queries; locality-centric sampling, 2201.05409, from one
cluster of texts). Clusters are numbered so that each stands beside one that is near, so what is
left of them makes batches with neighbours too.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpte_data.emission.batches import Grouped
from gpte_data.emission.gathered import Gathered
from gpte_data.emission.library import Library
from gpte_data.errors import BadInput

if TYPE_CHECKING:
    from gpte_data.teachers import Teacher

BATCHES = 8
"""Batches that a cluster is to give, about; TAS-Balanced has some six."""
MOST = 4096
"""Clusters of a dataset."""
PER_CENTRE, SAMPLE, ROUNDS = 256, 65_536, 20
"""Of k-means: vectors for each centre, the most in all, and rounds."""
BLOCK, COSINES = 32_768, 1 << 24
"""Vectors in memory, and their cosines to centres."""


class Vectors:
    """The vectors of documents by their numbers in a library.

    Args:
        library: Where they are.
        teacher: Whose vectors.

    Raises:
        BadInput: A corpus has none.
    """

    def __init__(self, library: Library, teacher: "Teacher") -> None:
        from gpte_data.teachers.model import ModelTeacher
        from gpte_data.vectors import missing_shards

        self.library = library
        for corpus in library.corpora:
            if isinstance(teacher, ModelTeacher) and missing_shards(corpus, teacher.vector_spec):
                prompt = f" --doc-prompt {teacher.doc_prompt!r}" if teacher.doc_prompt else ""
                raise BadInput(
                    f"{corpus} has no vectors of {teacher.label} beside it, which --batch-order "
                    f"cluster needs: run gpte-data embed {corpus.folders[0]} "
                    f"--teacher {teacher.label}{prompt}"
                )
        self._parts = [teacher.documents(corpus) for corpus in library.corpora]

    def take(self, numbers: Any) -> Any:
        """Return the vectors of documents, (n, dimension) in float32."""
        owner, position = self.library.of(numbers)
        found = np.empty((len(numbers), self._parts[0].dimension), dtype=np.float32)
        for one in np.unique(owner).tolist():
            mine = np.flatnonzero(owner == one)
            mine = mine[np.argsort(position[mine], kind="stable")]  # as they lie on the disk
            found[mine] = self._parts[one].take(position[mine])
        return found


def by_cluster(
    order: Any, gathered: Gathered, vectors: Vectors, size: int, clusters: int | None, seed: int
) -> Grouped:
    """Return examples grouped by cluster; the family of a cluster is its kind.

    Args:
        order: Places of examples in their shuffled order, (n,).
        gathered: Where they are.
        vectors: Of their documents; the first positive stands for an example.
        size: Of a batch.
        clusters: Of each dataset, or None: so many that each gives some batches.
        seed: Of k-means.
    """
    examples = gathered.examples()
    kind = examples["dataset"][order]
    group = np.empty(len(order), dtype=np.int32)
    family: list[int] = []
    for one in np.unique(kind).tolist():
        mine = np.flatnonzero(kind == one)
        wanted = clusters or max(1, round(len(mine) / (BATCHES * size)))
        k = min(wanted, MOST, max(1, len(mine) // size))
        documents = gathered.first_documents(order[mine])
        group[mine] = len(family) + _assigned(documents, vectors, k, seed)
        family += [one] * k
    return Grouped(group, np.array(family, dtype=np.int64), np.zeros(len(family), dtype=np.int64))


def _assigned(documents: Any, vectors: Vectors, k: int, seed: int) -> Any:
    """Return the cluster of each document, (n,) in int32.

    Args:
        documents: Their numbers, (n,), in random order: the first are the sample.
        vectors: Of documents.
        k: How many clusters.
        seed: Of the first centres.
    """
    if k == 1:
        return np.zeros(len(documents), dtype=np.int32)
    import faiss

    sample = vectors.take(documents[: min(k * PER_CENTRE, SAMPLE)])
    means = faiss.Kmeans(
        sample.shape[1], k, niter=ROUNDS, spherical=True, seed=seed & 0x7FFFFFFF,
        min_points_per_centroid=1, max_points_per_centroid=PER_CENTRE,
    )  # fmt: skip
    means.train(sample)
    centres: Any = means.centroids
    centres = centres[chained(centres)]
    found = np.empty(len(documents), dtype=np.int32)
    for start in range(0, len(documents), step := min(BLOCK, COSINES // k)):
        block = vectors.take(documents[start : start + step])
        found[start : start + step] = np.argmax(block @ centres.T, axis=1)
    return found


def chained(centres: Any) -> Sequence[int]:
    """Return the centres' numbers, each followed by the nearest that is left, (k,)."""
    order, left = [0], np.ones(len(centres), dtype=bool)
    left[0] = False
    while left.any():
        near = centres @ centres[order[-1]]
        order.append(int(np.argmax(np.where(left, near, -np.inf))))
        left[order[-1]] = False
    return order
