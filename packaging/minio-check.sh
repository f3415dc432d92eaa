#!/usr/bin/env bash
# Tries an appliance against an S3 server: MinIO, Garage, AWS or another. Starts
# a server on a folder of its own, publishes a bundle, installs it, calls it,
# fetches its page, and ends with 0 when all of it worked.
#
#   STORAGE_S3_ENDPOINT=http://127.0.0.1:9000 STORAGE_S3_BUCKET=plugboard-check \
#   STORAGE_S3_ACCESS_KEY=… STORAGE_S3_SECRET_KEY=… packaging/minio-check.sh
#
# The bucket must exist. PLUGBOARD names the program [default: plugboard]. What
# is published stays in the bucket; run this against a bucket for trying.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
plugboard=${PLUGBOARD:-plugboard}
: "${STORAGE_S3_ENDPOINT:?names the server}" "${STORAGE_S3_BUCKET:?names the bucket}"
: "${STORAGE_S3_ACCESS_KEY:?is needed}" "${STORAGE_S3_SECRET_KEY:?is needed}"

work=$(mktemp -d)
server=
finish() {
  status=$?
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  if [ "$status" -ne 0 ] && [ -s "$work/log" ]; then
    echo "the log of the server:" >&2
    tail -n 40 "$work/log" >&2
  fi
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
say() { printf '✔ %s\n' "$1"; }
fail() {
  printf '✘ %s\n' "$1" >&2
  exit 1
}
call() { curl --fail-with-body -sS -H "Authorization: Bearer $token" "$@"; }

cd "$work"
"$plugboard" doctor --data-dir data || fail "the doctor found something wrong"
say "the doctor is content"

"$plugboard" serve --data-dir data --listen 127.0.0.1:0 >address 2>log &
server=$!
for _ in $(seq 100); do
  [ -s address ] && break
  kill -0 "$server" || fail "the server ended"
  sleep 0.1
done
base=$(head -n 1 address | sed -E 's#^(https?://[^/]+)/.*#\1#')
[ -n "$base" ] || fail "the server did not say its address"
until curl -sf "$base/healthz" >ready; do sleep 0.1; done
say "the server runs at $base"

token=$(curl --fail-with-body -sS "$base/api/v1/setup" \
  -H "Authorization: Bearer $(cat data/setup-token)" -H 'Content-Type: application/json' \
  -d '{"operator":"check","password":"four words nobody guesses"}' |
  sed -E 's/.*"token":"([^"]+)".*/\1/')
"$plugboard" keygen check-key >made
"$plugboard" pack "$here/examples/hello/bundle" --out hello.tar.zst >made
"$plugboard" sign hello.tar.zst --key check-key.key --out hello.dsse.json >made
call "$base/api/v1/trust/keys" -H 'Content-Type: application/json' -d \
  "{\"name\":\"check\",\"scopes\":[\"*\"],\"public_key\":\"$(awk '{printf "%s\\n", $0}' check-key.pub)\"}" >made

published=$(call -X PUT "$base/api/v1/bundles" -T hello.tar.zst \
  -H "Plugboard-Signature: $(base64 <hello.dsse.json | tr -d '\n')")
hash=$(sed -E 's/.*"content_hash":"(sha256:[0-9a-f]+)".*/\1/' <<<"$published")
name=com.example.hello
say "published $name, $hash"

install=$(call "$base/api/v1/installs" -H 'Content-Type: application/json' \
  -d "{\"name\":\"$name\"}" | sed -E 's/^\{"id":"([^"]+)".*/\1/')
call -X POST "$base/api/v1/installs/$install/enable" >made
say "installed and enabled"

call "$base/api/ext/$name/greeting" >answer || fail "the handler did not answer: $(cat answer)"
say "the handler answers: $(head -c 60 answer)"
curl --fail-with-body -sS "$base/ext-ui/$name/$hash/index.html" >page ||
  fail "the page was not served: $(cat page)"
say "the page is served: $(wc -c <page | tr -d ' ') bytes"

echo "all checks passed"
