"""Small talk and questions outside the model's reach."""

from .words import NAMES, WORDS, name, thing, word

ABOUT = (
    "I am a tiny reasoning model. I can do arithmetic, small word problems, equations, ordering,"
    " sorting, counting letters and number puzzles, step by step."
)

HELLO = [
    "hi",
    "hello",
    "Hello!",
    "hey",
    "Hi there",
    "good morning",
    "Who are you?",
    "what can you do?",
    "What are you?",
    "help",
    "How are you?",
    "Bonjour",
    "test",
    "Hello, who are you?",
]

OUT = [
    "Write a poem about {x}.",
    "What is the capital of {c}?",
    "Who wrote {x}?",
    "Explain {x} to me.",
    "Translate {x} into French.",
    "Tell me a joke about {x}.",
    "What is the meaning of {x}?",
    "Who is the president of {c}?",
    "Write a Python function for {x}.",
    "What is the weather in {c}?",
    "Summarize {x}.",
    "Why is {x} important?",
    "How do I cook {x}?",
    "What do you think about {x}?",
    "Give me advice about {x}.",
    "When was {c} founded?",
    "Describe {x}.",
    "List three facts about {c}.",
    "Write a haiku",
    "Write a haiku about {x}",
    "Can you sing?",
    "Who is {x}?",
    "Where is {c}?",
    "What is {x}?",
    "What does {x} mean?",
    "Do you like {x}?",
    "Write an essay on {x}.",
    "Tell me a story about {x}.",
    "What color is {x}?",
    "Who invented {x}?",
    "Is {x} real?",
    "Generate code for {x}",
    "Fix this bug: {x}",
    "What time is it?",
    "Define {x}.",
    "Recommend a book about {x}.",
    "Play music",
    "Open the {x}",
    "Draw {x}",
]

PLACES = (
    "France Japan Brazil Canada Egypt India Kenya Norway Peru China Spain Italy Mexico Chile Ghana"
    " Texas London Paris Tokyo Berlin Rome Cairo".split()
)


def small_talk(r):
    if r.random() < 0.3:
        return r.choice(HELLO), ["This is a greeting or a question about me."], None, ABOUT
    x = r.choice(
        [
            r.choice(WORDS),
            thing(r),
            f"{r.choice(WORDS)} and {thing(r)}",
            f"the {r.choice(WORDS)}",
            f"a {r.choice(WORDS)}",
            name(r),
            word(r),
        ]
    )
    q = r.choice(OUT).format(x=x, c=r.choice(PLACES) if r.random() < 0.8 else name(r))
    if r.random() < 0.2:
        q = q.rstrip(".?")
    return (
        q,
        ["This is not a problem that I can work out step by step."],
        None,
        "I cannot answer that. " + ABOUT,
    )


def dress(r, p):
    """What people put around a question."""
    k = r.random()
    if k < 0.8:
        return p
    if k < 0.88:
        return p + r.choice(
            [
                " Think step by step.",
                " Show your work.",
                " Please explain.",
                "\n",
                " Answer with a number only." if p.endswith("?") else " Thanks.",
                " Reason step by step.",
            ]
        )
    if k < 0.96:
        return (
            r.choice(
                [
                    "Question: ",
                    "Please help me: ",
                    "Hello, ",
                    "Problem: ",
                    "Q: ",
                    "Hi! ",
                    "Can you solve this? ",
                    "I have a question. ",
                ]
            )
            + p
        )
    return p.lower() if p.isascii() and not any(n in p for n in NAMES) else p.rstrip(".?")
