#!/bin/sh
# Runs one fuzzer for a moment. What it finds goes to a scratch directory, so that the committed corpus stays as it is;
# the input of a crash is printed before the scratch is removed.
#   run_fuzzer.sh FUZZER CORPUS SECONDS
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM
mkdir "$scratch/new" "$scratch/artifacts"
status=0
"$1" -runs=200000 -max_total_time="$3" -timeout=10 -rss_limit_mb=1024 -max_len=2048 \
    -artifact_prefix="$scratch/artifacts/" -print_final_stats=1 "$scratch/new" "$2" || status=$?
for artifact in "$scratch"/artifacts/*; do
    [ -e "$artifact" ] || continue
    echo "input $(basename "$artifact") in base64; add it to $2 once the fault is mended:"
    base64 "$artifact"
done
exit "$status"
