"""Making and closing leaves memory flat. In a process of its own: what other tests have left in the
allocator's pools comes and goes."""

import subprocess
import sys

CYCLES = r"""
import gc
import re
import raison

def resident():
    gc.collect()
    with open("/proc/self/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

model = raison.Model(threads=2)
for cycle in range(1, 1001):
    with model.session() as session:
        session.prompt_text("1 + 1", temperature=0, max_tokens=1).run()
        session.tokens, session.usage, session.options
        session.fork().close()
    if cycle % 50 == 0:  # often: the collector's heap must not grow between two looks at it
        now = resident()
    if cycle == 100:
        before = now
print(now - before)
"""


def test_cycles_leave_memory_flat():
    done = subprocess.run([sys.executable, "-c", CYCLES], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) < 1024, f"grew by {done.stdout.strip()} KiB from cycle 100 to 1,000"
