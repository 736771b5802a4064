"""What a newcomer copies: the samples and the README's Python."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]


def run(*words, **how):
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=60, **how
    )


def test_stream():
    sample = str(ROOT / "samples" / "stream" / "stream.py")
    done = run(sample, "What is 12 * 13?")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^\[step 1, confidence [01]\.\d\d\] \S", done.stdout, re.M)
    assert re.search(r"^\[final answer: .*156.*\]\n\[\d+ tokens of thinking, ", done.stdout, re.M)
    # All samples print the same; those in C and C++ are there where the tests were built before.
    for name in ("stream_c", "stream_cpp"):
        program = ROOT / "build" / "tests" / "samples" / name
        if program.exists():
            other = subprocess.run([program, "What is 12 * 13?"], capture_output=True, text=True)
            assert other.stdout == done.stdout, name
    done = run(sample, "x", "/no/such/model.gguf")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.match(r"stream: /no/such/model\.gguf.* \(RSN_ERR_NOT_FOUND\)\n$", done.stderr)


def test_where_did_it_go_wrong():
    sample = str(ROOT / "samples" / "where_did_it_go_wrong" / "where_did_it_go_wrong.py")
    for line in ("", "\n", "2\n", "0\n", "77\n", "x\n"):
        question = ["How many r's are in strawberry?"] if line else []  # its own is the longest
        done = run(sample, *question, input=line)
        if line in ("77\n", "x\n"):
            assert done.returncode == 1
            assert re.search(rf": {line.strip()}: wanted a number from 0 to \d+\n$", done.stderr)
        else:
            assert (done.returncode, done.stderr) == (0, "")
            least = re.search(r"^Step (\d+) is the least confident", done.stdout, re.M)
            assert least
            chosen = line.strip() or least[1]
            again = f"\nAgain from step {chosen}:\n  {chosen}  " in done.stdout
            assert again == (line != "0\n")
            if again:
                assert done.stdout.count("answer: ") == 2
                assert done.stdout.endswith(("does not say which.\n", "are no proof.\n"))
        for name in ("where_did_it_go_wrong_c", "where_did_it_go_wrong_cpp"):
            program = ROOT / "build" / "tests" / "samples" / name
            if program.exists():
                other = subprocess.run(
                    [program, *question], input=line, capture_output=True, text=True
                )
                assert (other.stdout, other.stderr) == (done.stdout, done.stderr), name
    done = run(sample, "x", "/no/such/model.gguf")
    assert done.returncode == 1 and done.stderr.endswith(" (RSN_ERR_NOT_FOUND)\n")


def test_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert len(snippets) == 1
    done = run("-c", snippets[0])
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    steps = [line for line in lines if re.match(r"\d+ \([01]\.\d\d\) \S", line)]
    assert len(steps) >= 3
    assert "5" in lines  # the final answer
    assert lines[-1] == "The answer is 5."  # of the step that was drawn again
