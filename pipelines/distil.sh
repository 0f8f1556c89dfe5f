#!/usr/bin/env bash
# Scores and vectors to distil (CADET, 2505.19274; LEAF, 2509.12539): every candidate of a query with its reranker
# score, and every text with its teacher's vector.
# DOCS: a folder in BEIR's layout; SPLIT: which qrels; TEACHER, RERANKER: SPECs; RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/distil}
TEACHER=${TEACHER:-st:all-MiniLM-L6-v2}
RERANKER=${RERANKER:-maxsim} # a cross-encoder is the better teacher: st:BAAI/bge-reranker-v2-m3
TOP=${TOP:-30}               # candidates of a query, each of which is scored; CADET asks for 20 at least

gpte-data ingest "$DOCS"                   -o "$RUN/10-corpus" --pairs "$RUN/20-pairs" --split "${SPLIT:-train}"
gpte-data mine-negatives "$RUN/20-pairs"   -o "$RUN/30-mined"  --corpus "$RUN/10-corpus" --teacher "$TEACHER" --top-k "$TOP"
gpte-data filter-negatives "$RUN/30-mined" -o "$RUN/40-scored" --corpus "$RUN/10-corpus" --reranker "$RERANKER" --depth "$TOP"
# All candidates, dropped ones too: what the reranker thinks of them is the lesson, not that they are negatives.
gpte-data emit "$RUN/40-scored"            -o "$RUN/50-lists"  --corpus "$RUN/10-corpus" --format flagembedding --candidates all --scores reranker --num-negatives "${NEGATIVES:-15}"
gpte-data emit "$RUN/20-pairs"             -o "$RUN/51-leaf"   --corpus "$RUN/10-corpus" --format leaf --teacher "$TEACHER"
gpte-data inspect "$RUN"
