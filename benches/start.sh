# From the start of the program to its first correct answer, with many installed extensions and
# their compiled forms on disk; read by `benches/run`.
#
# The data folder is made once, through the command line, and kept in the cache: each of the
# small extensions has a component of its own, and one has the 12 MB of a script engine. What a
# start takes is measured from before the program is executed, by `benches/start.py`.
#
#   INSTALLS      how many small extensions (1000)
#   START_ROUNDS  starts, of which the median counts (7)

# The program, on the data folder `$installs`.
become_program() {
  cd "$installs" && PLUGBOARD_SERVER__DATA_DIR=$installs/data PLUGBOARD_STORE__MIN_FREE_BYTES=0 \
    PLUGBOARD_UPLOADS__PUBLISHES_PER_MINUTE=6000 \
    PLUGBOARD_UPLOADS__PUBLISHES_PER_MINUTE_PER_ADDRESS=6000 exec "$PLUGBOARD" "$@"
}

at_installs() {
  (become_program "$@")
}

# `publish_as FOLDER NAME`: publishes what FOLDER holds as NAME, installs and enables it.
publish_as() {
  rename "$1" "$2"
  at_installs publish "$1" --key key.key --install --enable --grant-all >"$work/said" 2>&1 || {
    cat "$work/said" >&2
    return 1
  }
  echo "$2" >>"$installs/published"
}

make_installs() {
  local count=$1 folder=$work/small n name
  mkdir -p "$installs"
  touch "$installs/published"
  [[ -f $installs/complete ]] && return
  echo "making $count installs in $installs (several minutes)" >&2
  # The process itself, that a signal is to reach.
  (become_program serve --set server.listen=127.0.0.1:0) >"$work/started" 2>"$work/log" &
  server=$!
  until [[ -s $work/started ]]; do kill -0 "$server"; sleep 0.1; done
  if [[ ! -f $installs/token ]]; then
    echo 'four words nobody guesses' | at_installs operator create bench >/dev/null
    [[ -f $installs/key.key ]] || at_installs keygen key >/dev/null
    at_installs trust add key.pub --scope '*' >/dev/null
    at_installs token create --name bench --scope ext:invoke --scope metrics:read --out token >/dev/null
  fi
  cp -r "$root/examples/hello/bundle" "$folder"
  for ((n = 0; n < count; n++)); do
    name=com.example.small-$n
    grep -qx "$name" "$installs/published" && continue
    # A section that nothing reads makes it another component.
    cp "$root/examples/hello/bundle/dist/main.wasm" "$folder/dist/main.wasm"
    printf '\x00\x09\x08%08d' "$n" >>"$folder/dist/main.wasm"
    publish_as "$folder" "$name"
  done
  mkdir -p "$work/large/dist"
  cp "$script" "$work/large/dist/main.wasm"
  cp "$root/examples/hello-wasi/bundle/manifest.json" "$work/large"
  publish_as "$work/large" com.example.large
  kill "$server" && wait "$server"
  server=''
  touch "$installs/complete"
}

measure_start() {
  local count=${INSTALLS:-1000} state
  stop_server
  build_script
  state=$( (cat "$root/examples/hello/bundle/dist/main.wasm" "$script"; echo "$count") | sha256sum | cut -c1-16)
  installs=$cache/start-$state
  make_installs "$count"
  printf '\n| Start with %s installs and one of 12 MB, median of %s | | aim |\n| --- | --- | --- |\n' \
    "$count" "${START_ROUNDS:-7}"
  python3 "$root/benches/start.py" "$PLUGBOARD" "$installs" "$count" "${START_ROUNDS:-7}"
  printf '| size of the program | %.1f MB | – |\n' "$(ratio "$(stat -Lc %s "$PLUGBOARD")" 1000000)"
}
