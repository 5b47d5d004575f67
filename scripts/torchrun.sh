#!/usr/bin/env bash
# One training on several machines, without a cluster's scheduler. Give this on each machine, the first one first:
#   NODES=2 GPUS=4 NODE=0 FIRST=10.0.0.1 scripts/torchrun.sh experiment=medical smoothing=online
#   NODES=2 GPUS=4 NODE=1 FIRST=10.0.0.1 scripts/torchrun.sh experiment=medical smoothing=online
# NODES machines, GPUS on each, NODE this one's number from 0, FIRST the address of machine 0. output_root has to be
# on a file system that all of them see.
set -euo pipefail

: "${NODES:?how many machines}" "${GPUS:?GPUs on each machine}" "${NODE:?number of this machine, from 0}"
: "${FIRST:?address of machine 0}"

exec torchrun \
  --nnodes="$NODES" \
  --nproc-per-node="$GPUS" \
  --node-rank="$NODE" \
  --master-addr="$FIRST" \
  --master-port="${PORT:-29400}" \
  -m smoothlab train trainer=ddp trainer.devices="$GPUS" trainer.num_nodes="$NODES" "$@"
