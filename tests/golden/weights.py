"""Weights that need no file: every value follows from the tensor's name, its index and a seed.

tests/golden/model_folder.cc computes the same numbers in C++, so a golden model is a small JSON
(its config, the list of its tensors and the reference's outputs) instead of a megabyte of weights.
Only integer arithmetic and single IEEE double operations are used, so both sides agree bit for bit.
"""
import json
import os

import numpy as np

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def name_hash(name):
    """FNV-1a, 64 bits."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & _MASK
    return h


def bits(name, seed, count):
    """`count` 64-bit words: splitmix64's finaliser over a counter that starts at the name's hash."""
    start = name_hash(name) ^ ((seed * _GOLDEN) & _MASK)
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def tensor(name, shape, kind, a, b, seed):
    """float32 of `shape`. kind "normal": mean a, deviation b; "uniform": in [a, b)."""
    word = bits(name, seed, int(np.prod(shape)))
    if kind == "normal":
        # The sum of four 16-bit uniforms: mean 131070, deviation 37837.2, nearly a bell.
        low = np.uint64(0xFFFF)
        total = sum((word >> np.uint64(s)) & low for s in (0, 16, 32, 48)).astype(np.float64)
        value = a + b * ((total - 131070.0) / 37837.0)
    elif kind == "uniform":
        value = a + (b - a) * ((word >> np.uint64(40)).astype(np.float64) / 16777216.0)
    else:
        raise ValueError(kind)
    return value.astype(np.float32).reshape(shape)


def to_bf16(x):
    """float32 rounded to bfloat16 (nearest even), as uint16."""
    u = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((u + np.uint32(0x7FFF) + ((u >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)


def load(golden):
    """All tensors of a golden model as float32, after rounding to the file's dtype."""
    out = {}
    for name, shape, kind, a, b in golden["tensors"]:
        x = tensor(name, shape, kind, a, b, golden["seed"])
        if golden["dtype"] == "BF16":
            x = (to_bf16(x).astype(np.uint32) << 16).view(np.float32).reshape(shape)
        elif golden["dtype"] == "F16":
            x = x.astype(np.float16).astype(np.float32)
        out[name] = x
    return out


def write_folder(golden, folder):
    """A Hugging Face folder: config.json and model.safetensors."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(golden["config"], f, indent=1)
    header, blobs, at = {}, [], 0
    for name, shape, kind, a, b in golden["tensors"]:
        x = tensor(name, shape, kind, a, b, golden["seed"])
        dtype = "F32" if name.endswith("e_score_correction_bias") else golden["dtype"]
        blob = {"F32": lambda: x, "F16": lambda: x.astype(np.float16), "BF16": lambda: to_bf16(x)}[dtype]().tobytes()
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(len(head).to_bytes(8, "little") + head + b"".join(blobs))
