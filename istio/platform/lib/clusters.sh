# shellcheck shell=bash
# One KIND cluster for each region: nodes with zones, addresses for load balancers, and a registry beside them.
# Knows nothing of Istio.

readonly REGISTRY=greatcircle-registry
readonly REGISTRY_PORT=5001 # on this machine's loopback; inside docker's network it is $REGISTRY:5000
readonly METALLB=$STATE/metallb-native.yaml

# A server-side object from a here-document. Unquoted, so that $KIND_NET in it becomes the value.
apply() { # REGION YAML
    run "kubectl --context kind-$1 apply --filename - <<YAML
$2
YAML"
}

worker() { # REGION ZONE
    printf -- '- role: worker\n  labels: {topology.kubernetes.io/region: %s, topology.kubernetes.io/zone: %s}\n' "$1" "$2"
}

create_cluster() { # REGION
    local zone zones workers=''
    mapfile -t zones < <(zones_of "$1")
    for zone in "${zones[@]}"; do workers+=$'\n'$(worker "$1" "$zone"); done
    step "Cluster $1" "see kind's message. \"Too many open files\": sudo sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288"
    run "kind get clusters | grep -qx $1 || kind create cluster --image $NODE_IMAGE --wait 180s --config - <<'YAML'
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
name: $1
networking:
  podSubnet: $(pod_subnet "$1")
  serviceSubnet: $(service_subnet "$1")
nodes:
- role: control-plane$workers
YAML"
    run "kind export kubeconfig --name $1"
    run "kubectl --context kind-$1 wait --for=condition=Ready node --all --timeout=180s"
}

# Sets KIND_NET, the first two bytes of what every node and every load balancer is in.
find_network() {
    step "Docker's network of the nodes" "its IPv4 subnet has to be a /16. With no cluster in it: docker network rm kind; the next cluster makes it anew"
    run "KIND_NET=\$(docker network inspect kind --format '{{range .IPAM.Config}}{{println .Subnet}}{{end}}' |
    sed -nE 's|^([0-9]+[.][0-9]+)[.].*/16\$|\\1|p')"
    run "test -n \"\$KIND_NET\""
}

download_metallb() {
    step "MetalLB's manifest" "remove $METALLB if it is not the file that versions.env means"
    run "test -s $METALLB || curl --fail --silent --show-error --location --output $METALLB \\
    $METALLB_MANIFEST"
    run "sha256sum --check --quiet <<'SUM'
$METALLB_SHA256  $METALLB
SUM"
}

install_metallb() { # REGION
    step "Addresses for load balancers in $1" "kubectl --context kind-$1 get pods --namespace metallb-system says which pod is not up"
    run "kubectl --context kind-$1 apply --filename $METALLB"
    run "kubectl --context kind-$1 rollout status --namespace metallb-system deployment/controller --timeout=300s"
    run "kubectl --context kind-$1 rollout status --namespace metallb-system daemonset/speaker --timeout=300s"
    apply "$1" "apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: $1, namespace: metallb-system}
spec:
  addresses: [\"$(address_pool "$1")\"]
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: $1, namespace: metallb-system}
spec:
  ipAddressPools: [$1]"
}

start_registry() {
    step "Registry" "something else may listen on 127.0.0.1:$REGISTRY_PORT: ss -ltnp 'sport = :$REGISTRY_PORT'"
    run "docker container inspect $REGISTRY >/dev/null 2>&1 || docker run --detach --name $REGISTRY --network kind \\
    --restart unless-stopped --publish 127.0.0.1:$REGISTRY_PORT:5000 \\
    $REGISTRY_IMAGE"
    run "docker start $REGISTRY"
}

# Deletes by name, and kind knows no owners: so only what an `up` of this checkout has noted, or what is named once more.
take_down() {
    local region
    if [[ -z $DRY_RUN && ! -s $STATE/regions && -z ${REGIONS:-} ]]; then
        say "# Nothing to take down: no platform was built from here. If that is wrong, name the clusters: REGIONS=\"${REGION_LIST[*]}\""
        return
    fi
    for region in "${REGION_LIST[@]}"; do
        step "Cluster $region" "see kind's message"
        run "kind delete cluster --name $region"
    done
    step "Registry, certificates, kubeconfig" "docker ps --all says whether the registry is still there"
    run "docker rm --force --volumes $REGISTRY"
    run "rm -rf $STATE"
}
