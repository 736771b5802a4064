"""A GGUF file as a Hugging Face model in float32: every block dequantised by the `gguf` package.

Knows `llama` (undoes the converter's permutation of q and k) and `deepseek2` (joined or split kv_b,
stacked experts). Used to make the vectors of real files; no code of the engine takes part.
"""
import numpy as np
import torch
import transformers
from gguf import GGUFReader
from gguf.quants import dequantize


class File:
    def __init__(self, path):
        self.reader = GGUFReader(path)
        self.architecture = self.field("general.architecture")

    def field(self, key, default=None):
        f = self.reader.fields.get(key)
        return default if f is None else f.contents()

    def value(self, key, default=None):
        return self.field(f"{self.architecture}.{key}", default)

    def tensors(self):
        """{name: float32 array in (out, in) order}"""
        out = {}
        for t in self.reader.tensors:
            shape = [int(n) for n in reversed(t.shape)]
            out[t.name] = torch.from_numpy(np.array(dequantize(t.data, t.tensor_type), np.float32).reshape(shape))
        return out


def unpermute(w, heads):
    """The converter interleaves the two halves of each head's rows; this puts them back."""
    rows = w.shape[0] // heads
    return w.view(heads, rows // 2, 2, *w.shape[1:]).transpose(1, 2).reshape(w.shape)


def llama(file):
    nh, nkv = file.value("attention.head_count"), file.value("attention.head_count_kv")
    t = file.tensors()
    assert "rope_freqs.weight" not in t and file.value("rope.scaling.type") is None
    config = transformers.LlamaConfig(
        vocab_size=t["token_embd.weight"].shape[0], hidden_size=file.value("embedding_length"), intermediate_size=file.value("feed_forward_length"),
        num_hidden_layers=file.value("block_count"), num_attention_heads=nh, num_key_value_heads=nkv, max_position_embeddings=file.value("context_length"),
        rms_norm_eps=file.value("attention.layer_norm_rms_epsilon"), rope_parameters=dict(rope_type="default", rope_theta=file.value("rope.freq_base")),
        tie_word_embeddings="output.weight" not in t)
    names = dict(attn_norm="input_layernorm", ffn_norm="post_attention_layernorm", attn_q="self_attn.q_proj", attn_k="self_attn.k_proj", attn_v="self_attn.v_proj",
                 attn_output="self_attn.o_proj", ffn_gate="mlp.gate_proj", ffn_up="mlp.up_proj", ffn_down="mlp.down_proj")
    state = {"model.embed_tokens.weight": t["token_embd.weight"], "model.norm.weight": t["output_norm.weight"], "lm_head.weight": t.get("output.weight", t["token_embd.weight"])}
    for name, w in t.items():
        if name.startswith("blk."):
            _, layer, short, _ = name.split(".")
            heads = {"attn_q": nh, "attn_k": nkv}.get(short)
            state[f"model.layers.{layer}.{names[short]}.weight"] = unpermute(w, heads) if heads else w
    return config, state


def deepseek2(file):
    t, v = file.tensors(), file.value
    nh, r, dr = v("attention.head_count"), v("attention.kv_lora_rank"), v("rope.dimension_count")
    split = v("attention.key_length_mla") is not None
    dn = v("attention.key_length_mla" if split else "attention.key_length") - dr
    dv = v("attention.value_length_mla" if split else "attention.value_length")
    trunk = v("block_count") - (v("nextn_predict_layers") or 0)
    assert v("rope.scaling.type") in (None, "none") and v("expert_gating_func") == 2
    config = transformers.DeepseekV3Config(
        vocab_size=t["token_embd.weight"].shape[0], hidden_size=v("embedding_length"), intermediate_size=v("feed_forward_length"), num_hidden_layers=trunk,
        num_attention_heads=nh, num_key_value_heads=nh, max_position_embeddings=v("context_length"), rms_norm_eps=v("attention.layer_norm_rms_epsilon"),
        rope_parameters=dict(rope_type="default", rope_theta=v("rope.freq_base")), q_lora_rank=v("attention.q_lora_rank"), kv_lora_rank=r, qk_nope_head_dim=dn,
        qk_rope_head_dim=dr, v_head_dim=dv, n_routed_experts=v("expert_count"), num_experts_per_tok=v("expert_used_count"), n_shared_experts=v("expert_shared_count"),
        moe_intermediate_size=v("expert_feed_forward_length"), first_k_dense_replace=v("leading_dense_block_count"), n_group=v("expert_group_count") or 1,
        topk_group=v("expert_group_used_count") or 1, norm_topk_prob=bool(v("expert_weights_norm")), routed_scaling_factor=v("expert_weights_scale"), num_mtp_layers=0)
    names = {"attn_norm.weight": "input_layernorm.weight", "ffn_norm.weight": "post_attention_layernorm.weight", "attn_q.weight": "self_attn.q_proj.weight",
             "attn_q_a.weight": "self_attn.q_a_proj.weight", "attn_q_a_norm.weight": "self_attn.q_a_layernorm.weight", "attn_q_b.weight": "self_attn.q_b_proj.weight",
             "attn_kv_a_mqa.weight": "self_attn.kv_a_proj_with_mqa.weight", "attn_kv_a_norm.weight": "self_attn.kv_a_layernorm.weight", "attn_kv_b.weight": "self_attn.kv_b_proj.weight",
             "attn_output.weight": "self_attn.o_proj.weight", "ffn_gate.weight": "mlp.gate_proj.weight", "ffn_up.weight": "mlp.up_proj.weight", "ffn_down.weight": "mlp.down_proj.weight",
             "ffn_gate_inp.weight": "mlp.gate.weight", "exp_probs_b.bias": "mlp.gate.e_score_correction_bias", "ffn_gate_shexp.weight": "mlp.shared_experts.gate_proj.weight",
             "ffn_up_shexp.weight": "mlp.shared_experts.up_proj.weight", "ffn_down_shexp.weight": "mlp.shared_experts.down_proj.weight"}
    state = {"model.embed_tokens.weight": t["token_embd.weight"], "model.norm.weight": t["output_norm.weight"], "lm_head.weight": t.get("output.weight", t["token_embd.weight"])}
    for layer in range(trunk):
        p, q = f"blk.{layer}.", f"model.layers.{layer}."
        for short, long in names.items():
            if p + short in t:
                state[q + long] = t[p + short]
        if p + "attn_k_b.weight" in t:  # (nh, r, dn) and (nh, dv, r) -> (nh * (dn + dv), r)
            joined = torch.cat((t[p + "attn_k_b.weight"].transpose(1, 2), t[p + "attn_v_b.weight"]), 1)
            state[q + "self_attn.kv_b_proj.weight"] = joined.reshape(nh * (dn + dv), r).contiguous()
        if p + "ffn_gate_exps.weight" in t:
            state[q + "mlp.experts.gate_up_proj"] = torch.cat((t[p + "ffn_gate_exps.weight"], t[p + "ffn_up_exps.weight"]), 1)
            state[q + "mlp.experts.down_proj"] = t[p + "ffn_down_exps.weight"]
    return config, state


def load(path):
    """-> (model in float32 with eager attention, File)"""
    file = File(path)
    config, state = {"llama": llama, "deepseek2": deepseek2}[file.architecture](file)
    config._attn_implementation = "eager"
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    missing, unexpected = model.load_state_dict(state, strict=False, assign=True)
    assert not unexpected and all("inv_freq" in m for m in missing), (missing, unexpected)
    # Buffers that no file holds (rotary frequencies) are computed on a real device.
    model.model.rotary_emb = type(model.model.rotary_emb)(config=config)
    return model.eval(), file
