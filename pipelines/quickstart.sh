#!/usr/bin/env bash
# From documents to training shards, without a GPU, a server or a model hub.
# DOCS: a folder or file of documents; RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/quickstart}

gpte-data ingest "$DOCS"                   -o "$RUN/10-corpus"
gpte-data synth "$RUN/10-corpus"           -o "$RUN/20-pairs"    --recipe query --llm extractive
gpte-data mine-negatives "$RUN/20-pairs"   -o "$RUN/30-mined"    --corpus "$RUN/10-corpus" --teacher st:all-MiniLM-L6-v2
gpte-data filter-negatives "$RUN/30-mined" -o "$RUN/40-filtered" --corpus "$RUN/10-corpus" --reranker maxsim
gpte-data emit "$RUN/40-filtered"          -o "$RUN/50-train"    --corpus "$RUN/10-corpus" --format sentence-transformers
gpte-data inspect "$RUN"
