# Extension pages beside nginx with the same files; read by `benches/run`.
#
# nginx is Debian's, with `sendfile` and two workers, and sums up the CPU time of both.
# Both servers are on core 0, write a line per request to a log file, and answer without
# a token. The files are text that hardly compresses, asked for without `Accept-Encoding`:
# both send the same bytes. nginx is measured right after each load of Plugboard's, as
# the machine's speed changes.
#
#   PAGES       what to ask for (1k 100k 304 5m)
#   ROUNDS, SECONDS_EACH, MINIMUM  as of requests; of 5m a fiftieth of the minimum

all_pages='1k 100k 304 5m'
pages=${PAGES:-$all_pages}

# A static-ui bundle in folder $1 with a file of each size.
make_pages() {
  local name
  local -A sizes=([1k]=1024 [100k]=102400 [5m]=5242880)
  mkdir -p "$1/ui"
  echo '<!doctype html>' >"$1/ui/index.html"
  for name in "${!sizes[@]}"; do
    head -c "${sizes[$name]}" /dev/urandom | base64 -w 99 >"$1/ui/$name.txt"
    truncate -s "${sizes[$name]}" "$1/ui/$name.txt"
  done
  cat >"$1/manifest.json" <<'END'
{ "name": "com.example.pages", "publisher": "example", "version": "1.0.0",
  "runtime": "static-ui@1", "display_name": "Pages", "license": "MIT",
  "ui": { "type": "iframe", "entry": "ui/index.html" } }
END
}

# Publishes and enables them: sets `our_pages`.
enable_pages() {
  local hash
  make_pages "$work/pages"
  hash=$(enable pages "$work/pages")
  our_pages=$base/ext-ui/com.example.pages/$hash
}

# Serves folder $1 at port $2.
start_nginx() {
  mkdir -p "$work/nginx"
  {
    # As root it would give up the right to read the files.
    if [[ $(id -u) == 0 ]]; then echo 'user root;'; fi
    cat <<END
daemon off;
worker_processes 2;
pid $work/nginx/pid;
error_log $work/nginx/error.log;
events {}
http {
  access_log $work/nginx/access.log;
  sendfile on;
  keepalive_requests 100000000;
  types { text/plain txt; }
  client_body_temp_path $work/nginx/body;
  proxy_temp_path $work/nginx/proxy;
  fastcgi_temp_path $work/nginx/fastcgi;
  uwsgi_temp_path $work/nginx/uwsgi;
  scgi_temp_path $work/nginx/scgi;
  server { listen 127.0.0.1:$2; root $1; }
}
END
  } >"$work/nginx/nginx.conf"
  taskset -c 0 "$nginx" -p "$work/nginx" -c "$work/nginx/nginx.conf" -e "$work/nginx/error.log" &
  nginx_id=$! extra_ids="$extra_ids $nginx_id"
  until curl -sf -o /dev/null "http://127.0.0.1:$2/1k.txt"; do
    kill -0 "$nginx_id" || { cat "$work/nginx/error.log" >&2; exit 1; }
    sleep 0.1
  done
}

# CPU nanoseconds of the processes $1 for each of at least $2 requests for $3, which is
# asked for with the wrk arguments that follow.
per_page() {
  local ids=$1 least=$2 url=$3 before after count=0
  shift 3
  before=$(cpu_of $ids)
  while ((count < least)); do
    taskset -c 1 wrk -t1 -c4 -d"${seconds}s" "$@" "$url" >"$work/wrk"
    if grep -q 'Non-2xx\|Socket errors' "$work/wrk"; then
      cat "$work/wrk" >&2
      return 1
    fi
    count=$((count + $(awk '/requests in/ { print $1 }' "$work/wrk")))
  done
  after=$(cpu_of $ids)
  echo $(((after - before) / count))
}

# Nanoseconds on a core, also of threads that have ended: reading a cold file takes some that
# do not stay. In steps of 10 ms, a hundredth of a load.
cpu_of() {
  local id
  for id; do cpu_ms "$id"; done | awk '{ sum += $1 } END { printf "%.0f", sum * 1e6 }'
}

etag_of() { curl -sf -o /dev/null -D - "$1" | sed -n 's/^etag: \(.*\)\r$/\1/Ip'; }

# Waits until what was published is compressed, which is no part of an answer.
until_idle() {
  local before after=0
  while
    before=$(cpu "$server")
    sleep 0.5
    after=$(cpu "$server")
    ((after - before > 20000000))
  do :; done
}

# One load of page $1 from each server, of at least $2 requests.
load_page() {
  local file=$1 least=$2 our_ask=() nginx_ask=()
  [[ $1 == 5m ]] && least=$((least / 50 + 1))
  if [[ $1 == 304 ]]; then
    file=1k
    our_ask=(-H "If-None-Match: $(etag_of "$our_pages/1k.txt")")
    nginx_ask=(-H "If-None-Match: $(etag_of "$nginx_pages/1k.txt")")
  fi
  per_page "$server" "$least" "$our_pages/$file.txt" "${our_ask[@]}" >>"$work/ours-$1"
  per_page "$workers" "$least" "$nginx_pages/$file.txt" "${nginx_ask[@]}" >>"$work/nginx-$1"
}

measure_ext_ui() {
  local nginx nginx_id our_pages nginx_pages workers port name round rounds=${ROUNDS:-25}
  # Debian has it where users do not look.
  PATH=$PATH:/usr/sbin need nginx nginx-light
  nginx=$(PATH=$PATH:/usr/sbin command -v nginx)
  stop_server
  start_server 0
  enable_pages
  port=$(free_port)
  nginx_pages=http://127.0.0.1:$port
  start_nginx "$work/pages/ui" "$port"
  workers=$(cat /proc/"$nginx_id"/task/*/children)

  # What is measured is the files; and the memory is filled.
  for name in 1k 100k 5m; do
    curl -sf "$our_pages/$name.txt" | cmp - "$work/pages/ui/$name.txt"
    curl -sf "$nginx_pages/$name.txt" | cmp - "$work/pages/ui/$name.txt"
  done
  until_idle
  for name in $pages; do load_page "$name" 1; done
  for name in $pages; do rm "$work/ours-$name" "$work/nginx-$name"; done
  for ((round = 0; round < rounds; round++)); do
    for name in $pages; do load_page "$name" "$minimum"; done
  done
  printf '\n| Server CPU time per answer | ext-ui | %s | ratio | aim |\n| --- | --- | --- | --- | --- |\n' \
    "$("$nginx" -v 2>&1 | sed 's/.*: //')"
  for name in $pages; do page_row "$name"; done
  kill "$nginx_id" && wait "$nginx_id" || :
  extra_ids=${extra_ids% "$nginx_id"}
}

page_row() {
  local -A titles=(
    [1k]='a page file of 1 KB' [100k]='of 100 KB' [5m]='of 5 MB' [304]='304 about 1 KB'
  )
  local most=1.1 beside
  [[ $1 == 5m ]] && most=1.3
  beside=$(paste "$work/ours-$1" "$work/nginx-$1" | awk '{ printf "%.2f\n", $1 / $2 }' | median)
  printf '| %s | %.1f µs | %.1f µs | %s | %s |\n' "${titles[$1]}" \
    "$(ratio "$(median <"$work/ours-$1")" 1000)" "$(ratio "$(median <"$work/nginx-$1")" 1000)" \
    "$beside" "$(aim "$most" "$beside")"
}
