#!/usr/bin/env bash
# More anchors for pairs that exist (QZhou, 2508.21632): other queries that a positive answers, then each query
# in other words; the originals stay. DOCS: a folder in BEIR's layout; SPLIT: which qrels;
# LLM: who writes, openai:MODEL (any server: BASE_URL) or vllm:MODEL; RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/paraphrase}
LLM=${LLM:-openai:${MODEL:-Qwen/Qwen3-4B-Instruct-2507}}
ASK=(--llm "$LLM" ${BASE_URL:+--base-url "$BASE_URL"} --max-errors 100) # some answers lost are no reason to stop

gpte-data ingest "$DOCS"                   -o "$RUN/10-corpus"   --pairs "$RUN/20-pairs" --split "${SPLIT:-train}"
gpte-data synth "$RUN/20-pairs"            -o "$RUN/21-pairs"    --recipe augment --per-passage 2 --corpus "$RUN/10-corpus" "${ASK[@]}"
gpte-data synth "$RUN/21-pairs"            -o "$RUN/22-pairs"    --recipe paraphrase --per-passage 1 "${ASK[@]}"
gpte-data mine-negatives "$RUN/22-pairs"   -o "$RUN/30-mined"    --corpus "$RUN/10-corpus" --teacher st:all-MiniLM-L6-v2
gpte-data filter-negatives "$RUN/30-mined" -o "$RUN/40-filtered" --corpus "$RUN/10-corpus" --reranker maxsim
gpte-data emit "$RUN/40-filtered"          -o "$RUN/50-train"    --corpus "$RUN/10-corpus"
gpte-data inspect "$RUN"
