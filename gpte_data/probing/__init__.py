"""Does this data help? Small maps on a frozen teacher's vectors, trained on it, tried elsewhere.

reading      training rows as (query, positive, negatives), by the names of their columns
choosing     which rows are trained on, and hashes of all that they must not be tried on
library      every text once, with its vector beside it
evaluation   a BEIR folder: queries, grades, documents
splitting    rows held out to know when to stop, disjoint by document
training     the maps
measuring    nDCG@10 and Recall@100 of each query; intervals
probe        all of it, in order
"""
