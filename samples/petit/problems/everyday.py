"""Word problems of everyday life."""

from .words import DAYS, NAMES, THINGS, name, names, num, thing
from .working import add_work, arith, div_steps


def comparison_story(r, hard=0):
    """A chain of quantities told as a story; the question asks for one of them or for a total."""
    things, people = thing(r), names(r, r.randint(2, 4 + hard))
    vals, text, steps = {}, [], []
    v = r.randint(2, 40)
    vals[people[0]] = v
    text.append(f"{people[0]} has {v} {things}.")
    steps.append(f"{people[0]} has {v} {things}.")
    for i, p in enumerate(people[1:], 1):
        q = r.choice(people[:i])
        base, k = vals[q], r.random()
        if k < 0.3:
            n = r.randint(1, 30)
            text.append(
                r.choice([f"{p} has {n} more {things} than {q}.", f"{p} has {n} more than {q}."])
            )
            w, vals[p] = arith(base, "+", n)
        elif k < 0.55 and base > 3:
            n = r.randint(1, base - 1)
            text.append(
                r.choice([f"{p} has {n} fewer {things} than {q}.", f"{p} has {n} less than {q}."])
            )
            w, vals[p] = arith(base, "-", n)
        elif k < 0.85 and base < 200:
            n = r.randint(2, 6)
            text.append(
                r.choice(
                    [
                        f"{p} has {n} times as many {things} as {q}.",
                        f"{p} has {'twice' if n == 2 else f'{n} times'} as many as {q}.",
                    ]
                )
            )
            w, vals[p] = arith(base, "*", n)
        elif base % 2 == 0:
            text.append(f"{p} has half as many {things} as {q}.")
            w, vals[p] = [f"{base} / 2 = {base // 2}"], base // 2
        else:
            n = r.randint(1, 30)
            text.append(f"{p} has {n} more {things} than {q}.")
            w, vals[p] = arith(base, "+", n)
        steps.append("\n".join(w) + f"\n{p} has {vals[p]} {things}.")
    k = r.random()
    if k < 0.45:
        text.append(
            r.choice(
                [
                    f"How many {things} do they have in total?",
                    f"How many {things} do they have altogether?",
                    "How many do they have in all?",
                ]
            )
        )
        acc, ws = vals[people[0]], []
        for p in people[1:]:
            w, acc = arith(acc, "+", vals[p])
            ws += w
        steps.append("Total:\n" + "\n".join(ws))
        gold = acc
    elif k < 0.75:
        p = people[-1]
        text.append(r.choice([f"How many {things} does {p} have?", f"How many does {p} have?"]))
        gold = vals[p]
    else:
        a, b = r.sample(people, 2)
        if vals[a] < vals[b]:
            a, b = b, a
        text.append(f"How many more {things} does {a} have than {b}?")
        w, gold = arith(vals[a], "-", vals[b])
        steps.append(f"{a} has {vals[a]} and {b} has {vals[b]}.\n" + "\n".join(w))
    return " ".join(text), steps, str(gold)


GAIN = [
    "buy {n} more",
    "find {n} {t}",
    "get {n} more",
    "receive {n} {t}",
    "win {n} {t}",
    "pick up {n} more",
    "collect {n} {t}",
    "make {n} more",
    "earn {n} {t}",
    "add {n} more",
    "borrow {n} {t}",
]

LOSE = [
    "eat {n}",
    "give away {n}",
    "lose {n} {t}",
    "sell {n} of them",
    "use {n}",
    "drop {n}",
    "throw away {n}",
    "donate {n} {t}",
    "give {n} to {o}",
    "spend {n}",
    "break {n} of them",
    "lend {n} to {o}",
]


def third(v):
    """Third person of the first verb in a phrase."""
    w, _, rest = v.partition(" ")
    return (w + "s") + (" " + rest if rest else "")


def gain_and_loss(r, hard=0):
    """Things gained and lost by one person, who may be the speaker."""
    p, t = ("I" if r.random() < 0.3 else name(r)), thing(r)
    me = p == "I"
    v = r.randint(2, 60)
    text, steps = [
        f"{p} {r.choice(['have', 'had']) if me else r.choice(['has', 'had', 'has', 'starts with'])}"
        f" {v} {t}"
    ], [f"{p} start{'' if me else 's'} with {v}."]
    for i in range(r.randint(1, 4 + hard)):
        k = r.random()
        if k < 0.85 or v > 150:
            up = v < 3 or v < 150 and r.random() < 0.5
            n = r.randint(1, 50 if up else v - 1)
            ph = r.choice(GAIN if up else LOSE).format(n=n, t=t, o=r.choice(NAMES))
            w, new = arith(v, "+" if up else "-", n)
            phrase = ph if me else third(ph)
        else:
            n = r.randint(2, 4)
            phrase = (
                f"{'double' if n == 2 else 'triple' if n == 3 else 'quadruple'}{'' if me else 's'}"
                f" the number of {t}"
            )
            w, new = arith(v, "*", n)
        joined = text and r.random() < 0.45
        if joined and not text[-1].endswith("."):
            text[-1] += r.choice([" and ", ", then ", " and then ", ", and "]) + phrase
        else:
            text[-1] = text[-1].rstrip(".") + "."
            text.append(f"{r.choice(['', '', 'Then ', 'After that, '])}{p} {phrase}")
        steps.append("\n".join(w))
        v = new
    text[-1] = text[-1].rstrip(".") + "."
    do, sub = ("do", "I") if me else ("does", p)
    text.append(
        r.choice(
            [
                f"How many {t} {do} {sub} have now?",
                f"How many {t} are left?",
                f"How many {do} {sub} have in the end?",
                f"How many {t} {do} {sub} have?",
                f"How many {t} {do} {sub} have left?",
            ]
        )
    )
    return " ".join(text), steps, str(v)


def equal_groups(r, hard=0):
    """Equal groups: packing, sharing, leftovers."""
    t, n, k = thing(r), r.randint(2, 24), r.randint(2, 20)
    box = r.choice(
        ["boxes", "bags", "trays", "rows", "shelves", "packs", "baskets", "tables", "teams", "jars"]
    )
    c = r.random()
    if c < 0.35:
        w, tot = arith(n, "*", k)
        q = r.choice(
            [
                f"There are {n} {box} with {k} {t} each.",
                f"{name(r)} fills {n} {box} with {k} {t} each.",
                f"A baker makes {n} {box} of {k} {t}.",
                f"A shop has {n} {box} of {k} {t}.",
            ]
        )
        if r.random() < 0.5:
            return q + f" How many {t} are there in total?", w, str(tot)
        m = r.randint(1, tot - 1)
        lose = r.choice(["sells", "loses", "gives away", "uses", "removes"])
        w2, left = arith(tot, "-", m)
        return (
            r.choice(
                [
                    q[:-1] + f" and {lose} {m}. How many are left?",
                    q + f" Then {m} are taken. How many {t} are left?",
                ]
            ),
            w + w2,
            str(left),
        )
    if c < 0.7:
        tot = n * k
        st, q, _ = div_steps(tot, n)
        return (
            r.choice(
                [
                    (
                        f"{tot} {t} are shared equally among {n} children. How many does each child"
                        " get?"
                    ),
                    f"{name(r)} puts {tot} {t} into {n} equal {box}. How many {t} are in each?",
                    f"{n} friends share {tot} {t} equally. How many {t} does each get?",
                ]
            ),
            [f"{tot} / {n}:"] + st,
            str(k),
        )
    tot = n * k + r.randint(0, n - 1)
    st, q, rem = div_steps(tot, n)
    if r.random() < 0.5:
        return (
            f"{tot} {t} are packed into {box} of {n}. How many {t} are left over?",
            [f"{tot} / {n}:"] + st,
            str(rem),
        )
    return (
        f"{tot} {t} are packed into {box} of {n}. How many full {box} are there?",
        [f"{tot} / {n}:"] + st,
        str(q),
    )


def part_of_whole(r, hard=0):
    """A fraction of a whole, or what remains."""
    t, (d, w) = thing(r), r.choice(
        [(2, "Half"), (3, "A third"), (4, "A quarter"), (5, "A fifth"), (10, "A tenth")]
    )
    n = d * r.randint(1, 60)
    p, c = name(r), r.choice(
        [
            "red",
            "blue",
            "black",
            "white",
            "old",
            "new",
            "broken",
            "green",
            "small",
            "big",
            "ripe",
            "free",
        ]
    )
    st = div_steps(n, d)[0]
    q = f"{p} has {n} {t}. {w} of them are {c}."
    if r.random() < 0.5:
        return (
            q + r.choice([f" How many are {c}?", f" How many {t} are {c}?"]),
            [f"{w} of {n} is {n} / {d}."] + st,
            str(n // d),
        )
    s2, left = arith(n, "-", n // d)
    return q + f" How many are not {c}?", [f"{w} of {n} is {n} / {d}."] + st + s2, str(left)


def ages(r, hard=0):
    a, b = names(r, 2)
    x, d, y = r.randint(5, 60), r.randint(1, 25), r.randint(1, 30)
    up = x <= d or r.random() < 0.5
    z = x + d if up else x - d
    q = f"{a} is {x} years old. {b} is {d} years {'older' if up else 'younger'} than {a}."
    st = [f"{b} is {x} {'+' if up else '-'} {d} = {z} years old."]
    k = r.random()
    if k < 0.4:
        return q + f" How old is {b}?", st, str(z)
    if k < 0.7:
        return (
            q + f" How old will {b} be in {y} years?",
            st + [f"In {y} years: {z} + {y} = {z + y}."],
            str(z + y),
        )
    return q + " What is the sum of their ages?", st + [f"{x} + {z} = {x + z}"], str(x + z)


def unit_conversion(r, hard=0):
    big, small, k = r.choice(
        [
            ("hours", "minutes", 60),
            ("minutes", "seconds", 60),
            ("days", "hours", 24),
            ("weeks", "days", 7),
            ("meters", "centimeters", 100),
            ("kilometers", "meters", 1000),
            ("kilograms", "grams", 1000),
            ("years", "months", 12),
            ("dozen", "pieces", 12),
        ]
    )
    n, m = r.randint(2, 40), r.randint(1, k - 1)
    w, v = arith(n, "*", k)
    if r.random() < 0.5:
        return (
            r.choice(
                [
                    f"How many {small} are in {n} {big}?",
                    f"Convert {n} {big} to {small}.",
                    f"{n} {big} in {small}",
                ]
            ),
            [f"One of the {big} is {k} {small}."] + w,
            str(v),
        )
    w2, t = arith(v, "+", m)
    return (
        f"How many {small} are {n} {big} and {m} {small}?",
        [f"One of the {big} is {k} {small}."] + w + w2,
        str(t),
    )


def shopping(r, hard=0):
    p = name(r)
    items = r.sample(sorted(set(THINGS)), r.randint(1, 3))
    text, steps, costs = [], [], []
    for it in items:
        n, c = r.randint(2, 15), r.randint(1, 25)
        text.append(f"{n} {it} at {c} dollars each")
        w, t = arith(n, "*", c)
        steps.append(f"{it}: " + "\n".join(w))
        costs.append(t)
    acc = costs[0]
    if len(costs) > 1:
        ws = []
        for c in costs[1:]:
            w, acc = arith(acc, "+", c)
            ws += w
        steps.append("Total cost:\n" + "\n".join(ws))
    q = (
        f"{p} buys "
        + (" and ".join(text) if len(text) < 3 else ", ".join(text[:-1]) + " and " + text[-1])
        + "."
    )
    if r.random() < 0.5:
        paid = acc + r.randint(1, 100)
        w, gold = arith(paid, "-", acc)
        steps.append("Change:\n" + "\n".join(w))
        return q + f" {p} pays with {paid} dollars. How much change does {p} get?", steps, str(gold)
    return (
        q
        + r.choice(
            [f" How much does {p} pay?", " What is the total cost?", " How much is it in total?"]
        ),
        steps,
        str(acc),
    )


def speed(r, hard=0):
    v, t = r.randint(3, 90), r.randint(2, 12)
    k = r.random()
    who = r.choice(["A train", "A car", "A bus", "A cyclist", "A boat", "A runner"])
    if k < 0.4:
        return (
            f"{who} travels at {v} km per hour for {t} hours. How far does it go?",
            [f"Distance = speed × time = {v} × {t}."] + arith(v, "*", t)[0],
            str(v * t),
        )
    if k < 0.7:
        return (
            f"{who} travels {v * t} km in {t} hours. What is its speed in km per hour?",
            [f"Speed = distance / time = {v * t} / {t}."] + div_steps(v * t, t)[0],
            str(v),
        )
    return (
        f"{who} travels at {v} km per hour. How many hours does it need for {v * t} km?",
        [f"Time = distance / speed = {v * t} / {v}."] + div_steps(v * t, v)[0],
        str(t),
    )


def clock(r, hard=0):
    h, m, dh, dm = (
        r.randint(0, 23),
        r.choice(range(0, 60, 5)),
        r.randint(0, 11),
        r.choice(range(5, 60, 5)),
    )
    steps = [
        f"Minutes: {m} + {dm} = {m + dm}."
        + (f" That is 1 hour and {m + dm - 60} minutes." if m + dm >= 60 else "")
    ]
    hh = h + dh + (m + dm) // 60
    steps.append(
        f"Hours: {h} + {dh}"
        + (" + 1" if m + dm >= 60 else "")
        + f" = {hh}."
        + (f" {hh} - 24 = {hh - 24}." if hh >= 24 else "")
    )
    gold = f"{hh % 24:02d}:{(m + dm) % 60:02d}"
    dur = (
        (f"{dh} hours and {dm} minutes" if dh > 1 else f"1 hour and {dm} minutes")
        if dh
        else f"{dm} minutes"
    )
    return (
        r.choice(
            [
                f"A train leaves at {h:02d}:{m:02d} and the trip takes {dur}. When does it arrive?",
                f"It is {h:02d}:{m:02d}. What time will it be in {dur}?",
                f"A film starts at {h:02d}:{m:02d} and lasts {dur}. When does it end?",
            ]
        ),
        steps,
        gold,
    )


def weekday(r, hard=0):
    d, n = r.randint(0, 6), num(r, 1, 400)
    k = n % 7
    steps = [f"A week has 7 days. {n} = 7 × {n // 7} + {k}."]
    if k == 0:
        steps.append(f"The remainder is 0, so it is the same day: {DAYS[d]}.")
    else:
        steps.append(
            f"So move {k} day{'s' if k > 1 else ''} from {DAYS[d]}: "
            + ", ".join(DAYS[(d + i) % 7] for i in range(1, k + 1))
            + "."
        )
    return (
        r.choice(
            [
                f"Today is {DAYS[d]}. What day will it be in {n} days?",
                f"If today is {DAYS[d]}, what day of the week is it in {n} days?",
            ]
        ),
        steps,
        DAYS[(d + k) % 7],
    )


def ordering(r, hard=0):
    """Transitive comparison told in shuffled order."""
    more, less, most, least = r.choice(
        [
            ("older", "younger", "oldest", "youngest"),
            ("taller", "shorter", "tallest", "shortest"),
            ("faster", "slower", "fastest", "slowest"),
            ("heavier", "lighter", "heaviest", "lightest"),
            ("richer", "poorer", "richest", "poorest"),
        ]
    )
    ps = names(r, r.randint(3, 5 + hard))
    rel = [(ps[i], ps[i + 1]) for i in range(len(ps) - 1)]
    sh = rel[:]
    r.shuffle(sh)
    text = [
        f"{a} is {more} than {b}." if r.random() < 0.6 else f"{b} is {less} than {a}."
        for a, b in sh
    ]
    chain = list(sh[0])
    steps, left = [f"Start: {chain[0]} > {chain[1]}."], sh[1:]
    while left:
        for e in left:
            if e[1] == chain[0]:
                chain.insert(0, e[0])
                left.remove(e)
                break
            if e[0] == chain[-1]:
                chain.append(e[1])
                left.remove(e)
                break
        steps.append(f"{e[0]} > {e[1]}: " + " > ".join(chain) + ".")
    k = r.random()
    if k < 0.4:
        q, gold = r.choice([f"Who is the {most}?", f"Who is {most}?"]), ps[0]
    elif k < 0.8:
        q, gold = r.choice([f"Who is the {least}?", f"Who is {least}?"]), ps[-1]
    else:
        a, b = r.sample(range(len(ps)), 2)
        q, gold = f"Is {ps[a]} {more} than {ps[b]}?", "yes" if a < b else "no"
        steps.append(f"{ps[min(a, b)]} comes before {ps[max(a, b)]}.")
    return " ".join(text) + " " + q, steps, gold


def rectangle(r, hard=0):
    a, b = r.randint(2, 60), r.randint(2, 40)
    u = r.choice(["cm", "m", ""])
    sp = f" {u}" if u else ""
    if r.random() < 0.5:
        return (
            f"A rectangle is {a}{sp} long and {b}{sp} wide. What is its area?",
            [f"Area = length × width = {a} × {b}."] + arith(a, "*", b)[0],
            str(a * b),
        )
    w, s = add_work(a, b)
    return (
        f"A rectangle is {a}{sp} long and {b}{sp} wide. What is its perimeter?",
        ["Perimeter = 2 × (length + width).", w, "\n".join(arith(s, "*", 2)[0])],
        str(2 * s),
    )
