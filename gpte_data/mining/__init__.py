"""Hard negatives: candidates found and described, false negatives estimated, negatives chosen.

opening     a miner as the options ask for it (`mine_options`; `options` those of choosing)
miner       a block of queries: search, exact scores, and what is known of each candidate
pools       what may become a candidate; `ranked` the best of it; `described` what is known of it
searching   queries searched together, each as deep as it needs; `recall` says what is missed
seconds     further teachers beside the first, BM25 (`bm25`) and the bags of words of PromptReps
            (`bags`) among them; `fusion` ranks by all, `inverted` searches words
terms       which words each passage has, kept beside the corpus
lexical     BM25 between queries, candidates and positives, from those words
evidence    what the estimate looks at, free of any teacher's scale
estimate    the probability that a candidate is a positive that nobody labelled
refitting   its weights, drawn towards what queries with several positives say (`own`)
hidden      how many such positives there are, from where the known ones rank
choosing    the hardest negatives under a budget of false ones; `sampling` draws instead
earlier     what an earlier mining kept; `mixing` takes turns between it and what is new
hubs        documents that too many queries would take
surveying   what a sample of all queries tells before the first is mined
near        which candidates and positives are near neighbours of each other; `lengths` in words
rules       margins, windows, copies: the reasons to drop a candidate
ceilings    what each positive leaves, where each has its own margin
filling     queries with too few negatives, filled up at random
judging     all of these together: verdict, reason and choice for each candidate
"""
