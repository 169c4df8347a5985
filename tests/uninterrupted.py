#!/usr/bin/env python3
"""Reloads, binary upgrades and drains while requests leave by the clock: how many failed, and is each of them in a run?

    tests/uninterrupted.py [RELOADS UPGRADES DRAINS RATE]      without arguments 100 20 100 5000

Requests are POSTs of 1 KB, mirrored to a candidate and captured. A drain is what a service manager does: the listening socket is its
own, the next proxy starts on it, then the former gets SIGTERM. Every answer that clients had is `seen` in exactly one run, and every
run is final and adds up. Needs a built tree with tests/load (make bench builds it)."""
import glob, json, os, re, signal, socket, subprocess, sys, threading, time
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
from harness import BINARY, adds_up, check, eventually, free_port, scratch

RELOADS, UPGRADES, DRAINS, RATE = (int(a) for a in (sys.argv[1:] or "100 20 100 5000".split()))
SEGMENT, CONNECTIONS, PATIENCE = 5, 64, 30  # an overloaded machine is late; what is late has not failed
LOADS = os.path.join(os.environ.get("B", "build/plain"), "tests/load")
folder, port, live, candidate = scratch("uninterrupted-"), free_port(), free_port(), free_port()
body, log = (os.path.join(folder, n) for n in ("body", "log"))
with open(body, "w") as f:
    f.write('{"inputs": [%s]}' % ",".join(["0.25"] * 200))
CONFIG = (f"version: 1\nworkers: 1\nlisten: [{{address: 127.0.0.1:{port}}}]\ncontrol: {{socket: {folder}/RUN.sock}}\nrun: {{directory: {folder}, name: test}}\n"
          f"memory: 64MiB\ncapture: {{enabled: true}}\nroutes:\n  - name: models\n    live: {{endpoints: [http://127.0.0.1:{live}]}}\n    protocol: json\n"
          f"    mirror: {{sample: 100%, methods: [POST]}}\n    candidates: [{{name: c, endpoints: [http://127.0.0.1:{candidate}], max_in_flight: 64}}]\n")
said = open(log, "w")
started = [subprocess.Popen([f"{LOADS}/answer", str(p), "1024"]) for p in (live, candidate)]
answered, failed, late, over = [0], [], [], threading.Event()


def text():
    return open(log).read()


def offer():
    while not over.is_set():
        done = subprocess.run([f"{LOADS}/offer", str(port), str(RATE), str(SEGMENT), str(CONNECTIONS), body, str(PATIENCE)], capture_output=True, text=True)
        figures = dict(w.split("=") for w in done.stdout.split())
        if done.returncode or "answered" not in figures:
            failed.append(done.stdout + done.stderr)
        answered[0] += int(figures.get("answered", 0))
        late.append(float(figures.get("p99_us", 0)))


def proxy(*, run, listener=None):
    def inherit():
        os.setsid()
        if listener is not None:
            os.dup2(listener.fileno(), 3)
    config = os.path.join(folder, run + ".yaml")
    with open(config, "w") as f:
        f.write(CONFIG.replace("RUN", run))
    before = text().count("ready on")
    words = [BINARY, "proxy", "-c", config, "--run", os.path.join(folder, run)]
    if listener is not None:  # the pid that LISTEN_PID names is known to the process alone
        words = ["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"', "sh", *words]
    p = subprocess.Popen(words, stdout=said, stderr=said, preexec_fn=inherit, close_fds=listener is None)
    started.append(p)
    eventually(lambda: text().count("ready on") > before or p.poll() is not None, "the proxy starts", 60)
    check(p.poll() is None, f"the proxy starts: {text()[-2000:]}")
    return p


def gone(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def ended(pid):
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: gone(pid), "the proxy drains", 120)


def counted(what, run_pattern, count, begun):
    """Every answer is seen once; every run is whole."""
    seen = captured = compared = 0
    runs = glob.glob(os.path.join(folder, run_pattern))
    for run in runs:
        summary = json.load(open(os.path.join(run, "summary.json")))
        counts = summary["counts"]
        check(summary["state"] == "final" and counts["open"] == 0 and adds_up(counts), f"{run}: {summary['state']} {counts}")
        seen, compared, captured = seen + counts["seen"], compared + counts["compared"], captured + summary["capture"]["captured"]
    print(f"{what}: {count} in {time.time() - begun:.0f} s, {answered[0]} answered ({answered[0] / (time.time() - begun):.0f}/s), {len(failed)} segments with a failure, "
          f"seen {seen} in {len(runs)} runs, lost {seen - answered[0]}, captured {captured}, compared {compared}, p99 {max(late) / 1000:.0f} ms at most", flush=True)
    check(not failed and seen == answered[0], f"nothing failed, nothing is lost: {failed[:3]}")
    answered[0], late[:] = 0, []


def under_load(work):
    over.clear()
    thread = threading.Thread(target=offer)
    thread.start()
    try:
        work()
    finally:
        over.set()
        thread.join()


def changes(first):
    state = {"parent": first.pid, "drained": 0}

    def drained():
        state["drained"] += 1
        eventually(lambda: len(re.findall(r"generation \d+ has drained", text())) >= state["drained"], "the former generation drains", 120)

    def reloads():
        for _ in range(RELOADS):
            done = subprocess.run([BINARY, "ctl", "--control", f"{folder}/changes.sock", "reload"], capture_output=True, text=True, timeout=120)
            check(done.returncode == 0, f"ctl reload: {done}")
            drained()

    def upgrades():
        for i in range(UPGRADES):
            before = state["parent"]
            os.kill(before, signal.SIGUSR2)
            eventually(lambda: len(re.findall(r"process \d+ serves", text())) > i, "the next program serves", 120)
            state["parent"] = int(re.findall(r"process (\d+) serves", text())[-1])
            eventually(lambda: gone(before), "the former leaves", 120)

    begun = time.time()
    under_load(lambda: (reloads(), upgrades()))
    ended(state["parent"])
    counted("reloads and upgrades", "changes*/", f"{RELOADS} + {UPGRADES}", begun)


def drains():
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    current, begun = [proxy(run="drain-0", listener=listener)], time.time()

    def work():
        for i in range(DRAINS):
            following = proxy(run=f"drain-{i + 1}", listener=listener)
            ended(current[0].pid)
            current[0] = following

    under_load(work)
    ended(current[0].pid)
    counted("drains", "drain-*/", DRAINS, begun)


try:
    if RELOADS or UPGRADES:
        changes(proxy(run="changes"))
    if DRAINS:
        drains()
finally:
    for p in started:
        try:
            os.killpg(p.pid, signal.SIGKILL) if os.getpgid(p.pid) == p.pid else p.kill()
        except OSError:
            pass
