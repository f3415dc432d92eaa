# What limits cost: the program beside itself, built without any; read by `benches/run`.
#
# Both run at once on the same core and are asked in turns. Without limits there is no epoch
# clock, no deadline, no count of processor time, memory, tables, handles and host calls' bytes,
# and no slot.
#
#   UNLIMITED  the program without limits (default: build it)

find_unlimited() {
  [[ -n ${UNLIMITED:-} ]] && return
  (cd "$root" && PLUGBOARD_BENCH_WITHOUT_LIMITS=1 CARGO_TARGET_DIR=$target/unlimited cargo build --release --bins)
  UNLIMITED=$target/unlimited/release/plugboard
}

# `start_limited NAME PROGRAM`: a server in a folder of its own.
start_limited() {
  local work=$work/$1 PLUGBOARD=$2
  mkdir "$work"
  cp "${work%/*}"/key.* "$work"
  start_server 0
  enable hello >/dev/null
  enable hello-wasi >/dev/null
  limited_ids[$1]=$server
  limited_tokens[$1]=$token
  limited_urls[$1-extension]="$base/api/ext/com.example.hello/greeting?name=Ada"
  limited_urls[$1-wasi]="$base/api/ext/com.example.hello-wasi/greeting?name=Ada"
}

measure_limits() {
  local round kind name rounds=${ROUNDS:-25}
  local -A limited_ids=() limited_urls=() limited_tokens=()
  find_unlimited
  stop_server
  start_limited with "$PLUGBOARD"
  start_limited without "$UNLIMITED"
  grep -q 'built without limits' "$work/without/log"
  extra_ids+=" ${limited_ids[with]}"
  for ((round = 0; round <= rounds; round++)); do
    for kind in extension wasi; do
      for name in with without; do
        token=${limited_tokens[$name]}
        # Round 0 warms up.
        per_request "${limited_ids[$name]}" "${limited_urls[$name-$kind]}" >"$work/one"
        ((round == 0)) || cat "$work/one" >>"$work/limits-$name-$kind"
      done
    done
  done
  limits_row() {
    local cost
    cost=$(paste "$work/limits-with-$2" "$work/limits-without-$2" | awk '{ printf "%.2f\n", $1 / $2 }' | median)
    printf '| %s | %.1f µs | %.1f µs | %s | %s |\n' "$1" \
      "$(ratio "$(median <"$work/limits-with-$2")" 1000)" \
      "$(ratio "$(median <"$work/limits-without-$2")" 1000)" "$cost" "$(aim 1.1 "$cost")"
  }
  printf '\n| Server CPU time per request | with limits | without | ratio | aim |\n| --- | --- | --- | --- | --- |\n'
  limits_row 'extension world (`hello`)' extension
  limits_row '`wasi:http` (`hello-wasi`)' wasi
}
