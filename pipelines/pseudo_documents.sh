#!/usr/bin/env bash
# Passages written for a collection's own queries (HyDE, 2212.10496; as training pairs, ULLME, 2408.03402), beside
# the positives that they have. DOCS: a folder in BEIR's layout, SPLIT: which qrels.
# LLM: who writes, openai:MODEL (any server: BASE_URL) or vllm:MODEL; RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/pseudo_documents}
LLM=${LLM:-openai:${MODEL:-Qwen/Qwen3-4B-Instruct-2507}}
ASK=(--llm "$LLM" ${BASE_URL:+--base-url "$BASE_URL"} --max-errors 100) # some answers lost are no reason to stop

gpte-data ingest "$DOCS"                   -o "$RUN/10-corpus"   --pairs "$RUN/20-pairs" --split "${SPLIT:-train}"
gpte-data synth "$RUN/20-pairs"            -o "$RUN/21-pairs"    --recipe pseudo-document "${ASK[@]}"
gpte-data passages "$RUN/21-pairs"         -o "$RUN/22-written"
gpte-data mine-negatives "$RUN/21-pairs"   -o "$RUN/30-mined"    --corpus "$RUN/10-corpus" --corpus "$RUN/22-written" --teacher st:all-MiniLM-L6-v2
gpte-data filter-negatives "$RUN/30-mined" -o "$RUN/40-filtered" --corpus "$RUN/10-corpus" --corpus "$RUN/22-written" --reranker maxsim
gpte-data emit "$RUN/40-filtered"          -o "$RUN/50-train"    --corpus "$RUN/10-corpus" --corpus "$RUN/22-written"
gpte-data inspect "$RUN"
