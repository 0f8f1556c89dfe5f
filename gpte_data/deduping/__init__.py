"""Duplicates over a whole dataset: what is compared, which rows are alike, which of them stays.

compared   what of a row is compared, and with which rows
normal     what a text says, apart from case, punctuation and spaces
shingles   a text as a set of hashed shingles; MinHash signatures of such sets
reading    the whole input as columns; sets and signatures in a file
order      which of several rows comes first
buckets    sets that share a band of their signatures, compared exactly
cosines    vectors that are near each other
deciding   who stays
verdicts   what is said of each row
moved      pairs follow passages that were dropped
"""
