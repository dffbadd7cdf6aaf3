#!/usr/bin/env bash
set -euo pipefail # from the root of the repository
export KUBECONFIG=target/platform/kubeconfig

# Zone eu-west-1b goes dark
docker inspect --format '{{.State.Paused}}' eu-west-worker2 | grep -qx true || docker pause eu-west-worker2
