"""docs/python.md, from top to bottom in one interpreter: each example prints what stands under it.
And docs/coming-from.md names only what there is."""

import contextlib
import inspect
import io
import pathlib
import re

import raison

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "python.md"


def test_every_example_prints_what_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = re.findall(r"^```python\n(.*?)^```\n+(?:```text\n(.*?)^```)?",
                       PAGE.read_text(encoding="utf-8"), re.M | re.S)  # fmt: skip
    assert len(found) > 9
    names = {"__name__": "page"}
    for code, wanted in found:
        assert wanted, code
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(PAGE), "exec"), names)
        assert printed.getvalue() == wanted, code


def named(section, page):
    """Type.member and Type(keyword) of the middle column of a section's table."""
    text = page.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\|[^|]*\|([^|]*)\|[^|]*\|$", text, re.M)[2:]
    return re.findall(r"`(\w+)[.(](\w+)\)?`", "".join(rows))


def test_coming_from_names_what_there_is():
    page = (PAGE.parent / "coming-from.md").read_text(encoding="utf-8")
    names = named("llama-cpp-python", page)
    assert len(names) > 25
    for owner, member in names:
        if owner == "raison":
            assert hasattr(raison, member)
        elif owner == "Model" and member in inspect.signature(raison.Model).parameters:
            pass
        else:
            kind = getattr(raison, owner)
            assert hasattr(kind, member) or member in kind.__dataclass_fields__, f"{owner}.{member}"
    languages = (("LLamaSharp", "csharp", "cs"), ("java-llama.cpp", "java", "java"))
    for section, folder, suffix in languages:
        sources = PAGE.parents[1] / "bindings" / folder
        names = named(section, page)
        assert len(names) > 15
        for owner, member in names if sources.exists() else ():
            found = [p.read_text(encoding="utf-8") for p in sources.rglob(f"{owner}.{suffix}")]
            assert found, owner
            declared = rf"public [^;\n]*\b{member}\b|^ +{member}[(;,]"
            assert any(re.search(declared, text, re.M) for text in found), f"{owner}.{member}"
