"""Every line of `raison run --json` is as docs/trace.schema.json says, and the events make sense
together."""

import json
import os
import unittest

from command import GREEDY, QUESTION, raison
from schema import Schema

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "..", "..", "docs", "trace.schema.json"), encoding="utf-8") as file:
    SCHEMA = Schema(json.load(file))


def trace(*words, status=0):
    got, out, err = raison("run", "--json", *words)
    assert got == status, (got, err)
    return [json.loads(line) for line in out.splitlines()]


def kinds(lines):
    return [line["event"] for line in lines]


class Trace(unittest.TestCase):
    def check(self, lines):
        for line in lines:
            self.assertEqual(SCHEMA.errors(line), [], line)
        self.assertEqual(kinds(lines)[0], "request")
        self.assertEqual(kinds(lines)[-2:], ["done", "usage"])

    def test_an_answer(self):
        lines = trace(*GREEDY, QUESTION)
        self.check(lines)
        self.assertEqual(lines[0]["question"], QUESTION)
        done, usage = lines[-2:]
        self.assertEqual((done["reason"], done["answer"]), ("end", "3"))
        tokens = [line for line in lines if line["event"] == "token"]
        for channel in ("thinking", "answer"):
            own = [t for t in tokens if t["channel"] == channel and t["source"] == "sampled"]
            self.assertEqual(len(own), usage[channel + "_tokens"])
        # Positions follow each other, and steps tile the thinking.
        positions = [t["position"] for t in tokens]
        self.assertEqual(positions, list(range(positions[0], positions[0] + len(positions))))
        steps = [line for line in lines if line["event"] == "step_end"]
        self.assertGreater(len(steps), 0)
        thinking = "".join(t["text"] for t in tokens if t["channel"] == "thinking")
        self.assertEqual("".join(s["text"] for s in steps), thinking)
        for before, after in zip(steps, steps[1:]):
            self.assertEqual(before["end"], after["begin"])
            self.assertEqual(before["id"], after["parent"])
        self.assertEqual(kinds(lines).count("think_begin"), 1)
        self.assertEqual(kinds(lines).count("think_end"), 1)

    def test_alternatives_and_experts(self):
        lines = trace("--alternatives", "3", "--trace-experts", *GREEDY, "What is 3 + 4?")
        self.check(lines)
        model = lines[0]["model"]
        tokens = [line for line in lines if line["event"] == "token"]
        for token in tokens:
            probabilities = [a["logprob"] for a in token["alternatives"]]
            self.assertEqual(len(probabilities), 3)
            self.assertEqual(probabilities, sorted(probabilities, reverse=True))
            if token["rank"] == 0:
                self.assertEqual(token["alternatives"][0]["token"], token["token"])
        self.assertTrue(any(t.get("experts") for t in tokens))
        for step in (line for line in lines if line["event"] == "step_end"):
            self.assertEqual(len(step["experts"]), model["layers"])
            self.assertEqual({len(row) for row in step["experts"]}, {model["experts"]})
            self.assertEqual(sum(step["experts"][0]), 0)  # Petit's first layer is dense
            self.assertGreater(sum(step["experts"][1]), 0)

    def test_budget(self):
        lines = trace("--think-budget", "6", *GREEDY, "What is 12 * 13?")
        self.check(lines)
        reasons = [line["reason"] for line in lines if line["event"] in ("notice", "think_end")]
        self.assertIn("hard_budget", reasons)
        self.assertIn("forced", {t["source"] for t in lines if t["event"] == "token"})

    def test_cut_short(self):
        cut = ["--max-tokens", "4", "--answer-reserve", "0"]
        lines = trace(*cut, *GREEDY, "What is 12 * 13?", status=1)
        self.check(lines)
        self.assertEqual((lines[-2]["reason"], lines[-2]["answer"]), ("length_thinking", ""))
        ends = [line["reason"] for line in lines if line["event"] == "think_end"]
        self.assertEqual(ends, ["length"])
        # The thinking takes 104 tokens and its tag one: the answer's third token is the last.
        whole = trace(*GREEDY, "What is 12 * 13?")[-1]
        cut = ["--max-tokens", str(whole["thinking_tokens"] + 4), "--answer-reserve", "0"]
        lines = trace(*cut, *GREEDY, "What is 12 * 13?")
        self.check(lines)
        self.assertEqual(lines[-2]["reason"], "length_answer")
        self.assertEqual(lines[-1]["answer_tokens"], 3)
        lines = trace("--context", "16", *GREEDY, "What is 12 * 13?", status=1)
        self.check(lines)
        self.assertEqual(lines[-2]["reason"], "context_full")

    def test_the_schema_is_strict(self):
        lines = trace(*GREEDY, "What is 3 + 4?")
        one_of_each = {line["event"]: line for line in lines}.values()
        self.assertGreaterEqual(len(one_of_each), 8)
        for line in one_of_each:
            for key in line:
                if key == "experts":
                    continue
                self.assertTrue(SCHEMA.errors({k: v for k, v in line.items() if k != key}), key)
                self.assertTrue(SCHEMA.errors({**line, key: [[]]}), (line["event"], key))
            self.assertTrue(SCHEMA.errors({**line, "surprise": 1}))
        self.assertTrue(SCHEMA.errors({"no": "event"}))


if __name__ == "__main__":
    unittest.main()
