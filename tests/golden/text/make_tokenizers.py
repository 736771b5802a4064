#!/usr/bin/env python3
"""Makes tokenizers.json: a small byte-level BPE vocabulary, the pre-tokenizers of every family in Hugging
Face's own form, and what `tokenizers` encodes with them.

    pip install tokenizers==0.23.3 && python tests/golden/text/make_tokenizers.py

The vocabulary is trained without splitting, so its merges cross every boundary a pre-tokenizer can draw:
a missing or a wrong boundary changes ids. All families share it; what differs is stated per family.
"""
import json
import os
import re
import sys

import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

sys.path.insert(0, os.path.dirname(__file__))
import strings  # noqa: E402

GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def seq(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


DIGITS = {"type": "Digits", "individual_digits": True}
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL
QWEN35 = (CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + TAIL)
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = (r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + "+" + CONTRACTIONS + r"?|[^\r\n\p{L}\p{N}]?" + UPPER + "+"
         + LOWER + "*" + CONTRACTIONS + r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + TAIL)
TEKKEN = (r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + r"+|[^\r\n\p{L}\p{N}]?" + UPPER + "+" + LOWER
          + r"*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + TAIL)
CJK = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
V3 = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
      + TAIL)
WIDE = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
# deepseek-llm's letters (code points, hexadecimal)
LETTERS = """0041-005A 0061-007A 00B5 00C0-00D6 00D8-00F6 00F8-01BA 01BC-01BF 01C4-0293 0295-02AF 0370-0373 0376
0377 037B-037D 037F 0386 0388-038A 038C 038E-03A1 03A3-03F5 03F7-0481 048A-052F 0531-0556 10A0-10C5 13A0-13F5
13F8-13FD 1C90-1CBA 1CBD-1CBF 1D00-1D2B 1D6B-1D77 1D79-1D9A 1E00-1F15 1F18-1F1D 1F20-1F45 1F48-1F4D 1F50-1F57
1F59 1F5B 1F5D 1F5F-1F7D 1F80-1FB4 1FB6-1FBC 1FBE 1FC2-1FC4 1FC6-1FCC 1FD0-1FD3 1FD6-1FDB 1FE0-1FEC 1FF2-1FF4
1FF6-1FFC 2102 2107 210A-2113 2115 2119-211D 2124 2126 2128 212A-212D 212F-2134 2139 213C-213F 2145-2149 214E
2183 2184 2C00-2C7B 2C7E-2CE4 2CEB-2CEE 2CF2 2CF3 A640-A66D A680-A69B A722-A76F A771-A787 A78B-A78E AB70-ABBF
FB00-FB06 FB13-FB17 FF21-FF3A FF41-FF5A 10400-1044F 104B0-104D3 104D8-104FB 10C80-10CB2 10CC0-10CF2 118A0-118DF
1E900-1E943""".split()
LETTER_CLASS = "[" + "".join("-".join(chr(int(x, 16)) for x in r.split("-")) for r in LETTERS) + "]"
LLM_SIGNS = "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"

DEEPSEEK = [("<\uff5cbegin\u2581of\u2581sentence\uff5c>", True), ("<\uff5cend\u2581of\u2581sentence\uff5c>", True),
            ("<\uff5cUser\uff5c>", False), ("<\uff5cAssistant\uff5c>", False), ("<think>", False), ("</think>", False)]
CHATML = [("<|endoftext|>", True), ("<|im_start|>", True), ("<|im_end|>", True), ("<think>", False),
          ("</think>", False)]
LLAMA = [("<|begin_of_text|>", True), ("<|end_of_text|>", True), ("<|eot_id|>", True),
         ("<|start_header_id|>", True), ("<|end_header_id|>", True)]
# name in GGUF -> (pre_tokenizer, added tokens, normalizer, ignore_merges)
FAMILIES = {
    "gpt-2": (GPT2, [("<|endoftext|>", True)], None, False),
    "llama-bpe": (seq(split(LLAMA3), BYTES), LLAMA, None, True),
    "qwen2": (seq(split(QWEN2), BYTES), CHATML, {"type": "NFC"}, False),
    "deepseek-r1-qwen": (seq(split(QWEN2), BYTES), DEEPSEEK, {"type": "NFC"}, False),
    "qwen35": (seq(split(QWEN35), BYTES), CHATML, {"type": "NFC"}, False),
    "smollm": (seq(DIGITS, GPT2), CHATML[:3], None, False),
    "deepseek-v3": (seq(split(r"\p{N}{1,3}"), split(CJK), split(V3), BYTES), DEEPSEEK, None, False),
    "deepseek-llm": (seq(split(r"[\r\n]"), split(r"\s?" + LETTER_CLASS + "+"), split(LLM_SIGNS), split(r"\s+$"),
                         split(WIDE), DIGITS, BYTES), DEEPSEEK[:2], None, False),
    "deepseek-coder": (seq(split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(WIDE), DIGITS, BYTES),
                       DEEPSEEK[:2] + [("<|EOT|>", True)], None, False),
    "gpt-4o": (seq(split(O200K), BYTES), [("<|start|>", True), ("<|end|>", True)], None, False),
    "tekken": (seq(split(TEKKEN), BYTES), [("<s>", True), ("</s>", True), ("[INST]", True), ("[/INST]", True)], None,
               True),
}


# Forms that only a tokenizer.json can have: (pre_tokenizer, normalizer, added tokens with flags)
GPT2_SPLIT = split(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def flags(text, **kwargs):
    return dict({"content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                 "special": True}, **kwargs)


JSON_ONLY = {
    "flags": (seq(split(QWEN2), BYTES), {"type": "NFC"}, [
        flags("<l>", lstrip=True), flags("<r>", rstrip=True), flags("<lr>", lstrip=True, rstrip=True),
        flags("<|x|>"), flags("<|x|>y", special=False), flags("[w]", single_word=True),
        flags("\u00e9!", normalized=True, special=False), flags("A\u030a", normalized=True, special=False)]),
    "removed_inverted": (seq(dict(split(QWEN2), behavior="Removed", invert=True), BYTES), None,
                         [flags("<s>"), flags("  ", special=False), flags("\t\t", special=False)]),
    "merged": (seq(dict(split("-+"), behavior="MergedWithPrevious"), dict(split(r"\s"), behavior="MergedWithNext"),
                   {"type": "Digits", "individual_digits": False}, dict(split("[ab]"), behavior="Contiguous"),
                   {"type": "Punctuation", "behavior": "Isolated"}, BYTES), None, [flags("<s>")]),
    "string_split": (seq({"type": "Split", "pattern": {"String": "a.b"}, "behavior": "Isolated", "invert": False},
                         {"type": "Split", "pattern": {"String": " "}, "behavior": "Removed", "invert": False}, BYTES),
                     {"type": "Sequence", "normalizers": []}, [flags("<s>")]),
}
FLAG_TEXTS = ["a <l> b", "a  \n<l>\tb", "a <r> \u3000 b", " <lr>  <lr> ", "<l><r>  <l>", "<|x|>y<|x|>", "<|x|> y",
              "a[w]b", "a [w] b", "[w]", "_[w]", "([w])", "[w][w]", "\u00e9[w]", "a  b   c    d", "x\u00e9!", "xe\u0301!y",
              "\u00c5ngstrom \u212b A\u030a", "   <l>", "<r>   ", "a.b axb a.b.b", "a--b -- c", "aabbab--12ab3 4"]
# Also in GGUF; no family of today uses them, old files do.
FAMILIES["default"] = (seq(split(r"[\p{P}\$\+<=>\^~\|]+"), GPT2_SPLIT, split(r"\p{N}+"), split("[0-9][0-9][0-9]"),
                           BYTES), [("<|endoftext|>", True)], None, False)
FAMILIES["falcon"] = (seq(split(r"[\p{P}\$\+<=>\^~\|`]+"), GPT2_SPLIT, split("[0-9][0-9][0-9]"), BYTES),
                      [("<|endoftext|>", True)], None, False)


def train():
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(vocab_size=900, min_frequency=1, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), max_token_length=12)
    # Overlapping windows, so that every place of the corpus stands at a beginning of some text.
    lines = [strings.CORPUS[i:i + 24] for i in range(0, len(strings.CORPUS), 5)]
    tok.train_from_iterator(lines, trainer)
    model = json.loads(tok.to_str())["model"]
    return model["vocab"], model["merges"]


def tokenizer_json(family, vocab, merges):
    pre, added, normalizer, ignore = FAMILIES[family]
    base = len(vocab)
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": base + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": not special, "special": special} for i, (text, special) in enumerate(added)],
        "normalizer": normalizer, "pre_tokenizer": pre, "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": ignore,
                  "vocab": vocab, "merges": merges},
    }


def load(spec, special):
    spec = json.loads(json.dumps(spec))
    if not special:  # plain text: no added token at all
        spec["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(spec))


def vectors(spec, specials):
    plain, special = load(spec, False), load(spec, True)
    encode = lambda tok, text: tok.encode(text, add_special_tokens=False).ids
    cases = [{"text": t, "plain": encode(plain, t)} for t in strings.texts()]
    for t in strings.special_texts(specials):
        cases.append({"text": t, "plain": encode(plain, t), "special": encode(special, t)})
    runs = []
    for unit, count in strings.RUNS:
        ids = encode(plain, unit * count)
        runs.append({"unit": unit, "count": count, "ids": len(ids), "fnv": "%016x" % strings.fnv(ids)})
    batches = []
    for batch in range(8):
        rng, h = strings.Random(batch + 1), 0xCBF29CE484222325
        for _ in range(250):
            h = strings.fnv(encode(plain, strings.random_text(rng)), h)
        batches.append("%016x" % h)
    return {"cases": cases, "runs": runs, "random": batches}


def main():
    vocab, merges = train()
    out = {"made_by": f"tests/golden/text/make_tokenizers.py with tokenizers {tokenizers.__version__}",
           "alphabet": strings.ALPHABET,
           "vocab": [t for t, _ in sorted(vocab.items(), key=lambda x: x[1])], "merges": merges, "families": {}}
    for family, (_, added, _, _) in FAMILIES.items():
        spec = tokenizer_json(family, vocab, merges)
        part = vectors(spec, [t for t, _ in added])
        del spec["model"]["vocab"], spec["model"]["merges"]
        out["families"][family] = {"tokenizer_json": spec, **part}
    for name, (pre, normalizer, added) in JSON_ONLY.items():
        spec = tokenizer_json("gpt-2", vocab, merges)
        spec["pre_tokenizer"], spec["normalizer"] = pre, normalizer
        spec["added_tokens"] = [dict(a, id=len(vocab) + i) for i, a in enumerate(added)]
        tok = Tokenizer.from_str(json.dumps(spec))
        cases = [{"text": t, "special": tok.encode(t, add_special_tokens=False).ids}
                 for t in FLAG_TEXTS + strings.texts()]
        del spec["model"]["vocab"], spec["model"]["merges"]
        out.setdefault("json_only", {})[name] = {"tokenizer_json": spec, "cases": cases}
    # One line per case keeps differences readable.
    text = json.dumps(out, ensure_ascii=True, separators=(",", ":"))
    text = re.sub(r'(\{"text"|"families"|"tokenizer_json"|"runs"|"random")', r"\n\1", text)
    path = os.path.join(os.path.dirname(__file__), "tokenizers.json")
    with open(path, "w") as f:
        f.write(text + "\n")
    print(path, len(text), "bytes")


if __name__ == "__main__":
    main()
