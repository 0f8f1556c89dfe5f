#!/usr/bin/env bash
# False negatives found by language models (RLHN, 2505.16967): a cheap one flags, a stronger one confirms.
# DOCS: a folder in BEIR's layout; JUDGE, CONFIRM: openai:MODEL (any server: BASE_URL, CONFIRM_URL) or
# vllm:MODEL; RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/judged_negatives}
JUDGE=${JUDGE:-openai:Qwen/Qwen3-4B-Instruct-2507}
CONFIRM=${CONFIRM:-openai:Qwen/Qwen3-30B-A3B-Instruct-2507}
ASK=(--judge "$JUDGE" --confirm "$CONFIRM" ${BASE_URL:+--base-url "$BASE_URL"} ${CONFIRM_URL:+--confirm-url "$CONFIRM_URL"})

gpte-data ingest "$DOCS"                  -o "$RUN/10-corpus" --pairs "$RUN/20-pairs" --split "${SPLIT:-train}"
gpte-data mine-negatives "$RUN/20-pairs"  -o "$RUN/30-mined"  --corpus "$RUN/10-corpus" --teacher st:all-MiniLM-L6-v2 --num-negatives 15
# Three times as many are judged as are wanted: some will be dropped. What both judges find relevant becomes a positive.
gpte-data judge-negatives "$RUN/30-mined" -o "$RUN/40-judged" --corpus "$RUN/10-corpus" --action promote "${ASK[@]}" --max-errors 100
gpte-data emit "$RUN/40-judged"           -o "$RUN/50-train"  --corpus "$RUN/10-corpus" --format flagembedding --num-negatives "${NEGATIVES:-5}"
gpte-data inspect "$RUN"
