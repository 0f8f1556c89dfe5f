#!/usr/bin/env bash
# Hard negatives from two sources: four written for each pair (QZhou, 2508.21632), the others mined (SyNeg,
# 2412.17250, mixes the two). DOCS: documents;
# LLM: who writes, openai:MODEL (any server: BASE_URL) or vllm:MODEL; RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/llm_negatives}
LLM=${LLM:-openai:${MODEL:-Qwen/Qwen3-4B-Instruct-2507}}
ASK=(--llm "$LLM" ${BASE_URL:+--base-url "$BASE_URL"} --max-errors 100) # some answers lost are no reason to stop

gpte-data ingest "$DOCS"                   -o "$RUN/10-corpus"
gpte-data synth "$RUN/10-corpus"           -o "$RUN/20-pairs"    --recipe query "${ASK[@]}"
gpte-data synth "$RUN/20-pairs"            -o "$RUN/21-pairs"    --recipe hard-negative --corpus "$RUN/10-corpus" "${ASK[@]}"
gpte-data passages "$RUN/21-pairs"         -o "$RUN/22-written"
gpte-data mine-negatives "$RUN/21-pairs"   -o "$RUN/30-mined"    --corpus "$RUN/10-corpus" --corpus "$RUN/22-written" --teacher st:all-MiniLM-L6-v2
# Written negatives pass the miner whatever they score; whether one answers after all, the reranker says.
gpte-data filter-negatives "$RUN/30-mined" -o "$RUN/40-filtered" --corpus "$RUN/10-corpus" --corpus "$RUN/22-written" --reranker maxsim
gpte-data emit "$RUN/40-filtered"          -o "$RUN/50-train"    --corpus "$RUN/10-corpus" --corpus "$RUN/22-written" --format flagembedding
gpte-data inspect "$RUN"
