"""Trains tokenizer and model on generated problems, measures, and saves a Hugging Face folder.

python train.py OUT [--minutes 60]
"""

import argparse
import json
import multiprocessing as mp
import os
import random
import time

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import problems as gen
from model import CONFIG, Config, MoE, Model, generate

ROW = 768
SPECIAL = [gen.BOS, gen.EOS, gen.PAD, gen.USER, gen.ASSISTANT, gen.THINK, gen.END_THINK]
V3_SPLIT = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""


def pretok(digits):
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(digits), "isolated"),
            pre_tokenizers.Split(Regex("[一-龥぀-ゟ゠-ヿ]+"), "isolated"),
            pre_tokenizers.Split(Regex(V3_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def train_tokenizer():
    """Byte-level BPE, trained with single digits, then given DeepSeek-V3's own split: no merges of
    digits exist, so both agree."""
    r = random.Random(7)
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pretok(r"\p{N}")
    tok.decoder = decoders.ByteLevel()
    text = []
    for _ in range(60000):
        s = gen.make(r)
        text += [s["prompt"], "\n" + "\n\n".join(s["steps"]) + "\n", "\n\n" + s["answer"]]
    tok.train_from_iterator(
        text,
        trainers.BpeTrainer(
            vocab_size=CONFIG["vocab_size"],
            special_tokens=SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tok.pre_tokenizer = pretok(r"\p{N}{1,3}")
    return tok


def produce(args):
    seed, rows, tok_json = args
    tok, r = Tokenizer.from_str(tok_json), random.Random(seed)
    ids, mask = np.zeros((rows, ROW + 1), np.uint16), np.zeros((rows, ROW + 1), np.uint8)
    asst = tok.token_to_id(gen.ASSISTANT)
    fi, fm, n = [], [], 0
    while n < rows:
        batch = [gen.render(gen.make(r, hard=r.random() < 0.15), r) for _ in range(512)]
        spans = [
            [b.find(gen.MARK), b.rfind(gen.MARK) - 1] if gen.MARK in b else None for b in batch
        ]
        for e, sp in zip(
            tok.encode_batch([b.replace(gen.MARK, "") for b in batch], add_special_tokens=False),
            spans,
        ):
            k = e.ids.index(asst)
            if len(e.ids) > ROW:
                continue
            fi += e.ids
            fm += [
                int(i > k and not (sp and e.offsets[i][0] < sp[1] and e.offsets[i][1] > sp[0]))
                for i in range(len(e.ids))
            ]
        while len(fi) > ROW and n < rows:
            ids[n], mask[n] = fi[: ROW + 1], fm[: ROW + 1]
            fi, fm, n = fi[ROW:], fm[ROW:], n + 1
    return ids, mask


def prompt_ids(tok, sample):
    """A question as the chat template writes it, up to the opened thinking."""
    text = f"{gen.BOS}{gen.USER}{sample['prompt']}{gen.ASSISTANT}{gen.THINK}\n"
    return tok.encode(text, add_special_tokens=False).ids


def evaluate(model, tok, n, seed=10**6, hard=0, show=0, temperature=0.0):
    r = random.Random(seed)
    items = [gen.make(r, t, hard) for t in gen.TASKS for _ in range(n)]
    eos = tok.token_to_id(gen.EOS)

    def enc(s):
        return prompt_ids(tok, s)

    res = {}
    order = sorted(items, key=lambda s: len(s["prompt"]))
    outs = []
    for i in range(0, len(order), 1536):
        o, _ = generate(model, [enc(s) for s in order[i : i + 1536]], 500, eos, temperature)
        outs += o
    L = 0
    for s, o in zip(order, outs):
        text = tok.decode(o, skip_special_tokens=False)
        L += len(o)
        good = gen.verify(s, text.split(gen.END_THINK)[-1])
        a = res.setdefault(s["task"], [0, 0])
        a[0] += good
        a[1] += 1
        if show and not good:
            show -= 1
            print(
                "WRONG",
                s["task"],
                "|",
                s["prompt"],
                "| gold",
                s["gold"],
                "\n",
                text[:300],
                flush=True,
            )
    return (
        {k: round(a / b, 3) for k, (a, b) in sorted(res.items())},
        sum(a for a, _ in res.values()) / sum(b for _, b in res.values()),
        L / len(order),
    )


# As DeepSeek-R1's: earlier thinking is dropped and generation starts inside <think>.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ message['content'] }}{% elif message['role'] == 'user' %}"
    "{{ '<｜User｜>' + message['content'] }}{% elif message['role'] == 'assistant' %}"
    "{{ '<｜Assistant｜>' + message['content'].split('</think>')[-1].strip() + eos_token }}"
    "{% else %}{{ raise_exception('unknown role ' + message['role']) }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}"
)


def save(model, tok, out):
    """Hugging Face folder with the weights in shards under 16 MB."""
    from safetensors.torch import save_file

    os.makedirs(out, exist_ok=True)
    sd, shards, size = model.hf_state(), [{}], 0
    for k, v in sd.items():
        n = v.numel() * v.element_size()
        if size + n > 15_000_000:
            shards.append({})
            size = 0
        shards[-1][k] = v.cpu()
        size += n
    wm = {}
    for i, s in enumerate(shards):
        name = f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors"
        save_file(s, f"{out}/{name}", metadata={"format": "pt"})
        wm.update({k: name for k in s})
    json.dump(
        {
            "metadata": {"total_size": sum(v.numel() * v.element_size() for v in sd.values())},
            "weight_map": wm,
        },
        open(f"{out}/model.safetensors.index.json", "w"),
        indent=1,
    )
    cfg = dict(CONFIG, bos_token_id=tok.token_to_id(gen.BOS), eos_token_id=tok.token_to_id(gen.EOS))
    cfg["masked_groups_are_zero"] = True  # as the router above; Raison's default is -inf
    json.dump(cfg, open(f"{out}/config.json", "w"), indent=1)
    tok.save(f"{out}/tokenizer.json")
    json.dump(
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": gen.BOS,
            "eos_token": gen.EOS,
            "pad_token": gen.PAD,
            "add_bos_token": True,
            "add_eos_token": False,
            "model_max_length": 2048,
            "chat_template": CHAT_TEMPLATE,
        },
        open(f"{out}/tokenizer_config.json", "w"),
        indent=1,
        ensure_ascii=False,
    )


def main():
    parser = argparse.ArgumentParser(
        description="Train Petit on generated problems (one CUDA device)."
    )
    parser.add_argument("out", help="folder to write")
    parser.add_argument(
        "--minutes", type=float, default=60, help="training time, compilation excluded"
    )
    args = parser.parse_args()
    out, minutes = args.out, args.minutes
    t0 = time.time()
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    tok = train_tokenizer()
    print("tokenizer", tok.get_vocab_size(), f"{time.time() - t0:.0f}s", flush=True)
    workers = os.cpu_count() - 1
    tj = tok.to_str()
    rows_per = 1500
    pool = mp.Pool(workers)
    jobs = pool.imap_unordered(produce, ((s, rows_per, tj) for s in range(10**6)))
    dev = "cuda"
    model = Model(Config()).to(dev)
    print("params M", sum(p.numel() for p in model.parameters()) / 1e6, flush=True)
    decay = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() < 2]
    opt = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}],
        lr=1e-3,
        betas=(0.9, 0.95),
        fused=True,
    )
    net = torch.compile(model)
    B, step, tokens = 192, 0, 0
    peak, start, budget = 2.5e-3, time.time(), minutes * 60
    buf_i, buf_m = [], []
    while True:
        if step < 3:
            start = time.time()  # compilation is not counted
        el = time.time() - start
        if el > budget:
            break
        if len(buf_i) < B:
            a, m = next(jobs)
            p = np.random.permutation(len(a))
            buf_i = list(a[p]) + buf_i
            buf_m = list(m[p]) + buf_m
            continue
        x = torch.from_numpy(np.stack([buf_i.pop() for _ in range(B)]).astype(np.int64)).to(
            dev, non_blocking=True
        )
        m = torch.from_numpy(np.stack([buf_m.pop() for _ in range(B)]).astype(np.float32)).to(
            dev, non_blocking=True
        )
        frac = el / budget
        lr = (
            peak
            * min(1, (step + 1) / 300)
            * (1 if frac < 0.5 else max(0.02, 1 - (frac - 0.5) / 0.5))
        )
        for g in opt.param_groups:
            g["lr"] = lr
        with torch.autocast("cuda", dtype=torch.bfloat16):
            l, mt = net(x[:, :-1], x[:, 1:], m[:, 1:])
        (l + 0.3 * mt).backward()
        gn = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        opt.zero_grad(set_to_none=True)
        model.balance(1e-3 if frac < 0.8 else 2e-4)
        step += 1
        tokens += B * ROW
        if step == 20:
            start_rate = (time.time(), tokens)
        if step % 200 == 0 or step < 4:
            load = torch.stack(
                [q.load / q.load.sum() for q in model.modules() if isinstance(q, MoE)]
            )
            rate = (tokens - start_rate[1]) / (time.time() - start_rate[0]) if step > 20 else 0
            print(
                f"step {step} loss {l.item():.4f} mtp {mt.item():.4f} gn {gn.item():.2f} lr"
                f" {lr:.1e} tok/s {rate:.0f} tokens {tokens / 1e6:.0f}M load max"
                f" {load.max().item():.3f} t {time.time() - t0:.0f}s",
                flush=True,
            )
        if step % 1500 == 0:
            model.eval()
            print("eval", evaluate(model, tok, 20)[1:], f"t {time.time() - t0:.0f}s", flush=True)
            model.train()
    pool.terminate()
    model.eval()
    save(model, tok, out)
    torch.save(
        {
            k: v.to(torch.bfloat16) if v.dim() == 2 else v
            for k, v in model.state_dict().items()
            if k not in ("cos", "sin")
        },
        os.path.join(out, "trained.pt"),
    )
    res, acc, ln = evaluate(model, tok, 100, show=14)
    print("EVAL easy", acc, "len", ln, json.dumps(res), flush=True)
    res, acc, ln = evaluate(model, tok, 60, hard=1)
    print("EVAL hard", acc, "len", ln, json.dumps(res), f"t {time.time() - t0:.0f}s", flush=True)


if __name__ == "__main__":
    main()
