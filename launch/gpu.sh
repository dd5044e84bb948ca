#!/usr/bin/env bash
# One machine, one NVIDIA GPU: the first, or the one that CUDA_VISIBLE_DEVICES names.
# Must be true: pip install -e '.[cuda]', and a driver for CUDA 13, as nvidia-smi says; with an older one instead of that
# pip install -e . 'jax[cuda12]'.
#   launch/gpu.sh configs/collagenet.py:paper --workdir=runs/paper
set -euo pipefail
config=${1:?usage: $0 CONFIG [FLAGS...]}; shift
export CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES:-0}
export JAX_PLATFORMS=cuda,cpu # without a GPU: stop, rather than train on the CPU for days
exec python -m musicfusion.launch --config="$config" "$@"
