"""Ctrl-C, a reader who goes away, and what a terminal sees."""

import json
import os
import pty
import select
import signal
import subprocess
import time
import unittest

from command import COMMAND, ENVIRONMENT, GREEDY, raison, without_progress

# The model goes on thinking until the context is nearly full: seconds, even on a fast machine.
ENDLESS = ["--think-min", "1500", *GREEDY, "What is 12 * 13?"]


def has_terminals():
    try:
        for end in pty.openpty():
            os.close(end)
        return True
    except OSError:
        return False


on_terminals = unittest.skipUnless(has_terminals(), "no pseudo-terminals: /dev/pts is not mounted")


def start(*words, **streams):
    return subprocess.Popen([COMMAND, *words], env=ENVIRONMENT, **streams)


def begin_on_terminal(*words, environment=None):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(
            COMMAND, [COMMAND, *words], {**ENVIRONMENT, "TERM": "xterm", **(environment or {})}
        )
    return pid, terminal


def read_part(terminal):
    """b"" at the end, and after two minutes of silence."""
    if not select.select([terminal], [], [], 120)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way of saying that the other end is closed
        return b""


def read_until(terminal, text):
    seen = b""
    while text.encode() not in seen:
        part = read_part(terminal)
        if not part:
            raise AssertionError("%r did not come after %r" % (text, seen))
        seen += part
    return seen.decode(errors="replace")


def end_on_terminal(pid, terminal):
    seen = b""
    while part := read_part(terminal):
        seen += part
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


def on_terminal(*words, environment=None):
    """Runs the command on a pseudo-terminal; returns its status and what it showed."""
    return end_on_terminal(*begin_on_terminal(*words, environment=environment))


class CtrlC(unittest.TestCase):
    def test_ends_the_answer_cleanly(self):
        process = start("run", "--json", *ENDLESS, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lines = []
        for line in process.stdout:
            lines.append(json.loads(line))
            if lines[-1]["event"] == "token":
                process.send_signal(signal.SIGINT)
                break
        rest, err = process.communicate(timeout=60)
        lines += map(json.loads, rest.splitlines())
        self.assertEqual(process.returncode, 130)
        self.assertEqual([line["event"] for line in lines[-2:]], ["done", "usage"])
        self.assertEqual(lines[-2]["reason"], "cancelled")
        self.assertIn(b"cancelled", err)

    def test_while_the_question_is_awaited(self):
        process = start("run", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.stdout.close)
        # Until it waits the signal's handler may not be there yet.
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            with open("/proc/%d/status" % process.pid) as status:
                caught = [line.split()[1] for line in status if line.startswith("SigCgt")][0]
            if int(caught, 16) & (1 << (signal.SIGINT - 1)):
                process.send_signal(signal.SIGINT)
                break
            time.sleep(0.01)
        self.assertEqual(process.wait(timeout=60), 130)

    def test_bench_tells_each_result_at_once(self):
        process = start("bench", "--prompt", "0", "--decode", "8", "--repeat", "1", "--no-copy-rate",
                        "--sessions", "64", "--depth", "0,1900", stdout=subprocess.PIPE)
        for line in process.stdout:
            if line.startswith(b"reads "):
                process.send_signal(signal.SIGINT)  # the second one takes long
                break
        rest, _ = process.communicate(timeout=60)
        self.assertEqual((process.returncode, rest), (130, b""))

    @on_terminals
    def test_in_a_chat_it_ends_the_answer_only(self):
        pid, terminal = begin_on_terminal("chat", *ENDLESS[:-1])
        read_until(terminal, "\n> ")
        os.write(terminal, b"What is 12 * 13?\n")
        read_until(terminal, "│")  # it thinks
        os.write(terminal, b"\x03")  # Ctrl-C, as the terminal's driver sees it
        seen = read_until(terminal, "\n> ")
        self.assertIn("cancelled", seen)
        os.write(terminal, b"/steps\n")
        self.assertRegex(read_until(terminal, "\n> "), r"  1 +\d+% +\d+ tokens")
        os.write(terminal, b"\x03")  # nothing to end but the conversation
        self.assertEqual(end_on_terminal(pid, terminal)[0], 130)


class ClosedOutput(unittest.TestCase):
    def test_stops_quietly(self):
        process = start("run", "--json", *ENDLESS, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        process.stdout.close()
        _, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, without_progress(err.decode())), (1, ""))


@on_terminals
class Terminal(unittest.TestCase):
    question = ["run", *GREEDY, "What is 12 * 13?"]

    def test_live_view(self):
        status, seen = on_terminal(*self.question)
        self.assertEqual(status, 0)
        self.assertIn("\x1b[2m", seen)  # dimmed
        self.assertRegex(seen, r"  1 +\d+% +\d+/s ")  # the margin
        self.assertIn("│", seen)
        self.assertIn("tokens of thinking", seen)
        thinking = seen.index("│")
        self.assertLess(thinking, seen.index("The answer is 156."))
        # The thinking as it is told in a pipe stands there too, word for word.
        told = raison("run", "--json", *self.question[1:])[1]
        steps = [json.loads(line) for line in told.splitlines()]
        words = [w for s in steps if s["event"] == "step_end" for w in s["text"].split()]
        for word in words:
            self.assertIn(word, seen)

    def test_no_color(self):
        _, seen = on_terminal(*self.question, environment={"NO_COLOR": "1"})
        self.assertNotRegex(seen, r"\x1b\[[0-9;]*m")
        self.assertIn("│", seen)
        _, seen = on_terminal(*self.question, environment={"TERM": "dumb"})
        self.assertNotIn("\x1b", seen)

    def test_a_question_is_missing(self):
        status, seen = on_terminal("run")
        self.assertEqual(status, 2)
        self.assertIn("which question?", seen)


if __name__ == "__main__":
    unittest.main()
