#!/usr/bin/env bash
# The packages that the tests of clusters need, on Debian. Elsewhere, or without root, the tests skip with their reason.
set -u
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
  echo "cluster-test: no root, or no apt-get: tests whose packages are missing are skipped" >&2
  exit 0
fi
if ! command -v slurmctld > /dev/null || ! command -v munged > /dev/null || ! command -v ip > /dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends slurm-wlm munge iproute2 openmpi-bin > /dev/null ||
    echo "cluster-test: the packages cannot be installed: tests that need them are skipped" >&2
fi
