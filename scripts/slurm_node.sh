#!/usr/bin/env bash
# One training on one machine, under SLURM; smoothlab starts a rank for each GPU itself:
#   sbatch scripts/slurm_node.sh experiment=medical smoothing=online
#   TRAINER=ddp DEVICES=4 sbatch --gpus-per-node=4 scripts/slurm_node.sh
# Preempted or out of time it ends with a checkpoint and is put back into the queue, where resume=auto goes on.
#SBATCH --job-name=smoothlab
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.out
# SIGTERM to the task 90 seconds before the end; preemption sends it too.
#SBATCH --signal=TERM@90
set -uo pipefail

# The name is the job's, so that resume=auto finds this run and no other of the same config.
srun --ntasks=1 smoothlab train trainer="${TRAINER:-gpu}" trainer.devices="${DEVICES:-1}" \
  name="job_$SLURM_JOB_ID" resume=auto progress=lines "$@"
code=$?

# 143 = 128 + SIGTERM: stopped, not failed. SLURM ends this script when it has put the job back; a script that ends
# before that can leave the job as failed.
if [ "$code" -eq 143 ]; then
  scontrol requeue "$SLURM_JOB_ID" && sleep 120
fi
exit "$code"
