"""The README's C and C++ programs compile as a user's would, run, and answer."""

import os
import re
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
LIBRARY = os.environ["RAISON_LIBRARY"]
with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
    README = file.read()


class Readme(unittest.TestCase):
    def run_program(self, language, compiler, suffix):
        snippets = re.findall(r"^```%s\n(.*?)^```" % language, README, re.M | re.S)
        self.assertEqual(len(snippets), 1)
        with tempfile.TemporaryDirectory() as folder:
            source, program = os.path.join(folder, "app" + suffix), os.path.join(folder, "app")
            with open(source, "w", encoding="utf-8") as out:
                out.write(snippets[0])
            rpath = "-Wl,-rpath," + os.path.dirname(LIBRARY)
            words = [*compiler, "-Wall", "-Wextra", "-Werror", "-I", os.path.join(ROOT, "include")]
            subprocess.run([*words, source, LIBRARY, rpath, "-o", program], check=True)
            done = subprocess.run([program], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("x = 15 / 3 = 5", done.stdout)
        self.assertEqual(done.stdout.splitlines()[-1], "5")

    def test_c(self):
        self.run_program("c", ["cc", "-std=c99"], ".c")

    def test_cpp(self):
        self.run_program("cpp", ["c++", "-std=c++17"], ".cc")


if __name__ == "__main__":
    unittest.main()
