# Calls to extensions beside `wasmtime serve`, at 1, 8 and 64 connections; read by `benches/run`.
#
# Both servers run the same component on the same core; ours does so behind a token, the
# match of the endpoint, limits, metrics and a log, the peer behind nothing. Every load lasts
# until it has had its requests, the loads of a round follow one another, and what is printed
# is the median of the rounds.
#
#   WASMTIME         the peer's program (default: version 48 from crates.io, kept in the cache)
#   BARE             calls a component with wasmtime and nothing else (default: build benches/bare)
#   CONNECTIONS      how many at a time (1 8 64)
#   SERVE_REQUESTS   of one load (50000); a tenth of them where a request takes a script engine

wasmtime_version=48.0.8
cache=${XDG_CACHE_HOME:-$HOME/.cache}/plugboard

find_wasmtime() {
  [[ -n ${WASMTIME:-} ]] && return
  WASMTIME=$cache/wasmtime/bin/wasmtime
  [[ -x $WASMTIME ]] && return
  echo "building wasmtime $wasmtime_version, the peer (20 minutes of CPU)" >&2
  CARGO_TARGET_DIR=$target/wasmtime cargo install wasmtime-cli --version "$wasmtime_version" \
    --locked --root "$cache/wasmtime"
}

find_bare() {
  [[ -n ${BARE:-} ]] && return
  (cd "$root/benches/bare" && CARGO_TARGET_DIR=$target/bare cargo build --locked --release)
  BARE=$target/bare/release/bare
}

# The handler of `hello-wasi` in JavaScript, for the engine that existing extensions use.
# The interfaces it is built against are those of the crate that has them for Rust.
build_script() {
  need node nodejs
  need npm npm
  local sources=$root/benches/guests/http-js wit state
  state=$(cat "$sources"/{build.mjs,handler.js,package-lock.json,world.wit} | sha256sum | cut -c1-16)
  script=$cache/http-js-$state.wasm
  [[ -s $script ]] && return
  wit=$(cd "$root/benches/peers" && cargo metadata --format-version 1 --locked |
    python3 -c 'import json, os, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == "wasi" and "wasi-0.2.3" in package["version"]:
        print(os.path.join(os.path.dirname(package["manifest_path"]), "wit", "deps"))')
  cp -r "$sources" "$work/http-js-source"
  mkdir "$work/http-js-source/wit"
  mv "$work/http-js-source/world.wit" "$work/http-js-source/wit"
  cp -r "$wit" "$work/http-js-source/wit/deps"
  (cd "$work/http-js-source" && npm ci --ignore-scripts --prefer-offline --no-audit --no-fund >&2 &&
    node build.mjs >&2)
  cp "$work/http-js-source/main.wasm" "$script.new"
  mv "$script.new" "$script"
}

# The handler of the toolchain tests in JavaScript, for the engine that is smaller: as its tool
# makes it if it is told nothing else, and made for size and without WASI.
build_quickjs() {
  quickjs=$("$root/.ci/toolchains" qjs-wasi)/qjs-wasi.wasm
  quickjs_small=$("$root/.ci/toolchains" qjs)/qjs.wasm
}

# `enable_as NAME BUNDLE COMPONENT`: publishes and enables the extension in the folder BUNDLE
# with another component, as com.example.NAME.
enable_as() {
  cp -r "$2" "$work/$1"
  cp "$3" "$work/$1/dist/main.wasm"
  rename "$work/$1" "com.example.$1"
  enable "$1" "$work/$1" >/dev/null
}

# `start_peer NAME COMPONENT`: sets `peer_ids` and `serve_urls`.
start_peer() {
  local port
  port=$(free_port)
  taskset -c 0 "$WASMTIME" serve --addr "127.0.0.1:$port" -S cli "$2" >/dev/null 2>"$work/$1.log" &
  peer_ids[$1]=$!
  extra_ids+=" $!"
  serve_urls[$1]="http://127.0.0.1:$port/greeting?name=Ada"
  until curl -sf -o /dev/null "${serve_urls[$1]}"; do
    kill -0 "${peer_ids[$1]}" || { cat "$work/$1.log" >&2; return 1; }
    sleep 0.1
  done
}

# One load on NAME with CONNECTIONS; adds `CPU-NANOSECONDS REQUESTS-PER-SECOND P99-MICROSECONDS`.
one_load() {
  local name=$1 connections=$2 id=${peer_ids[$1]:-$server} wanted=$serve_requests before after
  [[ $name == *script* || $name == quickjs* ]] && wanted=$((wanted / 10))
  wrk_serve() {
    taskset -c 1 wrk -t1 -c"$connections" -d"$1s" --latency -H "Authorization: Bearer $token" \
      "${serve_urls[$name]}" >"$work/wrk"
    ! grep -q 'Non-2xx\|Socket errors' "$work/wrk" || { cat "$work/wrk" >&2; return 1; }
  }
  wrk_serve 1
  local seconds
  seconds=$(awk -v wanted="$wanted" '/requests in/ { print int(wanted / $1) + 1 }' "$work/wrk")
  before=$(cpu "$id")
  wrk_serve "$seconds"
  after=$(cpu "$id")
  awk -v cpu=$((after - before)) '
    function micro(text) {
      if (text ~ /us$/) return text + 0
      return text ~ /ms$/ ? (text + 0) * 1000 : (text + 0) * 1000000
    }
    /requests in/ { count = $1 } /Requests\/sec/ { rate = $2 } $1 == "99%" { p99 = micro($2) }
    END { printf "%.0f %.0f %.0f\n", cpu / count, rate, p99 }' "$work/wrk" >>"$work/serve-$name-$connections"
}

# The same handler of QuickJS without a server, with the memory given back to the kernel after a
# call and with a mebibyte of it kept.
bare_calls() {
  local name=$1 component=$2 kept
  for kept in 0 1048576; do
    taskset -c 0 "$BARE" "$component" $((serve_requests / 10)) "$kept" >>"$work/bare-$name-$kept"
  done
}

measure_serve() {
  local rounds=${ROUNDS:-3} connections round name script serve_requests=${SERVE_REQUESTS:-50000}
  local -A peer_ids=() serve_urls=()
  # One install has 8 slots and 16 places to wait; the peer has no such limit.
  local at_once=(--set runner.slots_per_install=64 --set runner.slots_per_tenant=64)
  find_wasmtime
  find_bare
  build_script
  build_quickjs
  stop_server
  start_server 0 "${at_once[@]}"
  enable hello >/dev/null
  enable hello-wasi >/dev/null
  enable_as http-js "$root/examples/hello-wasi/bundle" "$script"
  enable_as quickjs "$root/examples/hello/bundle" "$quickjs"
  enable_as quickjs-small "$root/examples/hello/bundle" "$quickjs_small"
  start_peer peer "$root/examples/hello-wasi/bundle/dist/main.wasm"
  start_peer peer_script "$script"
  serve_urls[extension]="$base/api/ext/com.example.hello/greeting?name=Ada"
  serve_urls[wasi]="$base/api/ext/com.example.hello-wasi/greeting?name=Ada"
  serve_urls[script]="$base/api/ext/com.example.http-js/greeting?name=Ada"
  serve_urls[quickjs]="$base/api/ext/com.example.quickjs/greeting?name=Ada"
  serve_urls[quickjs-small]="$base/api/ext/com.example.quickjs-small/greeting?name=Ada"
  for name in "${!serve_urls[@]}"; do
    curl -sf -o /dev/null --retry 60 --retry-all-errors --retry-delay 1 \
      -H "Authorization: Bearer $token" "${serve_urls[$name]}"
  done
  for ((round = 1; round <= rounds; round++)); do
    for connections in ${CONNECTIONS:-1 8 64}; do
      for name in "${!serve_urls[@]}"; do one_load "$name" "$connections"; done
    done
    bare_calls quickjs "$quickjs"
    bare_calls quickjs-small "$quickjs_small"
  done
  # Once more with nothing in the log, beside the same peer.
  stop_server
  rm -f "$work"/hello-wasi.tar.zst*
  start_server 0 "${at_once[@]}" --set telemetry.log_level=error
  enable hello-wasi >/dev/null
  serve_urls[quiet]="$base/api/ext/com.example.hello-wasi/greeting?name=Ada"
  serve_urls[quiet_peer]=${serve_urls[peer]} peer_ids[quiet_peer]=${peer_ids[peer]}
  for ((round = 1; round <= rounds; round++)); do
    for connections in ${CONNECTIONS:-1 8 64}; do
      for name in quiet quiet_peer; do one_load "$name" "$connections"; done
    done
  done
  column() { awk -v n="$2" '{ print $n }' "$work/serve-$1" | median; }
  ratios() {
    paste "$work/serve-$1" "$work/serve-$2" | awk -v n="$3" '{ printf "%.2f\n", $n / $(n + 3) }' | median
  }
  # `serve_row CALL OURS PEER AIM [UNIT]`: the aim is of the ratio, or of what a call of ours takes.
  serve_row() {
    for connections in ${CONNECTIONS:-1 8 64}; do
      local ours=$2-$connections peer=$3-$connections
      local beside=$(ratios "$ours" "$peer" 1) slow=$(column "$ours" 3) peers_slow=$(column "$peer" 3)
      local micros=$(ratio "$(column "$ours" 1)" 1000)
      printf '| %s | %s | %.1f | %.1f | %s | %s | %s / %s = %s | %s / %s µs, %s |\n' "$1" "$connections" \
        "$micros" "$(ratio "$(column "$peer" 1)" 1000)" \
        "$beside" "$(aim "$4" "$([[ -n ${5:-} ]] && echo "$micros" || echo "$beside")" "${5:-}")" \
        "$(column "$ours" 2)" "$(column "$peer" 2)" \
        "$(ratios "$ours" "$peer" 2)" "$slow" "$peers_slow" \
        "$(aim "$peers_slow" "$slow" | sed 's/.*, //')"
    done
  }
  printf '\n%s\n\n' "Beside $("$WASMTIME" --version), $rounds rounds:"
  echo '| Call | connections | CPU µs | peer | ratio | aim | requests a second, peer, ratio | p99, peer |'
  echo '| --- | --- | --- | --- | --- | --- | --- | --- |'
  serve_row '`wasi:http`, Rust' wasi peer 0.9
  serve_row '`wasi:http`, Rust, without a log' quiet quiet_peer 0.75
  serve_row '`wasi:http`, JavaScript' script peer_script 0.5
  serve_row 'extension world, C, beside `wasi:http`, Rust' extension peer 0.4
  serve_row 'extension world, QuickJS, beside `wasi:http`, JavaScript' quickjs peer_script 350 ' µs'
  serve_row 'the same for size, without WASI' quickjs-small peer_script 350 ' µs'
  # `bare_row CALL NAME`: what a call of ours takes beside the call alone.
  bare_row() {
    for connections in ${CONNECTIONS:-1 8 64}; do
      printf '| %s | %s | %.1f |' "$1" "$connections" "$(ratio "$(column "$2-$connections" 1)" 1000)"
      for kept in 0 1048576; do
        printf ' %.1f | %.2f |' "$(ratio "$(median <"$work/bare-$2-$kept")" 1000)" \
          "$(paste "$work/serve-$2-$connections" "$work/bare-$2-$kept" | awk '{ print $1 / $4 }' | median)"
      done
      echo
    done
  }
  printf '\n%s\n\n' 'Beside a store, an instance, the call and their drop with wasmtime alone, in one process:'
  echo '| Call | connections | CPU µs | alone | ratio | alone, 1 MiB of memory kept | ratio |'
  echo '| --- | --- | --- | --- | --- | --- | --- |'
  bare_row 'extension world, QuickJS' quickjs
  bare_row 'the same for size, without WASI' quickjs-small
}
