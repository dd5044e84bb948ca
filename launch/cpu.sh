#!/usr/bin/env bash
# One machine, its CPU. Must be true: musicfusion is installed (pip install -e .). An accelerator is left alone.
#   launch/cpu.sh configs/collagenet.py:quick --workdir=runs/quick
set -euo pipefail
config=${1:?usage: $0 CONFIG [FLAGS...]}; shift
export JAX_PLATFORMS=cpu
exec python -m musicfusion.launch --config="$config" "$@"
