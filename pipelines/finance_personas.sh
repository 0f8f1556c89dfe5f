#!/usr/bin/env bash
# Fin-E5's data (2502.10990): personas of a domain, their tasks, and for each a query, a positive and a hard
# negative. DOCS: documents that personas are drawn from; DOMAIN: another one than finance, in words;
# FLOOR: cosine to it that a persona must have.
# LLM: who writes, openai:MODEL (any server: BASE_URL) or vllm:MODEL; RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/finance_personas}
LLM=${LLM:-openai:${MODEL:-Qwen/Qwen3-4B-Instruct-2507}}
ASK=(--llm "$LLM" ${BASE_URL:+--base-url "$BASE_URL"} --max-errors 100) # some answers lost are no reason to stop

gpte-data ingest "$DOCS"           -o "$RUN/10-corpus"
gpte-data personas "$RUN/10-corpus" -o "$RUN/11-personas" "${ASK[@]}"
gpte-data synth "$RUN/11-personas"  -o "$RUN/20-pairs"    --recipe finance-persona --per-passage 1 --domain "${DOMAIN:-}" --domain-floor "${FLOOR:-0.3}" "${ASK[@]}"
gpte-data passages "$RUN/20-pairs"  -o "$RUN/21-written"
gpte-data mine-negatives "$RUN/20-pairs" -o "$RUN/30-mined" --corpus "$RUN/21-written" --teacher st:all-MiniLM-L6-v2
gpte-data emit "$RUN/30-mined"      -o "$RUN/50-train"    --corpus "$RUN/21-written" --instruct query
gpte-data inspect "$RUN"
