#!/usr/bin/env bash
# A collection's own queries, through every filter that needs no language model; each says what it dropped, and why.
# DOCS: a folder in BEIR's layout; SPLIT: which qrels; TEST: what must not be trained on, another such folder or
# rows (if not given, the test split of DOCS); TOP: of the whole corpus for a query, in which its positive must be
# (Nomic Embed, 2402.01613: 2; CADET, 2502.19712: 20); RUN: where everything is written.
set -euo pipefail
DOCS=${DOCS:-data/sample}
RUN=${RUN:-runs/cleaned}
CORPUS=(--corpus "$RUN/12-distinct")

gpte-data ingest "$DOCS"                   -o "$RUN/10-corpus"   --pairs "$RUN/20-pairs" --split "${SPLIT:-train}"
gpte-data filter-texts "$RUN/10-corpus"    -o "$RUN/11-sound"    --mojibake fix --boilerplate --quality --min-words 5
gpte-data dedup "$RUN/11-sound"            -o "$RUN/12-distinct"
gpte-data dedup "$RUN/20-pairs"            -o "$RUN/21-distinct" --moved "$RUN/12-distinct"
# With the first corpus, which has the positives too that filter-texts has dropped: of these, filter-pairs speaks.
gpte-data decontaminate "$RUN/21-distinct" -o "$RUN/22-clean"    --corpus "$RUN/10-corpus" --against "${TEST:-$DOCS}" --split test --passages judged
gpte-data filter-pairs "$RUN/22-clean"     -o "$RUN/23-good"     "${CORPUS[@]}" --consistency "${TOP:-20}" --missing-positives drop
gpte-data mine-negatives "$RUN/23-good"    -o "$RUN/30-mined"    "${CORPUS[@]}" --teacher st:all-MiniLM-L6-v2
gpte-data filter-negatives "$RUN/30-mined" -o "$RUN/40-filtered" "${CORPUS[@]}" --reranker maxsim
gpte-data emit "$RUN/40-filtered"          -o "$RUN/50-train"    "${CORPUS[@]}" --format sentence-transformers
gpte-data inspect "$RUN" --reasons --examples 1
