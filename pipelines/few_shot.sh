#!/usr/bin/env bash
# Queries like those in a few examples of yours (Promptagator, 2209.11755); of more than 8, those are taken
# that work best. EXAMPLES: rows of text and query (.jsonl, .csv ...); DOCS: documents.
# LLM: who writes, openai:MODEL (any server, at BASE_URL) or vllm:MODEL; RUN: where everything is written.
set -euo pipefail
EXAMPLES=${EXAMPLES:-data/examples.jsonl}
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/few_shot}
LLM=${LLM:-openai:${MODEL:-Qwen/Qwen3-4B-Instruct-2507}}
ASK=(--llm "$LLM" --base-url "${BASE_URL:-http://localhost:8000/v1}" --max-errors 100) # a few answers lost are no reason to stop

gpte-data choose-examples "$EXAMPLES"      -o "$RUN/05-examples" --num-examples 8 "${ASK[@]}"
gpte-data ingest "$DOCS"                   -o "$RUN/10-corpus"
# 8 queries a passage, as in Promptagator.
gpte-data synth "$RUN/10-corpus"           -o "$RUN/20-pairs"    --recipe promptagator --examples "$RUN/05-examples" --per-passage 8 "${ASK[@]}"
gpte-data mine-negatives "$RUN/20-pairs"   -o "$RUN/30-mined"    --corpus "$RUN/10-corpus" --teacher st:all-MiniLM-L6-v2
gpte-data filter-negatives "$RUN/30-mined" -o "$RUN/40-filtered" --corpus "$RUN/10-corpus" --reranker maxsim
gpte-data emit "$RUN/40-filtered"          -o "$RUN/50-train"    --corpus "$RUN/10-corpus"
gpte-data inspect "$RUN"
