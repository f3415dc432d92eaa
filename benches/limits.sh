# What limits cost: the program beside itself, built without any; read by `benches/run`.
#
# Both run at once on the same core and are asked in turns. Without limits there is no epoch
# clock, no deadline, no count of processor time, memory, tables, handles and host calls' bytes,
# and no slot.
#
# Two processes of one program, too, differ by up to 6 % as long as they live. So both start
# anew every few rounds, and who is the first to start and to be asked changes each time.
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
  rm -rf "$work"
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

end_programs() {
  for server in "${limited_ids[@]}"; do end_server; done
  limited_ids=() extra_ids=$others_ids
}

# Starts the programs of these names anew.
start_programs() {
  local name
  end_programs
  for name in "$@"; do
    start_limited "$name" "${programs[$name]}"
    extra_ids+=" $server"
  done
  grep -q 'built without limits' "$work/without/log"
  # What is learned and compiled for the first calls is not counted.
  ask_programs "$@" >/dev/null
}

# Prints the CPU nanoseconds per request of each program and world.
ask_programs() {
  local kind name
  for kind in extension wasi; do
    for name in "$@"; do
      token=${limited_tokens[$name]}
      echo "$name-$kind $(per_request "${limited_ids[$name]}" "${limited_urls[$name-$kind]}")"
    done
  done
}

measure_limits() {
  local round rounds=${ROUNDS:-25} rounds_each=5 order=(without with) others_ids=$extra_ids
  local -A programs limited_ids=() limited_urls=() limited_tokens=()
  find_unlimited
  programs=([with]=$PLUGBOARD [without]=$UNLIMITED)
  stop_server
  for ((round = 0; round < rounds; round++)); do
    if ((round % rounds_each == 0)); then
      order=("${order[1]}" "${order[0]}")
      start_programs "${order[@]}"
    fi
    ask_programs "${order[@]}" >>"$work/limits"
  done
  end_programs
  limits_column() { awk -v name="$1" '$1 == name { print $2 }' "$work/limits"; }
  limits_row() {
    local cost
    cost=$(paste <(limits_column "with-$2") <(limits_column "without-$2") | awk '{ printf "%.2f\n", $1 / $2 }' | median)
    printf '| %s | %.1f µs | %.1f µs | %s | %s |\n' "$1" \
      "$(ratio "$(limits_column "with-$2" | median)" 1000)" \
      "$(ratio "$(limits_column "without-$2" | median)" 1000)" "$cost" "$(aim 1.1 "$cost")"
  }
  printf '\n| Server CPU time per request | with limits | without | ratio | aim |\n| --- | --- | --- | --- | --- |\n'
  limits_row 'extension world (`hello`)' extension
  limits_row '`wasi:http` (`hello-wasi`)' wasi
}
