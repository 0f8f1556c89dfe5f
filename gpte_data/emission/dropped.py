"""Why rows and examples are left out of what is emitted, in fixed words."""

EMPTY = "no query or no positive"
BELOW = "positive with too few negatives below its margin"
"""One of a query's examples is left out, while the query has others."""
UNSCORED = "a document without a score"
