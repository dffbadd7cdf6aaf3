#!/usr/bin/env bash
set -euo pipefail # from the root of the repository
export KUBECONFIG=target/platform/kubeconfig

# What this platform consists of
mkdir -p target/platform
printf '%s\n' 'eu-west us-east' 'a b' >target/platform/regions

# Root certificate
test -s target/platform/certs/root-cert.pem || (
umask 077
mkdir -p target/platform/certs
openssl req -x509 -newkey rsa:4096 -noenc -sha256 -days 3650 \
    -keyout target/platform/certs/root-key.pem -out target/platform/certs/root-cert.pem -config /dev/stdin <<'CONFIG'
[req]
prompt = no
distinguished_name = name
x509_extensions = authority
[name]
O = greatcircle
CN = Root of the platform's mesh
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
CONFIG
)

# Intermediate certificate of eu-west
test -s target/platform/certs/eu-west/cert-chain.pem || (
umask 077
mkdir -p target/platform/certs/eu-west
openssl req -newkey rsa:4096 -noenc -sha256 \
    -keyout target/platform/certs/eu-west/ca-key.pem -out target/platform/certs/eu-west/ca.csr -config /dev/stdin <<'CONFIG'
[req]
prompt = no
distinguished_name = name
[name]
O = greatcircle
CN = Istio in eu-west
CONFIG
openssl x509 -req -sha256 -days 730 -in target/platform/certs/eu-west/ca.csr -out target/platform/certs/eu-west/ca-cert.pem \
    -CA target/platform/certs/root-cert.pem -CAkey target/platform/certs/root-key.pem -CAcreateserial -extfile /dev/stdin <<'EXTENSIONS'
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, digitalSignature, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:istiod.istio-system.svc
EXTENSIONS
cp target/platform/certs/root-cert.pem target/platform/certs/eu-west/root-cert.pem
cat target/platform/certs/eu-west/ca-cert.pem target/platform/certs/eu-west/root-cert.pem >target/platform/certs/eu-west/cert-chain.pem
)

# Intermediate certificate of us-east
test -s target/platform/certs/us-east/cert-chain.pem || (
umask 077
mkdir -p target/platform/certs/us-east
openssl req -newkey rsa:4096 -noenc -sha256 \
    -keyout target/platform/certs/us-east/ca-key.pem -out target/platform/certs/us-east/ca.csr -config /dev/stdin <<'CONFIG'
[req]
prompt = no
distinguished_name = name
[name]
O = greatcircle
CN = Istio in us-east
CONFIG
openssl x509 -req -sha256 -days 730 -in target/platform/certs/us-east/ca.csr -out target/platform/certs/us-east/ca-cert.pem \
    -CA target/platform/certs/root-cert.pem -CAkey target/platform/certs/root-key.pem -CAcreateserial -extfile /dev/stdin <<'EXTENSIONS'
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, digitalSignature, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:istiod.istio-system.svc
EXTENSIONS
cp target/platform/certs/root-cert.pem target/platform/certs/us-east/root-cert.pem
cat target/platform/certs/us-east/ca-cert.pem target/platform/certs/us-east/root-cert.pem >target/platform/certs/us-east/cert-chain.pem
)

# Certificate of shop.example.com
test -s target/platform/certs/shop.pem || (
umask 077
openssl req -newkey rsa:2048 -noenc -sha256 -keyout target/platform/certs/shop-key.pem -out target/platform/certs/shop.csr -config /dev/stdin <<'CONFIG'
[req]
prompt = no
distinguished_name = name
[name]
CN = shop.example.com
CONFIG
openssl x509 -req -sha256 -days 730 -in target/platform/certs/shop.csr -out target/platform/certs/shop.pem \
    -CA target/platform/certs/root-cert.pem -CAkey target/platform/certs/root-key.pem -CAcreateserial -extfile /dev/stdin <<'EXTENSIONS'
basicConstraints = critical, CA:false
subjectAltName = DNS:shop.example.com
EXTENSIONS
)

# MetalLB's manifest
test -s target/platform/metallb-native.yaml || curl --fail --silent --show-error --location --output target/platform/metallb-native.yaml \
    https://raw.githubusercontent.com/metallb/metallb/v0.16.1/config/manifests/metallb-native.yaml
sha256sum --check --quiet <<'SUM'
bf25feebb7582ca7df845efd52ffbc2960d6cbf4cfc972f47fded9f788b67f0b  target/platform/metallb-native.yaml
SUM

# Cluster eu-west
kind get clusters | grep -qx eu-west || kind create cluster --image kindest/node:v1.35.8@sha256:07b2536e30b803ed61d1677a79df6115f798ce64c80f9e22f6ed45afd09323c0 --wait 180s --config - <<'YAML'
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
name: eu-west
networking:
  podSubnet: 10.10.0.0/16
  serviceSubnet: 10.255.10.0/24
nodes:
- role: control-plane
- role: worker
  labels: {topology.kubernetes.io/region: eu-west, topology.kubernetes.io/zone: eu-west-1a}
- role: worker
  labels: {topology.kubernetes.io/region: eu-west, topology.kubernetes.io/zone: eu-west-1b}
YAML
kind export kubeconfig --name eu-west
kubectl --context kind-eu-west wait --for=condition=Ready node --all --timeout=180s

# Cluster us-east
kind get clusters | grep -qx us-east || kind create cluster --image kindest/node:v1.35.8@sha256:07b2536e30b803ed61d1677a79df6115f798ce64c80f9e22f6ed45afd09323c0 --wait 180s --config - <<'YAML'
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
name: us-east
networking:
  podSubnet: 10.20.0.0/16
  serviceSubnet: 10.255.20.0/24
nodes:
- role: control-plane
- role: worker
  labels: {topology.kubernetes.io/region: us-east, topology.kubernetes.io/zone: us-east-1a}
- role: worker
  labels: {topology.kubernetes.io/region: us-east, topology.kubernetes.io/zone: us-east-1b}
YAML
kind export kubeconfig --name us-east
kubectl --context kind-us-east wait --for=condition=Ready node --all --timeout=180s

# Docker's network of the nodes
KIND_NET=$(docker network inspect kind --format '{{range .IPAM.Config}}{{println .Subnet}}{{end}}' |
    sed -nE 's|^([0-9]+[.][0-9]+)[.].*/16$|\1|p')
test -n "$KIND_NET"

# Addresses for load balancers in eu-west
kubectl --context kind-eu-west apply --filename target/platform/metallb-native.yaml
kubectl --context kind-eu-west rollout status --namespace metallb-system deployment/controller --timeout=300s
kubectl --context kind-eu-west rollout status --namespace metallb-system daemonset/speaker --timeout=300s
kubectl --context kind-eu-west apply --filename - <<YAML
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: eu-west, namespace: metallb-system}
spec:
  addresses: ["$KIND_NET.255.10-$KIND_NET.255.19"]
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: eu-west, namespace: metallb-system}
spec:
  ipAddressPools: [eu-west]
YAML

# Addresses for load balancers in us-east
kubectl --context kind-us-east apply --filename target/platform/metallb-native.yaml
kubectl --context kind-us-east rollout status --namespace metallb-system deployment/controller --timeout=300s
kubectl --context kind-us-east rollout status --namespace metallb-system daemonset/speaker --timeout=300s
kubectl --context kind-us-east apply --filename - <<YAML
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: us-east, namespace: metallb-system}
spec:
  addresses: ["$KIND_NET.255.20-$KIND_NET.255.29"]
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: us-east, namespace: metallb-system}
spec:
  ipAddressPools: [us-east]
YAML

# Registry
docker container inspect greatcircle-registry >/dev/null 2>&1 || docker run --detach --name greatcircle-registry --network kind \
    --restart unless-stopped --publish 127.0.0.1:5001:5000 \
    registry:3.0.0@sha256:6c5666b861f3505b116bb9aa9b25175e71210414bd010d92035ff64018f9457e
docker start greatcircle-registry

# Namespaces of eu-west
kubectl --context kind-eu-west apply --filename - <<YAML
apiVersion: v1
kind: Namespace
metadata:
  name: istio-system
  labels: {topology.istio.io/network: net-eu-west}
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
  labels: {istio-injection: enabled}
YAML

# Namespaces of us-east
kubectl --context kind-us-east apply --filename - <<YAML
apiVersion: v1
kind: Namespace
metadata:
  name: istio-system
  labels: {topology.istio.io/network: net-us-east}
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
  labels: {istio-injection: enabled}
YAML

# Certificate authority of eu-west
kubectl --context kind-eu-west get secret --namespace istio-system cacerts >/dev/null 2>&1 ||
    kubectl --context kind-eu-west create secret generic cacerts --namespace istio-system \
    --from-file=target/platform/certs/eu-west/ca-cert.pem --from-file=target/platform/certs/eu-west/ca-key.pem \
    --from-file=target/platform/certs/eu-west/root-cert.pem --from-file=target/platform/certs/eu-west/cert-chain.pem
kubectl --context kind-eu-west get secret --namespace istio-system cacerts --output 'jsonpath={.data.root-cert\.pem}' |
    base64 --decode | cmp - target/platform/certs/root-cert.pem

# Certificate authority of us-east
kubectl --context kind-us-east get secret --namespace istio-system cacerts >/dev/null 2>&1 ||
    kubectl --context kind-us-east create secret generic cacerts --namespace istio-system \
    --from-file=target/platform/certs/us-east/ca-cert.pem --from-file=target/platform/certs/us-east/ca-key.pem \
    --from-file=target/platform/certs/us-east/root-cert.pem --from-file=target/platform/certs/us-east/cert-chain.pem
kubectl --context kind-us-east get secret --namespace istio-system cacerts --output 'jsonpath={.data.root-cert\.pem}' |
    base64 --decode | cmp - target/platform/certs/root-cert.pem

# Istio in eu-west
istioctl install --context kind-eu-west --skip-confirmation --filename - <<'YAML'
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: platform, namespace: istio-system}
spec:
  profile: minimal
  values:
    global:
      meshID: greatcircle
      multiCluster: {clusterName: eu-west}
      network: net-eu-west
    pilot:
      autoscaleEnabled: false
      replicaCount: 2
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: topology.kubernetes.io/zone
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {matchLabels: {app: istiod}}
YAML

# Istio in us-east
istioctl install --context kind-us-east --skip-confirmation --filename - <<'YAML'
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: platform, namespace: istio-system}
spec:
  profile: minimal
  values:
    global:
      meshID: greatcircle
      multiCluster: {clusterName: us-east}
      network: net-us-east
    pilot:
      autoscaleEnabled: false
      replicaCount: 2
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: topology.kubernetes.io/zone
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {matchLabels: {app: istiod}}
YAML

# East-west gateway of eu-west
kubectl --context kind-eu-west apply --filename - <<YAML
apiVersion: v1
kind: ServiceAccount
metadata: {name: istio-eastwestgateway, namespace: istio-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: istio-eastwestgateway, namespace: istio-system}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [get, watch, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: istio-eastwestgateway, namespace: istio-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: istio-eastwestgateway}
subjects: [{kind: ServiceAccount, name: istio-eastwestgateway}]
---
apiVersion: v1
kind: Service
metadata:
  name: istio-eastwestgateway
  namespace: istio-system
  labels: {istio: eastwestgateway, topology.istio.io/network: net-eu-west}
  annotations: {metallb.io/loadBalancerIPs: "$KIND_NET.255.11"}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: {istio: eastwestgateway}
  ports: [{name: status, port: 15021}, {name: tls, port: 15443}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: istio-eastwestgateway, namespace: istio-system}
spec:
  replicas: 2
  selector: {matchLabels: {istio: eastwestgateway}}
  template:
    metadata:
      labels: {istio: eastwestgateway, topology.istio.io/network: net-eu-west, sidecar.istio.io/inject: "true"}
      annotations: {inject.istio.io/templates: gateway}
    spec:
      serviceAccountName: istio-eastwestgateway
      securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "0"}]}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: topology.kubernetes.io/zone
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {matchLabels: {istio: eastwestgateway}}
      containers:
      - name: istio-proxy
        image: auto
        securityContext:
          {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, capabilities: {drop: [ALL]}}
        env: [{name: ISTIO_META_REQUESTED_NETWORK_VIEW, value: net-eu-west}]
YAML
kubectl --context kind-eu-west rollout status --namespace istio-system deployment/istio-eastwestgateway --timeout=300s
kubectl --context kind-eu-west wait --namespace istio-system service/istio-eastwestgateway --for=jsonpath='{.status.loadBalancer.ingress[0].ip}' --timeout=120s
kubectl --context kind-eu-west apply --filename - <<YAML
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: cross-network, namespace: istio-system}
spec:
  selector: {istio: eastwestgateway}
  servers:
  - port: {number: 15443, name: tls, protocol: TLS}
    tls: {mode: AUTO_PASSTHROUGH}
    hosts: ["*.local"]
YAML

# East-west gateway of us-east
kubectl --context kind-us-east apply --filename - <<YAML
apiVersion: v1
kind: ServiceAccount
metadata: {name: istio-eastwestgateway, namespace: istio-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: istio-eastwestgateway, namespace: istio-system}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [get, watch, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: istio-eastwestgateway, namespace: istio-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: istio-eastwestgateway}
subjects: [{kind: ServiceAccount, name: istio-eastwestgateway}]
---
apiVersion: v1
kind: Service
metadata:
  name: istio-eastwestgateway
  namespace: istio-system
  labels: {istio: eastwestgateway, topology.istio.io/network: net-us-east}
  annotations: {metallb.io/loadBalancerIPs: "$KIND_NET.255.21"}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: {istio: eastwestgateway}
  ports: [{name: status, port: 15021}, {name: tls, port: 15443}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: istio-eastwestgateway, namespace: istio-system}
spec:
  replicas: 2
  selector: {matchLabels: {istio: eastwestgateway}}
  template:
    metadata:
      labels: {istio: eastwestgateway, topology.istio.io/network: net-us-east, sidecar.istio.io/inject: "true"}
      annotations: {inject.istio.io/templates: gateway}
    spec:
      serviceAccountName: istio-eastwestgateway
      securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "0"}]}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: topology.kubernetes.io/zone
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {matchLabels: {istio: eastwestgateway}}
      containers:
      - name: istio-proxy
        image: auto
        securityContext:
          {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, capabilities: {drop: [ALL]}}
        env: [{name: ISTIO_META_REQUESTED_NETWORK_VIEW, value: net-us-east}]
YAML
kubectl --context kind-us-east rollout status --namespace istio-system deployment/istio-eastwestgateway --timeout=300s
kubectl --context kind-us-east wait --namespace istio-system service/istio-eastwestgateway --for=jsonpath='{.status.loadBalancer.ingress[0].ip}' --timeout=120s
kubectl --context kind-us-east apply --filename - <<YAML
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: cross-network, namespace: istio-system}
spec:
  selector: {istio: eastwestgateway}
  servers:
  - port: {number: 15443, name: tls, protocol: TLS}
    tls: {mode: AUTO_PASSTHROUGH}
    hosts: ["*.local"]
YAML

# Ingress gateway of eu-west
kubectl --context kind-eu-west apply --filename - <<YAML
apiVersion: v1
kind: ServiceAccount
metadata: {name: istio-ingressgateway, namespace: istio-ingress}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: istio-ingressgateway, namespace: istio-ingress}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [get, watch, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: istio-ingressgateway, namespace: istio-ingress}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: istio-ingressgateway}
subjects: [{kind: ServiceAccount, name: istio-ingressgateway}]
---
apiVersion: v1
kind: Service
metadata:
  name: istio-ingressgateway
  namespace: istio-ingress
  labels: {istio: ingressgateway}
  annotations: {metallb.io/loadBalancerIPs: "$KIND_NET.255.10"}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: {istio: ingressgateway}
  ports: [{name: status, port: 15021}, {name: http2, port: 80}, {name: https, port: 443}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: istio-ingressgateway, namespace: istio-ingress}
spec:
  replicas: 2
  selector: {matchLabels: {istio: ingressgateway}}
  template:
    metadata:
      labels: {istio: ingressgateway, sidecar.istio.io/inject: "true"}
      annotations: {inject.istio.io/templates: gateway, proxy.istio.io/config: '{"extraStatTags": ["region", "reason", "outcome", "to", "why", "version", "hash"], "runtimeValues": {"http.async_response_buffer_limit": "65536"}, "gatewayTopology": {"numTrustedProxies": 1}}'}
    spec:
      serviceAccountName: istio-ingressgateway
      securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "0"}]}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: topology.kubernetes.io/zone
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {matchLabels: {istio: ingressgateway}}
      containers:
      - name: istio-proxy
        image: auto
        securityContext:
          {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, capabilities: {drop: [ALL]}}
        env: [{name: WASM_INSECURE_REGISTRIES, value: "greatcircle-registry:5000"}]
YAML
kubectl --context kind-eu-west rollout status --namespace istio-ingress deployment/istio-ingressgateway --timeout=300s
kubectl --context kind-eu-west wait --namespace istio-ingress service/istio-ingressgateway --for=jsonpath='{.status.loadBalancer.ingress[0].ip}' --timeout=120s

# Ingress gateway of us-east
kubectl --context kind-us-east apply --filename - <<YAML
apiVersion: v1
kind: ServiceAccount
metadata: {name: istio-ingressgateway, namespace: istio-ingress}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: istio-ingressgateway, namespace: istio-ingress}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [get, watch, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: istio-ingressgateway, namespace: istio-ingress}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: istio-ingressgateway}
subjects: [{kind: ServiceAccount, name: istio-ingressgateway}]
---
apiVersion: v1
kind: Service
metadata:
  name: istio-ingressgateway
  namespace: istio-ingress
  labels: {istio: ingressgateway}
  annotations: {metallb.io/loadBalancerIPs: "$KIND_NET.255.20"}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: {istio: ingressgateway}
  ports: [{name: status, port: 15021}, {name: http2, port: 80}, {name: https, port: 443}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: istio-ingressgateway, namespace: istio-ingress}
spec:
  replicas: 2
  selector: {matchLabels: {istio: ingressgateway}}
  template:
    metadata:
      labels: {istio: ingressgateway, sidecar.istio.io/inject: "true"}
      annotations: {inject.istio.io/templates: gateway, proxy.istio.io/config: '{"extraStatTags": ["region", "reason", "outcome", "to", "why", "version", "hash"], "runtimeValues": {"http.async_response_buffer_limit": "65536"}, "gatewayTopology": {"numTrustedProxies": 1}}'}
    spec:
      serviceAccountName: istio-ingressgateway
      securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "0"}]}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: topology.kubernetes.io/zone
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {matchLabels: {istio: ingressgateway}}
      containers:
      - name: istio-proxy
        image: auto
        securityContext:
          {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, capabilities: {drop: [ALL]}}
        env: [{name: WASM_INSECURE_REGISTRIES, value: "greatcircle-registry:5000"}]
YAML
kubectl --context kind-us-east rollout status --namespace istio-ingress deployment/istio-ingressgateway --timeout=300s
kubectl --context kind-us-east wait --namespace istio-ingress service/istio-ingressgateway --for=jsonpath='{.status.loadBalancer.ingress[0].ip}' --timeout=120s

# What istiod in us-east has to know to read eu-west
istioctl create-remote-secret --context kind-eu-west --name eu-west \
    --server "https://$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' eu-west-control-plane):6443" |
    kubectl --context kind-us-east apply --filename -

# What istiod in eu-west has to know to read us-east
istioctl create-remote-secret --context kind-us-east --name us-east \
    --server "https://$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' us-east-control-plane):6443" |
    kubectl --context kind-eu-west apply --filename -

# Service shop in eu-west
kubectl --context kind-eu-west apply --filename - <<YAML
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec:
  selector: {app: shop}
  ports: [{name: http, port: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-eu-west-1a, namespace: shop}
spec:
  selector: {matchLabels: {app: shop, zone: eu-west-1a}}
  template:
    metadata:
      labels: {app: shop, zone: eu-west-1a}
    spec:
      nodeSelector: {topology.kubernetes.io/zone: eu-west-1a}
      containers:
      - name: shop
        image: hashicorp/http-echo:1.0.0@sha256:fcb75f691c8b0414d670ae570240cbf95502cc18a9ba57e982ecac589760a186
        args: ["-listen=:8080", "-text=eu-west/eu-west-1a"]
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /health, port: 8080}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-eu-west-1b, namespace: shop}
spec:
  selector: {matchLabels: {app: shop, zone: eu-west-1b}}
  template:
    metadata:
      labels: {app: shop, zone: eu-west-1b}
    spec:
      nodeSelector: {topology.kubernetes.io/zone: eu-west-1b}
      containers:
      - name: shop
        image: hashicorp/http-echo:1.0.0@sha256:fcb75f691c8b0414d670ae570240cbf95502cc18a9ba57e982ecac589760a186
        args: ["-listen=:8080", "-text=eu-west/eu-west-1b"]
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /health, port: 8080}}
YAML
kubectl --context kind-eu-west rollout status --namespace shop deployment/shop-eu-west-1a --timeout=300s
kubectl --context kind-eu-west rollout status --namespace shop deployment/shop-eu-west-1b --timeout=300s

# Service shop in us-east
kubectl --context kind-us-east apply --filename - <<YAML
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec:
  selector: {app: shop}
  ports: [{name: http, port: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-us-east-1a, namespace: shop}
spec:
  selector: {matchLabels: {app: shop, zone: us-east-1a}}
  template:
    metadata:
      labels: {app: shop, zone: us-east-1a}
    spec:
      nodeSelector: {topology.kubernetes.io/zone: us-east-1a}
      containers:
      - name: shop
        image: hashicorp/http-echo:1.0.0@sha256:fcb75f691c8b0414d670ae570240cbf95502cc18a9ba57e982ecac589760a186
        args: ["-listen=:8080", "-text=us-east/us-east-1a"]
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /health, port: 8080}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-us-east-1b, namespace: shop}
spec:
  selector: {matchLabels: {app: shop, zone: us-east-1b}}
  template:
    metadata:
      labels: {app: shop, zone: us-east-1b}
    spec:
      nodeSelector: {topology.kubernetes.io/zone: us-east-1b}
      containers:
      - name: shop
        image: hashicorp/http-echo:1.0.0@sha256:fcb75f691c8b0414d670ae570240cbf95502cc18a9ba57e982ecac589760a186
        args: ["-listen=:8080", "-text=us-east/us-east-1b"]
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /health, port: 8080}}
YAML
kubectl --context kind-us-east rollout status --namespace shop deployment/shop-us-east-1a --timeout=300s
kubectl --context kind-us-east rollout status --namespace shop deployment/shop-us-east-1b --timeout=300s

# greatcircle's image
./build.sh image
docker tag "$(docker load --quiet --input dist/greatcircle-image.tar | sed -n 's/^Loaded image: //p')" localhost:5001/greatcircle:platform
docker push --quiet localhost:5001/greatcircle:platform
IMAGE_DIGEST=$(curl --fail --silent --show-error --noproxy localhost \
    --header 'Accept: application/vnd.oci.image.manifest.v1+json' \
    --header 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
    http://localhost:5001/v2/greatcircle/manifests/platform | sha256sum | sed 's/ .*//')

# Values for the chart
cat >target/platform/values.yaml <<YAML
topology: T1
regions:
- {name: eu-west, latitude: 53.35, longitude: -6.26}
- {name: us-east, latitude: 39.04, longitude: -77.49}
services:
- {name: shop, namespace: shop, port: 8080, hosts: [shop.example.com], selector: {app: shop}}
gateway: {credentialName: shop-example-com}
image: {url: "oci://greatcircle-registry:5000/greatcircle:platform", sha256: "$IMAGE_DIGEST"}
config:
  health: {path: /health}
  clientLocation: {trust: {any: true}}
YAML

# greatcircle in eu-west
kubectl --context kind-eu-west get secret --namespace istio-ingress shop-example-com >/dev/null 2>&1 ||
    kubectl --context kind-eu-west create secret tls shop-example-com --namespace istio-ingress \
    --cert=target/platform/certs/shop.pem --key=target/platform/certs/shop-key.pem
helm upgrade --install greatcircle istio/chart --kube-context kind-eu-west --namespace istio-ingress --values target/platform/values.yaml

# greatcircle in us-east
kubectl --context kind-us-east get secret --namespace istio-ingress shop-example-com >/dev/null 2>&1 ||
    kubectl --context kind-us-east create secret tls shop-example-com --namespace istio-ingress \
    --cert=target/platform/certs/shop.pem --key=target/platform/certs/shop-key.pem
helm upgrade --install greatcircle istio/chart --kube-context kind-us-east --namespace istio-ingress --values target/platform/values.yaml
