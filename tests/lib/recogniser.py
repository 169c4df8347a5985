"""A recogniser for the scenarios: names of a list, words that make it fail, and what it can reach, told before it is ready."""
import os

SCRIPT = r'''
import json, os, socket, sys, time
NAMES = {"Grace Hopper": "PERSON", "Ada": "PERSON", "Paris": "LOCATION", "Acme Corp": "ORG", "Zorglub": "THING"}
def can(act):
    try:
        act()
        return True
    except OSError:
        return False
print(json.dumps({"descriptors": sorted(int(f) for f in os.listdir("/proc/self/fd"))[:4], "user": os.getuid(),
                  "live": can(lambda: socket.create_connection(("127.0.0.1", int(os.environ["LIVE"])), 2)), "secret": can(lambda: open(os.environ["SECRET"])),
                  "write": can(lambda: open("x", "w"))}), file=sys.stderr, flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    if "please hang" in ask["text"]:
        time.sleep(3600)
    if "please die" in ask["text"]:
        os._exit(1)
    if "please babble" in ask["text"]:
        print("Traceback (most recent call last):")
        continue
    spans = []
    for name, kind in NAMES.items():
        at = ask["text"].find(name)
        while at >= 0:
            spans.append([at, at + len(name), kind])
            at = ask["text"].find(name, at + 1)
    print(json.dumps({"id": ask["id"], "spans": spans}))
'''


def recogniser(folder):
    """Leaves it there, for whoever it runs as."""
    os.chmod(folder, 0o755)
    path = os.path.join(folder, "names.py")
    with open(path, "w") as f:
        f.write(SCRIPT)
    os.chmod(path, 0o644)


def policy(folder, live, secret, deadline="10s"):
    return (f"    detected: type\n    free_text: recogniser\n    recogniser:\n      command: [python3, names.py]\n      ro: [{folder}]\n"
            f"      deadline: {deadline}\n      env: {{LIVE: '{live}', SECRET: {secret}}}\n")
