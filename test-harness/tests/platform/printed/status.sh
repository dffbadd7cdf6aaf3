#!/usr/bin/env bash
set -euo pipefail # from the root of the repository
export KUBECONFIG=target/platform/kubeconfig

# Region eu-west
docker ps --all --filter label=io.x-k8s.kind.cluster=eu-west --format 'table {{.Names}}\t{{.Status}}'
# nodes
timeout 20 kubectl --context kind-eu-west get nodes --label-columns topology.kubernetes.io/zone || echo 'eu-west: nodes: no answer'
# gateways
timeout 20 kubectl --context kind-eu-west get services --all-namespaces --selector 'istio in (ingressgateway, eastwestgateway)' || echo 'eu-west: gateways: no answer'
# shop
timeout 20 kubectl --context kind-eu-west get pods --namespace shop --output wide || echo 'eu-west: shop: no answer'
# what greatcircle sees: 1 up, 0 down, 2 unknown
for pod in $(timeout 20 kubectl --context kind-eu-west get pods --namespace istio-ingress --selector istio=ingressgateway --output name || echo gateways); do
    timeout 20 kubectl --context kind-eu-west exec --namespace istio-ingress "$pod" --container istio-proxy -- \
        pilot-agent request GET 'stats?filter=greatcircle_region_health' || echo "eu-west: $pod: no answer"
done

# Region us-east
docker ps --all --filter label=io.x-k8s.kind.cluster=us-east --format 'table {{.Names}}\t{{.Status}}'
# nodes
timeout 20 kubectl --context kind-us-east get nodes --label-columns topology.kubernetes.io/zone || echo 'us-east: nodes: no answer'
# gateways
timeout 20 kubectl --context kind-us-east get services --all-namespaces --selector 'istio in (ingressgateway, eastwestgateway)' || echo 'us-east: gateways: no answer'
# shop
timeout 20 kubectl --context kind-us-east get pods --namespace shop --output wide || echo 'us-east: shop: no answer'
# what greatcircle sees: 1 up, 0 down, 2 unknown
for pod in $(timeout 20 kubectl --context kind-us-east get pods --namespace istio-ingress --selector istio=ingressgateway --output name || echo gateways); do
    timeout 20 kubectl --context kind-us-east exec --namespace istio-ingress "$pod" --container istio-proxy -- \
        pilot-agent request GET 'stats?filter=greatcircle_region_health' || echo "us-east: $pod: no answer"
done
