#!/usr/bin/env bash
# One training on two machines with four GPUs each, under SLURM:
#   sbatch scripts/slurm_train.sh experiment=medical smoothing=online
# Preempted or out of time it ends with a checkpoint and is put back into the queue, where resume=auto goes on.
#SBATCH --job-name=smoothlab
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.out
# SIGTERM to the tasks 90 seconds before the end; preemption sends it too.
#SBATCH --signal=TERM@90
set -uo pipefail

export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
# The name is the job's, so that resume=auto finds this run and no other of the same config.
srun --kill-on-bad-exit=1 smoothlab train trainer="${TRAINER:-ddp}" \
  trainer.devices="$SLURM_NTASKS_PER_NODE" trainer.num_nodes="$SLURM_NNODES" \
  name="job_$SLURM_JOB_ID" resume=auto progress=lines "$@"
code=$?

# 143 = 128 + SIGTERM: stopped, not failed. SLURM ends this script when it has put the job back; a script that ends
# before that can leave the job as failed.
if [ "$code" -eq 143 ]; then
  scontrol requeue "$SLURM_JOB_ID" && sleep 120
fi
exit "$code"
