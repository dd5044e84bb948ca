#!/usr/bin/env bash
#SBATCH --job-name=musicfusion
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --output=%x-%j.log
# A Slurm job; flags of sbatch overrule those above. Submit it in the repository, where `python` has musicfusion.
# Must be true: as for gpu.sh on every node; the workdir is on a file system that all nodes share; every stage's batch
# divides by the number of GPUs. Several GPUs: one task for each, because JAX gives each task one GPU; the tasks find
# each other by what srun tells them. A job that was requeued goes on from its last checkpoint.
#   sbatch --nodes=2 --ntasks-per-node=4 --gpus-per-node=4 \
#     launch/slurm.sh configs/collagenet.py:paper --workdir=runs/paper
set -euo pipefail
config=${1:?usage: sbatch $0 CONFIG [FLAGS...]}; shift
exec srun python -m musicfusion.launch --config="$config" "$@"
