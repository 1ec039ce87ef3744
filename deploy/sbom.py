#!/usr/bin/env python3
"""Writes the bill of materials of the release binary: CycloneDX 1.6, JSON, on standard output.

    deploy/sbom.py                > fashionistar-auth.cdx.json
    deploy/sbom.py --check FILE     compares a bill with what goes into the binary now; ends with 1 if they differ

Asks cargo alone (`cargo tree`, `cargo metadata`, Cargo.lock), so it needs no tool that would be built first, and
says nothing that is not in the lock file: the same checkout gives the same bytes.
What is linked has the scope `required`; what only runs while it is built (build scripts, macros) `excluded`.
FASHIONISTAR_AUTH_TARGET names another platform than this machine's.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE, BINARY = "server", "fashionistar-auth"
NAMESPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")  # OID, RFC 9562 appendix


def cargo(*arguments):
    done = subprocess.run(
        [os.environ.get("CARGO", "cargo"), *arguments, "--locked", "--quiet"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(f"deploy/sbom.py: cargo {arguments[0]} failed")
    return done.stdout


def platform():
    host = re.search(r"^host: (\S+)$", subprocess.check_output(["rustc", "-vV"], cwd=ROOT, text=True), re.M)[1]
    return os.environ.get("FASHIONISTAR_AUTH_TARGET", host)


def packages(target, edges):
    """Names and versions of what the binary is made of, along these edges."""
    tree = cargo("tree", "--package", PACKAGE, "--target", target, "--edges", edges, "--prefix", "none")
    found = re.findall(r"^(\S+) v(\S+)", tree, re.M)
    return {(name, version) for name, version in found}


def locked():
    """Every package of the lock file, with its checksum if it came from a registry."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {(it["name"], it["version"]): it for it in lock["package"]}


def reference(package, lock):
    """The package URL of what came from the registry; crates of this repository have none, and could be confused."""
    name = f"{package[0]}@{package[1].replace('+', '%2B')}"
    return f"pkg:cargo/{name}" if "source" in lock[package] else f"workspace:{name}"


def component(package, about, lock, scope):
    name = reference(package, lock)
    it = {"type": "library", "bom-ref": name, "name": package[0], "version": package[1], "scope": scope}
    if about.get("license"):
        # An old way to write OR.
        it["licenses"] = [{"expression": about["license"].replace("/", " OR ")}]
    if "source" in lock[package]:
        it["purl"] = name
    if "checksum" in lock[package]:
        it["hashes"] = [{"alg": "SHA-256", "content": lock[package]["checksum"]}]
    if about.get("repository"):
        it["externalReferences"] = [{"type": "vcs", "url": about["repository"]}]
    # The order of the standard's own examples.
    order = ["type", "bom-ref", "name", "version", "scope", "hashes", "licenses", "purl", "externalReferences"]
    return {key: it[key] for key in order if key in it}


def bill():
    target = platform()
    linked = packages(target, "normal,no-proc-macro")
    all_of_them = packages(target, "normal,build")
    lock = locked()
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", target))
    about = {(it["name"], it["version"]): it for it in metadata["packages"]}
    by_id = {it["id"]: (it["name"], it["version"]) for it in metadata["packages"]}
    needs = {by_id[it["id"]]: {by_id[to] for to in it["dependencies"]} for it in metadata["resolve"]["nodes"]}
    root = next(it for it in all_of_them if it[0] == PACKAGE)
    version = about[root]["version"]
    components = [
        component(it, about[it], lock, "required" if it in linked else "excluded")
        for it in sorted(all_of_them - {root})
    ]
    dependencies = [
        {"ref": reference(it, lock), "dependsOn": sorted(reference(to, lock) for to in needs[it] & all_of_them)}
        for it in sorted(all_of_them)
    ]
    content = json.dumps([components, dependencies, version, target])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, content)}",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "build"}],
            "component": {
                "type": "application",
                "bom-ref": reference(root, lock),
                "name": BINARY,
                "version": version,
                "licenses": [{"expression": about[root]["license"]}],
                "properties": [{"name": "cdx:rust:target", "value": target}],
            },
        },
        "components": components,
        "dependencies": dependencies,
    }


def check(path):
    """What is wrong with a bill: what cargo would link and it lacks, what it has and the lock file has not."""
    said = json.loads(pathlib.Path(path).read_text())
    of_bill = {(it["name"], it["version"]): it for it in said["components"]}
    lock, target = locked(), platform()
    faults = []
    for package in sorted(packages(target, "normal,build")):
        if package[0] != PACKAGE and package not in of_bill:
            faults.append(f"{' '.join(package)} goes into the binary and is not in the bill")
    linked = packages(target, "normal,no-proc-macro")
    for package, it in sorted(of_bill.items()):
        if package not in lock:
            faults.append(f"{' '.join(package)} is in the bill and not in Cargo.lock")
            continue
        hashes = [each["content"] for each in it.get("hashes", [])]
        if hashes != [lock[package][key] for key in ["checksum"] if key in lock[package]]:
            faults.append(f"{' '.join(package)} has another checksum in Cargo.lock")
        if (it["scope"] == "required") != (package in linked):
            faults.append(f"{' '.join(package)} is {'' if package in linked else 'not '}linked")
    return faults


def main():
    if sys.argv[1:2] == ["--check"] and len(sys.argv) == 3:
        faults = check(sys.argv[2])
        print(*faults, sep="\n", end="\n" if faults else "")
        sys.exit(1 if faults else 0)
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    json.dump(bill(), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
