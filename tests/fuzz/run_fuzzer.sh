#!/bin/sh
# Runs one fuzzer for a few seconds over a scratch copy, so that the committed corpus stays as it is.
#   run_fuzzer.sh FUZZER CORPUS SECONDS
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM
"$1" -max_total_time="$3" -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$scratch/" -print_final_stats=1 "$scratch" "$2"
