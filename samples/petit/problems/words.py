"""The vocabulary of the problems: names, things, days and words to spell."""

NAMES = (
    "Ana Ben Cleo Dan Eva Finn Gus Hana Ivan Jo Kim Leo Mia Nia Omar Pia Quinn Rosa Sam Tara Uma"
    " Vic Wen Xia Yara Zoe Alice Bob Carol Dave Emma Frank Grace Henry Isla Jack Karen Liam Maria"
    " Noah Olivia Paul Ruth Sara Tom Lucy"
).split()

THINGS = (
    "apples pears books coins marbles pens cards shells stamps eggs cookies balls stickers candies"
    " pencils cups flowers stones tickets toys beads keys lemons oranges bananas chairs boxes"
    " bottles"
).split()

THINGS += (
    "cats dogs fish birds cakes pizzas tomatoes potatoes carrots onions sandwiches muffins cupcakes"
    " donuts bricks ropes shirts socks hats shoes photos letters songs games cars bikes trees"
    " plants seeds leaves rocks points dollars euros books notebooks erasers crayons magnets"
    " buttons ribbons plates spoons forks bags jars cans"
).split()

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()

WORDS = (
    "strawberry banana letter mississippi reasoning memory balloon coffee bottle committee parallel"
    " success address apple tomato potato kitten puppy rabbit hello pepper yellow summer winter"
    " mirror garden window table lantern river mountain valley forest planet engine rocket camera"
    " guitar violin piano butterfly elephant giraffe kangaroo penguin dolphin octopus spider turtle"
    " language sentence grammar number fraction triangle square circle bookkeeper assessment"
    " possession tennessee raspberry blueberry cranberry blackberry cherry orange grape melon"
    " computer keyboard monitor program function variable pointer integer library compiler kernel"
    " network session process thread buffer token model expert router attention layer matrix vector"
    " tensor gradient"
).split()


def word(r):
    """An invented word."""
    return "".join(
        r.choice("bcdfghjklmnprstvwz") + r.choice("aeiou") for _ in range(r.randint(1, 3))
    ) + r.choice(["", "n", "r", "s", "l", "t"])


def name(r):
    return r.choice(NAMES) if r.random() < 0.8 else word(r).capitalize()


def names(r, n):
    out = []
    while len(out) < n:
        x = name(r)
        if x not in out:
            out.append(x)
    return out


def thing(r):
    return r.choice(THINGS) if r.random() < 0.9 else word(r) + "s"


def num(r, lo, hi):
    """Log-uniform-ish integer so that small and large magnitudes are both common."""
    d = r.randint(len(str(lo)), len(str(hi)))
    a, b = max(lo, 10 ** (d - 1) if d > 1 else 0), min(hi, 10**d - 1)
    return r.randint(a, max(a, b))
