"""Letters of words: counted and reversed."""

from .words import WORDS


def count_letters(r, hard=0):
    w = (
        r.choice(WORDS)
        if r.random() < 0.6
        else "".join(r.choice("abcdefghilmnoprstu") for _ in range(r.randint(3, 11)))
    )
    c = r.choice(w) if r.random() < 0.85 else r.choice("abcdefghijklmnopqrstuvwxyz")
    n, parts = 0, []
    for ch in w:
        if ch == c:
            n += 1
            parts.append(f"{ch} ({n})")
        else:
            parts.append(ch)
    return (
        r.choice(
            [
                f"How many times does the letter {c} appear in {w}?",
                f"How many {c}'s are in {w}?",
                f"Count the letter {c} in the word {w}.",
                f"how many r in {w}" if c == "r" else f"how many {c} in {w}",
                f'How many letters {c} are in "{w}"?',
            ]
        ),
        [
            f"Spell {w}: " + " ".join(parts) + ".",
            f"The letter {c} appears {n} time{'s' if n != 1 else ''}.",
        ],
        str(n),
    )


def reverse_word(r, hard=0):
    w = (
        r.choice(WORDS)
        if r.random() < 0.6
        else "".join(r.choice("abcdefghilmnoprstu") for _ in range(r.randint(3, 9)))
    )
    return (
        r.choice([f"Reverse the word {w}.", f"Spell {w} backwards.", f"Write {w} backwards."]),
        [f"Spell {w}: " + " ".join(w) + ".", "Backwards: " + " ".join(w[::-1]) + "."],
        w[::-1],
    )
