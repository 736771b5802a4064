"""tests/bindings/members.txt: each function of libraison.so has a member in C++ and in Python."""

import inspect
import pathlib
import re
import subprocess

import raison

ROOT = pathlib.Path(__file__).resolve().parents[3]
TABLE = ROOT / "tests" / "bindings" / "members.txt"


def rows():
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def exported():
    library = next(pathlib.Path(raison.__file__).parent.glob("libraison.so*"))
    names = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True,
                           text=True).stdout  # fmt: skip
    return set(re.findall(r" T (rsn_\w+)", names))


def test_every_function_has_a_line():
    named = [row[0] for row in rows()]
    assert len(named) == len(set(named))
    assert set(named) == exported()
    assert all(len(row) == 5 and all(row) for row in rows())


def test_members_of_python():
    for function, _, name, _, _ in rows():
        member = raison
        for part in name.split("."):
            member = inspect.getattr_static(member, part, None) or getattr(
                member, "__dataclass_fields__", {}).get(part)  # fmt: skip
            assert member is not None, f"{function}: there is no raison.{name}"


def test_members_of_cpp():
    header = (ROOT / "include" / "raison" / "raison.hpp").read_text(encoding="utf-8")
    for function, name, _, _, _ in rows():
        *owner, member = name.split("::")
        text = header
        if owner:
            found = re.search(rf"\nclass {owner[0]}\b[^;]*?{{\n(.*?)\n}};", header, re.S)
            assert found, f"{function}: there is no class {owner[0]}"
            text = found.group(1)
        wanted = rf"\b{member}\("
        if not owner and member[0].isupper():
            wanted += rf"|\n(?:class|struct) {member}\b"
        assert re.search(wanted, text) or member == "what", f"{function}: there is no raison::{name}"
