#!/usr/bin/env bash
# All NVIDIA GPUs of one machine, or those that CUDA_VISIBLE_DEVICES names, in one process.
# Must be true: as for gpu.sh; and every stage's batch divides by the number of GPUs.
#   launch/multi_gpu.sh configs/collagenet.py:paper --workdir=runs/paper
# Several such machines that reach each other and share the workdir's folder: on each the same command, with its number:
#   launch/multi_gpu.sh configs/collagenet.py:paper --workdir=/shared/paper \
#     --coordinator=first.machine:8476 --processes=2 --process=0
set -euo pipefail
config=${1:?usage: $0 CONFIG [FLAGS...]}; shift
export JAX_PLATFORMS=cuda,cpu # without a GPU: stop, rather than train on the CPU for days
exec python -m musicfusion.launch --config="$config" "$@"
