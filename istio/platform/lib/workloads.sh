# shellcheck shell=bash
# What runs in the mesh: the service `shop` in every zone, and greatcircle with its routes, from istio/chart, at every ingress
# gateway. Knows the chart's values, and nothing of how the mesh came to be.

# What `./build.sh image` leaves, and what it is called in the registry.
readonly IMAGE_ARCHIVE=dist/greatcircle-image.tar
readonly IMAGE=greatcircle:platform

readonly SHOP_HOST=shop.example.com
readonly SHOP_CERTIFICATE=shop-example-com # the secret's name
readonly VALUES=$STATE/values.yaml

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

# Sets IMAGE_DIGEST, which gateways compare with what they pull. It is taken of what the registry serves: docker's older image store
# compresses the layer anew, the newer one pushes what it was given.
push_image() {
    step "greatcircle's image" "./build.sh image says what it needs; curl http://localhost:$REGISTRY_PORT/v2/ whether the registry answers"
    run "./build.sh image"
    run "docker tag \"\$(docker load --quiet --input $IMAGE_ARCHIVE | sed -n 's/^Loaded image: //p')\" localhost:$REGISTRY_PORT/$IMAGE"
    run "docker push --quiet localhost:$REGISTRY_PORT/$IMAGE"
    run "IMAGE_DIGEST=\$(curl --fail --silent --show-error --noproxy localhost \\
    --header 'Accept: application/vnd.oci.image.manifest.v1+json' \\
    --header 'Accept: application/vnd.docker.distribution.manifest.v2+json' \\
    http://localhost:$REGISTRY_PORT/v2/${IMAGE%:*}/manifests/${IMAGE#*:} | sha256sum | sed 's/ .*//')"
}

# The chart's values, the same in every region. Geo headers are believed from anybody: nobody but this machine reaches these gateways.
write_values() {
    local region latitude longitude regions=''
    for region in "${REGION_LIST[@]}"; do
        read -r latitude longitude <<<"$(coordinates "$region")"
        regions+=$'\n'"- {name: $region, latitude: $latitude, longitude: $longitude}"
    done
    step "Values for the chart" "see the shell's message"
    run "cat >$VALUES <<YAML
topology: T1
regions:$regions
services:
- {name: shop, namespace: shop, port: 8080, hosts: [$SHOP_HOST], selector: {app: shop}}
gateway: {credentialName: $SHOP_CERTIFICATE}
image: {url: \"oci://$REGISTRY:5000/$IMAGE\", sha256: \"\$IMAGE_DIGEST\"}
config:
  health: {path: /health}
  clientLocation: {trust: {any: true}}
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
    run "helm upgrade --install greatcircle istio/chart --kube-context kind-$1 --namespace istio-ingress --values $VALUES"
}

# The clients come in by the first region's gateway, which goes dark with its region: so another one is to be killed.
say_how_to_try() {
    local region latitude longitude
    [[ -z $DRY_RUN ]] || return 0
    say "
# The platform is up. To look at it:
#   export KUBECONFIG=$KUBECONFIG
#   istio/platform/platform.sh status
# A client near each region, at the gateway of ${REGION_LIST[0]}; the answer is the zone that served:"
    for region in "${REGION_LIST[@]}"; do
        read -r latitude longitude <<<"$(coordinates "$region")"
        say "#   curl --cacert $CERTIFICATES/root-cert.pem --resolve $SHOP_HOST:443:$KIND_NET.255.10 \\
#       -H 'x-geo-latitude: $latitude' -H 'x-geo-longitude: $longitude' https://$SHOP_HOST/"
    done
    ((${#REGION_LIST[@]} > 1)) || return 0
    say "# The gateway of ${REGION_LIST[1]} is $KIND_NET.255.20: the same clients get the same answers there.
# The region of the second client goes dark; after some seconds another one serves it. Then it comes back:
#   istio/platform/platform.sh kill-region ${REGION_LIST[1]}
#   istio/platform/platform.sh heal"
}
