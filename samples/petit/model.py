"""A small DeepSeek-V3 (MLA + DeepSeekMoE + MTP) in plain PyTorch, for training Petit.

Names follow the Hugging Face checkpoint of DeepSeek-V3, so that the state dict saves as one. Every
expert is computed for every token and weighted by its (mostly zero) gate: with 16 small experts
this is faster than sorting.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

CONFIG = dict(
    architectures=["DeepseekV3ForCausalLM"],
    model_type="deepseek_v3",
    vocab_size=2048,
    hidden_size=256,
    intermediate_size=512,
    moe_intermediate_size=128,
    num_hidden_layers=8,
    num_nextn_predict_layers=1,
    num_attention_heads=8,
    num_key_value_heads=8,
    n_shared_experts=1,
    n_routed_experts=16,
    routed_scaling_factor=2.5,
    kv_lora_rank=64,
    q_lora_rank=128,
    qk_rope_head_dim=16,
    v_head_dim=32,
    qk_nope_head_dim=32,
    topk_method="noaux_tc",
    n_group=4,
    topk_group=2,
    num_experts_per_tok=4,
    moe_layer_freq=1,
    first_k_dense_replace=1,
    norm_topk_prob=True,
    scoring_func="sigmoid",
    hidden_act="silu",
    max_position_embeddings=2048,
    rms_norm_eps=1e-6,
    rope_theta=10000.0,
    attention_bias=False,
    tie_word_embeddings=False,
    torch_dtype="bfloat16",
    bos_token_id=0,
    eos_token_id=1,
)


class Config:
    def __init__(self, **kw):
        self.__dict__.update(CONFIG, **kw)


class RMSNorm(nn.Module):
    def __init__(self, n, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(n)), eps

    def forward(self, x):
        return F.rms_norm(x.float(), (x.shape[-1],), self.weight.float(), self.eps).to(x.dtype)


def rotate(x, cos, sin):
    """Interleaved RoPE on the last dimension; the pairs come out as two halves, as in the reference."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c

        def lin(i, o):
            return nn.Linear(i, o, bias=False)

        self.q_a_proj, self.q_a_layernorm = lin(c.hidden_size, c.q_lora_rank), RMSNorm(
            c.q_lora_rank, c.rms_norm_eps
        )
        self.q_b_proj = lin(
            c.q_lora_rank, c.num_attention_heads * (c.qk_nope_head_dim + c.qk_rope_head_dim)
        )
        self.kv_a_proj_with_mqa = lin(c.hidden_size, c.kv_lora_rank + c.qk_rope_head_dim)
        self.kv_a_layernorm = RMSNorm(c.kv_lora_rank, c.rms_norm_eps)
        self.kv_b_proj = lin(
            c.kv_lora_rank, c.num_attention_heads * (c.qk_nope_head_dim + c.v_head_dim)
        )
        self.o_proj = lin(c.num_attention_heads * c.v_head_dim, c.hidden_size)

    def forward(self, x, cos, sin, cache=None, mask=None):
        c, (B, T, _) = self.c, x.shape
        nh, dn, dr, dv = c.num_attention_heads, c.qk_nope_head_dim, c.qk_rope_head_dim, c.v_head_dim
        q = (
            self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x)))
            .view(B, T, nh, dn + dr)
            .transpose(1, 2)
        )
        kv, kr = self.kv_a_proj_with_mqa(x).split([c.kv_lora_rank, dr], -1)
        k, v = (
            self.kv_b_proj(self.kv_a_layernorm(kv))
            .view(B, T, nh, dn + dv)
            .transpose(1, 2)
            .split([dn, dv], -1)
        )
        q = torch.cat((q[..., :dn], rotate(q[..., dn:], cos, sin)), -1)
        k = torch.cat((k, rotate(kr.unsqueeze(1), cos, sin).expand(-1, nh, -1, -1)), -1)
        if cache is not None:  # (k buffer, v buffer, first position)
            kb, vb, at = cache
            kb[:, :, at : at + T], vb[:, :, at : at + T] = k, v
            k, v = kb[:, :, : at + T], vb[:, :, : at + T]
        v = F.pad(v, (0, dn + dr - dv))
        o = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None and T > 1
        )[..., :dv]
        return self.o_proj(o.transpose(1, 2).reshape(B, T, nh * dv))


class MLP(nn.Module):
    def __init__(self, h, n):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = (
            nn.Linear(h, n, bias=False),
            nn.Linear(h, n, bias=False),
            nn.Linear(n, h, bias=False),
        )

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class MoE(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, E, H, width = c, c.n_routed_experts, c.hidden_size, c.moe_intermediate_size
        self.gate = nn.Linear(H, E, bias=False)
        self.register_buffer("bias", torch.zeros(E))
        self.register_buffer("load", torch.zeros(E), persistent=False)
        self.gate_w, self.up_w = nn.Parameter(torch.empty(E * width, H)), nn.Parameter(
            torch.empty(E * width, H)
        )
        self.down_w = nn.Parameter(torch.empty(H, E * width))
        self.shared_experts = MLP(H, width * c.n_shared_experts)

    def route(self, x):
        c = self.c
        scores = F.linear(x.float(), self.gate.weight.float()).sigmoid()
        choice = scores.detach() + self.bias
        g = choice.view(-1, c.n_group, c.n_routed_experts // c.n_group)
        groups = g.topk(2, -1)[0].sum(-1).topk(c.topk_group, -1)[1]
        keep = (
            torch.zeros_like(g[..., 0])
            .scatter_(1, groups, 1.0)
            .unsqueeze(-1)
            .expand_as(g)
            .reshape_as(choice)
        )
        top = choice.masked_fill(keep == 0, 0.0).topk(c.num_experts_per_tok, -1)[1]
        sel = torch.zeros_like(scores).scatter_(1, top, 1.0)
        w = scores * sel
        return w / (w.sum(-1, keepdim=True) + 1e-20) * c.routed_scaling_factor, sel

    def forward(self, x):
        s = x.shape
        x = x.reshape(-1, s[-1])
        with torch.autocast("cuda", enabled=False):
            w, sel = self.route(x)
        if self.training:
            self.load = sel.detach().sum(0)
        h = F.silu(F.linear(x, self.gate_w)) * F.linear(x, self.up_w)
        h = (h.view(x.shape[0], self.c.n_routed_experts, -1) * w.to(h.dtype).unsqueeze(-1)).view(
            x.shape[0], -1
        )
        return (F.linear(h, self.down_w) + self.shared_experts(x)).view(s)


class Block(nn.Module):
    def __init__(self, c, i):
        super().__init__()
        self.self_attn = Attention(c)
        self.mlp = (
            MLP(c.hidden_size, c.intermediate_size) if i < c.first_k_dense_replace else MoE(c)
        )
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(
            c.hidden_size, c.rms_norm_eps
        ), RMSNorm(c.hidden_size, c.rms_norm_eps)

    def forward(self, x, cos, sin, cache=None, mask=None):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, cache, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class MTP(nn.Module):
    """Predicts the token after the next one from the trunk's last hidden state and the next
    token's embedding."""

    def __init__(self, c):
        super().__init__()
        self.enorm, self.hnorm, self.norm = (
            RMSNorm(c.hidden_size, c.rms_norm_eps) for _ in range(3)
        )
        self.eh_proj = nn.Linear(2 * c.hidden_size, c.hidden_size, bias=False)
        self.block = Block(c, c.num_hidden_layers)

    def forward(self, h, e, cos, sin):
        return self.norm(
            self.block(self.eh_proj(torch.cat((self.enorm(e), self.hnorm(h)), -1)), cos, sin)
        )


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList(Block(c, i) for i in range(c.num_hidden_layers))
        self.norm, self.lm_head = RMSNorm(c.hidden_size, c.rms_norm_eps), nn.Linear(
            c.hidden_size, c.vocab_size, bias=False
        )
        self.mtp = MTP(c)
        inv = c.rope_theta ** (-torch.arange(0, c.qk_rope_head_dim, 2).float() / c.qk_rope_head_dim)
        t = torch.outer(torch.arange(c.max_position_embeddings).float(), inv)
        self.register_buffer("cos", t.cos(), persistent=False)
        self.register_buffer("sin", t.sin(), persistent=False)
        for n, p in self.named_parameters():
            if p.dim() == 2:
                std = 0.02 if "embed" in n else p.shape[1] ** -0.5 * 0.7
                if any(k in n for k in ("o_proj", "down_proj")):
                    std /= (2 * c.num_hidden_layers) ** 0.5
                if "down_w" in n:
                    std = c.moe_intermediate_size**-0.5 * 0.7 / (2 * c.num_hidden_layers) ** 0.5
                nn.init.normal_(p, std=std)

    def hidden(self, ids, caches=None, mask=None, pos=None):
        x = self.embed_tokens(ids)
        if pos is None:
            cos, sin = self.cos[: ids.shape[1]].to(x.dtype), self.sin[: ids.shape[1]].to(x.dtype)
        else:
            cos, sin = self.cos[pos].unsqueeze(1).to(x.dtype), self.sin[pos].unsqueeze(1).to(
                x.dtype
            )
        for i, layer in enumerate(self.layers):
            x = layer(x, cos, sin, None if caches is None else caches[i], mask)
        return x

    def forward(self, ids, targets, weights):
        """Weighted next-token loss and MTP loss; targets = ids shifted by one (shape B, T)."""
        h = self.hidden(ids)
        logits = self.lm_head(self.norm(h))
        l = (
            F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
            * weights.flatten()
        )
        x = self.mtp(
            h[:, :-1],
            self.embed_tokens(targets[:, :-1]),
            self.cos[: ids.shape[1] - 1].to(h.dtype),
            self.sin[: ids.shape[1] - 1].to(h.dtype),
        )
        m = (
            F.cross_entropy(
                self.lm_head(x).flatten(0, 1).float(), targets[:, 1:].flatten(), reduction="none"
            )
            * weights[:, 1:].flatten()
        )
        return l.sum() / weights.sum(), m.sum() / weights[:, 1:].sum()

    @torch.no_grad()
    def balance(self, rate):
        for m in self.modules():
            if isinstance(m, MoE):
                m.bias += rate * torch.sign(m.load.mean() - m.load)

    def hf_state(self):
        """The state dict under Hugging Face's DeepSeek-V3 names (the MTP block is layer
        `num_hidden_layers`)."""

        def bf16(x):
            return x.to(torch.bfloat16).contiguous()

        c, out = self.c, {}
        L = c.num_hidden_layers
        for n, t in self.state_dict().items():
            if n.startswith("mtp.block."):
                n = f"layers.{L}." + n[10:]
            elif n.startswith("mtp."):
                n = f"layers.{L}." + (
                    "shared_head.norm.weight" if n == "mtp.norm.weight" else n[4:]
                )
            full = n if n.startswith("lm_head") else "model." + n
            E, width = c.n_routed_experts, c.moe_intermediate_size
            if n.endswith("mlp.bias"):
                out["model." + n[:-4] + "gate.e_score_correction_bias"] = t.float().contiguous()
            elif n.endswith(("gate_w", "up_w")):
                base, kind = n[: n.rindex("mlp.") + 4], n[n.rindex("mlp.") + 4 : -2]
                for e in range(E):
                    out[f"model.{base}experts.{e}.{kind}_proj.weight"] = bf16(
                        t[e * width : (e + 1) * width]
                    )
            elif n.endswith("down_w"):
                for e in range(E):
                    out["model." + n[:-6] + f"experts.{e}.down_proj.weight"] = bf16(
                        t[:, e * width : (e + 1) * width]
                    )
            else:
                out[full] = bf16(t)
        return out


@torch.no_grad()
def generate(model, prompts, max_new, eos, temperature=0.0, seed=0, return_logp=False):
    """Samples completions for lists of token ids in a left-padded batch: lists of new ids (without
    eos), whether each ended, and with `return_logp` the log-probabilities."""
    c, dev = model.c, next(model.parameters()).device
    B, P = len(prompts), max(map(len, prompts))
    ids = torch.full((B, P), eos, device=dev)
    pad = torch.zeros(B, dtype=torch.long, device=dev)
    for i, p in enumerate(prompts):
        ids[i, P - len(p) :] = torch.tensor(p, device=dev)
        pad[i] = P - len(p)
    T = P + max_new
    dt = torch.bfloat16 if dev.type == "cuda" else torch.float32
    # Keys and values are cached expanded: at this size that is simpler than the latent.
    kb = [
        torch.zeros(
            B,
            c.num_attention_heads,
            T,
            c.qk_nope_head_dim + c.qk_rope_head_dim,
            dtype=dt,
            device=dev,
        )
        for _ in model.layers
    ]
    vb = [
        torch.zeros(B, c.num_attention_heads, T, c.v_head_dim, dtype=dt, device=dev)
        for _ in model.layers
    ]
    g = torch.Generator(device=dev).manual_seed(seed)
    ar = torch.arange(T, device=dev)
    out = torch.full((B, max_new), eos, device=dev)
    logps = torch.zeros(B, max_new, device=dev)
    done = torch.zeros(B, dtype=torch.bool, device=dev)
    cur, at = ids, 0
    for step in range(max_new):
        n = cur.shape[1]
        pos = (ar[at : at + n].unsqueeze(0) - pad.unsqueeze(1)).clamp(min=0)
        allowed = (ar[None, None, : at + n] <= ar[at : at + n][None, :, None]) & (
            ar[None, None, : at + n] >= pad[:, None, None]
        )
        allowed = allowed | (ar[None, None, : at + n] == ar[at : at + n][None, :, None])
        with torch.autocast("cuda", dtype=dt, enabled=dev.type == "cuda"):
            h = model.hidden(
                cur, [(kb[i], vb[i], at) for i in range(len(kb))], allowed.unsqueeze(1), pos
            )
            logits = model.lm_head(model.norm(h[:, -1])).float()
        at += n
        if temperature > 0:
            lp = F.log_softmax(logits / temperature, -1)
            nxt = torch.multinomial(lp.exp(), 1, generator=g)[:, 0]
            logps[:, step] = lp.gather(1, nxt[:, None])[:, 0]
        else:
            nxt = logits.argmax(-1)
        nxt = torch.where(done, eos, nxt)
        out[:, step] = nxt
        done |= nxt == eos
        cur = nxt[:, None]
        if step % 16 == 15 and bool(done.all()):
            break
    rows = out.tolist()
    res = [r[: r.index(eos)] if eos in r else r for r in rows]
    fin = [eos in r for r in rows]
    return (res, fin, logps) if return_logp else (res, fin)
