#!/usr/bin/env python3
"""Writes THIRD-PARTY-NOTICES and packaging/raison.spdx.json: what the libraries and packages contain of
others, with the licences, and the same as a bill of materials (SPDX 2.3).

  packaging/third_party_notices.py           writes both files
  packaging/third_party_notices.py --check   fails if a committed one differs

The texts come from where the code comes from: Abseil's source, Debian's copyright files, and for
the Rust crates the registry's copies, as Cargo.lock pins them; what Windows alone needs is written
here and in packaging/notices, because not every machine has it. Build-time and test-time tools
(CMake, GoogleTest, pytest) are not linked and not listed.
"""
import datetime
import glob
import hashlib
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "raison")
TARGET = os.path.join(ROOT, "THIRD-PARTY-NOTICES")
SPDX = os.path.join(ROOT, "packaging", "raison.spdx.json")
MODEL = os.path.join(ROOT, "samples", "petit", "petit-q8_0.gguf")
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


def windows():
    """What the cross compiler links in; on Linux these are the system's own libraries."""
    return [
        ("PCRE2 (in the Windows library only)", "10.46", "https://www.pcre.org",
         "BSD-3-Clause with PCRE2 exemption", "The notice of PCRE2 above."),
        ("mingw-w64 (in the Windows library only)", "10.0.0", "https://www.mingw-w64.org",
         "ZPL-2.1 AND MIT AND BSD-3-Clause",
         read(os.path.join(ROOT, "packaging", "notices", "mingw-w64.txt")).strip()),
        ("GCC run-time libraries (in the Windows library only)", "12", "https://gcc.gnu.org",
         "GPL-3.0-or-later WITH GCC-exception-3.1",
         "Copyright Free Software Foundation, Inc.\n"
         "libstdc++ and libgcc, which the GCC Runtime Library Exception lets any program contain."),
    ]


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


def works():
    return [
        abseil(),
        ("PCRE2", debian_version("libpcre2-dev"), "https://www.pcre.org",
         "BSD-3-Clause with PCRE2 exemption", debian_copyright("libpcre2-dev")),
        ("JSON for Modern C++ (nlohmann-json)", debian_version("nlohmann-json3-dev"),
         "https://json.nlohmann.me", "MIT", debian_copyright("nlohmann-json3-dev")),
        ("pybind11 (in the Python package only)", "2.10 or newer", "https://github.com/pybind/pybind11",
         "BSD-3-Clause", debian_copyright("pybind11-dev")),
        ("CUDA runtime (in libraison-cuda.so only)", "13.0", "https://docs.nvidia.com/cuda/eula",
         CUDA_LICENCE,
         "Copyright NVIDIA Corporation.\n"
         "libcudart_static.a, which NVIDIA's agreement lets applications contain."),
        rust_library(),
    ] + windows() + crates()


def notices(entries):
    parts = ["Raison is licensed under the Apache License 2.0 (see LICENSE). Its binaries contain the\n"
             "following works of others. Made by packaging/third_party_notices.py.\n"]
    for name, version, url, licence, text in entries:
        lines = [line.rstrip() for line in text.replace("\t", "    ").splitlines()]
        parts.append("%s\n%s %s\n%s\nLicence: %s\n\n%s\n" %
                     (RULE, name, version, url, licence, "\n".join(lines)))
    return "\n".join(parts)


# What the notices say in words, in SPDX's terms.
CUDA_LICENCE = "NVIDIA CUDA Toolkit End User License Agreement"
SPDX_LICENCES = {
    "BSD-3-Clause with PCRE2 exemption": "BSD-3-Clause WITH PCRE2-exception",
    CUDA_LICENCE: "LicenseRef-NVIDIA-CUDA-EULA",
}


def spdx_id(name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-")


def spdx_package(name, version, url, licence, copyright_text):
    package = {
        "SPDXID": spdx_id(name), "name": re.sub(r" \(.*", "", name), "downloadLocation": url,
        "filesAnalyzed": False, "licenseConcluded": licence, "licenseDeclared": licence,
        "copyrightText": copyright_text,
    }
    if re.match(r"[\d.]+$", version):
        package["versionInfo"] = version
    comment = re.search(r"\((in .* only)\)", name)
    if comment:
        package["comment"] = comment.group(1)
    return package


def bill_of_materials(entries, created):
    version = re.search(r"project\(raison VERSION (\S+)", read(os.path.join(ROOT, "CMakeLists.txt"))).group(1)
    own = spdx_package("raison", version, "NOASSERTION", "Apache-2.0", "Copyright The Raison authors")
    model = spdx_package("petit.gguf (the built-in model)", version, "NOASSERTION", "Apache-2.0",
                         "Copyright The Raison authors")
    with open(MODEL, "rb") as file:
        model["checksums"] = [{"algorithm": "SHA256", "checksumValue": hashlib.sha256(file.read()).hexdigest()}]
    packages, parts = [own, model], []
    for name, version_of, url, licence, _ in entries:
        package = spdx_package(name, version_of, url, SPDX_LICENCES.get(licence, licence).replace("/", " OR "),
                               "NOASSERTION")
        package["attributionTexts"] = ["The notice is in THIRD-PARTY-NOTICES."]
        if "(Rust crate)" in name:
            package["SPDXID"] = spdx_id("crate " + package["name"] + " " + version_of)
            package["externalRefs"] = [{
                "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                "referenceLocator": "pkg:cargo/%s@%s" % (package["name"], version_of)}]
        packages.append(package)
    # In libraison.so and the plug-ins as code, the model as a file.
    for package in packages[1:]:
        kind = "CONTAINS" if package is model else "STATIC_LINK"
        parts.append({"spdxElementId": own["SPDXID"], "relationshipType": kind,
                      "relatedSpdxElement": package["SPDXID"]})
    body = {
        "packages": packages,
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                           "relatedSpdxElement": own["SPDXID"]}] + parts,
        "hasExtractedLicensingInfos": [{
            "licenseId": SPDX_LICENCES[CUDA_LICENCE], "name": CUDA_LICENCE,
            "extractedText": "The text is at https://docs.nvidia.com/cuda/eula.",
            "seeAlsos": ["https://docs.nvidia.com/cuda/eula"]}],
    }
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": "raison-" + version,
        # A name that no other content has; nothing needs to lie there.
        "documentNamespace": "https://spdx.org/spdxdocs/raison-%s-%s" % (version, digest[:32]),
        "creationInfo": {"created": created, "creators": [
            "Organization: The Raison authors", "Tool: packaging/third_party_notices.py"]},
    }
    document.update(body)
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main():
    entries = works()
    made = notices(entries)
    # The date is that of the content: an unchanged bill keeps the one that it has.
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    old = read(SPDX) if os.path.exists(SPDX) else ""
    kept = re.search(r'"created": "([\dTZ:-]+)"', old)
    bill = bill_of_materials(entries, kept.group(1) if kept else now)
    if "--check" in sys.argv[1:]:
        if not os.path.exists(TARGET) or read(TARGET) != made:
            sys.exit("THIRD-PARTY-NOTICES is out of date: run packaging/third_party_notices.py")
        if old != bill:
            sys.exit("packaging/raison.spdx.json is out of date: run packaging/third_party_notices.py")
        return
    if old != bill:
        bill = bill_of_materials(entries, now)
    for path, text in ((TARGET, made), (SPDX, bill)):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    print("wrote %s and %s: %d works" % (TARGET, SPDX, len(entries)))


if __name__ == "__main__":
    main()
