#!/usr/bin/env bash
# A run for each seed, as an array of jobs of which four run at a time, under SLURM:
#   sbatch --array=0-9%4 scripts/slurm_array.sh experiment=medical smoothing=online
#   smoothlab report outputs/array_<job>_*
# No process waits for them. `smoothlab train -m hydra/launcher=submitit_slurm` waits, and keeps a table (docs/sweeps.md).
#SBATCH --job-name=smoothlab
#SBATCH --array=0-4%4
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

srun --ntasks=1 smoothlab train trainer="${TRAINER:-gpu}" seed="$SLURM_ARRAY_TASK_ID" \
  name="array_${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" resume=auto progress=lines "$@"
code=$?

# As scripts/slurm_node.sh.
if [ "$code" -eq 143 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" && sleep 120
fi
exit "$code"
