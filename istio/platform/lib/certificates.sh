# shellcheck shell=bash
# One root for the whole mesh and an intermediate authority for each cluster: without a common root, regions cannot
# speak mutual TLS. Knows nothing of Kubernetes. These keys lie in clear under target/: for a laptop, never for production.

readonly CERTIFICATES=$STATE/certs
readonly ROOT_DAYS=3650 INTERMEDIATE_DAYS=730

make_root() {
    step "Root certificate" "see openssl's message; if only one of root-key.pem and root-cert.pem is there, remove it"
    run "test -s $CERTIFICATES/root-cert.pem || (
umask 077
mkdir -p $CERTIFICATES
openssl req -x509 -newkey rsa:4096 -noenc -sha256 -days $ROOT_DAYS \\
    -keyout $CERTIFICATES/root-key.pem -out $CERTIFICATES/root-cert.pem -config /dev/stdin <<'CONFIG'
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
)"
}

# The four files are what Istio expects in the secret `cacerts`.
make_intermediate() { # REGION
    local folder=$CERTIFICATES/$1
    step "Intermediate certificate of $1" "see openssl's message; if $folder is half made, remove it"
    run "test -s $folder/cert-chain.pem || (
umask 077
mkdir -p $folder
openssl req -newkey rsa:4096 -noenc -sha256 \\
    -keyout $folder/ca-key.pem -out $folder/ca.csr -config /dev/stdin <<'CONFIG'
[req]
prompt = no
distinguished_name = name
[name]
O = greatcircle
CN = Istio in $1
CONFIG
openssl x509 -req -sha256 -days $INTERMEDIATE_DAYS -in $folder/ca.csr -out $folder/ca-cert.pem \\
    -CA $CERTIFICATES/root-cert.pem -CAkey $CERTIFICATES/root-key.pem -CAcreateserial -extfile /dev/stdin <<'EXTENSIONS'
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, digitalSignature, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:istiod.istio-system.svc
EXTENSIONS
cp $CERTIFICATES/root-cert.pem $folder/root-cert.pem
cat $folder/ca-cert.pem $folder/root-cert.pem >$folder/cert-chain.pem
)"
}
