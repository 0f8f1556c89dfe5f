#!/usr/bin/env bash
# The same passage asked about by aspect, one query each; one that says nothing of an aspect has none.
# DOCS: documents; ASPECTS: which, by name.
# LLM: who writes, openai:MODEL (any server, at BASE_URL) or vllm:MODEL; RUN: where everything is written.
set -euo pipefail
ASPECTS=${ASPECTS:-task,method,data}
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/aspects}
LLM=${LLM:-openai:${MODEL:-Qwen/Qwen3-4B-Instruct-2507}}
ASK=(--llm "$LLM" --base-url "${BASE_URL:-http://localhost:8000/v1}" --max-errors 100) # a few answers lost are no reason to stop

gpte-data ingest "$DOCS"                   -o "$RUN/10-corpus"
# 3 queries a passage: each of the three aspects once.
gpte-data synth "$RUN/10-corpus"           -o "$RUN/20-pairs"    --recipe aspect --aspects "$ASPECTS" --per-passage 3 "${ASK[@]}"
gpte-data mine-negatives "$RUN/20-pairs"   -o "$RUN/30-mined"    --corpus "$RUN/10-corpus" --teacher st:all-MiniLM-L6-v2
gpte-data filter-negatives "$RUN/30-mined" -o "$RUN/40-filtered" --corpus "$RUN/10-corpus" --reranker maxsim
gpte-data emit "$RUN/40-filtered"          -o "$RUN/50-train"    --corpus "$RUN/10-corpus"
gpte-data inspect "$RUN"
