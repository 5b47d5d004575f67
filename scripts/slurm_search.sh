#!/usr/bin/env bash
# Commands of one search on as many machines as the array has jobs, under SLURM; the database divides the trials:
#   sbatch --array=0-3 scripts/slurm_search.sh sweep=search hydra.sweeper.n_trials=200
#   smoothlab sweep status <study> 'storage=${oc.env:SEARCH_STORAGE}'
# The URL of the database, with its password, stands in a file that only you can read, not in the job's environment.
#SBATCH --job-name=smoothlab-search
#SBATCH --array=0-3
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%A_%a.out
#SBATCH --signal=TERM@90
set -uo pipefail

SEARCH_STORAGE="$(cat "${SEARCH_STORAGE_FILE:-$HOME/.smoothlab_search}")" || exit 2
export SEARCH_STORAGE
srun --ntasks=1 smoothlab train -m 'hydra.sweeper.storage=${oc.env:SEARCH_STORAGE}' trainer="${TRAINER:-gpu}" "$@"
code=$?

# Stopped: its trials are free for the others already; the job takes new ones when it is back.
if [ "$code" -eq 143 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" && sleep 120
fi
exit "$code"
