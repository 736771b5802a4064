"""`packaging/setup.sh --check` names all that is missing at once, and installs nothing: with a
dpkg-query that knows no package, an empty home, and an apt-get that would be noticed."""

import os
import re
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SETUP = os.path.join(HERE, "..", "..", "packaging", "setup.sh")
with open(SETUP, encoding="utf-8") as file:
    LISTS = dict(re.findall(r"^(DEMO|RUST|VULKAN|TEST|SYSROOT)_PACKAGES=\((.*?)\)", file.read(), re.M | re.S))


class Check(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = os.path.join(folder.name, "home")
        self.bin = os.path.join(folder.name, "bin")
        self.used = os.path.join(folder.name, "used")
        os.mkdir(self.home)
        os.mkdir(self.bin)
        for name in ("apt-get", "apt-cache", "sudo", "curl", "wget"):
            self.put(name, "touch '%s'; exit 1" % self.used)
        self.put("cargo", "[ \"$1\" = --version ] && echo 'cargo 1.63.0'")

    def put(self, name, script):
        path = os.path.join(self.bin, name)
        with open(path, "w") as out:
            out.write("#!/bin/sh\n%s\n" % script)
        os.chmod(path, 0o755)

    def check(self, *words, **environment):
        path = self.bin + ":/usr/bin:/bin"
        done = subprocess.run(
            ["bash", SETUP, "--check", *words],
            env={"PATH": path, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertFalse(os.path.exists(self.used), "a package tool was started")
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def test_nothing_is_there(self):
        self.put("dpkg-query", "exit 1")
        for words, lists in ((["--demo"], ["DEMO", "RUST"]), (["--tests"], LISTS)):
            status, out = self.check(*words, HOME=self.home)
            self.assertEqual(status, 1)
            self.assertEqual(len(out.splitlines()), 1, out)
            packages = " ".join(LISTS[name] for name in lists).split()
            for package in (p for p in packages if not p.startswith('"$')):
                self.assertIn(package, out)
            self.assertIn("abseil", out)
            self.assertRegex(out, r"the crates \S+-\d")
        self.assertEqual(os.listdir(self.home), [])

    def test_one_package_is_missing(self):
        # Every package that is asked for is there, but for one.
        self.put(
            "dpkg-query",
            'shift 3; for p; do [ "$p" = ccache ] || echo "$p:amd64 installed"; done; exit 1',
        )
        status, out = self.check(HOME=self.home)
        self.assertEqual(status, 1)
        self.assertRegex(out, r"^setup: missing: ccache, the source of abseil")

    def test_without_a_home(self):
        self.put("dpkg-query", "exit 1")
        status, out = self.check()
        self.assertEqual(status, 1)
        self.assertIn("setup: missing: ", out)


if __name__ == "__main__":
    unittest.main()
