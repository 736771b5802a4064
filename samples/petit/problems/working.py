"""Arithmetic worked out in columns, as the steps of a solution."""


def add_work(a, b):
    """Column addition as text, and the sum."""
    s = a + b
    if a < 100 and b < 100 or min(a, b) < 10 and (a % 10 + b % 10) < 10:
        return f"{a} + {b} = {s}", s
    x, y, c, parts, n = str(a)[::-1], str(b)[::-1], 0, [], max(len(str(a)), len(str(b)))
    for i in range(n):
        p, q = int(x[i]) if i < len(x) else 0, int(y[i]) if i < len(y) else 0
        t = p + q + c
        parts.append(f"{p}+{q}" + (f"+{c}" if c else "") + f"={t}")
        c = t // 10
    if c:
        parts.append(f"carry {c}")
    return f"{a} + {b}: " + ", ".join(parts) + f", so {a} + {b} = {s}", s


def sub_work(a, b):
    """Column subtraction (a >= b) as text, and the difference."""
    assert a >= b
    s = a - b
    if a < 100 or b < 10 and a % 10 >= b:
        return f"{a} - {b} = {s}", s
    x, y, c, parts = str(a)[::-1], str(b)[::-1], 0, []
    for i in range(len(x)):
        p, q = int(x[i]), (int(y[i]) if i < len(y) else 0)
        t = p - q - c
        if t < 0:
            parts.append(f"1{p}-{q}" + (f"-{c}" if c else "") + f"={t + 10} borrow")
            c = 1
        else:
            parts.append(f"{p}-{q}" + (f"-{c}" if c else "") + f"={t}")
            c = 0
    return f"{a} - {b}: " + ", ".join(parts) + f", so {a} - {b} = {s}", s


def digit_mul_work(a, d):
    """a times one digit as text, and the product."""
    if a < 13 or d < 2 or a % 10 == 0 and a // 10 < 13:
        return f"{a} × {d} = {a * d}", a * d
    c, parts = 0, []
    for ch in str(a)[::-1]:
        t = int(ch) * d + c
        parts.append(f"{ch}×{d}" + (f"+{c}" if c else "") + f"={t}")
        c = t // 10
    if c:
        parts.append(f"carry {c}")
    return f"{a} × {d}: " + ", ".join(parts) + f", so {a} × {d} = {a * d}", a * d


def mul_steps(a, b):
    """Long multiplication as steps."""
    if len(str(b)) > len(str(a)):
        a, b = b, a
    steps, parts = [], []
    digits = [(int(ch), i) for i, ch in enumerate(str(b)[::-1])]
    live = [(d, i) for d, i in digits if d]
    if not live:
        return [f"{a} × {b} = 0"]
    if len(live) > 1:
        steps.append(f"Split {b} = " + " + ".join(str(d * 10**i) for d, i in reversed(live)) + ".")
    for d, i in live:
        w, p = digit_mul_work(a, d)
        if i:
            w += f", so {a} × {d * 10 ** i} = {p * 10 ** i}"
        steps.append(w)
        parts.append(p * 10**i)
    acc = parts[0]
    for p in parts[1:]:
        w, acc = add_work(max(acc, p), min(acc, p))
        steps.append(w)
    if len(live) > 1:
        steps.append(f"So {a} × {b} = {a * b}")
    assert acc == a * b
    return steps


def div_steps(a, b):
    """Long division as steps, quotient and remainder."""
    steps, rem, q = [], 0, ""
    for ch in str(a):
        cur = rem * 10 + int(ch)
        d = cur // b
        if q or d:
            steps.append(
                f"bring down {ch}: {cur}. {b} × {d} = {b * d}, {cur} - {b * d} = {cur - b * d}."
                f" write {d}"
            )
            q += str(d)
        rem = cur - d * b
    if not q:
        q = "0"
        steps.append(f"{a} is less than {b}, so the quotient is 0")
    assert int(q) == a // b and rem == a % b
    steps.append(f"So {a} ÷ {b} = {a // b}" + (f" remainder {rem}" if rem else ""))
    return steps, a // b, rem


def arith(a, op, b):
    """One operation inside a longer solution: (steps, result)."""
    if op == "+":
        w, s = add_work(a, b)
        return [w], s
    if op == "-":
        if a >= b:
            w, s = sub_work(a, b)
            return [w], s
        w, s = sub_work(b, a)
        return [w + f", so {a} - {b} = -{s}"], -s
    if op == "*":
        if a < 13 and b < 13:
            return [f"{a} × {b} = {a * b}"], a * b
        return mul_steps(a, b), a * b
    raise ValueError(op)


def ask(r, expr, words):
    forms = [
        "What is {e}?",
        "{e}",
        "{e} = ?",
        "Compute {e}.",
        "Calculate {e}",
        "what is {e}",
        "Work out {e}.",
        "How much is {e}?",
        "what's {e}?",
        "Please compute {e}.",
        "{e}=",
        "Find {e}.",
        "Solve {e}",
        "Can you compute {e}?",
        "Tell me {e}.",
    ]
    return r.choice(forms).format(e=r.choice([expr, expr, words]))
