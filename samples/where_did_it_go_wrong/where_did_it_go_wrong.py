"""where_did_it_go_wrong: shows how sure the model was of each step, and draws a doubtful one again.

    where_did_it_go_wrong.py                     the built-in model, a question of its own
    where_did_it_go_wrong.py "A question"        another question
    where_did_it_go_wrong.py "..." model.gguf    another model

It asks which step to draw again: Return takes the least confident one, 0 none. The same program
stands beside this one in other languages; all print the same.
"""

import sys

import raison

QUESTION = "What is (17 + 26) * 38 - 14 * 9?"


def show(session, number):
    """Runs to the end; prints each step, counted from `number`, and the answer. False: cut off."""
    for event in session:
        if event.kind == "step_end":
            step = session.steps[event.step]
            print(f"{number:3}  {step.confidence:.2f}  " + step.text.rstrip("\n"))
            number += 1
        elif event.kind == "done":
            print(f"answer: {event.text}")
            whole = event.reason == "end"
    if not whole:
        print("(the text was cut short)")
    return whole


def choose(least, count):
    """The number of the step to draw again; 0: none."""
    print(f"Draw which step again, 1 to {count}, or 0 for none? [{least}] ", end="", flush=True)
    line = sys.stdin.readline().strip()
    print()
    if not line:
        return least
    if line.isascii() and line.isdigit() and int(line) <= count:
        return int(line)
    sys.exit(f"where_did_it_go_wrong: {line}: wanted a number from 0 to {count}")


def where_did_it_go_wrong(question=QUESTION, path=None):
    with raison.Model(path) as model, model.session() as session:
        print(question)
        session.ask(question)
        whole = show(session, 1)
        first = session.answer
        steps = session.steps
        if not steps:
            print("The model gave no steps of thinking: there is nothing to go back to.")
            return

        least = min(steps, key=lambda step: step.confidence)
        print(
            f"\nStep {least.index + 1} is the least confident: the model gave its tokens "
            f"a mean probability of {least.confidence:.2f}.\n"
            "That is how sure it was of the words, not whether they are right."
        )
        number = choose(least.index + 1, len(steps))
        if number == 0:
            return

        print(f"Again from step {number}:")
        # The next branch draws anew; at temperature 1 as the confidence's probabilities are.
        session.rewind(steps[number - 1].rewind, temperature=1)
        whole = show(session, number) and whole
        print()
        if not whole:
            print("One of the two was cut short: they cannot be compared.")
        elif session.answer == first:
            print(f"Both times the answer is {first}. Two samples that agree are no proof.")
        else:
            print(
                f"First {first}, then {session.answer}. Unless the two mean the same, at least one "
                "is wrong;\nthe confidence does not say which."
            )


if __name__ == "__main__":
    try:
        where_did_it_go_wrong(*sys.argv[1:3])
    except raison.Error as error:
        sys.exit(f"where_did_it_go_wrong: {error} ({raison.status_name(error.status)})")
