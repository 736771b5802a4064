"""Equations, divisors, sequences and other problems about plain numbers."""

from .arithmetic import addition
from .words import num
from .working import add_work


def linear_equation(r, hard=0):
    x, a, b, v = r.randint(-12, 30), r.randint(2, 12), r.randint(1, 60), r.choice("xyzntab")
    tight = r.random() < 0.4
    eq = lambda z: z.replace(" ", "") if tight else z
    k = r.random()
    if k < 0.6:
        s = r.choice([1, -1])
        c, op, inv = a * x + s * b, "+" if s > 0 else "-", "-" if s > 0 else "+"
        e = f"{a}{v} {op} {b} = {c}" if s < 0 or r.random() < 0.7 else f"{b} + {a}{v} = {c}"
        steps = [
            (
                f"{'Subtract' if s > 0 else 'Add'} {b} on both sides: {a}{v} = {c} {inv} {b} ="
                f" {a * x}."
            ),
            f"Divide by {a}: {v} = {a * x} / {a} = {x}.",
            f"Check: {a} × {x if x >= 0 else f'({x})'} = {a * x}, {a * x} {op} {b} = {c}. Correct.",
        ]
    elif k < 0.75:
        e = f"{a}{v} = {a * x}"
        steps = [f"Divide by {a}: {v} = {a * x} / {a} = {x}."]
    elif k < 0.9:
        op = r.choice("+-")
        c = x + b if op == "+" else x - b
        e = f"{v} {op} {b} = {c}"
        steps = [
            f"{'Subtract' if op == '+' else 'Add'} {b} on both sides: {v} = {c}"
            f" {'-' if op == '+' else '+'} {b} = {x}."
        ]
    else:
        e = f"{v} / {a} = {x}"
        steps = [f"Multiply by {a}: {v} = {x} × {a} = {a * x}."]
        x = a * x
    e = eq(e)
    return (
        r.choice(
            [
                f"Solve {e}.",
                f"Solve {e}",
                f"Solve for {v}: {e}",
                f"If {e}, what is {v}?",
                f"{e}, find {v}",
                f"What is {v} if {e}?",
                f"Find {v}: {e}",
                f"{e}",
            ]
        ),
        [f"The equation is {e}."] + steps,
        str(x),
    )


def two_sided_equation(r, hard=0):
    x, a, c = r.randint(1, 20), r.randint(4, 12), r.randint(1, 3)
    b = r.randint(1, 40)
    d = (a - c) * x + b
    v = r.choice("xyzn")
    steps = [
        f"Move {c}{v} to the left: {a}{v} - {c}{v} = {a - c}{v}. So {a - c}{v} + {b} = {d}.",
        f"Subtract {b} on both sides: {a - c}{v} = {d} - {b} = {d - b}.",
        f"Divide by {a - c}: {v} = {d - b} / {a - c} = {x}.",
        f"Check: left {a} × {x} + {b} = {a * x + b}, right {c} × {x} + {d} = {c * x + d}. Correct.",
    ]
    return (
        r.choice(
            [f"Solve {a}{v} + {b} = {c}{v} + {d}.", f"Solve for {v}: {a}{v} + {b} = {c}{v} + {d}"]
        ),
        steps,
        str(x),
    )


def common_divisor(r, hard=0):
    g = r.randint(1, 30)
    a, b = g * r.randint(1, 40), g * r.randint(1, 40)
    x, y, steps = max(a, b), min(a, b), []
    while y:
        steps.append(f"{x} = {y} × {x // y} + {x % y}")
        x, y = y, x % y
    steps.append(f"The remainder is 0, so the gcd is {x}.")
    return (
        r.choice(
            [
                f"What is the greatest common divisor of {a} and {b}?",
                f"gcd({a}, {b})",
                f"Find the gcd of {a} and {b}.",
                f"What is the GCD of {a} and {b}?",
            ]
        ),
        steps,
        str(x),
    )


def primality(r, hard=0):
    n = r.randint(2, 400)
    steps, p = [], 2
    while p * p <= n:
        steps.append(f"{n} / {p}: {p} × {n // p} = {p * (n // p)}, remainder {n % p}.")
        if n % p == 0:
            break
        p = {2: 3, 3: 5}.get(p, p + 2)
        while any(p % k == 0 for k in (3, 5, 7, 11, 13) if k < p):
            p += 2
    if n > 1 and p * p > n:
        steps.append(f"{p} × {p} = {p * p} is more than {n}, so no divisor is left. {n} is prime.")
        gold = "yes"
    else:
        steps.append(f"{p} divides {n}, so {n} = {p} × {n // p} is not prime.")
        gold = "no"
    return (
        r.choice(
            [
                f"Is {n} a prime number?",
                f"Is {n} prime?",
                f"is {n} prime",
                f"Is the number {n} prime?",
            ]
        ),
        steps,
        gold,
    )


def factorization(r, hard=0):
    n = 1
    for _ in range(r.randint(2, 5)):
        n *= r.choice([2, 2, 3, 3, 5, 7, 11, 13])
        if n > 2000:
            break
    m, steps, fs, p = n, [], [], 2
    while m > 1:
        while m % p == 0:
            steps.append(f"{m} = {p} × {m // p}")
            fs.append(p)
            m //= p
        p += 1 if p == 2 else 2
    return (
        r.choice(
            [
                f"Factor {n} into primes.",
                f"What is the prime factorization of {n}?",
                f"Find the prime factors of {n}.",
            ]
        ),
        steps,
        " × ".join(map(str, fs)),
    )


def sequence(r, hard=0):
    k = r.random()
    if k < 0.6:
        a, d = r.randint(-10, 40), r.choice([-1, 1]) * r.randint(1, 15)
        xs = [a + d * i for i in range(5)]
        steps = [
            "Differences: "
            + ", ".join(
                f"{xs[i + 1]} - {xs[i] if xs[i] >= 0 else f'({xs[i]})'} = {d}" for i in range(3)
            )
            + ".",
            f"Each term adds {d}. Next: {xs[3]} + {d if d >= 0 else f'({d})'} = {xs[4]}.",
        ]
    elif k < 0.85:
        a, d = r.randint(1, 7), r.randint(2, 4)
        xs = [a * d**i for i in range(5)]
        steps = [
            "Ratios: " + ", ".join(f"{xs[i + 1]} / {xs[i]} = {d}" for i in range(3)) + ".",
            f"Each term is multiplied by {d}. Next: {xs[3]} × {d} = {xs[4]}.",
        ]
    else:
        a, b = r.randint(1, 9), r.randint(1, 9)
        xs = [a, b]
        while len(xs) < 6:
            xs.append(xs[-1] + xs[-2])
        steps = [
            (
                f"Differences are not equal. Try sums: {xs[0]} + {xs[1]} = {xs[2]}, {xs[1]} +"
                f" {xs[2]} = {xs[3]}."
            ),
            f"Each term is the sum of the two before. Next: {xs[3]} + {xs[4]} = {xs[5]}.",
        ]
    shown = ", ".join(map(str, xs[:-1]))
    return (
        r.choice(
            [
                f"What comes next: {shown}?",
                f"What is the next number in the sequence {shown}?",
                f"Continue the sequence: {shown}, ...",
                f"Find the next term: {shown}",
            ]
        ),
        steps,
        str(xs[-1]),
    )


def binary(r, hard=0):
    n = num(r, 1, 255 + 256 * hard)
    b = bin(n)[2:]
    if r.random() < 0.5:
        steps, m = [], n
        while m:
            steps.append(f"{m} = 2 × {m // 2} + {m % 2}")
            m //= 2
        steps = ["\n".join(steps), f"Read the remainders from the last to the first: {b}."]
        return (
            r.choice(
                [f"Write {n} in binary.", f"Convert {n} to binary.", f"What is {n} in base 2?"]
            ),
            steps,
            b,
        )
    steps, v = [], 0
    for ch in b:
        steps.append(f"2 × {v} + {ch} = {2 * v + int(ch)}")
        v = 2 * v + int(ch)
    return (
        r.choice(
            [
                f"What is binary {b} in decimal?",
                f"Convert {b} from binary to decimal.",
                f"Convert the binary number {b} to decimal.",
            ]
        ),
        ["\n".join(steps)],
        str(n),
    )


def average(r, hard=0):
    n = r.choice([2, 3, 4, 5])
    xs = [r.randint(1, 60) for _ in range(n - 1)]
    last = (-sum(xs)) % n + n * r.randint(0, 8)
    xs.append(last)
    steps, acc = [], xs[0]
    for x in xs[1:]:
        w, acc = add_work(acc, x)
        steps.append(w)
    steps = ["\n".join(steps), f"There are {n} numbers. {acc} / {n} = {acc // n}"]
    return (
        r.choice(
            [
                f"What is the average of {', '.join(map(str, xs))}?",
                f"Find the mean of {', '.join(map(str, xs))}.",
            ]
        ),
        steps,
        str(acc // n),
    )


def sorting(r, hard=0):
    xs = [r.randint(0, r.choice([20, 99, 999])) for _ in range(r.randint(3, 7 + hard))]
    up = r.random() < 0.7
    steps, left, out = [], xs[:], []
    while left:
        v = min(left) if up else max(left)
        left.remove(v)
        out.append(v)
        steps.append(
            f"{'smallest' if up else 'largest'} {v}, left: " + (", ".join(map(str, left)) or "none")
        )
    return (
        r.choice(
            [
                (
                    f"Sort {', '.join(map(str, xs))}"
                    f" {'from smallest to largest' if up else 'from largest to smallest'}."
                ),
                (
                    f"Sort these numbers in {'ascending' if up else 'descending'} order:"
                    f" {', '.join(map(str, xs))}"
                ),
            ]
        ),
        ["\n".join(steps)],
        ", ".join(map(str, out)),
    )


def largest(r, hard=0):
    xs = [r.randint(0, 10 ** r.choice([2, 3, 4])) for _ in range(r.randint(2, 8))]
    up = r.random() < 0.6
    best, steps = xs[0], [f"Start with {xs[0]}."]
    for x in xs[1:]:
        if (x > best) == up and x != best:
            steps.append(f"{x} is {'larger' if up else 'smaller'} than {best}. Keep {x}.")
            best = x
        else:
            steps.append(f"{x} is not {'larger' if up else 'smaller'} than {best}.")
    return (
        r.choice(
            [
                f"Which is the {'largest' if up else 'smallest'}: {', '.join(map(str, xs))}?",
                f"What is the {'largest' if up else 'smallest'} of {', '.join(map(str, xs))}?",
                f"Find the {'maximum' if up else 'minimum'} of {', '.join(map(str, xs))}.",
            ]
        ),
        ["\n".join(steps)],
        str(best),
    )


def number_puzzle(r, hard=0):
    """Reach a target with three or four numbers: a search that tries, rejects and backs up."""
    for _ in range(200):
        xs = [r.randint(1, 12) if r.random() < 0.7 else r.randint(13, 50) for _ in range(3)]
        ops = ["+", "-", "*"]
        a, b, c = r.sample(xs, 3)
        o1, o2 = r.choice(ops), r.choice(ops)
        f = {"+": lambda p, q: p + q, "-": lambda p, q: p - q, "*": lambda p, q: p * q}
        m = f[o1](a, b)
        t = f[o2](m, c)
        if m <= 0 or not 0 < t <= 200:
            continue
        tries = []
        for p, q, s in [
            (x, y, z)
            for i, x in enumerate(xs)
            for j, y in enumerate(xs)
            if i != j
            for k, z in enumerate(xs)
            if k not in (i, j)
        ]:
            for u in ops:
                mm = f[u](p, q)
                if mm <= 0 or (u in "+*" and xs.index(p) > xs.index(q) and xs.count(p) == 1):
                    continue
                for v in ops:
                    tt = f[v](mm, s)
                    if 0 < tt:
                        tries.append((p, u, q, mm, v, s, tt))
        tries = list(dict.fromkeys(tries))
        good = [x for x in tries if x[6] == t]
        bad = [x for x in tries if x[6] != t]
        r.shuffle(bad)
        bad = (
            sorted(bad[:12], key=lambda x: -abs(x[6] - t))[-r.randint(0, 6) :]
            if bad and r.random() < 0.85
            else []
        )
        if not good:
            continue
        p, u, q, mm, v, s, tt = r.choice(good)
        sy = lambda o: o.replace("*", "×")
        steps = [
            f"Try {x[0]} {sy(x[1])} {x[2]} = {x[3]}, {x[3]} {sy(x[4])} {x[5]} = {x[6]}. Not {t}."
            for x in bad
        ]
        steps.append(f"Try {p} {sy(u)} {q} = {mm}, {mm} {sy(v)} {s} = {tt}. That is {t}.")
        return (
            r.choice(
                [
                    (
                        f"Use the numbers {', '.join(map(str, xs))} once each with +, - and × to"
                        f" make {t}."
                    ),
                    f"Make {t} from {', '.join(map(str, xs))} using +, - and ×, each number once.",
                ]
            ),
            steps,
            f"({p} {sy(u)} {q}) {sy(v)} {s}",
        )
    return addition(r)
