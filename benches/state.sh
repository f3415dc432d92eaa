# How much extensions that keep values slow the registry: the time of its commits, alone and
# while guests put; read by `benches/run`.
#
# Eight installs of one guest (`benches/guests/keeps`) are called through the gateway, each call
# puts one small value and is answered when that is on disk. Commits of the registry are tokens,
# made and revoked one after the other over the API. Quiet and loaded times take turns, each
# figure is the median of theirs. See `benches/state.py`.
#
#   PUTS          puts a second, of all guests together (1000)
#   STATE_ROUNDS  times of each kind (7)
#   STATE_SECONDS seconds of each (5)
#   DISK          the folder on whose disk it is measured (that of temporary files)

measure_state() {
  local number name folder=$work/keeps names=()
  stop_server
  # On all cores, as it is run.
  start_server ''
  for ((number = 1; number <= 8; number++)); do
    name=keeps-$number
    rm -rf "$folder"
    cp -r "$root/benches/guests/keeps" "$folder"
    rename "$folder" "com.example.$name"
    enable "$name" "$folder" '["cap:storage.kv"]' >/dev/null
    names+=("com.example.$name")
  done
  python3 "$root/benches/state.py" "$base" "$token" "${PUTS:-1000}" "${STATE_ROUNDS:-7}" \
    "${STATE_SECONDS:-5}" "${names[@]}"
}
