#!/usr/bin/env bash
# docker, kind, kubectl, istioctl, openssl, curl, sha256sum and build.sh, whichever it is called as: notes each call with what it
# was given on standard input in $FAKE/calls, and answers from the files in $FAKE. It knows only what platform.sh asks.
set -euo pipefail

tool=$(basename "$0")
call="$tool $*"
last=${*: -1}
input=''
case $call in
*" --filename -" | *" --config -" | *" /dev/stdin" | "sha256sum "*) input=$(cat) ;; # read to its end first: pipes log in order
esac
printf '%s\n' "$call" ${input:+"    ${input//$'\n'/$'\n'    }"} >>"$FAKE/calls"

if [[ -s $FAKE/fails ]] && grep -qEf "$FAKE/fails" <<<"$call"; then
    printf '%s: this one was told to fail\n' "$tool" >&2
    exit 1
fi

after() { # OPTION: the word that follows it in the call
    sed -nE "s|.* $1 ([^ ]+).*|\1|p" <<<"$call"
}

write_after() { # OPTION…: what the tool leaves behind
    local option file
    for option in "$@"; do
        file=$(after "$option")
        [[ -z $file ]] || printf 'made by %s\n' "$call" >"$file"
    done
}

secret="$FAKE/secrets/$(after --context).$(sed -nE 's/.* (cacerts|shop-example-com).*/\1/p' <<<"$call")"

case $call in
"$tool version"* | "curl --version") cat "$FAKE/versions/$tool" ;;
"kind get clusters") ls "$FAKE/clusters" ;;
"kind create cluster "*) touch "$FAKE/clusters/$(sed -n 's/^name: //p' <<<"$input")" ;;
"kind delete cluster "*) rm -f "$FAKE/clusters/$last" ;;
"docker network inspect "*) cat "$FAKE/subnets" ;;
"docker container inspect "*) test -e "$FAKE/containers/$last" ;;
"docker run "*) touch "$FAKE/containers/$(after --name)" ;;
"docker rm "*) rm -f "$FAKE/containers/$last" ;;
"docker pause "*) test ! -e "$FAKE/paused/$last" && touch "$FAKE/paused/$last" ;;
"docker unpause "*) rm "$FAKE/paused/$last" ;;
"docker inspect "*State.Paused*) if [[ -e $FAKE/paused/$last ]]; then echo true; else echo false; fi ;;
"docker inspect "*Networks.kind.IPAddress*) echo 172.18.0.3 ;;
"docker inspect "*RepoDigests*) printf '%s\n' 'greatcircle@sha256:1111' 'localhost:5001/greatcircle@sha256:2222' ;;
"docker load "*) echo 'Loaded image: greatcircle:1.2.3' ;;
"kubectl "*" get secret "*" --output "*) base64 <"$secret" ;;
"kubectl "*" get secret "*) test -e "$secret" ;;
"kubectl "*" create secret "*) cp target/platform/certs/root-cert.pem "$secret" ;;
"kubectl "*" get pods "*" --output name") printf '%s\n' pod/istio-ingressgateway-1 pod/istio-ingressgateway-2 ;;
"openssl "*) write_after -keyout -out ;;
"curl "*) write_after --output ;;
"istioctl create-remote-secret "*) echo 'kind: Secret' ;;
esac
