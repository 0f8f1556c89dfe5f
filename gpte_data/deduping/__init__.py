"""Duplicates over a whole dataset: what is compared, which rows are alike, which of them stays.

options    what the user decides
given      what is read: the input, and other datasets
compared   what of a row is compared
normal     what a text says, apart from case, punctuation and spaces
shingles   a text as a set of hashed shingles; MinHash signatures of such sets
storing    sets and band keys in temporary files
reading    all rows as columns
order      which of several rows comes first; which say the same
buckets    sets that share a band of their signatures, compared exactly
vectors    where vectors come from
cosines    vectors that are near each other
deciding   who stays
verdicts   what is said of each row
gained     positives of pairs that went
moved      pairs follow passages that went
finding    all of it, in turn
"""
