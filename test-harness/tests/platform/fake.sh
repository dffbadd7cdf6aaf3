#!/usr/bin/env bash
# docker, kind, kubectl, istioctl, helm, openssl, curl, sha256sum and build.sh, whichever it is called as: notes each call with what
# it was given on standard input in $FAKE/calls, and answers from the files in $FAKE. It knows only what platform.sh asks.
#
# Docker speaks of images as 20.10.24, 28.5.2 and 29 (moby 2.0.0-beta.24) do, and the registry has what registry 3.0.0 had after
# each image store's push: see Machine::docker_keeps_images_in.
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

# Both stores call the image the same. Only the older one tells that the name was another image's, and does so on standard output.
load_image() {
    if [[ $(cat "$FAKE/store") == overlay2 ]] && grep -qx greatcircle:1.2.3 "$FAKE/images"; then
        echo 'The image greatcircle:1.2.3 already exists, renaming the old one with ID sha256:6d2c to empty string'
    fi
    echo greatcircle:1.2.3 >>"$FAKE/images"
    echo 'Loaded image: greatcircle:1.2.3'
}

tag_image() { # NAME NEW-NAME
    grep -qxF "$1" "$FAKE/images" || { echo "Error response from daemon: No such image: $1" >&2 && exit 1; }
    echo "$2" >>"$FAKE/images"
}

push_image() { # NAME
    grep -qxF "$1" "$FAKE/images" || { echo "tag does not exist: $1" >&2 && exit 1; }
    cp "$FAKE/pushes" "$FAKE/registry"
    echo "$1"
}

# Who does not take the manifest's type does not get it: 404. (Registry 3.0.0 is so strict with OCI's type alone, 2.8.3 with both.)
serve_manifest() {
    local type
    type=$(grep -m 1 -oE 'application/vnd[.](oci[.]image|docker[.]distribution)[.]manifest[.]v[12][+]json' "$FAKE/registry") &&
        grep -qF "Accept: $type" <<<"$call" || exit 22
    cat "$FAKE/registry"
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
"docker info --format {{.CgroupVersion}}") cat "$FAKE/cgroups" ;;
"docker load "*) load_image ;;
"docker tag "*) tag_image "$2" "$3" ;;
"docker push "*) push_image "$last" ;;
"kubectl "*" get secret "*" --output "*) base64 <"$secret" ;;
"kubectl "*" get secret "*) test -e "$secret" ;;
"kubectl "*" create secret "*) cp target/platform/certs/root-cert.pem "$secret" ;;
"kubectl "*" get pods "*" --output name") printf '%s\n' pod/istio-ingressgateway-1 pod/istio-ingressgateway-2 ;;
"openssl "*) write_after -keyout -out ;;
"curl "*/manifests/platform) serve_manifest ;;
"curl "*) write_after --output ;;
"sha256sum ") printf '%s' "$input" | "$FAKE/sha256sum" ;;
"istioctl create-remote-secret "*) echo 'kind: Secret' ;;
esac
