"""What the libraries that leave this tree ask of the C and C++ run-time libraries: nothing newer
than RHEL 9 has (glibc 2.34, libstdc++ of gcc 11), and no other library at all. Reads the ELF files
named on the command line, or in $RAISON_LIBRARIES (';' between them); packages are checked so too.
"""

import os
import re
import subprocess
import sys
import tempfile
import unittest

# RHEL 9 and its rebuilds: glibc 2.34, gcc 11.3. Ubuntu 22.04 and Debian 12 have more.
NEWEST = {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13), "GCC": (11,)}
SYSTEM = re.compile(
    r"^(lib(c|m|dl|rt|pthread)\.so\.\d+|libstdc\+\+\.so\.6|libgcc_s\.so\.1|ld-linux[-\w]*\.so\.\d)$")
OWN = re.compile(r"^libraison\.so\.\d+$")


def output(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def newer(path):
    """The versions that `path` needs beyond NEWEST, each with its file: 'libc.so.6 GLIBC_2.36'."""
    odd, library = [], ""
    for line in output("readelf", "-VW", path).splitlines():
        found = re.search(r"File: (\S+)", line)
        library = found.group(1) if found else library
        found = re.search(r"Name: ([A-Z]+)_([\d.]+)\s+Flags", line)
        if found and found.group(1) in NEWEST:
            if tuple(map(int, found.group(2).split("."))) > NEWEST[found.group(1)]:
                odd.append("%s %s_%s" % (library, found.group(1), found.group(2)))
    return odd


def strangers(path):
    """The libraries that `path` needs and no Linux with a C++ run-time library has."""
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-dW", path))
    return [n for n in needed if not SYSTEM.match(n) and not OWN.match(n)]


def problems(path):
    return ["%s: needs %s" % (path, what) for what in newer(path) + strangers(path)]


class Symbols(unittest.TestCase):
    def test_libraries(self):
        paths = os.environ["RAISON_LIBRARIES"].split(";")
        self.assertTrue(paths[0])
        for path in paths:
            self.assertIn("GLIBC_2.", output("readelf", "-VW", path), "readelf sees no versions")
            self.assertEqual(problems(path), [])

    def test_the_test_sees_more(self):
        # The one symbol that a static libstdc++ of Debian 12 would bring, and a library too many.
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "libnew.so")
            source = os.path.join(folder, "new.c")
            with open(source, "w", encoding="utf-8") as file:
                file.write("unsigned arc4random(void); unsigned f(void) { return arc4random(); }\n")
            subprocess.run(["cc", "-shared", "-fPIC", source, "-o", path, "-Wl,--no-as-needed",
                            "-Wl,-soname,libother.so.1"], check=True)
            user = os.path.join(folder, "libuser.so")
            subprocess.run(["cc", "-shared", "-fPIC", "-xc", "/dev/null", "-xnone", "-o", user,
                            "-Wl,--no-as-needed", path], check=True)
            if "arc4random@" in output("nm", "-D", path):  # this machine's glibc has it
                self.assertEqual(newer(path), ["libc.so.6 GLIBC_2.36"])
            self.assertEqual(strangers(user), ["libother.so.1"])


if __name__ == "__main__":
    if sys.argv[1:]:
        odd = [line for path in sys.argv[1:] for line in problems(path)]
        sys.exit("\n".join(odd) or 0)
    unittest.main()
