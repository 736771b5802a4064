"""Measures Petit's greedy accuracy through the Python package `raison`.

    python evaluate.py [--model FILE] [--problems 1000] [--seed N] [--minimum 0.96] [--kind 0.85]

Draws fresh problems (evenly over the kinds), asks each at temperature 0, checks the answer line and
prints a table. Exit status 0 if the whole reaches --minimum and every kind --kind (those named by
--weak excepted), 1 if not, 2 if the package or the model cannot be loaded.
"""

import argparse
import json
import random
import sys
import time

import problems


def arguments():
    parser = argparse.ArgumentParser(description="Greedy accuracy of Petit through raison.")
    parser.add_argument("--model", help="a GGUF file or folder; the built-in model by default")
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument(
        "--seed", type=int, default=20261, help="of the problems; any other is fresh"
    )
    parser.add_argument("--hard", action="store_true", help="larger numbers, longer chains")
    parser.add_argument("--minimum", type=float, default=0.96, help="for the whole")
    parser.add_argument("--kind", type=float, default=0.85, help="for each kind of problem")
    parser.add_argument("--weak", default="", help="kinds not held to --kind, e.g. order,gcd")
    parser.add_argument("--together", type=int, default=16, help="sessions in one pass")
    parser.add_argument("--show", type=int, default=0, help="print this many wrong answers")
    parser.add_argument("--json", help="write the table to this file too")
    return parser.parse_args()


def main():
    args = arguments()
    try:
        import raison

        model = raison.Model(args.model)
    except Exception as error:  # an absent package, an unreadable file
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    r = random.Random(args.seed)
    kinds = list(problems.TASKS)
    samples = [
        problems.make(r, kinds[i % len(kinds)], int(args.hard)) for i in range(args.problems)
    ]
    table = {kind: [0, 0] for kind in kinds}  # right, asked
    show, tokens, begin = args.show, 0, time.monotonic()
    for at in range(0, len(samples), args.together):
        # These share each pass through the weights; what one answers does not depend on the others.
        asked = samples[at : at + args.together]
        sessions = [model.session() for _ in asked]
        for session, sample in zip(sessions, asked):
            session.ask(sample["prompt"], temperature=0.0, max_tokens=600)
        for _ in raison.step_all(sessions):
            pass
        for session, sample in zip(sessions, asked):
            right = problems.verify(sample, session.answer_text)
            table[sample["task"]][0] += right
            table[sample["task"]][1] += 1
            tokens += session.usage.thinking_tokens + session.usage.answer_tokens
            if not right and show:
                show -= 1
                print(f"wrong ({sample['task']}): {sample['prompt']!r}")
                print(f"  expected {sample['answer']!r}, got {session.answer_text!r}")
            session.close()
    seconds = time.monotonic() - begin
    right = sum(a for a, _ in table.values())
    whole = right / len(samples)
    print(f"{'kind':<10} {'right':>5} {'asked':>5}  share")
    failed = whole < args.minimum
    for kind, (a, n) in sorted(table.items(), key=lambda row: row[1][0] / max(row[1][1], 1)):
        weak = n and a / n < args.kind
        excused = kind in args.weak.split(",")
        failed |= bool(weak and not excused)
        print(f"{kind:<10} {a:>5} {n:>5}  {a / max(n, 1):.3f}" + (" weak" if weak else ""))
    print(f"{'all':<10} {right:>5} {len(samples):>5}  {whole:.4f}")
    print(f"{tokens} tokens in {seconds:.1f} s, {tokens / seconds:.0f} a second")
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"accuracy": whole, "kinds": table, "seed": args.seed}, f, indent=1)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
