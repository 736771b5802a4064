"""stream: asks a question and shows the reasoning step by step, then the answer.

    stream.py                        the built-in model, a question of its own
    stream.py "What is 12 * 13?"     another question
    stream.py "..." model.gguf       another model

The same program stands beside this one in other languages; all print the same.
"""

import sys

import raison


def stream(question, path=None):
    with raison.Model(path) as model, model.session() as session:
        for event in session.ask(question):
            if event.kind == "step_end":
                step = session.steps[event.step]
                print(f"[step {step.index + 1}, confidence {step.confidence:.2f}] "
                      + step.text.rstrip("\n"))  # fmt: skip
            elif event.kind == "token" and event.channel == "answer":
                print(event.text, end="", flush=True)
        usage = session.usage
        print(f"\n[final answer: {session.answer}]")
        print(f"[{usage.thinking_tokens} tokens of thinking, {usage.answer_tokens} of answer]")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    try:
        stream(*arguments) if arguments else stream("How many r's are in strawberry?")
    except raison.Error as error:
        sys.exit(f"stream: {error} ({raison.status_name(error.status)})")
