"""Data cards: what emitted shards are, said to people and to machines.

facts       what the run knows, as plain values; kept beside the marks, so that a card can be
            written again without the data
lineage     the chain of stages that led here, followed through the marks by contents
plain       settings as they may be published: no way to a folder, no address
layout      which files are loaded together: configs and splits
features    types of columns in the words of `datasets` and of Croissant
licences    what is said of licences, and what the passages say
front       the YAML at the head of README.md
tables      Markdown tables
sections    the text of README.md
limits      and what one should know of the data before using them
origins     its sections on where the data come from
usage       how to load and train, by format
croissant   croissant.jsonld
rendering   all of it as files
"""
