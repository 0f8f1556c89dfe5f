#!/usr/bin/env bash
# Mine, train, mine again with the student, and mix (ANCE, 2007.00808): what was hard before stays beside
# what is hard now. DOCS: a folder in BEIR's layout; SPLIT: which qrels; RUN: where everything is written;
# TRAIN: your trainer, called as TRAIN SHARDS STUDENT with two folders, of which it writes the second.
set -euo pipefail
DOCS=${DOCS:-data/sample}
SPLIT=${SPLIT:-train}
RUN=${RUN:-runs/dynamic_mining}
TRAIN=${TRAIN:?name the command that trains a model: TRAIN SHARDS STUDENT}

gpte-data ingest "$DOCS"                 -o "$RUN/10-corpus" --pairs "$RUN/20-pairs" --split "$SPLIT"
gpte-data mine-negatives "$RUN/20-pairs" -o "$RUN/30-mined"  --corpus "$RUN/10-corpus" --teacher st:all-MiniLM-L6-v2
gpte-data emit "$RUN/30-mined"           -o "$RUN/40-train"  --corpus "$RUN/10-corpus" --format sentence-transformers
[ -d "$RUN/student" ] || $TRAIN "$RUN/40-train" "$RUN/student"
gpte-data mine-negatives "$RUN/20-pairs" -o "$RUN/31-mined"  --corpus "$RUN/10-corpus" --teacher "st:$RUN/student" --earlier "$RUN/30-mined"
gpte-data emit "$RUN/31-mined"           -o "$RUN/41-train"  --corpus "$RUN/10-corpus" --format sentence-transformers
gpte-data inspect "$RUN"
