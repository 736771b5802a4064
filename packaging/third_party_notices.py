#!/usr/bin/env python3
"""Writes THIRD-PARTY-NOTICES: what libraison.so and the Python package link, with the licences.

  packaging/third_party_notices.py           writes the file
  packaging/third_party_notices.py --check   fails if the committed one differs

The texts come from where the code comes from: Abseil's source, Debian's copyright files, and for
the Rust crates the registry's copies, as Cargo.lock pins them. Build-time and test-time tools
(CMake, GoogleTest, pytest) are not linked and not listed.
"""
import glob
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "raison")
TARGET = os.path.join(ROOT, "THIRD-PARTY-NOTICES")
RULE = "=" * 80


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def is_apache(text):
    return re.match(r"\s*Apache License\s+Version 2\.0, January 2004", text) is not None


def debian_copyright(package):
    """The stanzas of Debian's copyright file that speak of the code, not of the packaging."""
    text = read("/usr/share/doc/%s/copyright" % package)
    stanzas = [s.strip("\n") for s in re.split(r"\n\s*\n(?=\S)", text)]
    return "\n\n".join(s for s in stanzas if not s.startswith("Files: debian/")).strip()


def debian_version(package):
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                             check=True, capture_output=True, text=True).stdout
    return version.split(":")[-1].split("-")[0]


def abseil():
    stamp = read(os.path.join(CACHE, "abseil", ".raison-stamp")).split()
    text = read(os.path.join(CACHE, "abseil", "LICENSE"))
    assert is_apache(text), "Abseil's licence is another one than expected"
    return ("Abseil (C++)", stamp[0], "https://abseil.io", "Apache-2.0",
            "Copyright 2017-2022 The Abseil Authors.\nThe text of the licence is in LICENSE.")


def rust_library():
    return ("Rust standard library", "of the compiler used", "https://www.rust-lang.org",
            "MIT OR Apache-2.0",
            "Copyright The Rust Project Developers.\n"
            "Used under the Apache License; its text is in LICENSE.")


def crate(package):
    texts = []
    folder = os.path.dirname(package["manifest_path"])
    for path in sorted(glob.glob(os.path.join(folder, "LICEN[SC]E*")) +
                       glob.glob(os.path.join(folder, "COPYRIGHT*")) +
                       glob.glob(os.path.join(folder, "NOTICE*"))):
        if not os.path.isfile(path):
            continue
        text = read(path).strip("\n")
        texts.append("The text of the Apache License is in LICENSE." if is_apache(text) else text)
    if not texts:
        authors = ", ".join(re.sub(r"\s*<[^>]*>", "", a) for a in package["authors"])
        texts.append("Copyright %s" % (authors or "the %s contributors" % package["name"]))
    unique = list(dict.fromkeys(texts))
    return ("%s (Rust crate)" % package["name"], package["version"],
            package["repository"] or "https://crates.io/crates/" + package["name"],
            package["license"], "\n\n".join(unique))


def crates():
    """Everything that is linked: normal dependencies from the crate's own manifest down."""
    manifests = sorted(glob.glob(os.path.join(ROOT, "core", "**", "Cargo.toml"), recursive=True))
    found = {}
    for manifest in manifests:
        command = ["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path",
                   manifest, "--filter-platform", "x86_64-unknown-linux-gnu"]
        data = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        nodes = {n["id"]: n for n in data["resolve"]["nodes"]}
        packages = {p["id"]: p for p in data["packages"]}
        queue = [data["resolve"]["root"]]
        while queue:
            for dependency in nodes[queue.pop()]["deps"]:
                linked = any(k["kind"] is None for k in dependency["dep_kinds"])
                package = packages[dependency["pkg"]]
                macro = any("proc-macro" in t["kind"] for t in package["targets"])
                key = (package["name"], package["version"])
                if linked and not macro and key not in found:
                    found[key] = crate(package)
                    queue.append(dependency["pkg"])
    return [found[key] for key in sorted(found)]


def main():
    entries = [
        abseil(),
        ("PCRE2", debian_version("libpcre2-dev"), "https://www.pcre.org",
         "BSD-3-Clause with PCRE2 exemption", debian_copyright("libpcre2-dev")),
        ("JSON for Modern C++ (nlohmann-json)", debian_version("nlohmann-json3-dev"),
         "https://json.nlohmann.me", "MIT", debian_copyright("nlohmann-json3-dev")),
        ("pybind11 (in the Python package only)", "2.10 or newer", "https://github.com/pybind/pybind11",
         "BSD-3-Clause", debian_copyright("pybind11-dev")),
        rust_library(),
    ] + crates()
    parts = ["Raison is licensed under the Apache License 2.0 (see LICENSE). Its binaries contain the\n"
             "following works of others. Made by packaging/third_party_notices.py.\n"]
    for name, version, url, licence, text in entries:
        lines = [line.rstrip() for line in text.replace("\t", "    ").splitlines()]
        parts.append("%s\n%s %s\n%s\nLicence: %s\n\n%s\n" %
                     (RULE, name, version, url, licence, "\n".join(lines)))
    made = "\n".join(parts)
    if "--check" in sys.argv[1:]:
        if not os.path.exists(TARGET) or read(TARGET) != made:
            sys.exit("THIRD-PARTY-NOTICES is out of date: run packaging/third_party_notices.py")
        return
    with open(TARGET, "w", encoding="utf-8") as file:
        file.write(made)
    print("wrote %s: %d works" % (TARGET, len(entries)))


if __name__ == "__main__":
    main()
