"""The raison command as its users see it: output, messages, exit statuses."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from command import COMMAND, ENVIRONMENT, GREEDY, QUESTION, raison

COMMANDS = ["run", "chat", "inspect", "convert", "bench", "tokenize", "devices", "selftest"]


class Help(unittest.TestCase):
    def test_every_command_explains_itself(self):
        for command in COMMANDS:
            for word in ("--help", "-h"):
                status, out, err = raison(command, word)
                self.assertEqual((status, err), (0, ""), command)
                self.assertIn("Usage: raison " + command, out)
                self.assertIn("Examples:", out)
                self.assertLessEqual(max(map(len, out.splitlines())), 100, command)

    def test_the_tool_lists_its_commands(self):
        status, out, _ = raison("--help")
        self.assertEqual(status, 0)
        for command in COMMANDS:
            self.assertIn("  " + command, out)
        self.assertIn("Exit status", out)
        self.assertEqual(raison("--version")[1].split()[0], "raison")

    def test_no_command_is_a_usage_error(self):
        status, out, err = raison()
        self.assertEqual((status, out), (2, ""))
        self.assertIn("Usage:", err)


class Mistakes(unittest.TestCase):
    def check(self, status, part, *words, stdin=b"", environment=None):
        got, out, err = raison(*words, stdin=stdin, environment=environment)
        self.assertEqual(got, status, (words, err))
        self.assertIn(part, err)
        self.assertEqual(out, "", words)
        self.assertTrue(err.startswith("raison: "), err)

    def test_command_line(self):
        self.check(2, "no command", "think")
        self.check(2, "--colour", "run", "--colour", "x")
        self.check(2, "needs a value", "run", "x", "--seed")
        self.check(2, "--temperature", "run", "--temperature", "hot", "x")
        self.check(2, "--temperature", "run", "--temperature", "nan", "x")
        self.check(2, "--top-p", "run", "--top-p=1.5", "x")
        self.check(2, "--max-tokens", "run", "--max-tokens", "0", "x")
        self.check(2, "--max-tokens", "run", "--max-tokens", "99999999999", "x")
        self.check(2, "auto|on|off", "run", "--think", "maybe", "x")
        self.check(2, "takes no value", "run", "--json=yes", "x")
        self.check(2, "--model", "run", "--model", "", "x")
        self.check(2, "--stop", "run", "--stop=", "x")
        self.check(2, "--threads", "run", "--threads", "1025", "x")
        self.check(2, "--top-p", "run", "--top-p", "0", "x")
        self.check(2, "--top-p", "chat", "--top-p", "0")
        budgets = ["--think-min", "9", "--think-budget", "8"]
        self.check(2, "--think-min 9 is above --think-budget 8", "run", *budgets, "x")
        for json_text in ("[1]", "{", "7", "\"x\""):
            for words in (["run", "x"], ["chat"]):
                self.check(2, "--template-arguments", *words, "--template-arguments", json_text)
        self.check(1, "own limit", "run", "--context", "30000", "x")
        self.check(2, "--shape", "bench", "--shape", "gpt-9")
        self.check(2, "--type", "convert", "a", "b", "--type", "q17")
        self.check(2, "folder", "convert", "a")
        self.check(2, "options only", "bench", "word")

    def test_question(self):
        self.check(2, "empty", "run", "")
        self.check(2, "empty", "run", stdin=" \n\n")
        self.check(2, "empty", "run", "-", stdin="")

    def test_files(self):
        self.check(1, "/no/such.gguf", "run", "--model", "/no/such.gguf", "x")
        self.check(1, "/no/such.gguf", "inspect", "/no/such.gguf")
        with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
            file.write(b"GGUF but not really one")
            file.flush()
            self.check(1, os.path.basename(file.name), "run", "--model", file.name, "x")
        self.check(1, "no such", "run", "--device", "no such", "x")

    def test_a_prompt_of_a_megabyte(self):
        self.check(1, "context", "run", stdin=b"a " * 500_000)

    def test_text_that_is_no_utf8(self):
        self.check(1, "UTF-8", "run", stdin=b"What is 3 \xff\xfe 4?")

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_a_full_disk(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [COMMAND, "run", *GREEDY, "What is 3 + 4?"],
                stdout=full,
                stderr=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                env=ENVIRONMENT,
            )
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot be written", done.stderr)


class Run(unittest.TestCase):
    def test_only_the_answer(self):
        status, out, err = raison("run", *GREEDY, QUESTION)
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, r"^[^\n]*\b3\b[^\n]*\n$")

    def test_question_from_the_standard_input(self):
        as_words = raison("run", *GREEDY, "What", "is", "12 * 13?")
        self.assertIn("156", as_words[1])
        self.assertEqual(raison("run", *GREEDY, stdin="What is 12 * 13?\n"), as_words)
        self.assertEqual(raison("run", *GREEDY, "-", stdin="What is 12 * 13?"), as_words)

    def test_trace_goes_to_standard_error(self):
        status, out, err = raison("run", "--trace", *GREEDY, "What is 12 * 13?")
        self.assertEqual(status, 0)
        self.assertNotIn("[step", out)
        self.assertRegex(err, r"^\[step 1, confidence [01]\.\d\d, \d+ tokens/s\] \S")

    def test_seed(self):
        hot = ["run", "--temperature", "2", "--max-tokens", "40", "--json", "What is 12 * 13?"]

        def tokens(seed):
            lines = map(json.loads, raison(*hot, "--seed", seed)[1].splitlines())
            return [line["token"] for line in lines if line["event"] == "token"]

        self.assertEqual(tokens("1"), tokens("1"))
        self.assertNotEqual(tokens("1"), tokens("2"))

    def test_thinking_budget(self):
        status, out, _ = raison(
            "run", "--json", "--think-budget", "5", *GREEDY, "What is 12 * 13?"
        )
        self.assertEqual(status, 0)
        lines = [json.loads(line) for line in out.splitlines()]
        thought = [t for t in lines if t.get("channel") == "thinking" and t["source"] == "sampled"]
        self.assertEqual(len(thought), 5)  # what closes the thinking is forced, and not counted
        self.assertGreater(lines[-1]["answer_tokens"], 0)

    def test_an_answer_that_is_cut(self):
        status, out, err = raison("run", "--max-tokens", "3", *GREEDY, "What is 12 * 13?")
        self.assertIn("--max-tokens", err)
        self.assertEqual((status, out), (1, ""))
        # The context is the reason where it is the smaller room, and an answer is cut off only where
        # one has begun.
        for context in (["--context", "16"], ["--context", "30", "--answer-reserve", "0"]):
            status, out, err = raison("run", *context, *GREEDY, "What is 17 * 23?")
            self.assertEqual((status, out), (1, ""))
            self.assertIn("the context is full", err)
            self.assertNotIn("--max-tokens", err)
            self.assertNotIn("cut off", err)
        _, out, err = raison(
            "run", "--context", "40", "--answer-reserve", "3", *GREEDY, "What is 17 * 23?"
        )
        self.assertTrue(out)
        self.assertIn("the answer is cut off: the context is full", err)

    def test_stop_string(self):
        _, out, _ = raison("run", *GREEDY, "--stop", "answer", "What is 12 * 13?")
        self.assertNotIn("answer", out)

    def test_petit_declines(self):
        status, out, err = raison("run", *GREEDY, "Write a poem about cats.")
        self.assertEqual(status, 0)
        self.assertTrue(out.startswith("I cannot answer that"), out)
        self.assertEqual(len(err.splitlines()), 1)
        self.assertIn("17M demonstration model", err)
        self.assertIn("docs/models.md", err)

    def test_a_system_message(self):
        status, out, _ = raison("run", *GREEDY, "--system", "Be brief.", "What is 3 + 4?")
        self.assertEqual(status, 0)
        self.assertTrue(out)


class Inspect(unittest.TestCase):
    def test_text(self):
        status, out, _ = raison("inspect")
        self.assertEqual(status, 0)
        for part in ("Petit", "deepseek_v3", "16 a layer, 4 used and 1 shared", "Q8_0"):
            self.assertIn(part, out)
        self.assertRegex(out, r"(?m)^device +[a-z]+(:\d)? \((no|the best) ")
        self.assertRegex(raison("inspect", "--device", "reference=3,cpu")[1],
                         r"(?m)^device +reference, cpu \(as asked for\)$")
        self.assertIn("Q8_0", raison("inspect", "--tensors")[1].splitlines()[-1])

    def test_json_adds_up(self):
        _, out, _ = raison("inspect", "--json", "--tensors", "--context", "1024")
        told = json.loads(out)
        self.assertEqual(told["plan"]["context_length"], 1024)
        self.assertEqual(
            told["plan"]["kv_bytes"], told["plan"]["context_length"] * told["kv_bytes_per_token"]
        )
        self.assertEqual(
            sum(t["bytes"] for t in told["tensors"]), sum(t["bytes"] for t in told["types"].values())
        )
        wide = json.loads(raison("inspect", "--json", "--kv-type", "f32")[1])
        self.assertEqual(wide["kv_bytes_per_token"], 2 * told["kv_bytes_per_token"])

    def test_plan(self):
        _, out, _ = raison("inspect", "--plan", "--json", "--sessions", "3")
        self.assertEqual(json.loads(out)["sessions"], 3)
        self.assertIn("weights", raison("inspect", "--plan")[1])
        # What would lie where, before any weight is read.
        _, out, _ = raison("inspect", "--plan", "--device", "reference=3,cpu", "--experts", "cpu")
        lines = out.splitlines()
        self.assertRegex(lines[0], r"^reference: layers 0-2 and their cache, .*without the routed "
                                   r"experts of 1-2, embedding$")
        self.assertRegex(lines[1], r"^cpu: layers 3-7 and their cache, routed experts of layers 1-2, "
                                   r"output$")


class BuiltInModel(unittest.TestCase):
    """Where the model inside is looked for: RAISON_MODEL_PATH, beside the library, ../share/raison."""

    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.model = json.loads(raison("inspect", "--json")[1])["path"]
        self.library = os.path.join(self.folder, "lib")
        os.mkdir(self.library)
        # A copy: a link would be followed to where the built library lies.
        shutil.copy(os.environ["RAISON_LIBRARY"], self.library)

    def put(self, *place):
        path = os.path.join(self.folder, *place)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(self.model, path)
        return path

    def inspect(self, **environment):
        return raison(
            "inspect", "--json", environment={"LD_LIBRARY_PATH": self.library, **environment}
        )

    def found(self, **environment):
        status, out, err = self.inspect(**environment)
        self.assertEqual(status, 0, err)
        return json.loads(out)["path"]

    def test_search_order(self):
        status, out, err = self.inspect()
        self.assertEqual((status, out), (1, ""))
        for part in ("petit.gguf is not there", "RAISON_MODEL_PATH is not set", self.library,
                     os.path.join(self.folder, "share", "raison")):  # fmt: skip
            self.assertIn(part, err)
        # From the last place to the first: each comes before those that are there already.
        shared = self.put("share", "raison", "petit.gguf")
        self.assertEqual(self.found(), shared)
        beside = self.put("lib", "petit.gguf")
        self.assertEqual(self.found(), beside)
        inside = self.put("named", "petit.gguf")
        self.assertEqual(self.found(RAISON_MODEL_PATH=os.path.dirname(inside)), inside)
        other = self.put("another-name.gguf")
        self.assertEqual(self.found(RAISON_MODEL_PATH=other), other)
        # Set but empty is not set; set and wrong is never replaced by another model.
        self.assertEqual(self.found(RAISON_MODEL_PATH=""), beside)
        for wrong in ("/no/such/place", self.folder):
            status, out, err = self.inspect(RAISON_MODEL_PATH=wrong)
            self.assertEqual((status, out), (1, ""))
            self.assertIn("RAISON_MODEL_PATH is " + wrong, err)


@unittest.skipUnless("RAISON_SLOW_READS" in os.environ, "no library that makes reading slow")
class LoadProgress(unittest.TestCase):
    def test_a_load_of_more_than_half_a_second(self):
        done = subprocess.run(
            [COMMAND, "run", "--copy", *GREEDY, "What is 3 + 4?"],
            env={**ENVIRONMENT, "LD_PRELOAD": os.environ["RAISON_SLOW_READS"]},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
        )
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"7", done.stdout)
        self.assertNotIn(b"loading", done.stdout)
        self.assertRegex(
            done.stderr.decode(), r"^raison: loading the model inside \([\d.]+ \w+\): \d+ %\n"
        )


class Tokenize(unittest.TestCase):
    def test_pieces_are_the_text(self):
        text = "Zoë's 12 * 13 = 156\n\n\t☕ "
        status, out, _ = raison("tokenize", "--json", stdin=text)
        self.assertEqual(status, 0)
        tokens = json.loads(out)
        ids = raison("tokenize", "--ids", stdin=text)[1].split()
        self.assertEqual([str(t["id"]) for t in tokens], ids)
        plain = raison("tokenize", "12 * 13")[1]
        pieces = [json.loads(line[9:]) for line in plain.splitlines()]
        self.assertEqual("".join(pieces), "12 * 13")

    def test_special_tokens_only_where_asked(self):
        plain = raison("tokenize", "--ids", "<think>")[1].split()
        special = raison("tokenize", "--ids", "--special", "<think>")[1].split()
        self.assertGreater(len(plain), 1)
        self.assertEqual(len(special), 1)

    def test_nothing(self):
        self.assertEqual(raison("tokenize", "--json", stdin=""), (0, "[]\n", ""))


class Chat(unittest.TestCase):
    def test_look_into_steps_and_rewind(self):
        lines = "What is 12 * 13?\n/steps\n/why 1\n/rewind 1\n/steps\n/think 3\n/help\n/quit\nnever\n"
        status, out, err = raison("chat", *GREEDY, stdin=lines)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("156", out)
        self.assertRegex(out, r"(?m)^  1 +\d+% +\d+ tokens ")
        self.assertRegex(out, r"step 1: confidence [01]\.\d+, mean entropy")
        self.assertRegex(out, r'at \d+ +entropy [\d.]+ +".*" [\d.]+%  of ".*" [\d.]+%')
        self.assertRegex(out, r"(?m)^  1 .*left")  # the rewind left it
        self.assertRegex(out, r"(?m)^  2 ")
        self.assertIn("/rewind N [TEXT]", out)
        self.assertNotIn("never", out)

    def test_injected_text(self):
        lines = "What is 12 * 13?\n/rewind 1 Bananas first.\n/steps\n"
        _, out, _ = raison("chat", *GREEDY, stdin=lines)
        self.assertRegex(out, r"(?m)^  \d .*Bananas first\.")

    def test_a_mistake_does_not_end_it(self):
        status, out, err = raison("chat", *GREEDY, stdin="/why 1\n/nonsense\n/think x\nWhat is 3 + 4?")
        self.assertEqual(status, 1)
        self.assertIn("7", out)
        self.assertEqual(len(err.splitlines()), 3)


class Hub(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.repo = os.path.join(self.folder, "models--some--repo")
        path = json.loads(raison("inspect", "--json")[1])["path"]
        for revision in ("aaaa", "bbbb"):
            place = os.path.join(self.repo, "snapshots", revision, "deep")
            os.makedirs(place)
            os.symlink(path, os.path.join(place, "petit.gguf"))
        os.makedirs(os.path.join(self.repo, "refs"))

    def path(self, **environment):
        status, out, err = raison(
            "inspect", "--json", "--model", "hf:some/repo/deep/petit.gguf", environment=environment
        )
        self.assertEqual(status, 0, err)
        return json.loads(out)["path"]

    def test_main_comes_first(self):
        for revision in ("aaaa", "bbbb"):
            with open(os.path.join(self.repo, "refs", "main"), "w") as ref:
                ref.write(revision)
            self.assertIn("/%s/" % revision, self.path(HF_HUB_CACHE=self.folder))

    def test_places(self):
        home = os.path.join(self.folder, "home")
        os.makedirs(os.path.join(home, ".cache", "huggingface"))
        os.symlink(self.folder, os.path.join(home, "hub"))
        os.symlink(self.folder, os.path.join(home, ".cache", "huggingface", "hub"))
        self.assertIn("/home/hub/", self.path(HF_HOME=home))
        self.assertIn("/.cache/huggingface/hub/", self.path(HOME=home))

    def test_what_is_not_there(self):
        environment = {"HF_HUB_CACHE": self.folder}
        status, _, err = raison("run", "-m", "hf:some/repo/x.gguf", "x", environment=environment)
        self.assertEqual(status, 1)
        self.assertIn("hf download some/repo x.gguf", err)
        for name in ("hf:some", "hf:some/repo", "hf:some/../x", "hf:a/b/../../../etc/passwd", "hf:///"):
            status, _, err = raison("run", "-m", name, "x", environment=environment)
            self.assertEqual(status, 2, name)


class Convert(unittest.TestCase):
    def test_round_trip(self):
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "tiny")
            os.mkdir(source)
            subprocess.run([os.environ["RAISON_TINY_FOLDER"], source], check=True)
            before = json.loads(raison("inspect", "--json", source)[1])
            out = os.path.join(folder, "tiny.gguf")
            status, text, err = raison("convert", source, out, "--type", "bf16", "--name", "Tiny")
            self.assertEqual((status, text, err), (0, "", ""))
            after = json.loads(raison("inspect", "--json", out)[1])
            for key in ("architecture", "layers", "experts", "vocabulary", "parameters"):
                self.assertEqual(before[key], after[key], key)
            self.assertEqual(after["name"], "Tiny")
            self.assertEqual(after["chat_template"], before["chat_template"])
            question = ["run", "--json", "--max-tokens", "12", *GREEDY, "the end"]

            def tokens(model):
                lines = map(json.loads, raison(*question, "--model", model)[1].splitlines())
                return [line["token"] for line in lines if line["event"] == "token"]

            self.assertEqual(tokens(source), tokens(out))
            self.assertEqual(len(tokens(out)), 12)
            status, _, err = raison("convert", source, os.path.join(folder, "no", "x.gguf"))
            self.assertEqual(status, 1)
            self.assertIn("no/x.gguf", err)
            self.assertEqual(sorted(os.listdir(folder)), ["tiny", "tiny.gguf"])


class Bench(unittest.TestCase):
    small = ["--prompt", "32", "--decode", "8", "--repeat", "1", "--threads", "1",
             "--no-copy-rate", "--json"]

    def test_random_shapes(self):
        for shape, kind in (("petit", "q8_0"), ("petit", "q4_k"), ("petit", "f16")):
            status, out, err = raison("bench", "--shape", shape, "--type", kind, *self.small)
            self.assertEqual((status, err), (0, ""), (shape, kind))
            told = json.loads(out)
            self.assertGreater(told["results"][0]["prompt_tokens_per_second"], 0)
            self.assertGreater(told["results"][0]["decode_tokens_per_second"], 0)
            self.assertGreater(told["read_bandwidth"], 1e8)

    def test_the_copy_rate(self):
        small = [word for word in self.small if word != "--no-copy-rate"]
        told = json.loads(raison("bench", *small)[1])
        self.assertGreater(told["copy_bandwidth"], 1e8)
        self.assertGreater(told["results"][0]["decode_bytes_per_second"], 0)

    def test_a_part_is_left_out(self):
        for option, gone, kept in (("--prompt", "prompt", "decode"), ("--decode", "decode", "prompt")):
            told = json.loads(raison("bench", *self.small, option, "0")[1])["results"][0]
            self.assertEqual(told[gone + "_runs"], [])
            self.assertEqual(len(told[kept + "_runs"]), 1)
        self.assertEqual(raison("bench", "--prompt", "0", "--decode", "0")[0], 2)

    def test_sessions_share_passes(self):
        told = json.loads(raison("bench", "--sessions", "1,4", "--depth", "0,16", *self.small)[1])
        lines = [(r["depth"], r["sessions"]) for r in told["results"]]
        self.assertEqual(lines, [(0, 1), (0, 4), (16, 1), (16, 4)])
        for line in told["results"]:
            # 8 tokens of each session behind its first; a session may begin a pass later.
            self.assertLessEqual(line["decode_passes"], 12)
            self.assertEqual(len(line["decode_runs"]), 1)
        for value in ("", "1,", "0", "65", "1,x"):
            status, _, err = raison("bench", "--sessions", value)
            self.assertEqual(status, 2)
            self.assertIn("--sessions", err)

    def test_what_is_finished_before_a_failure_is_told(self):
        status, out, err = raison("bench", "--context", "128", "--depth", "0,500", *self.small)
        self.assertEqual(status, 1)
        self.assertIn("no room", err)
        self.assertEqual([r["depth"] for r in json.loads(out)["results"]], [0])

    def test_what_the_trace_costs(self):
        # The median of nine ratios: loose, for whatever else the machine does meanwhile.
        told = json.loads(raison("bench", "--trace", *self.small, "--prompt", "0", "--decode", "128",
                                 "--repeat", "9")[1])["results"][0]
        self.assertLess(told["alternatives_cost"], 0.25)
        self.assertLess(told["experts_cost"], 0.25)

    def test_a_line_each(self):
        small = [word for word in self.small if word != "--json"]
        out = raison("bench", *small, "--trace")[1]
        for pattern in (r"^prompt +32 tokens", r"^decode +8 tokens", r"^reads +[0-9.]+ MB a pass",
                        r"^trace +5 alternatives a token cost -?[0-9.]+ %, with experts -?[0-9.]+ %$",
                        r"^1 threads read [0-9.]+ GB/s$"):
            self.assertRegex(out, re.compile(pattern, re.MULTILINE))
        self.assertNotRegex(out, re.compile(r"^\W", re.MULTILINE))


class Devices(unittest.TestCase):
    def test_are_listed(self):
        status, out, _ = raison("devices")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"^cpu +cpu, [0-9.]+ GiB free of [0-9.]+ GiB, ")
        names = [d["name"] for d in json.loads(raison("devices", "--json")[1])]
        self.assertEqual(names[:2], ["cpu", "reference"])

    def test_a_model_on_two(self):
        split = ("--device", "cpu=3,cpu", "--experts", "cpu")
        status, out, err = raison("run", *GREEDY, *split, "--json", "What is 12 * 13?")
        self.assertEqual((status, err), (0, ""))
        events = [json.loads(line) for line in out.splitlines()]
        placed = [e["text"] for e in events if e.get("reason") == "placed"]
        self.assertEqual(len(placed), 1)
        self.assertIn("layers 0-2", placed[0])
        self.assertEqual(raison("run", *GREEDY, *split, "What is 12 * 13?")[1],
                         "The answer is 156.\n")

    def test_one_that_is_not_there(self):
        status, _, err = raison("run", "--device", "warp:9", "hi")
        self.assertEqual(status, 1)
        self.assertIn('no device "warp"', err)
        status, _, err = raison("run", "--device", "cpu=2", "hi")
        self.assertEqual(status, 1)
        self.assertIn("places 2 layers, the model has 8", err)


class Program(unittest.TestCase):
    def test_selftest(self):
        status, out, _ = raison("selftest", "--op", "rms_norm")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"^[1-9]\d* cases, 0 failed")
        status, _, err = raison("selftest", "--op", "nonsense")
        self.assertEqual(status, 2)
        self.assertIn("--list", err)

    def test_selftest_in_parts(self):
        status, out, _ = raison("selftest", "--list")
        self.assertEqual((status, out.split()[-2:]), (0, ["models", "answer"]))
        self.assertIn("moe_experts", out.split())
        self.assertEqual(raison("selftest", "--op", "answer")[:2], (0, "the model inside answers\n"))

    def test_selftest_of_a_back_end(self):
        status, out, _ = raison("selftest", "--backend", "reference", "--op", "silu_mul")
        self.assertEqual(status, 0)
        for wrong in ("warp", "cpu:7", "./nothing.so", __file__):
            status, _, err = raison("selftest", "--backend", wrong)
            self.assertEqual(status, 1, wrong)
            self.assertTrue(err.startswith("raison: "), err)


if __name__ == "__main__":
    unittest.main()
