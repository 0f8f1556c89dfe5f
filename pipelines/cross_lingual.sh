#!/usr/bin/env bash
# Queries in other languages than their passages', each after a summary of what matters (SWIM-IR, 2311.05800).
# DOCS: documents; LANGUAGES: of the queries, by weight.
# LLM: who writes, openai:MODEL (any server, at BASE_URL) or vllm:MODEL; RUN: where everything is written.
set -euo pipefail
LANGUAGES=${LANGUAGES:-de,zh,sw:0.2}
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/cross_lingual}
LLM=${LLM:-openai:${MODEL:-Qwen/Qwen3-4B-Instruct-2507}}
TEACHER=${TEACHER:-st:BAAI/bge-m3} # all-MiniLM-L6-v2 knows English only
RERANKER=${RERANKER:-st:BAAI/bge-reranker-v2-m3}
ASK=(--llm "$LLM" --base-url "${BASE_URL:-http://localhost:8000/v1}" --max-errors 100) # a few answers lost are no reason to stop

gpte-data ingest "$DOCS"                   -o "$RUN/10-corpus"
gpte-data synth "$RUN/10-corpus"           -o "$RUN/20-pairs"    --recipe summarize-then-ask --query-languages "$LANGUAGES" "${ASK[@]}"
gpte-data mine-negatives "$RUN/20-pairs"   -o "$RUN/30-mined"    --corpus "$RUN/10-corpus" --teacher "$TEACHER"
gpte-data filter-negatives "$RUN/30-mined" -o "$RUN/40-filtered" --corpus "$RUN/10-corpus" --reranker "$RERANKER"
gpte-data emit "$RUN/40-filtered"          -o "$RUN/50-train"    --corpus "$RUN/10-corpus"
gpte-data inspect "$RUN"
