"""Prints a sample of every kind: python -m problems [--seed N] [--hard]"""

import argparse
import random

from . import TASKS, make, render

parser = argparse.ArgumentParser(prog="problems", description="Print a sample of every kind.")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--hard", action="store_true", help="larger numbers, longer chains")
args = parser.parse_args()
r = random.Random(args.seed)
for task in list(TASKS) + ["other"]:
    print("=" * 8, task)
    print(render(make(r, task, int(args.hard)), r, 0.5).replace("\x01", ""))
