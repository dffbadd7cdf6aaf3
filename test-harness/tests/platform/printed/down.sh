#!/usr/bin/env bash
set -euo pipefail # from the root of the repository
export KUBECONFIG=target/platform/kubeconfig

# Cluster eu-west
kind delete cluster --name eu-west

# Cluster us-east
kind delete cluster --name us-east

# Registry, certificates, kubeconfig
docker rm --force --volumes greatcircle-registry
rm -rf target/platform
