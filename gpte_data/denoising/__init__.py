"""Candidates of many queries judged by a reranker's scores, as columns: no dict for any of them.

options  what the user decides
block    rows put together, and taken apart again with other columns
seen     which candidates are looked at, and what their columns become
rules    what holds against a candidate, by its score and those of its query's positives
budget   a reranker's scores as evidence, and the price of a false negative
chosen   candidates chosen by that
looking  all of it: rows in, judged rows out
"""
