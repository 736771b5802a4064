"""Sums, differences, products, quotients and expressions."""

from math import gcd

from .words import num
from .working import add_work, arith, ask, div_steps


def addition(r, hard=0):
    n = r.choice([2, 2, 2, 3, 4 + hard])
    xs = [num(r, 1, 10 ** r.choice([2, 3, 4, 5, 6 + 2 * hard])) for _ in range(n)]
    steps, acc = [], xs[0]
    for x in xs[1:]:
        w, acc = add_work(acc, x)
        steps.append(w)
    sep = r.choice([" + ", "+"])
    return ask(r, sep.join(map(str, xs)), " plus ".join(map(str, xs))), steps, str(sum(xs))


def subtraction(r, hard=0):
    a, b = num(r, 1, 10 ** r.choice([2, 3, 4, 5, 6 + 2 * hard])), num(
        r, 1, 10 ** r.choice([2, 3, 4, 5])
    )
    if r.random() < 0.8 and a < b:
        a, b = b, a
    steps, s = arith(a, "-", b)
    if a < b:
        steps.insert(0, f"{a} is less than {b}, so the result is negative.")
    return ask(r, f"{a}{r.choice([' - ', '-', ' - '])}{b}", f"{a} minus {b}"), steps, str(s)


def multiplication(r, hard=0):
    a, b = num(r, 2, 10 ** r.choice([1, 2, 3, 4 + hard]) - 1), num(
        r, 2, 10 ** r.choice([1, 2, 2, 3 + hard]) - 1
    )
    return (
        ask(
            r,
            f"{a}{r.choice([' * ', '*', ' × ', ' x '])}{b}",
            r.choice([f"{a} times {b}", f"the product of {a} and {b}"]),
        ),
        arith(a, "*", b)[0],
        str(a * b),
    )


def division(r, hard=0):
    b = num(r, 2, r.choice([9, 12, 25, 99]))
    if r.random() < 0.5:
        q = num(r, 1, 10 ** r.choice([1, 2, 3, 4 + hard]))
        a = q * b
    else:
        a = num(r, b, 10 ** r.choice([2, 3, 4, 5 + hard]))
        a = max(a, b)
    steps, q, rem = div_steps(a, b)
    if rem and r.random() < 0.5:
        return (
            r.choice(
                [
                    f"What is the remainder when {a} is divided by {b}?",
                    f"{a} mod {b}",
                    f"What is {a} % {b}?",
                    f"Find the remainder of {a} divided by {b}.",
                ]
            ),
            steps,
            str(rem),
        )
    return (
        ask(r, f"{a}{r.choice([' / ', '/', ' ÷ '])}{b}", f"{a} divided by {b}"),
        steps,
        f"{q} remainder {rem}" if rem else str(q),
    )


def nested_expression(r, hard=0):
    """Nested expression; evaluated innermost first, rewriting the expression at each step."""

    def build(depth):
        if depth == 0:
            return str(r.randint(1, r.choice([9, 20, 50])))
        op = r.choice(["+", "-", "*"])
        return (
            build(depth - 1 if r.random() < 0.7 else 0),
            op,
            build(depth - 1 if r.random() < 0.4 else 0),
        )

    def show(t, top=True):
        if isinstance(t, str):
            return t
        s = f"{show(t[0], False)} {t[1]} {show(t[2], False)}"
        return s if top else f"({s})"

    for _ in range(50):
        t = build(r.choice([1, 2, 2, 3 + hard]))
        if isinstance(t, str):
            continue
        prompt_expr, steps, ok = show(t), [], True

        def reduce_once(u):
            """Reduce the leftmost reducible node; returns (new tree, work)."""
            if isinstance(u, str):
                return u, None
            if isinstance(u[0], str) and isinstance(u[2], str):
                a, b = int(u[0]), int(u[2])
                if a < 0 or b < 0:
                    v = {"+": a + b, "-": a - b, "*": a * b}[u[1]]
                    fmt = lambda z: f"({z})" if z < 0 else str(z)
                    return str(v), f"{fmt(a)} {u[1].replace('*', '×')} {fmt(b)} = {v}"
                w, v = arith(a, u[1], b)
                return str(v), "\n".join(w)
            n, w = reduce_once(u[0])
            if w:
                return (n, u[1], u[2]), w
            n, w = reduce_once(u[2])
            return (u[0], u[1], n), w

        while not isinstance(t, str):
            t, w = reduce_once(t)
            if isinstance(t, str):
                steps.append(w)
                break
            steps.append(w + f"\nNow: {show(t)}")
            if len(steps) > 9:
                ok = False
                break
        if ok and isinstance(t, str) and abs(int(t)) < 10**6:
            return ask(r, prompt_expr, prompt_expr), steps, t
    return addition(r)


def flat_expression(r, hard=0):
    """A flat expression: products first, then sums from the left."""
    for _ in range(50):
        n = r.randint(3, 4 + hard)
        xs = [r.randint(1, r.choice([9, 20, 60])) for _ in range(n)]
        ops = [r.choice("+-*") for _ in range(n - 1)]
        if ops.count("*") in (0, n - 1) and r.random() < 0.7:
            continue
        sp, mul = r.choice([(" ", "*"), ("", "*"), (" ", "×"), (" ", "x"), ("", "×")])
        show = lambda xs, ops, sp, mul: "".join(
            str(x) + (sp + o.replace("*", mul) + sp if o else "") for x, o in zip(xs, ops + [""])
        )
        q, st, bad = show(xs, ops, sp, mul), [], False
        while ops:
            i = ops.index("*") if "*" in ops else 0
            a, b = xs[i], xs[i + 1]
            if a < 0 or b < 0:
                bad = True
                break
            w, v = arith(a, ops[i], b)
            xs[i : i + 2] = [v]
            del ops[i]
            st.append("\n".join(w) + ("\nNow: " + show(xs, ops, " ", "×") if ops else ""))
        if not bad:
            return ask(r, q, q), st, str(xs[0])
    return addition(r)


def decimals(r, hard=0):
    """Compare or add decimals by writing both with the same number of digits after the point."""

    def dec():
        k = r.randint(1, 3)
        return f"{r.randint(0, 30)}.{r.randint(0, 10 ** k - 1):0{k}d}"

    a, b = dec(), dec()
    if r.random() < 0.5:
        b = a.split(".")[0] + "." + b.split(".")[1]
    n = max(len(a.split(".")[1]), len(b.split(".")[1]))
    pa, pb = (x + "0" * (n - len(x.split(".")[1])) for x in (a, b))
    st = [f"Write both with {n} digit{'s' if n > 1 else ''} after the point: {pa} and {pb}."]
    ia, ib = int(pa.replace(".", "")), int(pb.replace(".", ""))
    if ia != ib and r.random() < 0.6:
        up = r.random() < 0.7
        st.append(f"Compare {ia} and {ib}: {max(ia, ib)} is larger.")
        g = a if (ia > ib) == up else b
        ws = ["bigger", "larger", "greater"] if up else ["smaller", "less"]
        return (
            r.choice(
                [
                    f"Which is {r.choice(ws)}, {a} or {b}?",
                    f"Which number is {r.choice(ws)}: {a} or {b}?",
                    f"{a} or {b}, which is {r.choice(ws)}?",
                ]
            ),
            st,
            g,
        )
    w, v = add_work(ia, ib)
    st.append(w)
    g = f"{v // 10 ** n}.{v % 10 ** n:0{n}d}"
    st.append(f"Put the point back: {g}.")
    return ask(r, f"{a} + {b}", f"{a} plus {b}"), st, g


def fractions(r, hard=0):
    b, d = r.randint(2, 12), r.randint(2, 12)
    a, c = r.randint(1, b), r.randint(1, d)
    op = r.choice("+-*")
    if op == "*":
        n, m = a * c, b * d
        st = [f"Multiply: {a} × {c} = {n} and {b} × {d} = {m}, so {n}/{m}."]
    else:
        if a * d < c * b:
            a, b, c, d = c, d, a, b
        m = b * d // gcd(b, d)
        x, y = a * (m // b), c * (m // d)
        n = x + y if op == "+" else x - y
        st = [
            f"Common denominator {m}: {a}/{b} = {x}/{m} and {c}/{d} = {y}/{m}.",
            f"{x} {op} {y} = {n}, so {n}/{m}.",
        ]
    g = gcd(n, m) or 1
    if g > 1:
        st.append(f"Divide both by {g}: {n // g}/{m // g}.")
    n, m = n // g, m // g
    return (
        ask(
            r,
            f"{a}/{b} {op} {c}/{d}",
            f"{a}/{b} {dict(zip('+-*', ('plus', 'minus', 'times')))[op]} {c}/{d}",
        ),
        st,
        str(n) if m == 1 else f"{n}/{m}",
    )


def percentage(r, hard=0):
    p, n = r.choice([5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80, 90]), r.randint(1, 60) * 20
    v = n * p
    steps = [
        f"{p}% of {n} is {p} × {n} / 100.",
        "\n".join(arith(n, "*", p)[0]),
        f"{v} / 100 = {v // 100}",
    ]
    return (
        r.choice(
            [
                f"What is {p}% of {n}?",
                f"{p}% of {n}",
                f"Find {p} percent of {n}.",
                f"How much is {p} percent of {n}?",
            ]
        ),
        steps,
        str(v // 100),
    )
