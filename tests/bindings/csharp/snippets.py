"""Makes one program of the ```csharp snippets of pages: snippets.py PAGE... PROGRAM. Each is a method of
its own; the program runs them all."""

import re
import sys

USINGS = "System System.Collections.Generic System.IO System.Linq System.Text System.Threading System.Threading.Tasks Raison"

*pages, program = sys.argv[1:]
snippets = []
for page in pages:
    with open(page, encoding="utf-8") as file:
        found = re.findall(r"^```csharp\n(.*?)^```", file.read(), re.M | re.S)
    assert found, "%s has no snippet" % page
    snippets += found
methods = "".join(
    "    private static async Task Snippet%d()\n    {\n        await Task.Yield();\n%s    }\n" % pair
    for pair in enumerate(snippets)
)
calls = "".join("        await Snippet%d();\n" % i for i in range(len(snippets)))
with open(program, "w", encoding="utf-8") as file:
    file.write("".join("using %s;\n" % name for name in USINGS.split()))
    file.write("internal static class Snippets\n{\n%s" % methods)
    file.write("    private static async Task Main()\n    {\n%s    }\n}\n" % calls)
print("%d snippets" % len(snippets))
