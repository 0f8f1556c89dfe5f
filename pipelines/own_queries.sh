#!/usr/bin/env bash
# A collection's own queries and judgements, mined and filtered: no query is written by a model.
# DOCS: a folder in BEIR's layout; SPLIT: which qrels; RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/sample}
SPLIT=${SPLIT:-train}
RUN=${RUN:-runs/own_queries}

gpte-data ingest "$DOCS"                   -o "$RUN/10-corpus"   --pairs "$RUN/20-pairs" --split "$SPLIT"
gpte-data mine-negatives "$RUN/20-pairs"   -o "$RUN/30-mined"    --corpus "$RUN/10-corpus" --teacher st:all-MiniLM-L6-v2
gpte-data filter-negatives "$RUN/30-mined" -o "$RUN/40-filtered" --corpus "$RUN/10-corpus" --reranker maxsim
gpte-data emit "$RUN/40-filtered"          -o "$RUN/50-train"    --corpus "$RUN/10-corpus" --format sentence-transformers
gpte-data emit "$RUN/40-filtered"          -o "$RUN/51-flag"     --corpus "$RUN/10-corpus" --format flagembedding
gpte-data inspect "$RUN"
