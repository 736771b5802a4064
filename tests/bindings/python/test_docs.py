"""docs/python.md, from top to bottom in one interpreter: each example prints what stands under it."""

import contextlib
import io
import pathlib
import re

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
