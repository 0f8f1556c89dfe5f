"""Candidates of many queries judged by a reranker's scores, as columns: no dict for any of them.

block    rows put together, and taken apart again with other columns
rules    what holds against a candidate, by its score and those of its query's positives
looking  both: rows in, judged rows out
"""
