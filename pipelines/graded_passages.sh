#!/usr/bin/env bash
# A collection's own queries, each with four passages of relevance 3 to 0 written for it (SyCL, 2503.23239).
# DOCS: a folder in BEIR's layout; SPLIT: which qrels;
# LLM: who writes, openai:MODEL (any server: BASE_URL) or vllm:MODEL; RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/graded_passages}
LLM=${LLM:-openai:${MODEL:-Qwen/Qwen3-4B-Instruct-2507}}
ASK=(--llm "$LLM" ${BASE_URL:+--base-url "$BASE_URL"} --max-errors 100) # some answers lost are no reason to stop

gpte-data ingest "$DOCS"                 -o "$RUN/10-corpus"  --pairs "$RUN/20-pairs" --split "${SPLIT:-train}"
gpte-data synth "$RUN/20-pairs"          -o "$RUN/21-pairs"   --recipe multi-level "${ASK[@]}"
gpte-data passages "$RUN/21-pairs"       -o "$RUN/22-written" # has the grades too, in `relevance`
gpte-data mine-negatives "$RUN/21-pairs" -o "$RUN/30-mined"   --corpus "$RUN/10-corpus" --corpus "$RUN/22-written" --teacher st:all-MiniLM-L6-v2
gpte-data emit "$RUN/30-mined"           -o "$RUN/50-train"   --corpus "$RUN/10-corpus" --corpus "$RUN/22-written" --format flagembedding
gpte-data inspect "$RUN"
