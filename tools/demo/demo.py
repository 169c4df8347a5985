"""The demo: four digit models behind build/understudy, checked against the truth.

    /usr/bin/python3 tools/demo/demo.py [--fault swap-classes]

Sends the 599 test images through the proxy, then computes in this process what
the comparison must come to (same library, same models, no proxy) and compares.
Exit status: 0 when measured equals truth, 1 when not, 3 when it could not run.
Whatever happens, no process it started outlives it.
"""

import argparse
import ctypes
import http.client
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np

import models

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
RUN = ROOT / "runs/demo"
WORK = ROOT / "runs/demo-work"
BINARY = ROOT / "build/understudy"
SERVERS = {"live": "logreg", "twin": "logreg", "svc": "svc", "forest": "forest", "knn": "knn"}
SHADOWS = ("svc", "forest", "knn", "twin")
FAULTY = "svc"
CONNECTIONS = 4
RATE = 100              # requests/s: what the forest can answer; a busy machine may leave all of them in flight
EMAIL = "person17@example.com"
SECRET = "demo-bearer-17-not-for-copies"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None, use_errno=True)

CONFIG = """\
version: 1
listen:
  - address: 127.0.0.1:{port}
workers: 2
control: {{socket: understudy.sock}}
run: {{directory: .., name: demo, hypothesis: "{hypothesis}"}}
capture: {{enabled: true}}
routes:
  - name: digits
    match: {{path_prefix: /v2/models/digits}}
    protocol: openinference
    live: {{endpoints: [http://127.0.0.1:{live}]}}
    mirror: {{sample: 100%, methods: [POST], mask: default}}
    candidates:
      - {{name: svc, endpoints: [http://127.0.0.1:{svc}], timeout: 60s, max_in_flight: 1024}}
      - {{name: forest, endpoints: [http://127.0.0.1:{forest}], timeout: 60s, max_in_flight: 1024}}
      - {{name: knn, endpoints: [http://127.0.0.1:{knn}], timeout: 60s, max_in_flight: 1024}}
      - {{name: twin, endpoints: [http://127.0.0.1:{twin}], role: baseline, sample: 100%, timeout: 60s, max_in_flight: 1024}}
    gates:
      - {{metric: divergence_rate, max: 5%, because: "demo limit"}}
masks:
  default:
    mode: deny
    fields:
      - {{header: authorization, with: drop}}
      - {{path: $.parameters.user_email, with: token, model_input: no}}
"""


class Failed(Exception):
    """The demo could not run to its end."""


def say(text=""):
    print(text, flush=True)


# Processes. Each child leads a session and gets SIGTERM if this process dies;
# orphaned grandchildren come back here, because it is their subreaper.

def start(argv, **more):
    parent = os.getpid()

    def in_child():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
    return subprocess.Popen([str(a) for a in argv], start_new_session=True,
                            preexec_fn=in_child, stdin=subprocess.DEVNULL, **more)


def descendants():
    """Pids below this process, nearest first."""
    parent_of = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            state, parent = stat.rpartition(")")[2].split()[:2]
            if state != "Z":
                parent_of[int(entry)] = int(parent)
    found, wave = [], {os.getpid()}
    while wave:
        wave = {p for p, parent in parent_of.items() if parent in wave}
        found += wave
    return found


def reap_all(grace_s=3):
    """Ends everything started here: SIGTERM, then SIGKILL after the grace."""
    deadline = time.monotonic() + grace_s
    sent, left = set(), descendants()
    while left:
        if time.monotonic() > deadline:
            signal_to, sent = signal.SIGKILL, set()
        else:
            signal_to = signal.SIGTERM
        for pid in set(left) - sent:
            try:
                os.kill(pid, signal_to)
            except ProcessLookupError:
                pass
        sent |= set(left)
        time.sleep(0.05)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        left = descendants()


def tail(path, lines=20):
    try:
        return "\n".join("    " + l for l in path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def start_servers(fault):
    """{name: port}, all fitted and listening."""
    waiting, ports = {}, {}
    for name, kind in SERVERS.items():
        ours, theirs = os.pipe()
        argv = [sys.executable, HERE / "serve.py", "--model", kind, "--port", "0", "--ready-fd", theirs]
        if fault and name == FAULTY:
            argv += ["--fault", fault]
        with open(WORK / f"{name}.log", "wb") as log:
            start(argv, stdout=log, stderr=log, pass_fds=[theirs],
                  env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
        os.close(theirs)
        waiting[ours] = name
    deadline = time.monotonic() + 60
    while waiting:
        ready = select.select(list(waiting), [], [], max(0, deadline - time.monotonic()))[0]
        if not ready:
            raise Failed(f"no answer from {', '.join(waiting.values())} in 60 s")
        for fd in ready:
            name, text = waiting.pop(fd), os.read(fd, 16)
            os.close(fd)
            if not text:
                raise Failed(f"the {name} server stopped:\n{tail(WORK / (name + '.log'))}")
            ports[name] = int(text)
    return ports


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_proxy(config, port):
    log_path = WORK / "proxy.log"
    with open(log_path, "wb") as log:
        proxy = start([BINARY, "proxy", "-c", config, "--run", RUN], stdout=log, stderr=log, cwd=ROOT)
    accepts_since = None
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if proxy.poll() is not None:
            raise Failed(f"the proxy stopped with status {proxy.returncode}:\n{tail(log_path)}")
        if b"ready" in log_path.read_bytes():
            return proxy
        if accepts_since is None:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    accepts_since = time.monotonic()
        elif time.monotonic() - accepts_since > 0.5:
            return proxy
        time.sleep(0.02)
    raise Failed(f"the proxy was not ready in 15 s:\n{tail(log_path)}")


def send(port, rows, rate):
    """Every row once, over CONNECTIONS keep-alive connections; [n, 10] live answers."""
    answers = np.full((len(rows), 10), np.nan)
    problems = []
    begin = time.monotonic()

    def one_connection(first):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            for i in range(first, len(rows), CONNECTIONS):
                time.sleep(max(0, begin + i / rate - time.monotonic()))
                body = json.dumps({
                    "id": f"digit-{i}",
                    "parameters": {"user_email": EMAIL},
                    "inputs": [{"name": "pixels", "datatype": "FP64", "shape": [1, 64],
                                "data": rows[i].tolist()}]})
                c.request("POST", "/v2/models/digits/infer", body, {
                    "content-type": "application/json", "x-request-id": f"digit-{i}",
                    "authorization": f"Bearer {SECRET}"})
                r = c.getresponse()
                text = r.read()
                if r.status != 200:
                    problems.append(f"request {i}: {r.status} {text[:200]!r}")
                    continue
                reply = json.loads(text)
                if reply["id"] != f"digit-{i}":
                    problems.append(f"request {i} got the answer of {reply['id']}")
                answers[i] = reply["outputs"][0]["data"]
        except Exception as e:
            problems.append(f"connection {first}: {type(e).__name__}: {e}")
        finally:
            c.close()

    threads = [threading.Thread(target=one_connection, args=(k,), daemon=True)
               for k in range(CONNECTIONS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if problems:
        raise Failed("live requests failed:\n    " + "\n    ".join(problems[:10])
                     + f"\n{tail(WORK / 'proxy.log')}")
    return answers


def read_summary():
    try:
        return json.loads((RUN / "summary.json").read_text())
    except (OSError, ValueError):
        return None


def wait_drained(n, limit_s=60):
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        s = read_summary()
        if s and s["counts"]["seen"] == n and s["counts"]["open"] == 0:
            return
        time.sleep(0.1)
    s = read_summary()
    raise Failed(f"after {limit_s} s the counts are {s and s['counts']}\n{tail(WORK / 'proxy.log')}")


# The truth: same models, no proxy.

def plogp(p):
    return np.where(p > 0, p * np.log2(np.where(p > 0, p, 1)), 0).sum(axis=1)


def truth_of(rows, data, fault):
    """{candidate: (flips, mean JS in bits, mean TV)} and the live probabilities."""
    fitted = {kind: models.fit(kind, data) for kind in models.MODELS}
    # a row at a time, as the server saw them: a batch may round its last bit otherwise
    live = np.vstack([models.probabilities(fitted[models.LIVE], row[np.newaxis]) for row in rows])
    truth = {}
    for name in SHADOWS:
        kind = SERVERS[name]
        p = models.probabilities(fitted[kind], rows, fault if name == FAULTY else None)
        js = (plogp(live) + plogp(p)) / 2 - plogp((live + p) / 2)
        tv = np.abs(live - p).sum(axis=1) / 2
        truth[name] = (int((live.argmax(1) != p.argmax(1)).sum()), js.mean(), tv.mean())
    return truth, live


def flips_in(candidate):
    return sum(c["count"] for c in candidate["classes"] if c["class"] == "label_flip")


def mean_in(candidate, measure):
    value = candidate["measures"].get(measure, {}).get("mean")
    return float("nan") if value is None else value


def compare(summary, truth, n):
    """Prints the table; true when every figure is the truth."""
    equal = True
    found = {c["name"]: c for c in summary["candidates"]}
    say(f"  {'candidate':<10}{'figure':<12}{'truth':>22}{'measured':>22}")
    for name, (flips, js, tv) in truth.items():
        c = found.get(name)
        if c is None:
            say(f"  {name:<10}missing from summary.json")
            equal = False
            continue
        lines = [("pairs", n, c["pairs"], c["pairs"] == n),
                 ("label flips", flips, flips_in(c), flips_in(c) == flips)]
        for label, key, want in (("JS (bits)", "js_bits", js), ("TV", "tv", tv)):
            got = mean_in(c, key)
            lines.append((label, want, got, abs(got - want) <= 1e-9))
        for label, want, got, same in lines:
            show = (lambda v: f"{v:.15f}") if isinstance(want, float) else str
            say(f"  {name:<10}{label:<12}{show(want):>22}{show(got):>22}  {'equal' if same else 'DIFFERENT'}")
            equal = equal and same
            name = ""
    return equal


def count_line(counts):
    """(the equation in words, whether it holds)"""
    terms = []
    for key in ("compared", "not_compared", "sampled_out", "excluded", "shed", "open"):
        value = counts.get(key, 0)
        if isinstance(value, dict):
            reasons = ", ".join(f"{k} {v}" for k, v in value.items() if v)
            terms.append((sum(value.values()), key + (f" ({reasons})" if reasons else "")))
        else:
            terms.append((value, key))
    holds = counts["seen"] == sum(v for v, _ in terms)
    text = f"seen {counts['seen']} {'=' if holds else '≠'} " + " + ".join(f"{k} {v}" for v, k in terms)
    return text, holds


def understudy(*argv):
    """Its stdout; a failure is the demo's failure."""
    out = start([BINARY, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    text, errors = out.communicate(timeout=180)
    if out.returncode != 0:
        raise Failed(f"understudy {' '.join(map(str, argv))} exits {out.returncode}: "
                     + errors.decode(errors="replace").strip())
    return text


def find_leaks():
    """Where what the mask takes out can still be read: files, and captures unpacked."""
    needles = (EMAIL.encode(), SECRET.encode())
    leaks = [str(p.relative_to(ROOT)) for p in sorted(RUN.rglob("*"))
             if p.is_file() and any(s in p.read_bytes() for s in needles)]
    captures = sorted((RUN / "capture").glob("*.cap"))
    if not captures:
        raise Failed("no capture was written under runs/demo/capture")
    unpacked = understudy("capture", "cat", *captures)
    if b"digits" not in unpacked:
        raise Failed("capture cat shows no exchange, so it proves nothing")
    if any(s in unpacked for s in needles):
        leaks.append("capture cat")
    return leaks


def replay_agrees(ports, truth, n):
    """The capture played against the same servers: the same flips as the mirror saw. A few at a time, so that none is late."""
    captures = sorted((RUN / "capture").glob("*.cap"))
    targets = [word for name in truth if name != "twin" for word in ("--to", f"{name}=http://127.0.0.1:{ports[name]}")]
    run = WORK / "replay"
    understudy("replay", captures[0], *targets, "--speed", "max", "--connections", "4", "--quiet", "--run", run)
    with open(run / "summary.json") as f:
        replayed = {c["name"]: c for c in json.load(f)["candidates"]}
    flips = {name: sum(k["count"] for k in c["classes"] if k["class"] == "label_flip") for name, c in replayed.items()}
    equal = all(flips.get(name) == truth[name][0] and replayed[name]["pairs"] == n for name in truth if name != "twin")
    say("  the capture replayed at full speed: label flips " + ", ".join(f"{name} {k}" for name, k in flips.items())
        + (", as mirrored" if equal else ", DIFFERENT"))
    return equal


def demo(args):
    if not BINARY.exists():
        raise Failed("build/understudy is missing: run make, or sh tools/quickstart")
    begin = time.monotonic()
    for folder in (RUN, WORK):
        shutil.rmtree(folder, ignore_errors=True)
    WORK.mkdir(parents=True)

    ports = start_servers(args.fault)
    say("  models ready: " + ", ".join(f"{n} :{p}" for n, p in ports.items())
        + f" ({time.monotonic() - begin:.1f} s)")
    port = free_port()
    config = WORK / "demo.yaml"
    config.write_text(CONFIG.format(
        port=port, hypothesis="some model is as good as logistic regression", **ports))
    proxy = start_proxy(config, port)
    say(f"  proxy ready: 127.0.0.1:{port}, configuration {config.relative_to(ROOT)}")

    data = models.split()
    rows = data[2]
    answers = send(port, rows, args.rate)
    say(f"  {len(rows)} requests answered ({time.monotonic() - begin:.1f} s)")
    wait_drained(len(rows))
    proxy.send_signal(signal.SIGTERM)
    try:
        status = proxy.wait(timeout=120)
    except subprocess.TimeoutExpired:
        raise Failed(f"the proxy did not drain in 120 s:\n{tail(WORK / 'proxy.log')}")
    if status != 0:
        raise Failed(f"the drained proxy exits {status}:\n{tail(WORK / 'proxy.log')}")
    summary = read_summary()
    if summary is None:
        raise Failed("runs/demo/summary.json cannot be read")

    truth, live = truth_of(rows, data, args.fault)
    same_live = int((answers == live).all(axis=1).sum())
    say()
    good = compare(summary, truth, len(rows))
    say()
    say(f"  live answers through the proxy, equal bit for bit: {same_live} of {len(rows)}")
    line, holds = count_line(summary["counts"])
    say(f"  {line}")
    leaks = find_leaks()
    say(f"  {EMAIL} and the bearer token in runs/demo and its captures: "
        + (f"FOUND in {', '.join(leaks)}" if leaks else "nowhere"))
    good &= replay_agrees(ports, truth, len(rows))
    good = good and holds and not leaks and same_live == len(rows) and summary["state"] == "final"
    if summary["state"] != "final":
        say(f"  the run's state is {summary['state']}, not final")

    say()
    say(understudy("report", RUN, "--format", "text").decode(errors="replace").rstrip())
    say()
    for kind in ("html", "md"):
        understudy("report", RUN, "--format", kind, "-o", RUN / f"report.{kind}")
    say(f"  measured {'equals' if good else 'DIFFERS FROM'} the truth; "
        f"reports: runs/demo/report.html, runs/demo/report.md ({time.monotonic() - begin:.1f} s)")
    return 0 if good else 1


def main():
    args = argparse.ArgumentParser(description="digit models behind understudy, checked against the truth")
    args.add_argument("--fault", choices=models.FAULTS, help=f"spoil the {FAULTY} candidate on purpose")
    args.add_argument("--rate", type=float, default=RATE, help="requests/s (default %(default)s)")
    args = args.parse_args()

    def stop(number, frame):
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, signal.SIG_IGN)
        raise SystemExit(128 + number)
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, stop)
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        return demo(args)
    except (Failed, subprocess.TimeoutExpired) as e:
        print(f"demo: {e}", file=sys.stderr, flush=True)
        return 3
    finally:
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, signal.SIG_IGN)
        reap_all()


if __name__ == "__main__":
    sys.exit(main())
