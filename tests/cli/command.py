"""Starts the raison command; shared by the tests beside this file."""

import os
import subprocess

COMMAND = os.environ["RAISON_CLI"]
QUESTION = "How many r's are in strawberry?"
GREEDY = ["--temperature", "0"]

# What the caller's surroundings say must not change what is tested.
ENVIRONMENT = {
    k: v
    for k, v in os.environ.items()
    if k not in ("NO_COLOR", "HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "RAISON_MODEL_PATH")
}


def without_progress(err):
    """A load that takes longer than half a second, on a busy machine, says so."""
    lines = err.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("raison: loading "))


def raison(*words, stdin=b"", environment=None):
    """Runs `raison WORDS` and returns (status, stdout, stderr) as text."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run(
        [COMMAND, *words],
        input=stdin,
        capture_output=True,
        env={**ENVIRONMENT, **(environment or {})},
        timeout=300,
    )
    return done.returncode, done.stdout.decode(), without_progress(done.stderr.decode())
