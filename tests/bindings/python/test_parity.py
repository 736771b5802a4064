"""The Python driver of tests/bindings/cases.txt: prints what the C driver prints, byte for byte."""

import os
import pathlib
import re
import subprocess
import threading

import pytest
import raison

ROOT = pathlib.Path(__file__).resolve().parents[3]
CASES = ROOT / "tests" / "bindings" / "cases.txt"
ROLES = ("system", "user", "assistant", "tool")
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
INTEGERS = (
    "max_tokens seed branch top_k penalty_last_n think_budget_soft think_budget_hard think_minimum "
    "answer_reserve alternatives".split()
)
NUMBERS = "temperature top_p min_p repetition_penalty presence_penalty frequency_penalty".split()
NAMES = {"thinking": {"auto": 0, "on": 1, "off": 2}, "release": {"token": 0, "step": 1}}


def unescape(text):
    return re.sub(r"\\(.)", lambda m: ESCAPES.get(m.group(1), m.group(1)), text)


def escape(text):
    for wanted, letter in (("\\", "\\"), ("\n", "n"), ("\r", "r"), ("\t", "t"), ("\0", "0")):
        text = text.replace(wanted, "\\" + letter)
    return text


def without_times(json):
    return re.sub(r'"(microseconds|begin_seconds|end_seconds)":[^,}]*', r'"\1":0', json)


class Mine(Exception):
    pass


class Driver:
    def __init__(self):
        self.out = []
        self.close_all()

    def close_all(self):
        self.model, self.sessions, self.current = None, {}, "a"

    def say(self, *words):
        self.out.append(" ".join(map(str, words)))

    # ---- what a line holds

    @staticmethod
    def first(pairs, key, otherwise=None):
        return next((value for name, value in pairs if name == key), otherwise)

    @staticmethod
    def options(pairs):
        given = {}
        for key, value in pairs:
            if key in INTEGERS:
                given[key] = int(value)
            elif key in NUMBERS:
                given[key] = float(value)
            elif key == "thinking" and value in NAMES["thinking"]:
                given[key] = value
            elif key in ("continuation", "template_arguments", "release"):
                given[key] = value
            elif key in ("experts", "trace_prompt", "exclude_first_token", "continue_last"):
                given[key] = value == "1"
            elif key == "stop":
                given.setdefault("stop", []).append(value)
            elif key == "logit_bias":
                token, bias = value.split(":")
                given.setdefault("logit_bias", {})[int(token)] = float(bias)
        return given

    @staticmethod
    def messages(pairs):
        thinking, messages = None, []
        for key, value in pairs:
            if key == "thinking" and value not in NAMES["thinking"]:
                thinking = value
            elif key in ROLES:
                messages.append(raison.Message(key, value, thinking))
                thinking = None
        return messages

    @property
    def session(self):
        return self.sessions[self.current]

    # ---- the verbs

    def run_table(self, lines):
        for line in lines:
            line = line.rstrip("\n")
            if not line or line.startswith("#") or line.startswith("want\t"):
                continue
            verb, *rest = line.split("\t")
            if verb == "case":
                self.close_all()
                self.say("case", *rest)
                continue
            pairs = [(key, unescape(value)) for key, value in (part.split("=", 1) for part in rest)]
            self.say(">", verb)
            try:
                if getattr(self, "do_" + verb)(pairs) is None:
                    self.say("ok")
            except raison.Error as error:
                closed = str(error).endswith(" is closed")
                self.say("closed" if closed else "error " + raison.status_name(error.status))
            except (AttributeError, KeyError):
                if self.model is not None and self.current in self.sessions:
                    raise
                self.say("closed")  # never made

    def do_load(self, pairs):
        options = {
            "device": self.first(pairs, "device"),
            "chat_template": self.first(pairs, "chat_template"),
            "context_length": int(self.first(pairs, "context_length", 0)),
            "kv_bytes": int(self.first(pairs, "kv_bytes", 0)),
            "load": self.first(pairs, "load", "map"),
        }
        self.model = None
        data = self.first(pairs, "bytes")
        if data is not None:
            self.model = raison.Model.from_bytes(bytes.fromhex(data), **options)
        else:
            self.model = raison.Model(self.first(pairs, "path"), **options)

    def do_session(self, pairs):
        self.current = self.first(pairs, "name", "a")
        self.sessions[self.current] = self.model.session(
            int(self.first(pairs, "context_length", 0)))  # fmt: skip

    def do_use(self, pairs):
        self.current = self.first(pairs, "name", "a")

    def do_close(self, pairs):
        if self.first(pairs, "what") == "model":
            self.model.close()
        else:
            self.sessions[self.first(pairs, "name", self.current)].close()

    def do_ask(self, pairs):
        self.session.ask(self.first(pairs, "text"), **self.options(pairs))

    def do_prompt(self, pairs):
        self.session.prompt(self.messages(pairs), **self.options(pairs))

    def do_prompt_text(self, pairs):
        self.session.prompt_text(
            self.first(pairs, "text"), special=self.first(pairs, "special") == "1",
            bos=self.first(pairs, "bos") == "1", **self.options(pairs))  # fmt: skip

    def say_event(self, event):
        if event.kind != "progress":
            self.say(without_times(event.to_json()))

    def do_events(self, pairs):
        until, count = self.first(pairs, "until", "done"), int(self.first(pairs, "count", 1))
        for event in self.session:
            self.say_event(event)
            count -= event.kind == until
            if count == 0:
                break
        return True

    def do_run(self, pairs):
        at, verdict = self.first(pairs, "at"), self.first(pairs, "verdict")
        left = [int(self.first(pairs, "nth", 1))]

        def callback(session, event):
            self.say_event(event)
            left[0] -= event.kind == at
            if event.kind != at or left[0] != 0:
                return None
            if verdict == "throw":
                raise Mine()
            if verdict == "cancel":
                thread = threading.Thread(target=session.cancel)
                thread.start()
                thread.join()
                return None
            return verdict

        try:
            self.say("answer", escape(self.session.run(callback)))
        except Mine:
            self.say("thrown")
        return True

    def do_end_thinking(self, _):
        self.session.end_thinking()

    def do_stop(self, _):
        self.session.stop()

    def do_cancel(self, _):
        self.session.cancel()

    def do_inject(self, pairs):
        self.session.inject(self.first(pairs, "text"))

    def do_rewind(self, pairs):
        step = self.first(pairs, "step")
        position = self.session.steps[int(step)].rewind if step is not None else int(
            self.first(pairs, "position"))  # fmt: skip
        self.session.rewind(position, **self.options(pairs))

    def do_fork(self, pairs):
        self.sessions[self.first(pairs, "name")] = self.session.fork(**self.options(pairs))

    def do_steps(self, _):
        for step in self.session.steps:
            self.say(without_times(step.to_json()))
        return True

    def do_text(self, pairs):
        thinking = self.first(pairs, "channel") == "thinking"
        session = self.session
        self.say("text", escape(session.thinking if thinking else session.answer_text))
        return True

    def do_answer(self, _):
        self.say("answer", self.session.answer_step, escape(self.session.answer))
        return True

    def do_usage(self, _):
        u = self.session.usage
        self.say("usage", u.prompt_tokens, u.cached_tokens, u.thinking_tokens, u.answer_tokens,
                 u.forced_tokens, u.discarded_tokens)  # fmt: skip
        return True

    def do_position(self, _):
        self.say("position", self.session.position)
        return True

    def do_running(self, _):
        self.say("running", int(self.session.running))
        return True

    def do_tokens(self, _):
        channels = ("prompt", "thinking", "answer", "control")
        sources = ("sampled", "forced", "injected", "prompt")
        for t in self.session.tokens:
            self.say("token", t.position, t.token, t.step, channels.index(t.channel),
                     sources.index(t.source), t.rank, t.branch, t.text.hex())  # fmt: skip
        return True

    def do_options(self, _):
        o = self.session.options
        numbers = [o.seed, o.branch, o.max_tokens, o.top_k, o.alternatives, o.think_budget_soft,
                   o.think_budget_hard, o.think_minimum, o.answer_reserve]  # fmt: skip
        self.say("options", *(-1 if n is None else n for n in numbers),
                 NAMES["thinking"][o.thinking], NAMES["release"][o.release],
                 *map(escape, o.stop or []))  # fmt: skip
        return True

    def do_experts(self, pairs):
        self.say("experts", *self.session.step_experts(int(self.first(pairs, "index"))))
        return True

    def do_logits(self, _):
        row = list(self.session.logits())
        self.say("logits", len(row), row.index(max(row)))
        return True

    def do_info(self, _):
        i = self.model.info
        self.say("info", i.architecture, i.name, i.parameters, i.vocabulary, i.layers, i.experts,
                 i.tensors)  # fmt: skip
        return True

    def do_tokenize(self, pairs):
        self.say("tokens", *self.model.tokenize(
            self.first(pairs, "text"), special=self.first(pairs, "special") == "1",
            bos=self.first(pairs, "bos") == "1"))  # fmt: skip
        return True

    def do_detokenize(self, pairs):
        tokens = [int(t) for t in self.first(pairs, "tokens").split(",") if t]
        special = self.first(pairs, "special") == "1"
        self.say("bytes", self.model.detokenize(tokens, special=special).hex())
        return True

    def do_token_text(self, pairs):
        self.say("bytes", self.model.token_text(int(self.first(pairs, "token"))).hex())
        return True

    def do_render(self, pairs):
        text = self.model.render(self.messages(pairs), **self.options(pairs))
        self.say("text", escape(text))
        return True

    def do_threads(self, pairs):
        count = int(self.first(pairs, "count"))
        answers = [None] * count

        def work(i):
            session = self.model.session()
            answers[i] = session.ask(self.first(pairs, "text"), **self.options(pairs)).run()

        threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for answer in answers:
            self.say("thread", escape(answer))
        return True

    def do_together(self, pairs):
        texts = [value for key, value in pairs if key == "text"]
        sessions = [self.model.session().ask(text, **self.options(pairs)) for text in texts]
        for _ in raison.step_all(sessions):
            pass
        for i, session in enumerate(sessions):
            self.say("together", i, escape(session.answer_text))
        return True


def c_driver():
    program = os.environ.get("RAISON_PARITY_C", ROOT / "build/tests/tests/bindings/parity_c")
    if not pathlib.Path(program).exists():
        pytest.skip("the C driver is not built (tests/run.sh build)")
    return program


def test_parity():
    # With this package's library: bits are promised for one build, and the tests' is another.
    here = {**os.environ, "LD_LIBRARY_PATH": str(pathlib.Path(raison.__file__).parent)}
    done = subprocess.run([c_driver(), CASES], capture_output=True, timeout=120, env=here)
    assert done.returncode == 0, done.stderr.decode()
    driver = Driver()
    with open(CASES, encoding="utf-8", newline="\n") as table:
        driver.run_table(table)
    expected = done.stdout.decode("utf-8").split("\n")[:-1]
    verb = ""
    for i, (wanted, got) in enumerate(zip(expected, driver.out)):
        verb = wanted if wanted.startswith(("case", ">")) else verb
        assert got == wanted, f"line {i + 1}, in '{verb}'"
    assert len(driver.out) == len(expected)
    assert len(expected) > 1000
