#!/usr/bin/env python3
"""Makes petit_text.json and smollm2_text.json: ids of tokenizers that come in whole model files.

    pip install tokenizers==0.23.3 gguf==0.19.0
    python tests/golden/text/make_files.py samples/petit/petit-q8_0.gguf SmolLM2-135M-Instruct.Q4_1.gguf

The vocabularies are read with the `gguf` package and given to Hugging Face `tokenizers` with the pre-tokenizer
that the file names.
"""
import json
import os
import sys

import gguf
import tokenizers

sys.path.insert(0, os.path.dirname(__file__))
import make_tokenizers as families  # noqa: E402
import strings  # noqa: E402


def main():
    for path, name in zip(sys.argv[1:], ("petit", "smollm2")):
        reader = gguf.GGUFReader(path)
        value = lambda key: reader.fields["tokenizer.ggml." + key].contents()
        tokens, types, pre = value("tokens"), value("token_type"), value("pre")
        spec = families.tokenizer_json(pre, {}, [])
        spec["model"]["vocab"] = {t: i for i, t in enumerate(tokens)}
        spec["model"]["merges"] = [m.split(" ", 1) for m in value("merges")]
        spec["added_tokens"] = []
        plain = tokenizers.Tokenizer.from_str(json.dumps(spec))
        specials = [(i, tokens[i]) for i, kind in enumerate(types) if kind in (3, 4)]
        spec["added_tokens"] = [dict(families.flags(t), id=i) for i, t in specials]
        special = tokenizers.Tokenizer.from_str(json.dumps(spec))
        # Two tokens share a text where an added token is also spelled by merges: plain text must not use it.
        texts = strings.texts() + strings.special_texts([t for _, t in specials[:3]])
        cases = [{"text": t, "plain": plain.encode(t, add_special_tokens=False).ids,
                  "special": special.encode(t, add_special_tokens=False).ids} for t in texts if len(t) < 300]
        out = {"made_by": f"tests/golden/text/make_files.py with tokenizers {tokenizers.__version__}", "cases": cases}
        text = json.dumps(out, ensure_ascii=True, separators=(",", ":")).replace('{"text"', '\n{"text"')
        target = os.path.join(os.path.dirname(__file__), name + "_text.json")
        with open(target, "w") as f:
            f.write(text + "\n")
        print(target, len(text), "bytes")


if __name__ == "__main__":
    main()
