#!/usr/bin/env python3
"""What honest clients get while slowhttptest holds 1,000 connections with slow heads, slow bodies and slow reads.

Two equal proxies of one worker on core 0, one of them attacked; endpoint and load on core 1. Rounds alternate between the two, so
that whatever else the machine does weighs on both; figures are medians of the rounds. Prints, never judges.
    tests/slow_clients.py [ROUNDS [CONNECTIONS [heads|bodies|reads]]]       needs slowhttptest, wrk and a built tree"""
import os, shutil, statistics, subprocess, sys, time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
from harness import BINARY, check, eventually, free_port, scratch
from secure import metric

CHOSEN = (sys.argv[3:] or [""])[0]
ROUNDS, CONNECTIONS = int((sys.argv[1:] or ["7"])[0]), int((sys.argv[2:] or ["1000"])[0])
SECONDS, RATE, SENT = 2, 1500, "understudy_client_sent_bytes_total"
LOADS = os.path.join(os.environ.get("B", "build/plain"), "tests/load")
ATTACKS = {
    "heads": ["-H"],
    "bodies of 4 KB": ["-B", "-s", "4096"],
    "bodies of 1 MB": ["-B", "-s", "1048576"],
    "reads of 1 MB": ["-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "1"],
}
for tool in ("slowhttptest", "wrk", "taskset"):
    if not shutil.which(tool):
        sys.exit(f"slow_clients: {tool} is missing")
folder = scratch("slow-")
body, script = os.path.join(folder, "body"), os.path.join(folder, "post.lua")
with open(body, "w") as f:
    f.write('{"inputs": [%s]}' % ",".join(["0.25"] * 200))
with open(script, "w") as f:
    f.write(f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = io.open("{body}"):read("*a")\n')


def start(core, *words):
    return subprocess.Popen(["taskset", "-c", str(core), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Front:
    """A proxy whose one worker is alone on core 0. Limits are wide: whoever attacks stays for as long as the rounds take."""

    def __init__(self, name, small, large):
        self.port, self.admin = free_port(), free_port()
        path, route = os.path.join(folder, name), "  - {{name: {0}, match: {{path_prefix: /v2/{0}}}, live: {{endpoints: [http://127.0.0.1:{1}]}}}}\n"
        with open(path + ".yaml", "w") as f:
            f.write(f"version: 1\nworkers: 1\nlisten: [{{address: 127.0.0.1:{self.port}}}]\nrun: {{directory: {folder}}}\n"
                    f"control: {{socket: {path}.sock, address: 127.0.0.1:{self.admin}}}\n"
                    "limits: {header_timeout: 10m, send_timeout: 10m, body_min_rate: 0B, idle_timeout: 10m}\n"
                    "routes:\n" + route.format("x", small) + route.format("large", large))
        with open(path + ".log", "w") as log:
            self.process = subprocess.Popen([BINARY, "proxy", "-c", path + ".yaml", "--run", path + ".run"], stdout=log, stderr=log)
        eventually(lambda: "ready on" in open(path + ".log").read(), "the proxy starts", 30)
        children = open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()
        self.worker = int([c for c in children if b"\0worker\0" in open(f"/proc/{c}/cmdline", "rb").read()][0])
        os.sched_setaffinity(self.worker, {0})


def spent(proxy):
    """CPU seconds of the worker."""
    words = open(f"/proc/{proxy.worker}/stat").read().rsplit(")", 1)[1].split()
    return sum(map(int, words[11:13])) / os.sysconf("SC_CLK_TCK")


def closed(proxy):
    """(answers a second, CPU microseconds of the worker an answer) of clients who ask again at once."""
    before = spent(proxy)
    done = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c16", f"-d{SECONDS}s", "-s", script, f"http://127.0.0.1:{proxy.port}/v2/x"],
                          capture_output=True, text=True, check=True).stdout
    count = int([l for l in done.splitlines() if "requests in" in l][0].split()[0])
    check("Non-2xx" not in done and "Socket errors" not in done, f"every answer is good: {done}")
    return count / SECONDS, (spent(proxy) - before) * 1e6 / count


def offered(proxy):
    """Of requests that leave by the clock, the share that is answered; and what it prints."""
    done = subprocess.run(["taskset", "-c", "1", f"{LOADS}/offer", str(proxy.port), str(RATE), str(SECONDS), "32", body], capture_output=True, text=True)
    return done.returncode == 0, done.stdout.strip()


def attacked(name, flags, victim, quiet):
    earlier, path = metric(victim, "understudy_connections_accepted_total"), "/v2/large" if "-X" in flags else "/v2/x"
    attack = start(1, "slowhttptest", *flags, "-c", str(CONNECTIONS), "-r", "500", "-i", "1", "-l", "600", "-p", "600", "-x", "24", "-u",
                   f"http://127.0.0.1:{victim.port}{path}")
    try:
        eventually(lambda: metric(victim, "understudy_connections_accepted_total") - earlier >= CONNECTIONS, f"{name}: they are let in", 60)
        sent, before = -1, 0
        while sent != before:  # what sockets take of the answers is not slow
            sent, before = before, metric(victim, SENT)
            time.sleep(2)
        begun = spent(victim), time.monotonic()
        time.sleep(5)
        alone = (spent(victim) - begun[0]) / (time.monotonic() - begun[1])
        ratios, costs, failed = [], [], 0
        for i in range(ROUNDS):
            pair = {p: closed(p) for p in ((victim, quiet) if i % 2 else (quiet, victim))}
            ratios.append(pair[victim][0] / pair[quiet][0])
            costs.append(pair[victim][1] / pair[quiet][1])
            failed += not offered(victim)[0]
        held = metric(victim, "understudy_connections")
        print(f"{name:16} {held:.0f} slow clients take {alone:.2%} of the worker's core; goodput {statistics.median(ratios):.3f} of that without ({min(ratios):.3f} to {max(ratios):.3f}), "
              f"CPU a request {statistics.median(costs):.3f}; offered {RATE}/s: {ROUNDS - failed} of {ROUNDS} rounds answered whole ({offered(victim)[1]})", flush=True)
    finally:
        attack.terminate()
        attack.wait()


ports = free_port(), free_port()
os.mkdir(os.path.join(folder, "v2"))
with open(os.path.join(folder, "v2", "large"), "wb") as f:
    f.write(b"z" * (1 << 20))
running = [start(1, f"{LOADS}/answer", str(ports[0]), "1024"),
           start(1, sys.executable, "-m", "http.server", str(ports[1]), "--bind", "127.0.0.1", "-d", folder)]
try:
    victim, quiet = Front("victim", *ports), Front("quiet", *ports)
    running += victim.process, quiet.process
    closed(victim), closed(quiet)
    for name, flags in ATTACKS.items():
        if not name.startswith(CHOSEN):
            continue
        attacked(name, flags, victim, quiet)
        eventually(lambda: metric(victim, "understudy_connections") == 0, "they are gone", 60)
    same = [closed(p)[0] for _ in range(ROUNDS) for p in (victim, quiet)]
    print(f"without an attack the two are {statistics.median(a / b for a, b in zip(same[::2], same[1::2])):.3f} of each other")
finally:
    for p in reversed(running):
        p.terminate()
        p.wait()
