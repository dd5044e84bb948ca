#!/usr/bin/env bash
# A slice of a TPU pod: run it on every worker at once; the workers find each other (--coordinator=auto).
# Must be true: pip install -e '.[tpu]' on every worker; the workdir is a folder that all of them share (a mounted file
# system, not gs://); every stage's batch divides by the number of chips.
#   gcloud compute tpus tpu-vm ssh NAME --zone=ZONE --worker=all --command='cd musicfusion &&
#     launch/tpu_pod.sh configs/collagenet.py:paper --workdir=/shared/paper --config.data.root=/shared/pop909.npz'
set -euo pipefail
config=${1:?usage: $0 CONFIG [FLAGS...]}; shift
export JAX_PLATFORMS=tpu,cpu # without TPUs: stop, rather than train on the CPU for days
exec python -m musicfusion.launch --config="$config" --coordinator=auto "$@"
