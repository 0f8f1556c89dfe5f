#!/usr/bin/env bash
# E5-mistral's data (2401.00368): tasks on many topics, and for each a query, a positive and a hard negative.
# No documents are needed. DOCS: topics, or passages whose subjects are taken; LANGUAGES: en, or de,zh,sw:0.2,
# or the recipe's many if empty; LISTS: lists of up to 20 tasks for each topic.
# LLM: who writes, openai:MODEL (any server: BASE_URL) or vllm:MODEL; RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/topics.jsonl}
RUN=${RUN:-runs/e5}
LLM=${LLM:-openai:${MODEL:-Qwen/Qwen3-4B-Instruct-2507}}
LANGUAGES=${LANGUAGES:-}
LISTS=${LISTS:-10}
ASK=(--llm "$LLM" ${BASE_URL:+--base-url "$BASE_URL"} --max-errors 100) # some answers lost are no reason to stop

gpte-data synth "$DOCS"           -o "$RUN/10-pairs"   --recipe e5 --per-passage "$LISTS" --query-languages "$LANGUAGES" "${ASK[@]}"
gpte-data passages "$RUN/10-pairs" -o "$RUN/20-written"
# One negative each, the one that was written with the pair, as in the paper; nothing is mined.
gpte-data emit "$RUN/10-pairs"     -o "$RUN/50-train"   --corpus "$RUN/20-written" --num-negatives 1 --instruct query
gpte-data inspect "$RUN"
