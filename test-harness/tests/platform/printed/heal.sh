#!/usr/bin/env bash
set -euo pipefail # from the root of the repository
export KUBECONFIG=target/platform/kubeconfig

# Region eu-west comes back
docker inspect --format '{{.State.Paused}}' eu-west-control-plane | grep -qx false || docker unpause eu-west-control-plane
docker inspect --format '{{.State.Paused}}' eu-west-worker | grep -qx false || docker unpause eu-west-worker
docker inspect --format '{{.State.Paused}}' eu-west-worker2 | grep -qx false || docker unpause eu-west-worker2

# Region us-east comes back
docker inspect --format '{{.State.Paused}}' us-east-control-plane | grep -qx false || docker unpause us-east-control-plane
docker inspect --format '{{.State.Paused}}' us-east-worker | grep -qx false || docker unpause us-east-worker
docker inspect --format '{{.State.Paused}}' us-east-worker2 | grep -qx false || docker unpause us-east-worker2

# Nodes of eu-west
kubectl --context kind-eu-west wait --for=condition=Ready node --all --timeout=180s

# Nodes of us-east
kubectl --context kind-us-east wait --for=condition=Ready node --all --timeout=180s
