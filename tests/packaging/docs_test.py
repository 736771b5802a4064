"""The pages of C and C++: what they show compiles as a user's would, and prints what stands under it.

A block with a main() is a program. The others of a page become one program, a function each, in the
surroundings that the page describes.
"""

import os
import re
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
LIBRARY = os.environ["RAISON_LIBRARY"]
MARK = "---- end of a fragment"

C_HEAD = """#include <raison/raison.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
"""
C_FRAGMENT = """static rsn_status fragment_%d(rsn_model *model, rsn_session *session) {
rsn_status status = RSN_OK;
%s
(void)model, (void)session;
return status;
}
"""
C_CALL = """  session = NULL;
  if (rsn_session_new(&session, model, NULL) != RSN_OK || fragment_%d(model, session) != RSN_OK) {
    fprintf(stderr, "%%s\\n", rsn_last_error());
    return 1;
  }
  rsn_session_free(session);
  puts(mark);
"""
C_MAIN = """int main(void) {
  static const char mark[] = "%s";
  rsn_model *model;
  rsn_session *session;
  if (rsn_model_load(&model, NULL, 0, NULL) != RSN_OK) return 1;
%s  rsn_model_free(model);
  return 0;
}
"""

CPP_HEAD = """#include <algorithm>
#include <iostream>
#include <raison/raison.hpp>
#include <string>
#include <thread>
#include <vector>
"""
CPP_FRAGMENT = """static void Fragment%d([[maybe_unused]] const raison::Model& model,
                      [[maybe_unused]] raison::Session& session) {
%s
}
"""
CPP_CALL = """  {
    raison::Session session(model);
    Fragment%d(model, session);
    std::cout << mark << std::endl;
  }
"""
CPP_MAIN = """int main() {
  static const char mark[] = "%s";
  raison::Model model;
%s  return 0;
}
"""


def blocks(page, language):
    """(code, wanted output) of each block that says what it prints."""
    with open(os.path.join(ROOT, "docs", page), encoding="utf-8") as file:
        text = file.read()
    found = re.findall(r"^```%s\n(.*?)^```\n+(?:```text\n(.*?)^```)?" % language, text, re.M | re.S)
    return [(code, wanted) for code, wanted in found]


class Pages(unittest.TestCase):
    def run_program(self, source, suffix, compiler):
        with tempfile.TemporaryDirectory() as folder:
            path, program = os.path.join(folder, "app" + suffix), os.path.join(folder, "app")
            with open(path, "w", encoding="utf-8") as out:
                out.write(source)
            words = [*compiler, "-Wall", "-Wextra", "-Werror", "-I", os.path.join(ROOT, "include")]
            rpath = "-Wl,-rpath," + os.path.dirname(LIBRARY)
            subprocess.run([*words, path, LIBRARY, rpath, "-pthread", "-o", program], check=True)
            done = subprocess.run([program], capture_output=True, text=True, timeout=60, cwd=folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""), source)
        return done.stdout

    def check_page(self, page, language, suffix, compiler, templates):
        head, fragment, call, main = templates
        found = blocks(page, language)
        self.assertGreater(len(found), 8)
        for code, wanted in found:
            self.assertTrue(wanted, "what does this print?\n" + code)
        programs = [(code, wanted) for code, wanted in found if "int main(" in code]
        fragments = [(code, wanted) for code, wanted in found if "int main(" not in code]
        for code, wanted in programs:
            self.assertEqual(self.run_program(code, suffix, compiler), wanted, code)
        source = head + "".join(fragment % (i, code) for i, (code, _) in enumerate(fragments))
        source += main % (MARK, "".join(call % i for i in range(len(fragments))))
        printed = self.run_program(source, suffix, compiler).split(MARK + "\n")
        self.assertEqual(len(printed), len(fragments) + 1)
        for (code, wanted), output in zip(fragments, printed):
            self.assertEqual(output, wanted, code)

    def test_c(self):
        templates = C_HEAD, C_FRAGMENT, C_CALL, C_MAIN
        self.check_page("c.md", "c", ".c", ["cc", "-std=c99", "-pedantic"], templates)

    def test_cpp(self):
        templates = CPP_HEAD, CPP_FRAGMENT, CPP_CALL, CPP_MAIN
        self.check_page("cpp.md", "cpp", ".cc", ["c++", "-std=c++17"], templates)


if __name__ == "__main__":
    unittest.main()
