"""Starts the program again and again, and says how long its answers take; see `benches/start.sh`.

    start.py PROGRAM FOLDER INSTALLS ROUNDS
"""

import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import time

SETTINGS = {
    "PLUGBOARD_SERVER__DATA_DIR": "data",
    "PLUGBOARD_STORE__MIN_FREE_BYTES": "0",
    "PLUGBOARD_SERVER__MAX_REQUESTS_PER_CONNECTION": "100000000",
    # Counted, and never reached.
    "PLUGBOARD_GATEWAY__CALLS_PER_MINUTE_PER_TENANT": "60000000",
    "PLUGBOARD_GATEWAY__CALLS_PER_MINUTE_PER_INSTALL": "60000000",
}
LARGE = "large"


def milliseconds(since):
    return (time.perf_counter() - since) * 1000


class Started:
    """One run of the program, which is up once its port accepts a connection."""

    def __init__(self, program, folder, **settings):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with open(os.path.join(folder, "token")) as file:
            self.token = file.read().strip()
        environment = SETTINGS | settings | {"PLUGBOARD_SERVER__LISTEN": f"127.0.0.1:{self.port}"}
        self.began = time.perf_counter()
        with open(os.path.join(folder, "log"), "w") as log:
            self.process = subprocess.Popen(
                [program, "serve"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=log
            )
        self.connection = None

    def connect(self):
        while True:
            if self.process.poll() is not None:
                sys.exit(f"the program ended with {self.process.returncode}")
            try:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
                return self.connection.connect()
            except ConnectionRefusedError:
                time.sleep(0.0005)

    def get(self, path):
        if self.connection is None:
            self.connect()
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
        answer = self.connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            sys.exit(f"{path}: {answer.status} {body}")
        return body

    def greets(self, name):
        """Milliseconds until `name` has greeted correctly."""
        began = time.perf_counter()
        body = self.get(f"/api/ext/com.example.{name}/greeting?name=Ada")
        if "Ada" not in body:
            sys.exit(f"{name} answered {body}")
        return milliseconds(began)

    def prepared(self):
        lines = self.get("/metrics").splitlines()
        counts = [line for line in lines if line.startswith("components_prepared_total{")]
        return {line.split('"')[1]: int(line.split()[-1]) for line in counts}

    def wait_until_prepared(self, components):
        while sum(self.prepared().values()) < components:
            time.sleep(0.2)

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def main(program, folder, installs, rounds):
    # What another version compiled is compiled again first.
    warm = Started(program, folder)
    warm.wait_until_prepared(installs + 1)
    all_loaded_mib = warm.resident_mib()
    warm.stop()

    figures = {"first": [], "preloaded": [], "warm": [], "at its call": [], "whole": []}
    for number in range(rounds):
        started = Started(program, folder)
        started.greets(f"small-{number * 137 % installs}")
        figures["first"].append(milliseconds(started.began))
        figures["preloaded"].append(started.greets(LARGE))
        figures["warm"].append(statistics.median(started.greets(LARGE) for _ in range(20)))
        started.wait_until_prepared(installs + 1)
        figures["whole"].append(milliseconds(started.began))
        if (compiled := started.prepared()["compiled"]) != 0:
            sys.exit(f"{compiled} components were compiled again")
        started.stop()

        started = Started(program, folder, PLUGBOARD_RUNNER__PRELOAD_BYTES="0")
        started.greets(f"small-{number * 137 % installs}")
        figures["at its call"].append(started.greets(LARGE))
        idle_mib = started.resident_mib()
        started.stop()

    median = {name: statistics.median(values) for name, values in figures.items()}

    def aim(words, figure, most):
        return f"{words}, {'met' if figure <= most else 'missed'}"

    def called_first(name):
        return f"{median[name]:.1f} ms", aim("≤ 30 ms more", median[name] - median["warm"], 30)

    first = median["first"]
    rows = [
        ("from exec to the first correct answer", f"{first:.0f} ms", aim("≤ 300 ms", first, 300)),
        ("until all is loaded", f"{median['whole']:.0f} ms", "–"),
        ("a call of the large one, warm", f"{median['warm']:.1f} ms", "–"),
        ("its first call, while a start loads", *called_first("preloaded")),
        ("its first call, nothing loaded ahead", *called_first("at its call")),
        ("resident memory, two loaded", f"{idle_mib:.0f} MiB", "–"),
        ("resident memory, all loaded", f"{all_loaded_mib:.0f} MiB", "–"),
    ]
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
