"""Scores of (query, document) pairs by a reranker, each paid for once.

    with open_scorer(spec, options, scores_folder(corpus)) as scorer:
        scores = scorer.score(pairs_of([(query, document), …]))
        scorer.note(ledger)

scorer     a reranker that asks its model only for what the store lacks
pairs      which pairs are to be scored
store      scores on disk, whoever writes and however it ends
segments   its sorted files, looked up without being read
logs       its files under way
"""
