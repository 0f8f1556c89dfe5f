#!/usr/bin/env bash
# Queries written by a model that vLLM serves: from documents to training shards.
# DOCS: documents; RUN: where everything is written; MODEL: a hub's name or a folder; PORT: the server's;
# VLLM: what starts it, or "python -m vllm.entrypoints.openai.api_server --model". The log is RUN/vllm.log.
set -euo pipefail
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/vllm_server}
MODEL=${MODEL:-Qwen/Qwen3-4B-Instruct-2507}
PORT=${PORT:-8000}
mkdir -p "$RUN"
${VLLM:-vllm serve} "$MODEL" --host 127.0.0.1 --port "$PORT" > "$RUN/vllm.log" 2>&1 & SERVER=$!
stop() { kill "$SERVER" 2> /dev/null && wait "$SERVER" || true; }
trap stop EXIT
gpte-data ingest "$DOCS"                   -o "$RUN/10-corpus"
for _ in {1..900}; do # seconds: a first start also fetches the model
    curl -sf "http://127.0.0.1:$PORT/health" && break
    kill -0 "$SERVER" 2> /dev/null || { tail "$RUN/vllm.log" >&2; exit 1; }
    sleep 1
done
# 512 in flight: twice what vLLM runs at once on most machines; 100: an answer lost is no reason to stop.
gpte-data synth "$RUN/10-corpus"           -o "$RUN/20-pairs"    --recipe query --llm "openai:$MODEL" --base-url "http://127.0.0.1:$PORT/v1" --concurrency 512 --max-errors 100
stop # the teacher needs the accelerator's memory
gpte-data mine-negatives "$RUN/20-pairs"   -o "$RUN/30-mined"    --corpus "$RUN/10-corpus" --teacher st:all-MiniLM-L6-v2
gpte-data filter-negatives "$RUN/30-mined" -o "$RUN/40-filtered" --corpus "$RUN/10-corpus" --reranker maxsim
gpte-data emit "$RUN/40-filtered"          -o "$RUN/50-train"    --corpus "$RUN/10-corpus" --format sentence-transformers
gpte-data inspect "$RUN"
