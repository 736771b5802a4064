#!/usr/bin/env python3
"""The Hugging Face side of tokenizer_bench: tokenizers on one thread, the same files, the same pieces.

    pip install tokenizers==0.23.3
    TOKENIZERS_PARALLELISM=false python tests/text/tokenizer_bench.py tokenizer.json text.txt
"""
import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers  # noqa: E402


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        json_text = f.read()
    with open(sys.argv[2], encoding="utf-8", newline="") as f:
        text = f.read()
    data = text.encode()
    pieces, at = [], 0
    while at < len(data):
        end = min(at + 10_000, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end += 1
        pieces.append(data[at:end].decode())
        at = end
    start = time.process_time()
    tokenizer = tokenizers.Tokenizer.from_str(json_text)
    print(f"Load    {1e3 * (time.process_time() - start):9.1f} ms CPU")
    best, ids = None, 0
    for _ in range(5):
        start = time.process_time()
        # encode_batch_fast computes no offsets: the quickest call that tokenizers offers
        ids = sum(len(e.ids) for e in tokenizer.encode_batch_fast(pieces, add_special_tokens=False))
        spent = time.process_time() - start
        best = spent if best is None else min(best, spent)
    print(f"Encode  {1e3 * best:9.1f} ms CPU {len(data) / best / 2**20:8.2f} MiB/s  ids={ids}")


if __name__ == "__main__":
    main()
