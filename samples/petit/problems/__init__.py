"""Synthetic reasoning problems with worked chains of thought: what Petit was trained on.

Each kind of problem is a function of a random.Random (and `hard`, 0 or 1) that returns (question,
steps, answer): `steps` is a list of reasoning steps, the answer is a string. `make` draws a sample,
`verify` checks an answer line, `render` writes a sample as DeepSeek-R1 would: the user's turn, then
<think>, steps separated by blank lines, </think>, and a one-line answer.
"""

import re

from . import arithmetic, everyday, numbers, spelling, talk

# The order is part of the data: a seed draws kinds by their index.
TASKS = {
    "add": arithmetic.addition,
    "sub": arithmetic.subtraction,
    "mul": arithmetic.multiplication,
    "div": arithmetic.division,
    "expr": arithmetic.nested_expression,
    "linear": numbers.linear_equation,
    "two_sided": numbers.two_sided_equation,
    "gcd": numbers.common_divisor,
    "prime": numbers.primality,
    "factor": numbers.factorization,
    "percent": arithmetic.percentage,
    "seq": numbers.sequence,
    "base": numbers.binary,
    "story": everyday.comparison_story,
    "change": everyday.gain_and_loss,
    "shop": everyday.shopping,
    "rate": everyday.speed,
    "time": everyday.clock,
    "day": everyday.weekday,
    "order": everyday.ordering,
    "sort": numbers.sorting,
    "max": numbers.largest,
    "letters": spelling.count_letters,
    "reverse": spelling.reverse_word,
    "countdown": numbers.number_puzzle,
    "avg": numbers.average,
    "area": everyday.rectangle,
    "groups": everyday.equal_groups,
    "part": everyday.part_of_whole,
    "age": everyday.ages,
    "units": everyday.unit_conversion,
    "decimal": arithmetic.decimals,
    "fraction": arithmetic.fractions,
    "prec": arithmetic.flat_expression,
}

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
PAD = "<｜▁pad▁｜>"
USER, ASSISTANT = "<｜User｜>", "<｜Assistant｜>"
THINK, END_THINK = "<think>", "</think>"
MARK = "\x01"  # surrounds a planted wrong number: its tokens carry no loss


def make(r, task=None, hard=0):
    """One sample: dict with task, prompt, steps, gold (None for small talk) and answer."""
    task = task or ("other" if r.random() < 0.05 else r.choice(list(TASKS)))
    if task == "other":
        question, steps, gold, answer = talk.small_talk(r)
        return dict(task=task, prompt=question, steps=steps, gold=gold, answer=answer)
    question, steps, gold = TASKS[task](r, hard)
    prompt = talk.dress(r, question)
    return dict(task=task, prompt=prompt, steps=steps, gold=gold, answer=f"The answer is {gold}.")


def verify(sample, answer):
    """Whether an answer line is right; for number puzzles any valid expression counts."""
    exact = answer.strip() == sample["answer"]
    if sample["task"] != "countdown" or "(" not in (sample["gold"] or ""):
        return exact
    found = re.fullmatch(r"The answer is (\(\d+ [-+×] \d+\) [-+×] \d+)\.", answer.strip())
    given = re.search(r"(?:numbers|from) (\d+, \d+, \d+)", sample["prompt"], re.I)
    target = re.search(r"make (\d+)", sample["prompt"], re.I)
    if not (found and given and target):
        return exact
    if sorted(re.findall(r"\d+", found[1])) != sorted(given[1].split(", ")):
        return False
    a, first, b, second, c = re.findall(r"\d+|[-+×]", found[1])
    apply = {"+": int.__add__, "-": int.__sub__, "×": int.__mul__}
    return apply[second](apply[first](int(a), int(b)), int(c)) == int(target[1])


def slip(r, steps):
    """Plants a wrong digit in one step and its correction in the next, so that the model learns to
    notice and repair."""
    found = []
    for i, step in enumerate(steps):
        match = re.search(r"(\d+ [-+×] \d+) = (\d+)\.?$", step)
        if match:
            found.append((i, match))
    if not found:
        return steps
    i, match = r.choice(found)
    right, wrong = match[2], list(match[2])
    k = r.randrange(len(wrong))
    wrong[k] = r.choice([d for d in "0123456789" if d != wrong[k] and not (k == 0 and d == "0")])
    wrong = "".join(wrong)
    planted = steps[i][: match.start(2)] + MARK + wrong + MARK
    check = f"Wait, check: {match[1]} = {right}, not {wrong}."
    return steps[:i] + [planted, check] + steps[i + 1 :]


def render(sample, r=None, slip_rate=0.06):
    """The training text of a sample; with `r` some samples get a planted slip."""
    steps = sample["steps"]
    if r is not None and sample["gold"] is not None and r.random() < slip_rate:
        steps = slip(r, steps)
    thinking = "\n\n".join(steps)
    return (
        f"{BOS}{USER}{sample['prompt']}{ASSISTANT}{THINK}\n{thinking}\n{END_THINK}\n\n"
        f"{sample['answer']}{EOS}"
    )
