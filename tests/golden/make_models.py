"""Golden vectors of small random models, made by Hugging Face transformers in float32.

    python make_models.py [NAME...]          writes models/NAME.json (all of them by default)

Needs torch and transformers (the versions used are stored in each file). Every model is written as
a Hugging Face folder of generated weights (weights.py), loaded by transformers with eager attention,
and run without a cache: prompts of 1, 17 and 75 tokens and 32 greedy tokens after each. Stored are
some rows of logits, the experts chosen in those rows with their weights, the greedy tokens, and the
smallest margins. Seeds are tried until no margin is smaller than the tests' tolerances, so that the
tests need no exceptions. Regenerate only deliberately: transformers changes between versions.
"""
import base64
import json
import os
import sys
import tempfile

import numpy as np
import torch
import transformers

import weights

HERE = os.path.dirname(os.path.abspath(__file__))
TOLERANCES = json.load(open(os.path.join(HERE, "tolerances.json")))
VOCAB, HIDDEN, LAYERS = 320, 64, 4
PROMPT_LENGTHS, NEW_TOKENS = (1, 17, 75), 32

COMMON = dict(vocab_size=VOCAB, hidden_size=HIDDEN, num_hidden_layers=LAYERS, max_position_embeddings=256, hidden_act="silu", rms_norm_eps=1e-6,
              bos_token_id=0, eos_token_id=1, attention_dropout=0.0, tie_word_embeddings=False, attention_bias=False, torch_dtype="float32")
DENSE = dict(COMMON, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96, rope_theta=10000.0)
LLAMA = dict(DENSE, architectures=["LlamaForCausalLM"], model_type="llama", mlp_bias=False)
QWEN2 = {k: v for k, v in dict(DENSE, architectures=["Qwen2ForCausalLM"], model_type="qwen2", use_sliding_window=False).items() if k != "attention_bias"}
MLA = dict(COMMON, num_attention_heads=4, num_key_value_heads=4, intermediate_size=96, moe_intermediate_size=32, kv_lora_rank=32, q_lora_rank=32, qk_nope_head_dim=16,
           qk_rope_head_dim=16, v_head_dim=24, n_routed_experts=16, n_shared_experts=2, num_experts_per_tok=4, first_k_dense_replace=1, moe_layer_freq=1,
           rope_theta=100.0, num_nextn_predict_layers=0)
V3 = dict(MLA, architectures=["DeepseekV3ForCausalLM"], model_type="deepseek_v3", topk_method="noaux_tc", scoring_func="sigmoid", n_group=4, topk_group=2,
          norm_topk_prob=True, routed_scaling_factor=2.5)
V2 = dict(MLA, architectures=["DeepseekV2ForCausalLM"], model_type="deepseek_v2", topk_method="greedy", scoring_func="softmax", n_group=1, topk_group=1,
          norm_topk_prob=False, routed_scaling_factor=1.7, rope_scaling=None, mlp_bias=False)


def yarn(mscale, all_dim):
    # With theta 100, 16 rotated dimensions and 256 original positions the ramp spans pairs 0 to 7.
    return dict(type="yarn", factor=40, original_max_position_embeddings=256, beta_fast=32, beta_slow=1, mscale=mscale, mscale_all_dim=all_dim)


# name -> (config, dtype of the file, what departs from the usual scales)
MODELS = {
    "llama": (dict(LLAMA, rms_norm_eps=1e-5), "F32", {"embedding": 0.02}),
    "llama_llama3_tied": (dict(LLAMA, tie_word_embeddings=True, rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)), "F16", {"embedding": 0.1}),
    "llama_linear": (dict(LLAMA, rope_scaling=dict(type="linear", factor=4.0)), "F32", {}),
    "qwen2": (QWEN2, "BF16", {}),
    "qwen2_yarn": (dict(QWEN2, rope_theta=100.0, rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)), "F32", {}),
    "deepseek_v3": (dict(V3, max_position_embeddings=10240, rope_scaling=yarn(1.0, 1.0)), "F32", {}),
    "deepseek_v3_no_q_lora": (dict(V3, q_lora_rank=None, v_head_dim=16, max_position_embeddings=10240, rope_scaling=yarn(0.707, 0.707)), "BF16", {}),
    "deepseek_v3_magnitude": (dict(V3, max_position_embeddings=10240, rope_scaling=yarn(1.0, 0.707), n_shared_experts=1), "F32", {}),
    "deepseek_v3_negative_bias": (dict(V3, num_experts_per_tok=6, routed_scaling_factor=1.0, first_k_dense_replace=2, masked_groups_are_zero=False), "F32", {"bias": (-0.9, 0.1)}),
    "deepseek_v3_zero_mask": (dict(V3, num_experts_per_tok=6, routed_scaling_factor=1.0, first_k_dense_replace=2, masked_groups_are_zero=True), "F32", {"bias": (-0.9, 0.1)}),
    "deepseek_v3_small_values": (dict(V3, n_group=1, topk_group=1, norm_topk_prob=False), "F32", {"embedding": 0.01, "latent": 0.01}),
    "deepseek_v2": (dict(V2, q_lora_rank=None), "F32", {}),
    "deepseek_v2_groups": (dict(V2, topk_method="group_limited_greedy", n_group=4, topk_group=2, v_head_dim=16), "F32", {}),
}


def tensors(config, special):
    """[name, shape, kind, a, b] of every tensor. Scales are large enough that every branch matters."""
    out = []
    H = config["hidden_size"]

    def matrix(name, rows, columns, scale=0.7):
        out.append([name + ".weight", [rows, columns], "normal", 0.0, scale / columns ** 0.5])

    def norm(name, n):
        out.append([name + ".weight", [n], "normal", 1.0, 0.2])

    def bias(name, n):
        out.append([name + ".bias", [n], "normal", 0.0, 0.3])

    def mlp(name, width):
        matrix(name + ".gate_proj", width, H)
        matrix(name + ".up_proj", width, H)
        matrix(name + ".down_proj", H, width)

    out.append(["model.embed_tokens.weight", [config["vocab_size"], H], "normal", 0.0, special.get("embedding", 1.0)])
    nh = config["num_attention_heads"]
    for i in range(config["num_hidden_layers"]):
        p = f"model.layers.{i}."
        norm(p + "input_layernorm", H)
        a = p + "self_attn."
        if "kv_lora_rank" in config:
            dn, dr, dv, r, rq = (config[k] for k in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "kv_lora_rank", "q_lora_rank"))
            if rq:
                matrix(a + "q_a_proj", rq, H, special.get("latent", 0.7))
                norm(a + "q_a_layernorm", rq)
                matrix(a + "q_b_proj", nh * (dn + dr), rq, 1.4)
            else:
                matrix(a + "q_proj", nh * (dn + dr), H, 1.4)
            matrix(a + "kv_a_proj_with_mqa", r + dr, H, special.get("latent", 0.7))
            norm(a + "kv_a_layernorm", r)
            matrix(a + "kv_b_proj", nh * (dn + dv), r, 1.4)
            matrix(a + "o_proj", H, nh * dv)
        else:
            d, nkv = H // nh, config["num_key_value_heads"]
            for name, rows in (("q_proj", nh * d), ("k_proj", nkv * d), ("v_proj", nkv * d)):
                matrix(a + name, rows, H, 1.4 if name != "v_proj" else 0.7)
                if config["model_type"] == "qwen2":
                    bias(a + name, rows)
            matrix(a + "o_proj", H, nh * d)
        norm(p + "post_attention_layernorm", H)
        if "n_routed_experts" in config and i >= config["first_k_dense_replace"]:
            E, width = config["n_routed_experts"], config["moe_intermediate_size"]
            out.append([p + "mlp.gate.weight", [E, H], "normal", 0.0, 1.5 / H ** 0.5])
            if config["topk_method"] == "noaux_tc":
                out.append([p + "mlp.gate.e_score_correction_bias", [E], "uniform", *special.get("bias", (0.0, 0.3))])
            for e in range(E):
                mlp(p + f"mlp.experts.{e}", width)
            mlp(p + "mlp.shared_experts", width * config["n_shared_experts"])
        else:
            mlp(p + "mlp", config["intermediate_size"])
    norm("model.norm", H)
    if not config["tie_word_embeddings"]:
        matrix("lm_head", config["vocab_size"], H, 1.4)
    return out


def zero_mask(router):
    """Gives a V3 router the older rule: masked groups score 0 (5.23 uses -inf); ties to the lower index."""
    def forward(x):
        x = x.view(-1, router.hidden_dim).float()
        logits = x @ router.weight.float().T
        score = logits.sigmoid()
        choice = score + router.e_score_correction_bias
        members = choice.view(len(x), router.num_group, -1)
        groups = members.topk(2, -1)[0].sum(-1).sort(dim=-1, descending=True, stable=True)[1][:, :router.topk_group]
        keep = torch.zeros(len(x), router.num_group, dtype=torch.bool).scatter_(1, groups, True)
        choice = torch.where(keep.repeat_interleave(members.shape[-1], 1), choice, torch.zeros(()))
        index = choice.sort(dim=-1, descending=True, stable=True)[1][:, :router.top_k]
        weight = score.gather(1, index)
        if router.norm_topk_prob:
            weight = weight / (weight.sum(-1, keepdim=True) + 1e-20)
        return logits, weight * router.routed_scaling_factor, index
    router.forward, router.masked = forward, 0.0


class Router:
    """Hooks every router: records logits, weights and indices of the last forward pass."""

    def __init__(self, model):
        self.calls = {}
        for name, module in model.named_modules():
            if type(module).__name__.endswith("TopkRouter"):
                layer = int(name.split(".layers.")[1].split(".")[0])
                module.register_forward_hook(lambda m, i, o, layer=layer: self.calls.__setitem__(layer, (m, [t.detach().numpy() for t in o])))

    def margin(self):
        """The smallest gap between a chosen and a rejected expert or group, over all rows of the pass."""
        smallest = float("inf")
        for module, (logits, _, _) in self.calls.values():
            x = torch.from_numpy(logits)
            v3 = hasattr(module, "e_score_correction_bias")
            score = x.sigmoid() + module.e_score_correction_bias if v3 else x.softmax(-1)
            groups = module.num_group or 1
            if groups > 1 and (v3 or module.topk_method != "greedy"):
                members = score.view(len(score), groups, -1)
                rank = members.topk(2, -1)[0].sum(-1) if v3 else members.max(-1).values
                best = rank.sort(-1, descending=True)
                smallest = min(smallest, (best.values[:, module.topk_group - 1] - best.values[:, module.topk_group]).min().item())
                keep = torch.zeros_like(rank).scatter_(1, best.indices[:, :module.topk_group], 1)
                score = score.masked_fill(keep.unsqueeze(-1).expand_as(members).reshape_as(score) == 0, getattr(module, "masked", float("-inf")))
            best = score.sort(-1, descending=True).values
            gap = best[:, module.top_k - 1] - best[:, module.top_k]
            # Two experts of masked groups tie at 0 exactly, in every engine: the lower index wins.
            tied = (best[:, module.top_k - 1] == 0) & (best[:, module.top_k] == 0)
            smallest = min(smallest, torch.where(tied, torch.inf, gap).min().item())
        return smallest

    def rows(self, rows):
        """{layer: [[experts ascending], [their weights]] per row}."""
        out = {}
        for layer, (_, (_, weight, index)) in sorted(self.calls.items()):
            out[str(layer)] = []
            for r in rows:
                order = np.argsort(index[r])
                out[str(layer)].append([index[r][order].tolist(), [float(w) for w in weight[r][order]]])
        return out


def encode(x):
    return base64.b64encode(np.ascontiguousarray(x, "<f4").tobytes()).decode()


@torch.no_grad()
def vectors(model, prompts, new_tokens, router, greedy_margin):
    """The reference's outputs for each prompt; None if a margin is below the tolerance."""
    out, routing = [], float("inf")
    for prompt in prompts:
        ids, smallest = list(prompt), float("inf")
        for _ in range(new_tokens):
            best = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].topk(2)
            smallest = min(smallest, (best.values[0] - best.values[1]).item())
            ids.append(best.indices[0].item())
        if smallest < greedy_margin:
            return None
        n = len(prompt)
        rows = sorted({0, n // 3, n // 2, n - 1, n + new_tokens // 2 - 1, n + new_tokens - 2})
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].numpy()
        if router.calls:
            routing = min(routing, router.margin())
        out.append(dict(prompt=list(prompt), greedy=ids[n:], greedy_margin=round(smallest, 6), rows=rows, logits=[encode(logits[r]) for r in rows],
                        routing=router.rows(rows)))
    return None if routing < TOLERANCES["routing_margin"] else (out, routing)


def provenance(script):
    return dict(script=script, transformers=transformers.__version__, torch=torch.__version__.split("+")[0], dtype="float32", attention="eager")


def write_tokenizer():
    """One byte-level BPE of VOCAB tokens for all models: 2 special, 256 bytes, 62 merges."""
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    alphabet, extra = {b: chr(b) for b in printable}, 256
    for b in range(256):
        if b not in alphabet:
            alphabet[b], extra = chr(extra), extra + 1
    space = alphabet[32]
    merges = [(space, chr(97 + i)) for i in range(26)] + [(chr(97 + i), "e") for i in range(26)] + [("t", "h"), ("i", "n"), ("a", "n"), ("o", "n"), ("o", "r"), ("s", "t"), ("a", "l"), ("a", "r"), ("n", "d"), ("i", "t")]
    tokens = ["<s>", "</s>"] + [alphabet[b] for b in range(256)] + [a + b for a, b in merges]
    assert len(set(tokens)) == VOCAB
    special = [dict(id=i, content=t, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True) for i, t in enumerate(tokens[:2])]
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)
    tokenizer = dict(version="1.0", truncation=None, padding=None, added_tokens=special, normalizer=None, pre_tokenizer=level, post_processor=None, decoder=level,
                     model=dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=False, byte_fallback=False,
                                ignore_merges=False, vocab={t: i for i, t in enumerate(tokens)}, merges=[list(m) for m in merges]))
    path = os.path.join(HERE, "models", "tokenizer.json")
    with open(path, "w") as f:
        json.dump(tokenizer, f, ensure_ascii=False)
        f.write("\n")
    import tokenizers
    assert tokenizers.Tokenizer.from_file(path).decode(tokenizers.Tokenizer.from_file(path).encode("the naïve 日本").ids) == "the naïve 日本"


def make(name):
    config, dtype, special = MODELS[name]
    # Prompts spread over the vocabulary; the same for every model of the same vocabulary.
    prompts = [[int(t) for t in weights.bits("prompt", n, n) % np.uint64(config["vocab_size"])] for n in PROMPT_LENGTHS]
    for seed in range(1, 200):
        golden = dict(name=name, provenance=provenance("tests/golden/make_models.py"), config=config, dtype=dtype, seed=seed, tensors=tensors(config, special))
        with tempfile.TemporaryDirectory() as folder:
            weights.write_folder(golden, folder)
            model, info = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
        assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
        model.eval()
        if config.get("masked_groups_are_zero"):
            for module in model.modules():
                if type(module).__name__.endswith("TopkRouter"):
                    zero_mask(module)
        made = vectors(model, prompts, NEW_TOKENS, Router(model), TOLERANCES["greedy_margin"])
        if made:
            golden["prompts"], routing = made
            golden["routing_margin"] = None if routing == float("inf") else routing
            break
    else:
        raise SystemExit(f"{name}: no seed has margins above the tolerances")
    path = os.path.join(HERE, "models", name + ".json")
    with open(path, "w") as f:
        head = {k: v for k, v in golden.items() if k not in ("tensors", "prompts")}
        f.write(json.dumps(head, indent=1)[:-2] + ',\n "tensors": [\n  ' + ",\n  ".join(map(json.dumps, golden["tensors"])) + '\n ],\n "prompts": [\n  '
                + ",\n  ".join(map(json.dumps, golden["prompts"])) + "\n ]\n}\n")
    spread = [float(np.std(np.frombuffer(base64.b64decode(p["logits"][-1]), "<f4"))) for p in golden["prompts"]]
    print(f"{name}: seed {seed}, greedy margin {min(p['greedy_margin'] for p in golden['prompts'])}, routing margin {golden['routing_margin']}, "
          f"logit deviation {max(spread):.2f}, distinct greedy {len(set(sum((p['greedy'] for p in golden['prompts']), [])))}, {os.path.getsize(path) // 1024} KiB", flush=True)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(2)
    write_tokenizer()
    for name in sys.argv[1:] or MODELS:
        make(name)
