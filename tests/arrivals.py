#!/usr/bin/env python3
"""How true a replay is to its times: a server whose kernel stamps what arrives, held against the schedule.

    arrivals.py [SECONDS [RATE [CSV]]]      times of a trace's first column (Azure's LLM traces), compressed to SECONDS; without one
                                            the bursts of a gamma process (cv 3), RATE a second

Prints, for each speed, the error of arrivals against the recorded times (the median of all is taken off: the start), the error of the total
time, what the replay says of itself, the memory of its roles, and beside it how late this machine's own timers are. Nothing is asserted but
that every request arrives once. Needs build/plain/tests/load/answer (make bench makes it)."""
import csv, ctypes, datetime, json, os, random, subprocess, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from harness import BINARY, check, eventually, free_port, rollup, scratch

ANSWER = os.path.join("build/plain/tests/load/answer")
MONKEYS = "\n\U0001F435\U0001F648\U0001F649\n"
seconds, rate = float(sys.argv[1]) if len(sys.argv) > 1 else 5, float(sys.argv[2]) if len(sys.argv) > 2 else 1000
folder = scratch("arrivals-")


def times():
    """Nanoseconds behind the first."""
    if len(sys.argv) > 3:
        with open(sys.argv[3]) as f:
            at = [datetime.datetime.fromisoformat(row[0][:26]).timestamp() for row in list(csv.reader(f))[1:]]
        return sorted(int((t - at[0]) * 1e9 * seconds / (at[-1] - at[0])) for t in at)
    draw, t, out = random.Random(1), 0.0, []
    while t < seconds:
        out.append(int(t * 1e9))
        t += draw.gammavariate(1 / 9, 9 / rate)
    return out


def quantiles(values):
    values = sorted(values)
    return " ".join(f"{name} {values[min(len(values) - 1, int(len(values) * q))] / 1e3:.0f}" for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1)))


class Timespec(ctypes.Structure):
    _fields_ = [("s", ctypes.c_long), ("ns", ctypes.c_long)]


def timer_noise(count=1000):
    """How much later than asked an absolute sleep ends."""
    libc, late = ctypes.CDLL(None), []
    libc.prctl(29, 1, 0, 0, 0)
    for _ in range(count):
        due = time.monotonic_ns() + 1000000
        libc.clock_nanosleep(1, 1, ctypes.byref(Timespec(due // 10**9, due % 10**9)), None)
        late.append(time.monotonic_ns() - due)
    return quantiles(late)


due = times()
gor = os.path.join(folder, "trace.gor")
with open(gor, "w") as f:
    for n, at in enumerate(due):
        body = f'{{"n": {n}}}'
        f.write(f"1 {n:x} {10**18 + at}\nPOST /v2/models/m/infer HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n{body}{MONKEYS}"
                f"2 {n:x} {10**18 + at}\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{{}}{MONKEYS}")
print(f"{len(due)} requests in {due[-1] / 1e9:.3f} s")
capture = gor


def children(pid):
    found = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()[1]) == pid:
                found.append(int(p))
        except (OSError, IndexError, ValueError):
            pass
    return found


for speed in os.environ.get("SPEEDS", "1 2 10").split():
    port, stamps, run = free_port(), os.path.join(folder, f"stamps-{speed}"), os.path.join(folder, f"run-{speed}")
    server = subprocess.Popen([ANSWER, str(port), "100", stamps])
    eventually(lambda: os.path.exists(stamps), "the server is there")
    replay = subprocess.Popen([BINARY, "replay", capture, "--to", f"t=http://127.0.0.1:{port}", "--run", run, "--speed", speed, "--max-lag", "100s", "--quiet",
                               *os.environ.get("FLAGS", "").split()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak = 0
    while replay.poll() is None:
        peak = max(peak, sum(rollup(p)["Pss"] for p in children(replay.pid)))
        time.sleep(1)
    out = replay.stdout.read()
    check(replay.returncode == 0, out)
    summary = json.load(open(os.path.join(run, "summary.json")))
    lines = []
    eventually(lambda: lines.clear() or lines.extend(open(stamps).read().splitlines()) or len(lines) >= len(due), f"all arrive: {len(lines)}", 20)
    server.terminate()
    server.wait()
    arrived = {int(n): int(at) for at, n in map(str.split, lines)}
    check(len(lines) == len(due) == len(arrived), f"each once: {len(lines)} of {len(due)}")
    error = sorted(arrived[n] - at / float(speed) for n, at in enumerate(due))
    start = error[len(error) // 2]
    total = (max(arrived.values()) - min(arrived.values())) / (due[-1] / float(speed)) - 1
    print(f"speed {speed}: arrival error us {quantiles([abs(e - start) for e in error])}; total time {total * 100:+.4f} %; by its own account "
          f"lag us {summary['lag_us']}, total {(summary['time_error'] or 0) * 100:+.4f} %; peak PSS of the roles {peak >> 20} MiB; timers us {timer_noise()}")
