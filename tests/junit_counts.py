"""Prints a JUnit report as the notes tests/run.sh reads: counts, and each skipped test by name."""
import sys
import xml.etree.ElementTree as ET

passed = failed = skipped = 0
for case in ET.parse(sys.argv[1]).getroot().iter("testcase"):
    skip = case.find("skipped")
    disabled = case.get("status") in ("notrun", "disabled")
    if case.find("failure") is not None or case.find("error") is not None:
        failed += 1
    elif skip is not None or disabled:
        skipped += 1
        reason = (skip.get("message") if skip is not None else None) or "skipped by the test itself"
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        print("listed\t%s: %s" % (name, " ".join(reason.split())))
    else:
        passed += 1
print("count\t%d %d %d" % (passed, failed, skipped))
