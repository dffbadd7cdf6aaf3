# shellcheck shell=bash
# What runs in the mesh: the service `shop` in every zone, and greatcircle with its routes, from istio/base, at every ingress
# gateway. Knows names of istio/base (below), and nothing of how the mesh came to be.

# What `./build.sh image` leaves, and what it is called in the registry.
readonly IMAGE_ARCHIVE=dist/greatcircle-image.tar
readonly IMAGE=greatcircle:platform

# Names in istio/base that the overlay and the examples rely on.
readonly SHOP_HOST=shop.example.com
readonly SHOP_CERTIFICATE=shop-example-com # Gateway: credentialName
readonly OVERLAY=$STATE/overlay

# Every zone answers with its own name. The address and the name are the same in all clusters: to Istio it is one service.
deploy_shop() { # REGION
    local zone zones yaml
    mapfile -t zones < <(zones_of "$1")
    yaml="apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec:
  selector: {app: shop}
  ports: [{name: http, port: 8080}]"
    for zone in "${zones[@]}"; do
        yaml+="
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-$zone, namespace: shop}
spec:
  selector: {matchLabels: {app: shop, zone: $zone}}
  template:
    metadata:
      labels: {app: shop, zone: $zone}
    spec:
      nodeSelector: {topology.kubernetes.io/zone: $zone}
      containers:
      - name: shop
        image: $SHOP_IMAGE
        args: [\"-listen=:8080\", \"-text=$1/$zone\"]
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /health, port: 8080}}"
    done
    step "Service shop in $1" "kubectl --context kind-$1 describe pods --namespace shop; without a sidecar: kubectl rollout restart"
    apply "$1" "$yaml"
    for zone in "${zones[@]}"; do
        run "kubectl --context kind-$1 rollout status --namespace shop deployment/shop-$zone --timeout=300s"
    done
}

# Sets IMAGE_DIGEST: what the plugin's `sha256` is compared with is the image's digest in the registry, which docker's push decides.
push_image() {
    step "greatcircle's image" "./build.sh image says what it needs; curl http://localhost:$REGISTRY_PORT/v2/ whether the registry answers"
    run "./build.sh image"
    run "docker tag \"\$(docker load --quiet --input $IMAGE_ARCHIVE | sed -n 's/^Loaded image: //p')\" localhost:$REGISTRY_PORT/$IMAGE"
    run "docker push --quiet localhost:$REGISTRY_PORT/$IMAGE"
    run "IMAGE_DIGEST=\$(docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' localhost:$REGISTRY_PORT/$IMAGE |
    sed -n 's|^localhost:$REGISTRY_PORT/${IMAGE%:*}@sha256:||p' | tail -n 1)"
    run "test -n \"\$IMAGE_DIGEST\""
}

# A region that istio/base does not have: where it is, its subset, and the route that its name in the header takes.
plugin_patch() { # REGION
    local latitude longitude
    read -r latitude longitude <<<"$(coordinates "$1")"
    printf '    - {op: add, path: /spec/pluginConfig/regions/-, value: {name: %s, latitude: %s, longitude: %s}}' "$1" "$latitude" "$longitude"
}

subset_patch() { # REGION
    printf '    - {op: add, path: /spec/subsets/-, value: {name: %s, labels: {topology.kubernetes.io/region: %s}}}' "$1" "$1"
}

route_patch() { # REGION
    cat <<YAML
    - op: add
      path: /spec/http/0
      value:
        name: $1
        match: [{headers: {x-greatcircle-region: {exact: $1}}}]
        route: [{destination: {host: shop.shop.svc.cluster.local, subset: $1, port: {number: 8080}}}]
YAML
}

patches() { # KIND NAME FUNCTION: the function's patch for each region that istio/base does not have
    local region text=''
    for region in "${REGION_LIST[@]}"; do is_in_base "$region" || text+=$'\n'$("$3" "$region"); done
    [[ -z $text ]] || printf -- '- target: {kind: %s, name: %s}\n  patch: |-%s' "$1" "$2" "$text"
}

# istio/base as it is, but for what is this platform's own: where the image lies, and whose geo headers to believe.
# Anybody's: nobody but this machine reaches these gateways.
write_overlay() {
    local added
    added=$(patches WasmPlugin greatcircle plugin_patch && echo &&
        patches DestinationRule shop-regions subset_patch && echo && patches VirtualService shop route_patch)
    step "Overlay of istio/base" "see the shell's message"
    run "mkdir -p $OVERLAY"
    run "cat >$OVERLAY/kustomization.yaml <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../../istio/base]
patches:
- target: {kind: WasmPlugin, name: greatcircle}
  patch: |-
    - {op: add, path: /spec/url, value: \"oci://$REGISTRY:5000/$IMAGE\"}
    - {op: add, path: /spec/sha256, value: \"\$IMAGE_DIGEST\"}
    - {op: add, path: /spec/pluginConfig/clientLocation, value: {trust: {any: true}}}${added:+$'\n'$added}
YAML"
}

make_shop_certificate() {
    local file=$CERTIFICATES/shop
    step "Certificate of $SHOP_HOST" "see openssl's message; if $file.pem is half made, remove it"
    run "test -s $file.pem || (
umask 077
openssl req -newkey rsa:2048 -noenc -sha256 -keyout $file-key.pem -out $file.csr -config /dev/stdin <<'CONFIG'
[req]
prompt = no
distinguished_name = name
[name]
CN = $SHOP_HOST
CONFIG
openssl x509 -req -sha256 -days $INTERMEDIATE_DAYS -in $file.csr -out $file.pem \\
    -CA $CERTIFICATES/root-cert.pem -CAkey $CERTIFICATES/root-key.pem -CAcreateserial -extfile /dev/stdin <<'EXTENSIONS'
basicConstraints = critical, CA:false
subjectAltName = DNS:$SHOP_HOST
EXTENSIONS
)"
}

apply_greatcircle() { # REGION
    step "greatcircle in $1" "kubectl --context kind-$1 logs --namespace istio-ingress deployment/istio-ingressgateway says why a module is not loaded"
    run "kubectl --context kind-$1 get secret --namespace istio-ingress $SHOP_CERTIFICATE >/dev/null 2>&1 ||
    kubectl --context kind-$1 create secret tls $SHOP_CERTIFICATE --namespace istio-ingress \\
    --cert=$CERTIFICATES/shop.pem --key=$CERTIFICATES/shop-key.pem"
    run "kubectl --context kind-$1 apply --kustomize $OVERLAY"
}

say_how_to_try() {
    local region latitude longitude
    [[ -z $DRY_RUN ]] || return 0
    say "
# The platform is up. To look at it:
#   export KUBECONFIG=$KUBECONFIG
#   istio/platform/platform.sh status
#   istio/platform/platform.sh kill-region ${REGION_LIST[0]}; …; istio/platform/platform.sh heal
# A client near each region, at the first gateway; the answer is the zone that served:"
    for region in "${REGION_LIST[@]}"; do
        read -r latitude longitude <<<"$(coordinates "$region")"
        say "#   curl --cacert $CERTIFICATES/root-cert.pem --resolve $SHOP_HOST:443:$KIND_NET.255.10 \\
#       -H 'x-geo-latitude: $latitude' -H 'x-geo-longitude: $longitude' https://$SHOP_HOST/"
    done
}
