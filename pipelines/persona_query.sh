#!/usr/bin/env bash
# Queries in the voice of personas (Qwen3-Embedding, 2506.05176): drawn from the documents, and found again
# for each passage by embedding. DOCS: documents.
# LLM: who writes, openai:MODEL (any server, at BASE_URL) or vllm:MODEL; RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/persona_query}
LLM=${LLM:-openai:${MODEL:-Qwen/Qwen3-4B-Instruct-2507}}
ASK=(--llm "$LLM" --base-url "${BASE_URL:-http://localhost:8000/v1}" --max-errors 100) # a few answers lost are no reason to stop

gpte-data ingest "$DOCS"                   -o "$RUN/10-corpus"
gpte-data personas "$RUN/10-corpus"        -o "$RUN/15-personas" "${ASK[@]}"
# 5 personas to choose from for each passage, as in Qwen3-Embedding.
gpte-data synth "$RUN/10-corpus"           -o "$RUN/20-pairs"    --recipe persona-query --personas "$RUN/15-personas" --persona-candidates 5 "${ASK[@]}"
gpte-data mine-negatives "$RUN/20-pairs"   -o "$RUN/30-mined"    --corpus "$RUN/10-corpus" --teacher st:all-MiniLM-L6-v2
gpte-data filter-negatives "$RUN/30-mined" -o "$RUN/40-filtered" --corpus "$RUN/10-corpus" --reranker maxsim
gpte-data emit "$RUN/40-filtered"          -o "$RUN/50-train"    --corpus "$RUN/10-corpus"
gpte-data inspect "$RUN"
