"""Writes vectors/blocks.txt: random blocks of each type with the weights that the `gguf` package
(PyPI, 0.19.0) reads from them, and random weights with the blocks it writes for them.

    python make_vectors.py > vectors/blocks.txt

Lines: `dequantize TYPE hex-of-blocks hex-of-f32`, `quantize TYPE hex-of-f32 hex-of-blocks`.
Random bytes make every sub-scale and code appear; f16 scales are kept finite.
"""
import numpy as np
import gguf
from gguf import GGMLQuantizationType as T

# Offsets of the f16 fields in a block.
SCALES = {
    T.F16: (), T.BF16: (), T.Q4_0: (0,), T.Q4_1: (0, 2), T.Q5_0: (0,), T.Q5_1: (0, 2), T.Q8_0: (0,),
    T.Q4_K: (0, 2), T.Q5_K: (0, 2), T.Q6_K: (208,),
}


def line(verb, kind, *arrays):
    print(verb, kind.name, *(np.ascontiguousarray(a).tobytes().hex() for a in arrays))


rng = np.random.default_rng(20261124)
for kind, offsets in SCALES.items():
    block, size = gguf.GGML_QUANT_SIZES[kind]
    count = 96 // block if block < 96 else 3
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for offset in offsets:
        scale = rng.normal(0, 0.05, count).astype(np.float16)
        data[:, offset:offset + 2] = scale.view(np.uint8).reshape(count, 2)
    if kind in (T.F16, T.BF16):
        data = rng.normal(0, 3, count).astype(np.float32)
        data = gguf.quantize(data, kind).view(np.uint8).reshape(count, size)
    flat = data.reshape(-1)
    weights = gguf.dequantize(flat, kind)
    line("dequantize", kind, flat, weights.astype(np.float32))

for kind in (T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0):
    rows = [
        rng.normal(0, 1, 32),
        rng.normal(0, 1, 32) ** 3,
        np.zeros(32),
        np.full(32, -0.75),
        np.concatenate([[100.0], rng.normal(0, 0.01, 31)]),  # one outlier
        np.concatenate([[1.0, -1.0], np.linspace(-1, 1, 30)]),  # a tie of the largest
    ]
    weights = np.concatenate(rows).astype(np.float32)
    line("quantize", kind, weights, gguf.quantize(weights, kind).view(np.uint8))
