# shellcheck shell=bash
# Taking regions and zones away, giving them back, and looking at what is left. Touches containers, never their contents.
#
# A node goes dark by `docker pause`: all of its processes freeze in the middle of what they do, kubelet, proxies, MetalLB and
# the API server among them, and go on where they were. Nodes keep their addresses, which they would not by stop and start.
# What it is not: the kernel of a frozen node still takes connections. Clients meet timeouts, the worst kind of outage, and no resets.

pause() { # NODE
    run "docker inspect --format '{{.State.Paused}}' $1 | grep -qx true || docker pause $1"
}

unpause() { # NODE
    run "docker inspect --format '{{.State.Paused}}' $1 | grep -qx false || docker unpause $1"
}

kill_region() { # REGION
    local node nodes
    require_region "$1"
    mapfile -t nodes < <(nodes_of "$1")
    step "Region $1 goes dark" "docker ps --all --filter label=io.x-k8s.kind.cluster=$1 says what is left; heal brings it back"
    for node in "${nodes[@]}"; do pause "$node"; done
}

kill_zone() { # ZONE
    local node
    node=$(node_of_zone "$1")
    step "Zone $1 goes dark" "docker inspect $node says what became of the node; heal brings it back"
    pause "$node"
}

# A node that was stopped, not paused, may come back with another address. It is not healed here: down, then up.
heal() {
    local region node nodes
    for region in "${REGION_LIST[@]}"; do
        mapfile -t nodes < <(nodes_of "$region")
        step "Region $region comes back" "docker ps --all --filter label=io.x-k8s.kind.cluster=$region; a node that has exited (a restart of docker) needs down and up"
        for node in "${nodes[@]}"; do unpause "$node"; done
    done
    for region in "${REGION_LIST[@]}"; do
        step "Nodes of $region" "kubectl --context kind-$region describe nodes"
        run "kubectl --context kind-$region wait --for=condition=Ready node --all --timeout=180s"
    done
}

# Each look has its own limit, because a dark region answers nothing. What does not answer is said and passed over.
look() { # REGION WHAT COMMAND
    say "# $2"
    run "timeout 20 kubectl --context kind-$1 $3 || echo '$1: $2: no answer'"
}

show_status() {
    local region
    for region in "${REGION_LIST[@]}"; do
        step "Region $region" "docker itself does not answer: docker info"
        run "docker ps --all --filter label=io.x-k8s.kind.cluster=$region --format 'table {{.Names}}\\t{{.Status}}'"
        look "$region" nodes "get nodes --label-columns topology.kubernetes.io/zone"
        look "$region" gateways "get services --all-namespaces --selector 'istio in (ingressgateway, eastwestgateway)'"
        look "$region" shop "get pods --namespace shop --output wide"
        look_through_gateways "$region"
    done
}

# Each gateway pod by itself: one in a dark zone must not hide what the other one sees.
look_through_gateways() { # REGION
    say "# what greatcircle sees: 1 up, 0 down, 2 unknown"
    run "for pod in \$(timeout 20 kubectl --context kind-$1 get pods --namespace istio-ingress --selector istio=ingressgateway --output name || echo gateways); do
    timeout 20 kubectl --context kind-$1 exec --namespace istio-ingress \"\$pod\" --container istio-proxy -- \\
        pilot-agent request GET 'stats?filter=greatcircle_region_health' || echo \"$1: \$pod: no answer\"
done"
}
