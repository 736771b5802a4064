"""`raison convert` judged by others' eyes: the `gguf` package reads every type that it writes, finds the
names, shapes, values and chat template, and the file still answers.

The folder to convert is Petit's: its configuration and tokenizer lie beside this file, its weights
are taken from samples/petit/petit-q8_0.gguf (through the same package) and written as safetensors.
RAISON_CLI names the command under test.
"""

import json
import os
import pathlib
import re
import shutil
import struct
import subprocess

import gguf
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PETIT = ROOT / "samples/petit/petit-q8_0.gguf"

# Root mean square of the rounding error over that of the weights: twice what normal values give.
ERROR = {"f16": 5e-4, "bf16": 4e-3, "q8_0": 0.012, "q6_k": 0.04, "q4_k": 0.15, "q4_0": 0.18}

LAYER = {
    "attn_norm.weight": "input_layernorm.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "attn_q_a.weight": "self_attn.q_a_proj.weight",
    "attn_q_a_norm.weight": "self_attn.q_a_layernorm.weight",
    "attn_q_b.weight": "self_attn.q_b_proj.weight",
    "attn_kv_a_mqa.weight": "self_attn.kv_a_proj_with_mqa.weight",
    "attn_kv_a_norm.weight": "self_attn.kv_a_layernorm.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "ffn_gate_inp.weight": "mlp.gate.weight",
    "exp_probs_b.bias": "mlp.gate.e_score_correction_bias",
    "nextn.eh_proj.weight": "eh_proj.weight",
    "nextn.enorm.weight": "enorm.weight",
    "nextn.hnorm.weight": "hnorm.weight",
    "nextn.shared_head_norm.weight": "shared_head.norm.weight",
}
WHOLE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


def read(path):
    """name -> (type, f32 array in the order of numpy)"""
    reader = gguf.GGUFReader(path)
    tensors = {
        t.name: (t.tensor_type, gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32))
        for t in reader.tensors
    }
    return reader, tensors


def hugging_face_names(tensors):
    out = {WHOLE[name]: tensors[name][1] for name in WHOLE}
    for name, (_, x) in tensors.items():
        found = re.fullmatch(r"blk\.(\d+)\.(.+)", name)
        if not found:
            continue
        layer, rest = "model.layers.%s." % found[1], found[2]
        part = re.fullmatch(r"ffn_(gate|up|down)(_exps|_shexp)?\.weight", rest)
        if rest in LAYER:
            out[layer + LAYER[rest]] = x
        elif part and part[2] == "_exps":
            for e in range(x.shape[0]):
                out[layer + "mlp.experts.%d.%s_proj.weight" % (e, part[1])] = x[e]
        elif part:
            shared = "shared_experts." if part[2] else ""
            out[layer + "mlp.%s%s_proj.weight" % (shared, part[1])] = x
        elif rest == "attn_k_b.weight":
            values = tensors["blk.%s.attn_v_b.weight" % found[1]][1]  # (heads, value, latent)
            joined = np.concatenate([x.transpose(0, 2, 1), values], axis=1)
            out[layer + "self_attn.kv_b_proj.weight"] = joined.reshape(-1, joined.shape[-1])
        else:
            assert rest == "attn_v_b.weight", name
    return out


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, x in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for x in tensors.values():
            f.write(np.ascontiguousarray(x).tobytes())


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("petit")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ROOT / "tests/convert/petit" / name, folder)
    reader, tensors = read(PETIT)
    write_safetensors(folder / "model.safetensors", hugging_face_names(tensors))
    return folder, reader, tensors


def plain(field):
    return field.contents() if hasattr(field, "contents") else bytes(field.parts[field.data[0]])


@pytest.mark.parametrize("type_name", sorted(ERROR))
def test_gguf_package_reads_what_convert_writes(source, type_name, tmp_path):
    folder, petit, expected = source
    out = tmp_path / ("%s.gguf" % type_name)
    cli = os.environ["RAISON_CLI"]
    subprocess.run([cli, "convert", folder, out, "--type", type_name], check=True)

    reader, tensors = read(out)
    assert set(tensors) == set(expected)
    wanted = gguf.GGMLQuantizationType[type_name.upper()]
    assert sum(kind == wanted for kind, _ in tensors.values()) > len(tensors) // 3
    for name, (kind, x) in tensors.items():
        y = expected[name][1]
        assert x.shape == y.shape, name
        if kind == gguf.GGMLQuantizationType.F32:
            assert np.array_equal(x, y), name
            continue
        error = np.sqrt(np.mean((x - y) ** 2) / np.mean(y**2))
        assert error < ERROR[type_name], (name, kind, error)

    for key in ("general.architecture", "tokenizer.chat_template", "tokenizer.ggml.pre",
                "tokenizer.ggml.tokens", "tokenizer.ggml.merges", "deepseek2.block_count",
                "deepseek2.attention.kv_lora_rank", "deepseek2.expert_weights_scale"):
        assert plain(reader.fields[key]) == plain(petit.fields[key]), key

    answer = subprocess.run([cli, "run", "--model", out, "--temperature", "0", "What is 12 * 13?"],
                            check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert "156" in answer.stdout
