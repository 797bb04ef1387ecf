#!/usr/bin/env bash
# Everything that only a machine with a GPU can show, in under six minutes: tests, equality, times, memory, training.
#
#     scripts/gpu_check.sh                        writes scripts/results/gpu.csv
#     scripts/gpu_check.sh --quick                the same on the smallest sizes, in under a minute
#     scripts/gpu_check.sh --device cpu --quick   what a machine without a GPU can run of it
#
# It needs torch, Triton, lightning and the package's light requirements; what does not import is said and left out.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
exec "${PYTHON:-python3}" -W ignore scripts/gpu_check.py "$@"
