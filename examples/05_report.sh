#!/usr/bin/env bash
# Hash the files of a folder, slowly, and report it with curl: examples/05_report.sh [SERVER [FOLDER]]
set -euo pipefail
server=${1:-http://127.0.0.1:8000}
folder=${2:-.}
count=0

post() {
  curl -sS --fail-with-body --max-time 5 -H 'content-type: application/json' -d "$2" "$server/$1"
}

text() { # as a JSON string
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  printf '"%s"' "${text//[[:cntrl:]]/?}"
}

report() { # the work goes on, whether it is taken or not, unless somebody has cancelled it
  local answer
  answer=$(post "operations/$id/events" "$1") || echo "not taken: $1 $answer" >&2
  [[ $answer != *'"cancel_requested":true'* ]] || exit 130
}

finish() {
  local status=$?
  trap - EXIT
  case $status in
    0) report '{"type":"succeeded","result":{"files":'"$count"'}}' ;;
    130) report '{"type":"cancelled"}' ;;
    *) report '{"type":"failed","error":"exit status '"$status"'"}' ;;
  esac
}

label=$(text "hashing $folder with curl")
id=$(post operations '{"kind":"external","params":{"label":'"$label"',"lease":'"${LEASE:-60}"'}}' |
  sed 's/.*"id":"\([^"]*\)".*/\1/;q')
trap finish EXIT
echo "$server/?operation=$id"

files=$(find "$folder" -name '.?*' -prune -o -type f -print | sort)
report '{"type":"progress","completed":0,"total":'"$(wc -l <<<"$files")"',"unit":"files"}'
while IFS= read -r file; do
  cksum "$file"
  count=$((count + 1))
  report '{"type":"progress","completed":'"$count"',"message":'"$(text "$file")"'}'
  sleep 0.05
done <<<"$files"
