"""Is the pair itself good? What is measured of each positive, and which rules then hold against it.

Each positive of a row is judged for itself, by where it stands in the whole corpus (`consistency`)
and by a reranker's score (`reranked`, `standing`); `judged` says what becomes of the row.
"""
