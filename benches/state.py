"""Times commits of the registry, alone and while guests put values; see `benches/state.sh`.

    state.py ORIGIN TOKEN PUTS_A_SECOND ROUNDS SECONDS NAME…
"""

import http.client
import json
import multiprocessing
import socket
import statistics
import sys
import threading
import time
from urllib.parse import urlsplit

# Keys of one guest: it puts over them again and again.
KEYS = 500
VALUE = b"x" * 100
# Between two commits of the registry, so that they do not queue up behind each other.
PAUSE_S = 0.02


def percentile(values, of_100):
    return sorted(values)[min(len(values) - 1, len(values) * of_100 // 100)]


class Guest(threading.Thread):
    """Has one guest put at a rate, on a connection of its own, and says how long each put took."""

    def __init__(self, address, token, name, interval, offset, until):
        super().__init__()
        self.address, self.token, self.name_of = address, token, name
        self.interval, self.offset, self.until = interval, offset, until
        self.times, self.refused = [], 0

    def request(self, number):
        head = (
            f"POST /api/ext/{self.name_of}/a?k{number % KEYS} HTTP/1.1\r\nhost: {self.address[0]}\r\n"
            f"authorization: Bearer {self.token}\r\ncontent-length: {len(VALUE)}\r\n\r\n"
        )
        return head.encode() + VALUE

    def run(self):
        connection = socket.create_connection(self.address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        due = time.monotonic() + self.offset
        number = 0
        while due < self.until:
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            began = time.perf_counter()
            connection.sendall(self.request(number))
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                self.refused += 1
            head, _, body = answer.partition(b"\r\n\r\n")
            fields = head.decode().lower().split("\r\n")
            length = next(int(f.split(":")[1]) for f in fields if f.startswith("content-length"))
            while len(body) < length:
                body += connection.recv(65536)
            self.times.append(time.perf_counter() - began)
            number += 1
            # One that is late catches up: the rate is what is asked for.
            due += self.interval
        connection.close()


def load(address, token, names, puts_a_second, all_names, seconds, ready, results):
    interval = all_names / puts_a_second
    until = time.monotonic() + seconds + 0.5
    guests = [
        Guest(address, token, name, interval, interval * at / len(names), until)
        for at, name in enumerate(names)
    ]
    for guest in guests:
        guest.start()
    ready.set()
    for guest in guests:
        guest.join()
    times = [value for guest in guests for value in guest.times]
    results.put((times, sum(guest.refused for guest in guests)))


class Registry:
    """Makes and revokes tokens; each is a commit."""

    def __init__(self, address, token):
        self.connection = http.client.HTTPConnection(*address, timeout=60)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self, method, path, body=None):
        began = time.perf_counter()
        self.connection.request(method, path, body and json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        took = time.perf_counter() - began
        if answer.status not in (201, 204):
            sys.exit(f"{method} {path}: {answer.status} {content.decode()}")
        return took, content

    def commits(self, seconds):
        until, times = time.monotonic() + seconds, []
        while time.monotonic() < until:
            body = {"name": "bench", "scopes": ["ext:invoke"]}
            took, made = self.call("POST", "/api/v1/tokens", body)
            times.append(took)
            time.sleep(PAUSE_S)
            took, _ = self.call("DELETE", f"/api/v1/tokens/{json.loads(made)['id']}")
            times.append(took)
            time.sleep(PAUSE_S)
        return times


def main(origin, token, puts_a_second, rounds, seconds, names):
    parts = urlsplit(origin)
    address = (parts.hostname, parts.port)
    registry = Registry(address, token)
    registry.commits(1)
    figures = {key: [] for key in ("quiet 50", "quiet 99", "loaded 50", "loaded 99", "rate", "put 50", "put 99")}
    ratios = {50: [], 99: []}
    refused = 0
    for _ in range(rounds):
        quiet = registry.commits(seconds)
        results = multiprocessing.Queue()
        halves = [names[::2], names[1::2]]
        loads = []
        for half in halves:
            ready = multiprocessing.Event()
            arguments = (address, token, half, puts_a_second, len(names), seconds, ready, results)
            process = multiprocessing.Process(target=load, args=arguments)
            process.start()
            ready.wait()
            loads.append(process)
        time.sleep(0.25)
        loaded = registry.commits(seconds)
        ended = [results.get() for _ in loads]
        for process in loads:
            process.join()
        puts = [value for times, _ in ended for value in times]
        refused += sum(count for _, count in ended)
        for of_100 in (50, 99):
            figures[f"quiet {of_100}"].append(percentile(quiet, of_100))
            figures[f"loaded {of_100}"].append(percentile(loaded, of_100))
            figures[f"put {of_100}"].append(percentile(puts, of_100))
            ratios[of_100].append(percentile(loaded, of_100) / percentile(quiet, of_100))
        figures["rate"].append(len(puts) / (seconds + 0.5))
    median = {name: statistics.median(values) for name, values in figures.items()}
    print(f"\n| A commit of the registry | quiet | while {len(names)} guests put | ratio | aim |")
    print("| --- | --- | --- | --- | --- |")
    for of_100, words in ((50, "half of them within"), (99, "99 of 100 within")):
        ratio = statistics.median(ratios[of_100])
        print(
            f"| {words} | {median[f'quiet {of_100}'] * 1000:.1f} ms "
            f"| {median[f'loaded {of_100}'] * 1000:.1f} ms | {ratio:.2f} "
            f"| ≤ 2, {'met' if ratio <= 2 else 'missed'} |"
        )
    print(
        f"\n{median['rate']:.0f} puts a second of {len(VALUE)} bytes ({puts_a_second} wanted), "
        f"{refused} refused; half of them within {median['put 50'] * 1000:.1f} ms, "
        f"99 of 100 within {median['put 99'] * 1000:.1f} ms."
    )


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:6]), sys.argv[6:])
