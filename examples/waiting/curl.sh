#!/bin/sh
# Wait for an operation with curl: curl.sh stream|hold [URL] [PARAMS]
#   stream  starts it, and prints its Server-Sent Events as they come
#   hold    runs it on one connection; `<` before `Progress` in what -v prints is a 102
# How far it is goes to standard error, its result to standard output. curl 7.84 or newer.
set -eu
[ ! -f /dev/stderr ] || exec 2>>/dev/stderr # a file that tee writes to as well

way=${1:-stream} url=${2:-http://127.0.0.1:8000} params=${3:-'{"to": 8, "interval": 1}'}

# The same key never starts a second one, so that it is safe to try again.
key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

# post PATH BODY OPTION... prints the answer, and below it its status and its Location.
post() {
    path=$1 body=$2
    shift 2
    curl -sS --fail-with-body \
        -H 'Content-Type: application/json' -H "Idempotency-Key: \"$key\"" -d "$body" \
        -w '\n%{http_code} %header{location}' "$@" "$url$path"
}

# follow LOCATION prints the events, and at the end the result if there is one. curl does not come
# back to a stream that was cut off; who asks for it again is shown the present state first.
follow() {
    origin=$(printf %s "$url" | sed 's,^\([a-z]*://[^/]*\).*,\1,')
    result=$(curl -sSN --fail "$origin$1/events?after=0-0" | tee -a /dev/stderr |
        sed -n 's/^data: {"type":"state"[^{]*"state":"succeeded","result":\(.*\)}$/\1/p')
    if [ -z "$result" ]; then
        echo "it has not succeeded; see $origin$1" >&2
        exit 1
    fi
    printf '%s\n' "$result"
}

case $way in
stream)
    started="{\"kind\": \"count\", \"params\": $params}"
    answer=$(post /operations "$started" --retry 5 --retry-connrefused)
    ;;
hold) # without --retry: here a 500 is what has become of the operation
    answer=$(post /legacy/count "$params" -v -H 'Prefer: processing; max=20; interval=1')
    ;;
*) echo "usage: $0 stream|hold [URL] [PARAMS]" >&2 && exit 2 ;;
esac || { printf '%s\n' "$answer" | sed '$d' >&2; exit 1; }

# 202: it goes on, and Location says where; after `hold` too, when the hold time was over.
last=$(printf '%s\n' "$answer" | tail -n 1)
case $last in
202*) follow "${last#* }" ;;
*) printf '%s\n' "$answer" | sed '$d' ;;
esac
