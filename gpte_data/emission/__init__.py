"""Emission: from rows of ids to files of texts, in bounded memory.

sources   which datasets are read, with which corpora
picking   of each row, which documents stand in its examples
splitting which part an example belongs to, without a document on both sides
gathered  examples as numbers on the disk: their query, their documents, their scores
kinds     what their datasets are called, and which have folders of their own
mixture   how many of each dataset are taken (mixing: which)
ordering  in which order they are written: shuffled
arranging in batches: batches (groups), curriculum, clusters, apart
instructions what a query is to be answered by
spill     columns that grow on the disk
library   the texts of the documents that stand in them, on the disk
joining   examples as columns with their texts, a block at a time
cutting   where one shard ends and the next one starts
"""
