# Every way to send a bundle, beside hashing, copying and syncing the same file; read by `benches/run`.
#
# The peer is measured right after each way, so that what the disk does meanwhile
# meets both. Neither is bound to a core: these are wall times, and openssl, cp
# and the disk may use what they find, too. Each time the server is a fresh one:
# a bundle that it has already would be other work.
#
#   SENDING_MIB      size of the bundle (200, which the default limits just allow)
#   WAYS             which ways (all)
#   STORES           where to (disk s3)
#   BEFORE, AFTER    commands around each measurement, such as to pause other work

all_ways='put form client tus proxy signed'
ways=${WAYS:-$all_ways}
stores=${STORES:-disk s3}

# Random bytes, as images and packed scripts are: the archive is as large as its
# files. A few of them are most of it, as in real bundles, and hundreds make the
# reader stop at headers; a single file would never show what those cost.
make_files() {
  local folder=$1 mib=$2 n
  mkdir -p "$folder/ui"
  echo '<!doctype html>' >"$folder/ui/index.html"
  # 5/16 in one file, 5/16 in four, 5/16 in files of 1 MiB, the rest in 32 KiB each.
  local part=$((mib * 5 / 16))
  head -c $((part * 1048576)) /dev/urandom >"$folder/ui/large.bin"
  for n in 1 2 3 4; do head -c $((part * 262144)) /dev/urandom >"$folder/ui/middle-$n.bin"; done
  for n in $(seq "$part"); do head -c 1048576 /dev/urandom >"$folder/ui/$n.bin"; done
  # One MiB less for headers.
  for n in $(seq $(((mib - 1 - 3 * part) * 32))); do
    head -c 32768 /dev/urandom >"$folder/ui/small-$n.bin"
  done
}

send_put() { publish "$1"; }

send_form() {
  curl --fail-with-body -sS "$base/api/v1/bundles" -H "Authorization: Bearer $token" \
    -F "bundle=@$1;type=application/zstd" -F "signature=<$1.dsse"
}

# In parts, as `plugboard publish` sends what is large.
send_client() {
  PLUGBOARD_URL=$base PLUGBOARD_TOKEN=$token "$PLUGBOARD" publish "$1" --signature "$1.dsse" --json
}

# In one part, as a client does that knows only the protocol.
send_tus() {
  local place tus='Tus-Resumable: 1.0.0'
  place=$(curl --fail-with-body -sS -o "$work/created" -D - -X POST "$base/api/v1/uploads" \
    -H "Authorization: Bearer $token" -H "$tus" -H "Upload-Length: $(stat -c %s "$1")" |
    sed -n 's/^location: \(.*\)\r$/\1/Ip')
  curl --fail-with-body -sS -X PATCH "$base$place" -T "$1" -H "Authorization: Bearer $token" \
    -H "$tus" -H 'Upload-Offset: 0' -H 'Content-Type: application/offset+octet-stream'
  curl --fail-with-body -sS -X POST "$base$place/publish" -H "Authorization: Bearer $token" \
    -H "Plugboard-Signature: $(base64 -w0 <"$1.dsse")"
}

# Says the key of an upload, and the signature.
finalize() {
  call "$token" /api/ext-bundles/finalize -d "$(python3 -c 'import json, sys
print(json.dumps({"key": sys.argv[1], "signature": {"text": open(sys.argv[2]).read()}}))' "$1" "$2.dsse")"
}

send_proxy() {
  local key
  key=$(curl --fail-with-body -sS -X POST -T "$1" -H "Authorization: Bearer $token" \
    "$base/api/ext-bundles/upload-proxy?filename=big.tar.zst&size=$(stat -c %s "$1")" | json key)
  finalize "$key" "$1"
}

send_signed() {
  local answer
  answer=$(call "$token" /api/ext-bundles/initiate-upload \
    -d "{\"filename\":\"big.tar.zst\",\"size\":$(stat -c %s "$1")}")
  curl --fail-with-body -sS -T "$1" "$(json url <<<"$answer")" -H 'If-None-Match: *' \
    -H 'Content-Type: application/octet-stream'
  finalize "$(json key <<<"$answer")" "$1"
}

plainly() {
  openssl dgst -sha256 "$1" >/dev/null
  cp "$1" "$work/copy"
  sync -f "$work/copy"
}

# Adds a line with microseconds to a file: `timed FILE COMMAND…`.
timed() {
  local file=$1 started
  shift
  started=$(now)
  "$@" >"$work/answer"
  echo $((($(now) - started) / 1000)) >>"$file"
}

# The bundle one way to a server that has nothing, and the peer.
send_once() {
  local store=$1 way=$2 archive=$3 resident cpu_before
  local figures=$work/$store-$way
  paused=1
  ${BEFORE:-:}
  stop_server
  if [[ $store == s3 ]]; then rm -rf "$work/s3/bundles" && mkdir -p "$work/s3/bundles"; fi
  start_server '' "${settings[@]}"
  echo 5 >/proc/"$server"/clear_refs # Forgets the peak so far.
  resident=$(memory "$server" VmRSS) cpu_before=$(cpu_ms "$server")
  timed "$figures" "send_$way" "$archive"
  echo $(($(cpu_ms "$server") - cpu_before)) >>"$figures-cpu"
  memory "$server" VmHWM >>"$figures-peak"
  echo $(($(tail -n 1 "$figures-peak") - resident)) >>"$figures-growth"
  grep -qF '"1.0.0"' "$work/answer" || { cat "$work/answer" >&2; return 1; }
  timed "$figures-plain" plainly "$archive"
  ${AFTER:-:}
  paused=''
  rm "$work/copy"
}

start_s3() {
  local port
  port=$(free_port)
  mkdir -p "$work/s3/bundles"
  "$PEERS_S3" "127.0.0.1:$port" "$work/s3" bench bench-secret &
  s3_id=$!
  until curl -s -o /dev/null "http://127.0.0.1:$port/"; do sleep 0.1; done
  s3_settings=(--set "store.base=http://127.0.0.1:$port/bundles/sha256"
    --set store.s3.access_key=bench --set store.s3.secret_key=bench-secret)
}

measure_sending() {
  local archive=$work/big.tar.zst store way round settings
  make_files "$work/files" "${SENDING_MIB:-200}"
  printf '{"name":"com.example.big","publisher":"example","version":"1.0.0","runtime":"wasm-component@1","ui":{"type":"iframe","entry":"ui/index.html"}}' \
    >"$work/files/manifest.json"
  pack "$work/files" "$archive"
  sync -f "$archive"
  for store in $stores; do
    settings=()
    if [[ $store == s3 ]]; then start_s3 && settings=("${s3_settings[@]}"); fi
    for ((round = 0; round < rounds; round++)); do
      for way in $ways; do send_once "$store" "$way" "$archive"; done
    done
    report_sending "$store" "$(stat -c %s "$archive")"
  done
}

report_sending() {
  local store=$1 way ours plain
  printf '\n| Publish of %s bytes in %s files to %s, wall, median of %s | Plugboard | openssl + cp + sync | ratio | server CPU | memory growth, median and most | peak, most |\n| --- | --- | --- | --- | --- | --- | --- |\n' \
    "$2" "$(find "$work/files" -type f | wc -l)" "$store" "$rounds"
  for way in $ways; do
    ours=$(median <"$work/$store-$way") plain=$(median <"$work/$store-$way-plain")
    printf '| `%s` | %s ms | %s ms | %s | %s ms | %s, %s MiB | %s MiB |\n' "$way" $((ours / 1000)) \
      $((plain / 1000)) "$(ratio "$ours" "$plain")" "$(median <"$work/$store-$way-cpu")" \
      $(($(median <"$work/$store-$way-growth") / 1024)) \
      $(($(sort -n "$work/$store-$way-growth" | tail -n 1) / 1024)) \
      $(($(sort -n "$work/$store-$way-peak" | tail -n 1) / 1024))
  done
}
