#!/usr/bin/env bash
# The packages that the tests of clusters need, on Debian. Elsewhere, or without root, the tests skip with their reason.
#   tests/cluster/install.sh <python>    the interpreter that gets PostgreSQL's driver
set -u
python="${1:-python3}"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
  echo "cluster-test: no root, or no apt-get: tests whose packages are missing are skipped" >&2
  exit 0
fi
missing=""
has() { command -v "$1" > /dev/null || missing="$missing $2"; }
has slurmctld slurm-wlm
has munged munge
has ip iproute2
has mpirun openmpi-bin
has psql postgresql
has buildah buildah
has debootstrap debootstrap
has glusterfsd glusterfs-server
has glusterfs glusterfs-client
if [ -n "$missing" ]; then
  # each by itself, so that one that is not there does not keep the others out
  apt-get update -qq
  for package in $missing; do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" > /dev/null ||
      echo "cluster-test: $package cannot be installed: tests that need it are skipped" >&2
  done
fi
"$python" -c "import psycopg" 2> /dev/null || "$python" -m pip install --quiet --disable-pip-version-check "psycopg[binary]>=3.1" ||
  echo "cluster-test: psycopg cannot be installed: tests that need it are skipped" >&2
