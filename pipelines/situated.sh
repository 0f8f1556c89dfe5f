#!/usr/bin/env bash
# Queries that a chunk answers, and only the text around it shows so (SitEmb, 2508.01959).
# DOCS: documents longer than a chunk; WORDS: of a chunk.
# LLM: who writes, openai:MODEL (any server, at BASE_URL) or vllm:MODEL; RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/sample}
WORDS=${WORDS:-40} # two sentences; with three chunks for context that is most of a page's paragraph
RUN=${RUN:-runs/situated}
LLM=${LLM:-openai:${MODEL:-Qwen/Qwen3-4B-Instruct-2507}}
ASK=(--llm "$LLM" --base-url "${BASE_URL:-http://localhost:8000/v1}" --max-errors 100) # a few answers lost are no reason to stop

gpte-data ingest "$DOCS"                   -o "$RUN/10-corpus"   --chunk-words "$WORDS"
gpte-data synth "$RUN/10-corpus"           -o "$RUN/20-pairs"    --recipe situated "${ASK[@]}"
gpte-data mine-negatives "$RUN/20-pairs"   -o "$RUN/30-mined"    --corpus "$RUN/10-corpus" --teacher st:all-MiniLM-L6-v2
gpte-data filter-negatives "$RUN/30-mined" -o "$RUN/40-filtered" --corpus "$RUN/10-corpus" --reranker maxsim
gpte-data emit "$RUN/40-filtered"          -o "$RUN/50-train"    --corpus "$RUN/10-corpus"
gpte-data inspect "$RUN"
