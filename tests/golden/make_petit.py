"""Vectors of Petit, the built-in model, by transformers' DeepseekV3 class in float32.

    python make_petit.py FOLDER petit/checkpoint.json      the trained bfloat16 checkpoint
    python make_petit.py FILE.gguf petit/vectors.json      the committed GGUF, dequantised

Petit was trained with 0 as the score of experts in masked groups (transformers up to 5.x did the
same; 5.23 masks with -inf), so the router is replaced here: mask 0, ties to the lower index.
"""
import json
import os
import sys

import numpy as np
import torch
import transformers

import gguf_reference
from make_models import Router, encode, provenance, zero_mask

HERE = os.path.dirname(os.path.abspath(__file__))
QUESTIONS = ["How many r's are in strawberry?", "What is 347 + 589?", "Solve 3x + 7 = 22.", "Ana has 5 apples. Ben has 3 times as many apples as Ana. How many apples do they have in total?",
             "Sort 41, 7, 99, 23 from smallest to largest.", "What is the capital of France?"]
BOS, EOS, USER, ASSISTANT, THINK = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<think>"


@torch.no_grad()
def main(path, target):
    torch.set_num_threads(1)
    if path.endswith(".gguf"):
        model, file = gguf_reference.load(path)
        import make_smollm2
        tok, source = make_smollm2.tokenizer(file), os.path.basename(path)
        # Petit's pre-tokenizer is DeepSeek-V3's; the questions are plain ASCII without long numbers, and the
        # checkpoint's vectors (made with tokenizer.json) must have the same ids.
        known = {p["text"]: p["prompt"] for p in json.load(open(os.path.join(HERE, "petit", "checkpoint.json")))["prompts"]}
        prompt_ids = known.__getitem__
    else:
        model, info = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
        assert not info["missing_keys"] and all(".layers.8." in k for k in info["unexpected_keys"]), info
        tok, source = transformers.AutoTokenizer.from_pretrained(path), "checkpoint (bfloat16)"
        prompt_ids = lambda text: tok(f"{BOS}{USER}{text}{ASSISTANT}{THINK}\n", add_special_tokens=False).input_ids
    for module in model.modules():
        if type(module).__name__.endswith("TopkRouter"):
            zero_mask(module)
    router, eos, out = Router(model), 1, []
    for text in QUESTIONS:
        ids, margins = list(prompt_ids(text)), []
        n = len(ids)
        cache, fresh = None, ids
        while len(ids) < n + 256 and ids[-1] != eos:
            step = model(input_ids=torch.tensor([fresh]), past_key_values=cache, use_cache=True)
            cache, best = step.past_key_values, step.logits[0, -1].topk(2)
            margins.append(round((best.values[0] - best.values[1]).item(), 4))
            ids.append(best.indices[0].item())
            fresh = ids[-1:]
        rows = [n - 1, n + (len(ids) - n) // 2, len(ids) - 2]
        # One pass without a cache is the reference; the steps above must agree with it.
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].numpy()
        assert logits[n - 1:-1].argmax(-1).tolist() == ids[n:]
        out.append(dict(text=text, prompt=ids[:n], greedy=ids[n:], margin=margins, rows=rows, logits=[encode(logits[r]) for r in rows], routing=router.rows(rows)))
        print(repr(tok.decode(ids[n:], skip_special_tokens=False)), "smallest margin", min(margins), "routing", router.margin(), flush=True)
    head = dict(name="petit", source=source, provenance=dict(provenance("tests/golden/make_petit.py"), masked_groups="0"))
    with open(os.path.join(HERE, target), "w") as f:
        f.write(json.dumps(head, indent=1)[:-2] + ',\n "prompts": [\n  ' + ",\n  ".join(json.dumps(p, ensure_ascii=False) for p in out) + "\n ]\n}\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
