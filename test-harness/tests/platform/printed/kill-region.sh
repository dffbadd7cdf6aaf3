#!/usr/bin/env bash
set -euo pipefail # from the root of the repository
export KUBECONFIG=target/platform/kubeconfig

# Region us-east goes dark
docker inspect --format '{{.State.Paused}}' us-east-control-plane | grep -qx true || docker pause us-east-control-plane
docker inspect --format '{{.State.Paused}}' us-east-worker | grep -qx true || docker pause us-east-worker
docker inspect --format '{{.State.Paused}}' us-east-worker2 | grep -qx true || docker pause us-east-worker2
