"""Reinforcement learning from verified answers (group-relative policy optimisation) after train.py.

python reinforce.py TRAINED OUT [--minutes 30]
"""

import argparse
import json
import os
import random
import time

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import problems as gen
from model import Config, Model, generate
from train import evaluate, prompt_ids, save

P, G, MAX_NEW = 128, 16, 384  # questions a round, answers a question, tokens an answer


def main():
    parser = argparse.ArgumentParser(description="Reinforce a trained Petit (one CUDA device).")
    parser.add_argument("trained", help="folder written by train.py")
    parser.add_argument("out", help="folder to write")
    parser.add_argument("--minutes", type=float, default=30)
    args = parser.parse_args()
    out, minutes = args.out, args.minutes
    t0 = time.time()
    tok = Tokenizer.from_file(os.path.join(args.trained, "tokenizer.json"))
    model = Model(Config())
    model.load_state_dict(torch.load(os.path.join(args.trained, "trained.pt")), strict=False)
    model = model.float().cuda().eval()
    eos = tok.token_to_id(gen.EOS)
    opt = torch.optim.AdamW(
        model.parameters(), lr=6e-5, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    r, it = random.Random(99), 0
    hardness = {t: 0.5 for t in gen.TASKS}  # running failure rate steers which tasks are drawn
    while time.time() - t0 < minutes * 60:
        names = random.Random(it).choices(
            list(hardness), [0.03 + v for v in hardness.values()], k=P
        )
        items = [gen.make(r, t, hard=int(r.random() < 0.5)) for t in names]
        prompts = [prompt_ids(tok, s) for s in items]
        outs, fin = generate(
            model, [p for p in prompts for _ in range(G)], MAX_NEW, eos, 1.0, seed=it
        )
        rew = torch.tensor(
            [
                float(
                    f
                    and gen.verify(
                        items[i // G],
                        tok.decode(o, skip_special_tokens=False).split(gen.END_THINK)[-1],
                    )
                )
                for i, (o, f) in enumerate(zip(outs, fin))
            ]
        ).view(P, G)
        for t, x in zip(names, rew.mean(1).tolist()):
            hardness[t] = 0.9 * hardness[t] + 0.1 * (1 - x)
        adv = ((rew - rew.mean(1, keepdim=True)) / (rew.std(1, keepdim=True) + 0.1)).view(-1)
        use = [i for i in range(P * G) if abs(adv[i]) > 1e-6]
        use.sort(key=lambda i: len(outs[i]) + len(prompts[i // G]))
        total = sum(len(outs[i]) + int(fin[i]) for i in use) or 1
        lsum = 0.0
        for k in range(0, len(use), 256):
            idx = use[k : k + 256]
            seqs = [prompts[i // G] + outs[i] + ([eos] if fin[i] else []) for i in idx]
            T = max(map(len, seqs))
            x = torch.full((len(idx), T), eos)
            m = torch.zeros(len(idx), T)
            for j, (i, s) in enumerate(zip(idx, seqs)):
                x[j, : len(s)] = torch.tensor(s)
                m[j, len(prompts[i // G]) : len(s)] = 1
            x, m, a = x.cuda(), m.cuda(), adv[idx].cuda()
            with torch.autocast("cuda", dtype=torch.bfloat16):
                h = model.hidden(x[:, :-1])
                lp = -F.cross_entropy(
                    model.lm_head(model.norm(h)).float().flatten(0, 1),
                    x[:, 1:].flatten(),
                    reduction="none",
                ).view(len(idx), T - 1)
                g = model.mtp(
                    h[:, :-1].detach(),
                    model.embed_tokens(x[:, 1:-1]),
                    model.cos[: T - 2].to(h.dtype),
                    model.sin[: T - 2].to(h.dtype),
                )
                mt = F.cross_entropy(
                    model.lm_head(g).float().flatten(0, 1), x[:, 2:].flatten(), reduction="none"
                ).view(len(idx), T - 2)
            pos = (a > 0).float()[:, None] * m[:, 2:]
            loss = -(a[:, None] * lp * m[:, 1:]).sum() / total + 0.1 * (mt * pos).sum() / total
            loss.backward()
            lsum += loss.item()
        gn = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        for gr in opt.param_groups:
            gr["lr"] = (
                6e-5 * min(1, (it + 1) / 5) * max(0.1, 1 - (time.time() - t0) / (minutes * 60))
            )
        opt.step()
        opt.zero_grad(set_to_none=True)
        it += 1
        if it % 10 == 0 or it < 4:
            worst = sorted(hardness.items(), key=lambda x: -x[1])[:4]
            print(
                f"iter {it} reward {rew.mean():.3f} groups with signal {len(use) / G / P:.2f} len"
                f" {sum(map(len, outs)) / len(outs):.0f} gn {gn:.2f} worst"
                f" {[(k, round(v, 2)) for k, v in worst]} t {time.time() - t0:.0f}s",
                flush=True,
            )
    save(model, tok, out)
    torch.save(
        {
            k: v.to(torch.bfloat16) if v.dim() == 2 else v
            for k, v in model.state_dict().items()
            if k not in ("cos", "sin")
        },
        os.path.join(out, "reinforced.pt"),
    )
    for hard in (0, 1):
        res, acc, ln = evaluate(model, tok, 100, hard=hard)
        print(
            "GREEDY",
            "hard" if hard else "easy",
            round(acc, 4),
            "len",
            round(ln),
            json.dumps({k: v for k, v in res.items() if v < 1}),
            f"t {time.time() - t0:.0f}s",
            flush=True,
        )


if __name__ == "__main__":
    main()
