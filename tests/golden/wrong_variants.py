"""An independent forward pass in NumPy float32, and what each classic mistake does to it.

    python wrong_variants.py            checks models/*.json, writes wrong_variants.md

First the right program must reproduce every golden file within the tolerances (it shares no code
with transformers, nor with the engine). Then each wrong variant is run on the models it concerns;
the table shows the largest deviation of a stored logit, or that the chosen experts differ. A variant
counts as caught when some golden file deviates by at least ten tolerances.
"""
import base64
import glob
import json
import math
import os
import sys

import numpy as np

import weights

HERE = os.path.dirname(os.path.abspath(__file__))
TOLERANCES = json.load(open(os.path.join(HERE, "tolerances.json")))
F = np.float32

# variant -> (what is wrong, which models it concerns)
DEEPSEEK, V3, V2 = (lambda c: "kv_lora_rank" in c), (lambda c: c["model_type"] == "deepseek_v3"), (lambda c: c["model_type"] == "deepseek_v2")
GQA = lambda c: not DEEPSEEK(c)
YARN = lambda c: (c.get("rope_scaling") or {}).get("rope_type", (c.get("rope_scaling") or {}).get("type")) == "yarn"
GROUPS = lambda c: DEEPSEEK(c) and c["n_group"] > 1
VARIANTS = {
    "rope_pairs": ("half-split for interleaved pairs, and the reverse", lambda c: True),
    "rope_over_d": ("rotary frequencies over dn + dr instead of dr", DEEPSEEK),
    "rope_values": ("values rotated like keys", GQA),
    "norm_eps": ("epsilon 1e-5 for 1e-6, and the reverse", lambda c: True),
    "latent_eps": ("epsilon 1e-5 in MLA's latent norms only", DEEPSEEK),
    "no_magnitude": ("YaRN: cos and sin not multiplied by m", YARN),
    "no_mscale": ("YaRN: softmax scale without mscale squared", lambda c: YARN(c) and DEEPSEEK(c)),
    "no_truncate": ("YaRN: correction range not rounded to whole pairs", YARN),
    "floor_ceil": ("YaRN: floor and ceil of the range swapped", YARN),
    "yarn_middle": ("YaRN: frequencies outside the ramp not interpolated", YARN),
    "llama3_middle": ("llama-3: factor on the middle band only", lambda c: (c.get("rope_scaling") or {}).get("rope_type") == "llama3"),
    "linear_ignored": ("linear rope scaling ignored", lambda c: (c.get("rope_scaling") or {}).get("type") == "linear"),
    "bias_in_weights": ("V3: correction bias used in the experts' weights", V3),
    "bias_not_in_choice": ("V3: correction bias not used in the choice", V3),
    "group_max": ("V3: a group's score is its largest member", lambda c: V3(c) and GROUPS(c)),
    "group_sum": ("V2: a group's score is the sum of its two largest", lambda c: V2(c) and GROUPS(c)),
    "no_groups": ("groups ignored", GROUPS),
    "group_mask": ("masked groups score 0 instead of -inf, and the reverse", lambda c: V3(c) and GROUPS(c)),
    "scale_before_norm": ("scaled before the weights are normalised", lambda c: V3(c) and c["norm_topk_prob"] and c["routed_scaling_factor"] != 1),
    "always_norm": ("weights normalised although norm_topk_prob is false", lambda c: DEEPSEEK(c) and not c["norm_topk_prob"]),
    "no_scale": ("routed_scaling_factor ignored", lambda c: DEEPSEEK(c) and c["routed_scaling_factor"] != 1),
    "scale_shared": ("routed_scaling_factor on the shared experts too", lambda c: DEEPSEEK(c) and c["routed_scaling_factor"] != 1),
    "no_shared": ("shared experts left out", DEEPSEEK),
    "softmax_router": ("softmax scores for sigmoid, and the reverse", DEEPSEEK),
    "k_r_normalised": ("the rotary key normalised with the latent", DEEPSEEK),
    "latent_not_normalised": ("the cached latent not normalised", DEEPSEEK),
    "q_latent_not_normalised": ("the query's latent not normalised", lambda c: DEEPSEEK(c) and c["q_lora_rank"]),
    "v_first": ("values taken from the first rows of kv_b", DEEPSEEK),
    "padded_heads": ("o_proj reads heads padded to dn + dr", DEEPSEEK),
    "scale_dn": ("softmax scale from dn alone", DEEPSEEK),
    "head_mod": ("query head h reads key head h mod nkv", lambda c: GQA(c) and c["num_key_value_heads"] < c["num_attention_heads"]),
    "no_bias": ("q, k and v biases ignored", lambda c: c["model_type"] == "qwen2"),
    "bias_not_permuted": ("GGUF: rows of q and k permuted, their biases not", lambda c: c["model_type"] == "qwen2"),
    "gate_up_swapped": ("silu on up instead of gate", lambda c: True),
    "one_more_dense": ("one leading dense layer too many treated as norm-only", lambda c: DEEPSEEK(c)),
    "no_final_norm": ("final norm left out", lambda c: True),
    "tied_scaled": ("tied head scaled by sqrt(hidden)", lambda c: c["tie_word_embeddings"]),
    "positions_from_1": ("query positions one later than key positions", lambda c: True),
    "mask_off_by_one": ("a token does not see itself (but the first)", lambda c: True),
    "bf16_logits": ("logits rounded to bfloat16", lambda c: True),
}


def silu(x):
    return x / (F(1) + np.exp(-x))


def sigmoid(x):
    return F(1) / (F(1) + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Model:
    """One model with at most one mistake in it."""

    def __init__(self, config, w, wrong=None):
        self.c, self.w, self.wrong = config, w, wrong
        self.mla = "kv_lora_rank" in config
        self.d = config["qk_rope_head_dim"] if self.mla else config["hidden_size"] // config["num_attention_heads"]
        self.eps = config["rms_norm_eps"]
        if wrong == "norm_eps":
            self.eps = 1e-5 if self.eps < 5e-6 else 1e-6
        self.frequencies, self.magnitude, self.mscale = self.rope_parameters()
        self.routing = {}

    def rope_parameters(self):
        """(f_i), factor on cos and sin, factor on the softmax scale."""
        c, wrong, theta = self.c, self.wrong, self.c["rope_theta"]
        s = c.get("rope_scaling") or {}
        kind = s.get("rope_type", s.get("type", "default"))
        dim = self.d + c["qk_nope_head_dim"] if wrong == "rope_over_d" else self.d
        f = np.array([theta ** (-2 * i / dim) for i in range(self.d // 2)])
        if kind == "linear" and wrong != "linear_ignored":
            f = f / s["factor"]
        if kind == "llama3":
            out = []
            for x in f:
                wavelength, old = 2 * math.pi / x, s["original_max_position_embeddings"]
                low, high = s["low_freq_factor"], s["high_freq_factor"]
                if wavelength < old / high:
                    out.append(x)
                elif wavelength > old / low:
                    out.append(x if wrong == "llama3_middle" else x / s["factor"])
                else:
                    g = (old / wavelength - low) / (high - low)
                    out.append((1 - g) * x / s["factor"] + g * x)
            f = np.array(out)
        if kind != "yarn":
            return f, 1.0, 1.0

        def m(a):
            return 1.0 if s["factor"] <= 1 else 0.1 * a * math.log(s["factor"]) + 1

        def pair(turns):
            return self.d * math.log(s["original_max_position_embeddings"] / (2 * math.pi * turns)) / (2 * math.log(theta))

        low, high = pair(s.get("beta_fast", 32)), pair(s.get("beta_slow", 1))
        if wrong == "floor_ceil":
            low, high = math.ceil(low), math.floor(high)
        elif wrong != "no_truncate":
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, self.d - 1)
        ramp = np.clip((np.arange(self.d // 2) - low) / max(high - low, 0.001), 0, 1)
        if wrong == "yarn_middle":
            ramp = np.where(ramp >= 1, 0, ramp)
        f = f / s["factor"] * ramp + f * (1 - ramp)
        both = s.get("mscale") and s.get("mscale_all_dim")
        magnitude = m(s["mscale"]) / m(s["mscale_all_dim"]) if both else m(1)
        mscale = m(s["mscale_all_dim"]) ** 2 if s.get("mscale_all_dim") else 1.0
        return f, 1.0 if wrong == "no_magnitude" else magnitude, 1.0 if wrong == "no_mscale" else mscale

    def linear(self, name, x):
        y = x @ self.w[name + ".weight"].T
        return y + self.w[name + ".bias"] if name + ".bias" in self.w and self.wrong != "no_bias" else y

    def norm(self, name, x, eps=None):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + F(self.eps if eps is None else eps)) * self.w[name + ".weight"]

    def rotate(self, x, interleaved, shift=0):
        """x (T, heads, d); the rotated pairs stay in place."""
        angle = np.outer(np.arange(len(x)) + shift, self.frequencies)
        cos, sin = ((g(angle) * self.magnitude).astype(F)[:, None] for g in (np.cos, np.sin))
        h = x.shape[-1] // 2
        if (self.wrong == "rope_pairs") != interleaved:
            a, b = x[..., 0::2], x[..., 1::2]
            y = np.empty_like(x)
            y[..., 0::2], y[..., 1::2] = a * cos - b * sin, b * cos + a * sin
            return y
        a, b = x[..., :h], x[..., h:]
        return np.concatenate((a * cos - b * sin, b * cos + a * sin), -1)

    def attend(self, q, k, v, scale):
        """q, k (T, heads, dk), v (T, heads, dv) -> (T, heads, dv), causal."""
        T = len(q)
        score = np.einsum("thd,shd->hts", q, k) * F(scale)
        seen = np.tril(np.ones((T, T), bool), -1 if self.wrong == "mask_off_by_one" else 0)
        seen[0, 0] = True
        p = softmax(np.where(seen, score, F(-np.inf)))
        return np.einsum("hts,shd->thd", p, v)

    def shift(self):
        return 1 if self.wrong == "positions_from_1" else 0

    def gqa(self, p, x):
        c, T = self.c, len(x)
        nh, nkv, d = c["num_attention_heads"], c["num_key_value_heads"], self.d
        q, k, v = (self.linear(p + n, x).reshape(T, -1, d) for n in ("q_proj", "k_proj", "v_proj"))
        if self.wrong == "bias_not_permuted":
            # Rows of each head interleaved by the converter, biases left as they were, rotation interleaved.
            def permuted(name, heads):
                order = np.arange(d).reshape(2, d // 2).T.reshape(-1)
                y = (x @ self.w[p + name + ".weight"].T).reshape(T, heads, d)[..., order]
                return y + self.w[p + name + ".bias"].reshape(heads, d)
            q, k = permuted("q_proj", nh), permuted("k_proj", nkv)
            q, k = self.rotate(q, True), self.rotate(k, True)
        else:
            q, k = self.rotate(q, False, self.shift()), self.rotate(k, False)
        if self.wrong == "rope_values":
            v = self.rotate(v, False)
        group = np.arange(nh) % nkv if self.wrong == "head_mod" else np.arange(nh) // (nh // nkv)
        return self.linear(p + "o_proj", self.attend(q, k[:, group], v[:, group], d ** -0.5).reshape(T, -1))

    def latent(self, p, x):
        c, T, wrong = self.c, len(x), self.wrong
        nh, dn, dr, dv, r = (c[k] for k in ("num_attention_heads", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "kv_lora_rank"))
        eps = 1e-5 if wrong in ("latent_eps", "norm_eps") else 1e-6
        if c["q_lora_rank"]:
            q = self.linear(p + "q_a_proj", x)
            if wrong != "q_latent_not_normalised":
                q = self.norm(p + "q_a_layernorm", q, eps)
            q = self.linear(p + "q_b_proj", q)
        else:
            q = self.linear(p + "q_proj", x)
        q = q.reshape(T, nh, dn + dr)
        a = self.linear(p + "kv_a_proj_with_mqa", x)
        latent, k_r = a[:, :r], a[:, None, r:]
        if wrong == "k_r_normalised":
            k_r = k_r / np.sqrt((k_r * k_r).mean(-1, keepdims=True) + F(eps))
        if wrong != "latent_not_normalised":
            latent = self.norm(p + "kv_a_layernorm", latent, eps)
        kv = self.linear(p + "kv_b_proj", latent).reshape(T, nh, dn + dv)
        k_n, v = kv[..., :dn], kv[..., :dv] if wrong == "v_first" else kv[..., dn:]
        q = np.concatenate((q[..., :dn], self.rotate(q[..., dn:], True, self.shift())), -1)
        k = np.concatenate((k_n, np.broadcast_to(self.rotate(k_r, True), (T, nh, dr))), -1)
        o = self.attend(q, k, v, (dn if wrong == "scale_dn" else dn + dr) ** -0.5 * self.mscale)
        if wrong == "padded_heads":
            padded = np.zeros((T, nh, dn + dr), F)
            padded[..., :dv] = o
            return self.linear(p + "o_proj", padded.reshape(T, -1)[:, :nh * dv])
        return self.linear(p + "o_proj", o.reshape(T, -1))

    def mlp(self, p, x):
        gate, up = self.linear(p + "gate_proj", x), self.linear(p + "up_proj", x)
        if self.wrong == "gate_up_swapped":
            gate, up = up, gate
        return self.linear(p + "down_proj", silu(gate) * up)

    def route(self, p, x):
        """-> experts (T, k), their weights (T, k)."""
        c, wrong = self.c, self.wrong
        E, G, k = c["n_routed_experts"], c["n_group"], c["num_experts_per_tok"]
        v3 = c["topk_method"] == "noaux_tc"
        logits = x @ self.w[p + "gate.weight"].T
        score = sigmoid(logits) if (c["scoring_func"] == "sigmoid") != (wrong == "softmax_router") else softmax(logits)
        choice = score + self.w[p + "gate.e_score_correction_bias"] if v3 and wrong != "bias_not_in_choice" else score
        if G > 1 and c["topk_method"] != "greedy" and wrong != "no_groups":
            members = np.sort(choice.reshape(-1, G, E // G), -1)
            by_sum = v3 != (wrong in ("group_max", "group_sum"))
            rank = members[..., -2:].sum(-1) if by_sum else members[..., -1]
            kept = np.argsort(-rank, -1, kind="stable")[:, :c["topk_group"]]
            mask = np.zeros((len(x), G), bool)
            np.put_along_axis(mask, kept, True, 1)
            choice = np.where(np.repeat(mask, E // G, 1), choice, F(0) if c.get("masked_groups_are_zero", False) != (wrong == "group_mask") else F(-np.inf))
        experts = np.argsort(-choice, -1, kind="stable")[:, :k]
        weight = np.take_along_axis(choice if wrong == "bias_in_weights" else score, experts, 1)
        if wrong == "scale_before_norm":
            weight = weight * F(c["routed_scaling_factor"])
        if c["norm_topk_prob"] or wrong == "always_norm":
            weight = weight / (weight.sum(-1, keepdims=True) + F(1e-20))
        if wrong not in ("no_scale", "scale_before_norm"):
            weight = weight * F(c["routed_scaling_factor"])
        return experts, weight

    def moe(self, layer, p, x):
        experts, weight = self.route(p, x)
        self.routing[layer] = experts, weight
        y = np.zeros_like(x)
        for e in range(self.c["n_routed_experts"]):
            token, slot = np.nonzero(experts == e)
            if len(token):
                y[token] += weight[token, slot, None] * self.mlp(f"{p}experts.{e}.", x[token])
        if self.wrong == "no_shared":
            return y
        shared = self.mlp(p + "shared_experts.", x)
        return y + (shared * F(self.c["routed_scaling_factor"]) if self.wrong == "scale_shared" else shared)

    def logits(self, ids):
        c, x = self.c, self.w["model.embed_tokens.weight"][np.asarray(ids)]
        for i in range(c["num_hidden_layers"]):
            p = f"model.layers.{i}."
            h = self.norm(p + "input_layernorm", x)
            x = x + (self.latent if self.mla else self.gqa)(p + "self_attn.", h)
            h = self.norm(p + "post_attention_layernorm", x)
            dense = c.get("first_k_dense_replace", c["num_hidden_layers"])
            if self.wrong == "one_more_dense" and i == dense:
                continue
            x = x + (self.mlp(p + "mlp.", h) if i < dense else self.moe(i, p + "mlp.", h))
        if self.wrong != "no_final_norm":
            x = self.norm("model.norm", x)
        head = self.w["model.embed_tokens.weight" if c["tie_word_embeddings"] else "lm_head.weight"]
        y = x @ head.T
        if self.wrong == "tied_scaled":
            y = y * F(math.sqrt(c["hidden_size"]))
        if self.wrong == "bf16_logits":
            y = (weights.to_bf16(y).astype(np.uint32) << 16).view(F).reshape(y.shape)
        return y


def compare(golden, w, wrong=None):
    """(largest logit deviation, largest weight deviation or inf where the chosen experts differ)."""
    model = Model(golden["config"], w, wrong)
    worst, gate = 0.0, 0.0
    for prompt in golden["prompts"]:
        ids = prompt["prompt"] + prompt["greedy"]
        with np.errstate(all="ignore"):
            logits = model.logits(ids)
        for r, row in zip(prompt["rows"], prompt["logits"]):
            d = np.abs(logits[r] - np.frombuffer(base64.b64decode(row), "<f4"))
            worst = max(worst, float(d.max()) if np.isfinite(d).all() else float("inf"))
        for layer, rows in prompt["routing"].items():
            if int(layer) not in model.routing:
                gate = float("inf")
                continue
            experts, weight = model.routing[int(layer)]
            for r, (chosen, share) in zip(prompt["rows"], rows):
                order = np.argsort(experts[r])
                same = experts[r][order].tolist() == chosen
                gate = max(gate, float(np.abs(weight[r][order] - np.array(share)).max()) if same else float("inf"))
    return worst, gate


def main():
    goldens = {}
    for path in sorted(glob.glob(os.path.join(HERE, "models", "[!t]*.json"))):
        g = json.load(open(path))
        goldens[g["name"]] = g, weights.load(g)
    failed = False
    lines = ["# Wrong variants and the golden files that catch them", "",
             "Made by `wrong_variants.py`: an independent NumPy program reproduces the golden files, then makes one classic mistake at a time.",
             f"The tests' tolerances: logits {TOLERANCES['logits_f32']:g}, weights of experts {TOLERANCES['expert_weight']:g}, chosen experts equal.", "",
             "## The right program", "", "| model | largest logit deviation | largest weight deviation |", "|---|---|---|"]
    for name, (g, w) in goldens.items():
        logit, gate = compare(g, w)
        lines.append(f"| {name} | {logit:.1e} | {gate:.1e} |")
        if logit > TOLERANCES["logits_f32"] / 4 or gate > TOLERANCES["expert_weight"]:
            failed = True
            print(f"{name}: the right program deviates by {logit} and {gate}")
    lines += ["", "## Wrong variants", "", "Deviation of logits per model, as a multiple of the tolerance, largest first; `E`: the chosen experts differ as well.\nThe test that fails carries the model's name: `Golden.<model>`.", "",
              "| variant | what is wrong | caught by |", "|---|---|---|"]
    for variant, (what, concerns) in VARIANTS.items():
        cells = {}
        for name, (g, w) in goldens.items():
            if concerns(g["config"]):
                logit, gate = compare(g, w, variant)
                cells[name] = logit / TOLERANCES["logits_f32"], gate == float("inf")
        caught = {n: x for n, x in cells.items() if x[0] >= 10}
        if not caught:
            failed = True
            print(f"{variant}: no golden file catches it: {cells}")
        lines.append(f"| {variant} | {what} | " + ", ".join(
            f"{n} {x[0]:.0f}" + ("E" if x[1] else "") for n, x in sorted(caught.items(), key=lambda i: -i[1][0])) + " |")
    lines += ["", "Not applicable to the architectures that run today: rope before q/k norm, Gemma's norms and scales, softmax over all experts of gpt-oss, shared gates, interleaved gate/up,",
              "sinks, windows, sliding layers, and the MTP wiring (the MTP layer is kept in files but not run).", ""]
    # A tolerance far above what was measured would let mistakes through.
    for name, measured in TOLERANCES.items():
        own = TOLERANCES.get(name.removesuffix(" measured"))
        if isinstance(measured, float) and own is not measured and own > 4 * measured:
            failed = True
            print(f"{name}: {measured}, but the tolerance is {own}, more than 4 times that")
    if "--check" not in sys.argv[1:]:
        with open(os.path.join(HERE, "wrong_variants.md"), "w") as f:
            f.write("\n".join(lines))
    print("\n".join(lines))
    sys.exit(failed)


if __name__ == "__main__":
    main()
