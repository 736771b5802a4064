"""Prints a JUnit report as the notes tests/run.sh reads: counts, and each skipped test by name."""
import re
import sys
import xml.etree.ElementTree as ET


def reason_of(case, skip):
    """A GoogleTest program prints its reason below "FILE:LINE: Skipped"; pytest has a message."""
    said = re.search(r": Skipped\n(.*?)\n", case.findtext("system-out") or "")
    if said:
        return said.group(1)
    return (skip.get("message") if skip is not None else None) or "skipped by the test itself"


passed = failed = skipped = 0
for case in ET.parse(sys.argv[1]).getroot().iter("testcase"):
    skip = case.find("skipped")
    disabled = case.get("status") in ("notrun", "disabled")
    if case.find("failure") is not None or case.find("error") is not None:
        failed += 1
    elif skip is not None or disabled:
        skipped += 1
        name = ".".join(dict.fromkeys(filter(None, (case.get("classname"), case.get("name")))))
        name = name.split("  # GetParam()")[0]
        print("listed\t%s: %s" % (name, " ".join(reason_of(case, skip).split())))
    else:
        passed += 1
print("count\t%d %d %d" % (passed, failed, skipped))
