# shellcheck shell=bash
# One mesh over all clusters: multi-primary, each cluster a network of its own. Every cluster has its istiod, its ingress
# gateway and its east-west gateway, and reads the endpoints of all others. Knows nothing of greatcircle.

prepare_namespaces() { # REGION
    step "Namespaces of $1" "see kubectl's message"
    apply "$1" "apiVersion: v1
kind: Namespace
metadata:
  name: istio-system
  labels: {topology.istio.io/network: net-$1}
---
apiVersion: v1
kind: Namespace
metadata:
  name: istio-ingress
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {istio-injection: enabled}"
}

install_authority() { # REGION
    local folder=$CERTIFICATES/$1
    step "Certificate authority of $1" "the cluster's root is not the one in $CERTIFICATES, which was lost or made anew: down, then up"
    run "kubectl --context kind-$1 get secret --namespace istio-system cacerts >/dev/null 2>&1 ||
    kubectl --context kind-$1 create secret generic cacerts --namespace istio-system \\
    --from-file=$folder/ca-cert.pem --from-file=$folder/ca-key.pem \\
    --from-file=$folder/root-cert.pem --from-file=$folder/cert-chain.pem"
    run "kubectl --context kind-$1 get secret --namespace istio-system cacerts --output 'jsonpath={.data.root-cert\\.pem}' |
    base64 --decode | cmp - $CERTIFICATES/root-cert.pem"
}

# Two istiods, in two zones: a zone that goes dark must not take the region's control plane along.
install_istio() { # REGION
    step "Istio in $1" "istioctl analyze --context kind-$1 --all-namespaces, and kubectl --context kind-$1 get pods --namespace istio-system"
    run "istioctl install --context kind-$1 --skip-confirmation --filename - <<'YAML'
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: platform, namespace: istio-system}
spec:
  profile: minimal
  values:
    global:
      meshID: greatcircle
      multiCluster: {clusterName: $1}
      network: net-$1
    pilot:
      autoscaleEnabled: false
      replicaCount: 2
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: topology.kubernetes.io/zone
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {matchLabels: {app: istiod}}
YAML"
}

# A gateway by injection: istiod fills in the proxy. The role lets it serve the certificates that Gateways name. With the traffic
# policy Local the client's address arrives, because no node puts its own in its place; MetalLB announces the gateway's address
# from a node that has a pod of it, and not from one that is dark.
gateway() { # REGION NAMESPACE NAME ADDRESS LABELS PORTS ENVIRONMENT [ANNOTATIONS]
    local selector=${3#istio-}
    apply "$1" "apiVersion: v1
kind: ServiceAccount
metadata: {name: $3, namespace: $2}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: $3, namespace: $2}
rules:
- {apiGroups: [\"\"], resources: [secrets], verbs: [get, watch, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: $3, namespace: $2}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: $3}
subjects: [{kind: ServiceAccount, name: $3}]
---
apiVersion: v1
kind: Service
metadata:
  name: $3
  namespace: $2
  labels: {$5}
  annotations: {metallb.io/loadBalancerIPs: \"$4\"}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: {istio: $selector}
  ports: [$6]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: $3, namespace: $2}
spec:
  replicas: ${#ZONE_LIST[@]}
  selector: {matchLabels: {istio: $selector}}
  template:
    metadata:
      labels: {$5, sidecar.istio.io/inject: \"true\"}
      annotations: {inject.istio.io/templates: gateway${8:+, $8}}
    spec:
      serviceAccountName: $3
      securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: \"0\"}]}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: topology.kubernetes.io/zone
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {matchLabels: {istio: $selector}}
      containers:
      - name: istio-proxy
        image: auto
        securityContext:
          {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, capabilities: {drop: [ALL]}}
        env: [$7]"
    run "kubectl --context kind-$1 rollout status --namespace $2 deployment/$3 --timeout=300s"
    run "kubectl --context kind-$1 wait --namespace $2 service/$3 --for=jsonpath='{.status.loadBalancer.ingress[0].ip}' --timeout=120s"
}

# Endpoints of this network for the others. AUTO_PASSTHROUGH: mutual TLS goes through to the pod, the gateway sees only its name.
install_east_west_gateway() { # REGION
    step "East-west gateway of $1" "kubectl --context kind-$1 describe pods --namespace istio-system --selector istio=eastwestgateway"
    gateway "$1" istio-system istio-eastwestgateway "$(east_west_address "$1")" \
        "istio: eastwestgateway, topology.istio.io/network: net-$1" \
        "{name: status, port: 15021}, {name: tls, port: 15443}" \
        "{name: ISTIO_META_REQUESTED_NETWORK_VIEW, value: net-$1}"
    apply "$1" "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: cross-network, namespace: istio-system}
spec:
  selector: {istio: eastwestgateway}
  servers:
  - port: {number: 15443, name: tls, protocol: TLS}
    tls: {mode: AUTO_PASSTHROUGH}
    hosts: [\"*.local\"]"
}

# For greatcircle's metrics: the labels that a proxy takes out of their names. For trying networks and lookup: X-Forwarded-For is
# believed, so that anybody on this machine can be a client from anywhere.
readonly INGRESS_PROXY='{"extraStatTags": ["region", "reason", "outcome", "to", "why", "version", "hash"], "runtimeValues": {"http.async_response_buffer_limit": "65536"}, "gatewayTopology": {"numTrustedProxies": 1}}'

# The registry beside the clusters speaks plain HTTP, which istio-agent does only where it is told to.
install_ingress_gateway() { # REGION
    step "Ingress gateway of $1" "kubectl --context kind-$1 describe pods --namespace istio-ingress; a gateway waits for its Wasm module before it is ready"
    gateway "$1" istio-ingress istio-ingressgateway "$(ingress_address "$1")" \
        "istio: ingressgateway" \
        "{name: status, port: 15021}, {name: http2, port: 80}, {name: https, port: 443}" \
        "{name: WASM_INSECURE_REGISTRIES, value: \"$REGISTRY:5000\"}" \
        "proxy.istio.io/config: '$INGRESS_PROXY'"
}

# istiod of one cluster may read another's endpoints. The address is the node's in docker's network: 127.0.0.1, which kind
# writes into kubeconfigs, would be the reader itself.
exchange_secrets() {
    local from to
    for from in "${REGION_LIST[@]}"; do
        for to in "${REGION_LIST[@]}"; do
            [[ $from != "$to" ]] || continue
            step "What istiod in $to has to know to read $from" "istioctl remote-clusters --context kind-$to says what it reads"
            run "istioctl create-remote-secret --context kind-$from --name $from \\
    --server \"https://\$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' $from-control-plane):6443\" |
    kubectl --context kind-$to apply --filename -"
        done
    done
}
