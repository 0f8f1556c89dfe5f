#!/usr/bin/env bash
# Classes described: each distinct label of a classification set becomes a query, texts that describe it its
# positives, texts that describe other classes its negatives. DOCS: rows with a label; DOMAIN: what they are about.
# LLM: who writes, openai:MODEL (any server: BASE_URL) or vllm:MODEL; RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/requests.jsonl}
RUN=${RUN:-runs/classification}
LLM=${LLM:-openai:${MODEL:-Qwen/Qwen3-4B-Instruct-2507}}
DOMAIN=${DOMAIN:-messages to a public library}
ASK=(--llm "$LLM" ${BASE_URL:+--base-url "$BASE_URL"} --max-errors 100) # some answers lost are no reason to stop

gpte-data synth "$DOCS"                  -o "$RUN/10-pairs"   --recipe label-attributes --domain "$DOMAIN" "${ASK[@]}"
gpte-data passages "$RUN/10-pairs"       -o "$RUN/20-written"
# Not with the set's own texts as a corpus: those of the same class would be found as negatives.
gpte-data mine-negatives "$RUN/10-pairs" -o "$RUN/30-mined"   --corpus "$RUN/20-written" --teacher st:all-MiniLM-L6-v2
gpte-data emit "$RUN/30-mined"           -o "$RUN/50-train"   --corpus "$RUN/20-written" --num-negatives 3
gpte-data inspect "$RUN"
