"""Looks whether what the documents name is there: tests, routes, files, links, settings, commands, metrics, alerts, and
every ASVS requirement; and whether their form holds (headings stand alone, tables have all columns).

    deploy/check_docs.py [FOLDER]    a folder in the place of docs/, for the test of this script

Reads README.md, SECURITY.md, CHANGELOG.md and docs/ (of the changelog and the ADRs, which tell history, the links alone).
Needs nothing but Python. Prints a line for each fault and ends with 1 if there is one; else it prints counts as JSON.
The suite runs it: crates/server/tests/binary/documents.rs.
"""

import collections
import functools
import itertools
import json
import os
import pathlib
import posixpath
import re
import sys

import docs_commands

SKIPPED = {"target", ".git", "node_modules", "__pycache__"}
SOURCES = {".rs", ".sql", ".sh", ".py", ".toml", ".yaml", ".yml", ".json", ".service", ".example", ".html", ".mjs", ".js"}
METHODS = r"GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS"
# Served, and no part of the API's document.
OTHER_ROUTES = {"/metrics", "/docs", "/openapi.json"}
# Where the tests are that a cell announces by a word.
LABELS = {
    "api": "crates/server/tests/api",
    "contract": "crates/testkit/src/contract",
    "binary": "crates/server/tests/binary",
    "browser": "crates/server/tests/browser",
    "faults": "crates/server/tests/faults",
    "relay": "crates/server/tests/relay",
    "crash": "crates/server/tests/crash",
    "store": "crates/identity-adapters-postgres/tests/sql",
    "adapter": "crates/adapters-google/tests/provider",
    "app": "crates/authentication-app/tests",
    "messages": ("adapters-messaging/tests/", "server/tests/", "authentication-app/tests/"),
    "unit": ("/src/", "crates/authentication-domain/tests/"),
}
# Names of other programs, which nothing of ours defines.
FOREIGN = {"default_pool_size", "max_prepared_statements"}
# What scripts make, and no checkout has.
MADE = {"deploy/secrets", "deploy/.env"}
# What a row of security-controls may begin with when it names no test.
MARKS = ("Not applicable", "Not yet", "Left out", "Accepted", "Built in", "Document", "Operator", "Client")


class Tree:
    """The files of the repository, and what they define."""

    def __init__(self, root, docs):
        self.places = {}
        for top, prefix in [(root, ""), (docs, "docs/")]:
            for folder, folders, names in os.walk(top):
                folders[:] = sorted(set(folders) - SKIPPED)
                at = pathlib.Path(folder)
                for name in sorted(names):
                    self.places[prefix + (at / name).relative_to(top).as_posix()] = at / name
        self.files = list(self.places)
        # Every end of every path, of files and of folders: documents leave out where it begins.
        self.ends = set()
        for file in self.files:
            parts = file.split("/")
            for end in range(1, len(parts) + 1):
                self.ends |= {"/".join(parts[begin:end]) for begin in range(end)}

    def text(self, file):
        return self.places[file].read_text(encoding="utf-8", errors="replace")

    @functools.cached_property
    def tests(self):
        """Where each test is defined, by name."""
        found = collections.defaultdict(set)
        for file in self.files:
            if file.endswith(".rs"):
                for name in tests_of(self.text(file), in_contract="testkit/src/contract" in file):
                    found[name].add(file)
        return found

    @functools.cached_property
    def words(self):
        """Every word of what is no document, and every metric."""
        words = FOREIGN | set(re.findall(r"^\| `(\w+)`", self.text("docs/metrics.md"), re.M))
        for file in self.files:
            if pathlib.PurePath(file).suffix in SOURCES and not file.endswith("package-lock.json"):
                words |= set(re.findall(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+", self.text(file)))
        return words

    @functools.cached_property
    def routes(self):
        paths = json.loads(self.text("docs/openapi.json"))["paths"]
        return {(method.upper(), shape(path)) for path, methods in paths.items() for method in methods}

    @functools.cached_property
    def settings(self):
        """Every setting of docs/configuration.md that the code reads too."""
        code = "".join(self.text(it) for it in self.files if "server/src/config/" in it and it.endswith(".rs"))
        rows = re.findall(r"^\| (`[^|]+`) \|", self.text("docs/configuration.md"), re.M)
        names = re.findall(r"`([A-Za-z_.]+)`", " ".join(rows))
        # Providers share one reader: it puts section and key together.
        apart = lambda it: all(f'"{part}"' in code for part in it.split(".", 1))
        return {it for it in names if f'"{it}"' in code or ".NAME." in it or apart(it)}

    @functools.cached_property
    def tops(self):
        """Where a path may begin."""
        return {"crates", "deploy", "docs", "migration"} | {it.split("/")[1] for it in self.files if it.startswith("crates/")}

    @functools.cached_property
    def test_modules(self):
        return {it.removesuffix(".rs").split("/")[-1] for it in self.files if "/tests/" in it}

    @functools.cached_property
    def metrics(self):
        """The labels of each metric, by name."""
        rows = re.findall(r"^\| `(\w+)` \| \w+ \| ([^|]*)\|", self.text("docs/metrics.md"), re.M)
        return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}

    @functools.cached_property
    def alerts(self):
        return set(re.findall(r"^ *- alert: (\w+)", self.text("deploy/prometheus-alerts.yaml"), re.M))

    @functools.cached_property
    def commands(self):
        return docs_commands.Commands(self)

    @functools.cached_property
    def dotted(self):
        """Names with dots that are no settings: events, entries of the trail, metrics, spans."""
        code = [it for it in self.files if it.endswith(".rs") and "/config/" not in it and "/tests" not in it]
        return set(re.findall(r'"(?:com\.fashionistar\.auth\.)?([a-z_]+(?:\.[a-z_]+)+)(?:\.v1)?"', "".join(self.text(it) for it in code)))


def tests_of(text, in_contract):
    """The tests in a Rust file: under an attribute `…test`, in a macro that makes tests, or public in a contract."""
    is_next, block = False, None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if block is not None and line.strip() and indent <= block:
            block = None
        if block is None and re.match(r"\s*[\w:]*(every_engine|proptest|every_\w+|on_\w+)!\s*[{(]\s*$", line):
            block = indent
        if re.match(r"\s*#\[(?:\w+::)*(?:test|rstest)\b", line):
            is_next = True
        named = re.match(r"\s*(pub(?:\([^)]*\))? )?(?:async )?fn (\w+)", line)
        if named:
            if is_next or block is not None or (in_contract and named[1]):
                yield named[2]
            is_next = False


def shape(path):
    """A path without the names of its parameters."""
    return re.sub(r"\{\w+\}", "{}", path)


def spelled_out(path):
    """`a/{b,c}.rs` as `a/b.rs` and `a/c.rs`."""
    parts = [it.split(",") if number % 2 else [it] for number, it in enumerate(re.split(r"\{([^{}]*)\}", path))]
    return ["".join(choice) for choice in itertools.product(*parts)]


def without_fences(text):
    """The text with its blocks of code blanked, line numbers kept."""
    return re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), text, flags=re.M | re.S)


def hidden_fences(text):
    """The text with its blocks of code made of letters, so that they still are something that stands there."""
    return re.sub(r"^```.*?^```", lambda block: re.sub(r"[^\n]", "x", block[0]), text, flags=re.M | re.S)


def anchors(text):
    """What GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", without_fences(text), re.M)
    return {re.sub(r"[^\w\- ]", "", it.lower()).replace(" ", "-") for it in headings}


class Check:
    def __init__(self, root, docs):
        self.tree = Tree(root, docs)
        self.faults = []
        self.counts = collections.Counter()

    def fault(self, file, line, what):
        self.faults.append(f"{file}:{line}: {what}")

    def run(self):
        for file in self.tree.files:
            is_document = file in {"README.md", "SECURITY.md"} or file.startswith("docs/")
            if is_document and file.endswith(".md"):
                self.document(file)
        self.links("CHANGELOG.md", self.tree.text("CHANGELOG.md"))
        self.requirements()

    def document(self, file):
        whole = self.tree.text(file)
        self.links(file, whole)
        self.headings(file, whole)
        if file.startswith("docs/adr/"):
            return
        self.blocks(file, whole)
        for number, line in enumerate(whole.splitlines(), 1):
            for name in re.findall(r"\bFASHIONISTAR_AUTH__([A-Z_]+[A-Z])\b", line):
                self.setting(file, number, name.lower().replace("__", "."))
        column = None
        for number, line in enumerate(without_fences(whole).splitlines(), 1):
            cells = [it.strip() for it in line.strip().strip("|").split(" | ")] if line.startswith("|") else []
            if not cells:
                column = None
            elif "test" in cells:
                column = cells.index("test")
                width = len(cells)
            elif column is not None and not set(line) <= set("|- "):
                if len(cells) == width:
                    self.test_cell(file, number, cells[column])
                else:
                    self.fault(file, number, f"{len(cells)} columns in a table of {width}")
            for span in re.findall(r"`([^`]+)`", line):
                self.span(file, number, span)

    def links(self, file, text):
        folder = posixpath.dirname(file)
        for number, line in enumerate(without_fences(text).splitlines(), 1):
            for target in re.findall(r"\]\(([^)\s]+)\)", line):
                if re.match(r"[a-z]+:", target):
                    continue
                self.counts["links"] += 1
                path, _, anchor = target.partition("#")
                there = posixpath.normpath(posixpath.join(folder, path)) if path else file
                if there not in self.tree.places and not any(it.startswith(there + "/") for it in self.tree.files):
                    self.fault(file, number, f"leads nowhere: {target}")
                elif anchor and there.endswith(".md") and anchor not in anchors(self.tree.text(there)):
                    self.fault(file, number, f"no such heading: {target}")

    def headings(self, file, text):
        """Markdown that is read by people and by other renderers wants them alone."""
        lines = hidden_fences(text).splitlines()
        for number, line in enumerate(lines, 1):
            if re.match(r"#{1,6} ", line):
                self.counts["headings"] += 1
                around = lines[number - 2 : number - 1] + lines[number : number + 1]
                if any(it.strip() for it in around) and number > 1 or number == 1 and lines[1:2] != [""]:
                    self.fault(file, number, f"no empty line before and after the heading: {line}")

    def blocks(self, file, text):
        """Calls of the service, and files, in blocks of shell commands."""
        language = None
        for number, line in enumerate(text.splitlines(), 1):
            fence = re.match(r"\s*```(\w*)", line)
            if fence:
                language = fence[1] if language is None else None
            elif language in {"sh", "bash"}:
                fault = self.tree.commands.block_fault(line)
                self.counts["commands"] += "fashionistar-auth" in line
                if fault:
                    self.fault(file, number, fault)
                for path in re.findall(r"(?:^|[\s=(])(?:\./)?((?:deploy|docs|crates)/[\w./-]+\w)", line):
                    self.file(file, number, path)

    def metric(self, file, number, name, matchers):
        self.counts["metrics"] += 1
        labels = self.tree.metrics.get(re.sub(r"_(bucket|count|sum)$", "", name))
        if labels is None:
            return self.fault(file, number, f"no such metric: {name}")
        for label in re.findall(r"(\w+)\s*(?:=|!)", matchers or ""):
            if label not in labels:
                self.fault(file, number, f"{name} has no label {label}")

    def span(self, file, number, span):
        """What stands in backticks, if its form says what it is."""
        route = re.fullmatch(rf"({METHODS}) (/[^\s?…]*)(\?\S*|…)?", span)
        sections = {it.split(".")[0] for it in self.tree.settings if "." in it}
        if route:
            self.route(file, number, route)
        elif metric := re.fullmatch(r"((?:auth|http_server|process|target)_\w+(?:_total|_seconds|_bytes|_items|(?=\{)))(?:\{(.*)\})?", span):
            self.metric(file, number, *metric.groups())
        elif re.fullmatch(r"Auth[A-Z]\w+", span) and "runbooks" in file:
            if span not in self.tree.alerts:
                self.fault(file, number, f"no such alert: {span}")
        elif re.fullmatch(r"[a-z][a-z0-9-]* [a-z-].*", span):
            self.counts["commands"] += 1
            fault = self.tree.commands.span_fault(span)
            if fault:
                self.fault(file, number, fault)
        elif self.looks_like_a_file(span):
            self.file(file, number, span)
        elif re.fullmatch(r"[a-z_]+(\.[A-Za-z_]+)+( = .*)?", span) and span.split(".")[0] in sections:
            self.setting(file, number, span.split(" ")[0])
        elif re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+){2,}", span):
            self.counts["names"] += 1
            if span not in self.tree.words:
                self.fault(file, number, f"nothing is called {span}")

    def route(self, file, number, route):
        self.counts["routes"] += 1
        method, path, more = route.groups()
        whole = [shape(path), "/api/v1" + shape(path)]
        if more == "…":
            is_there = any(it[0] == method and it[1].startswith(tuple(whole)) for it in self.tree.routes)
        else:
            is_there = path in OTHER_ROUTES or any((method, it) in self.tree.routes for it in whole)
        if not is_there:
            self.fault(file, number, f"no such route: {method} {path}")

    def looks_like_a_file(self, span):
        if not re.fullmatch(r"[A-Za-z0-9_.{},/-]+", span) or span.startswith("/"):
            return False
        return bool(re.search(r"\w\.(rs|sh|py|sql|md)$", span)) or ("/" in span and span.split("/")[0] in self.tree.tops)

    def file(self, file, number, span):
        self.counts["files"] += 1
        for path in spelled_out(span.rstrip("/")):
            if path.removeprefix("./") not in self.tree.ends | MADE and "YYYY" not in path:
                self.fault(file, number, f"no such file: {path}")

    def setting(self, file, number, name):
        self.counts["settings"] += 1
        name = re.sub(r"^(events\.webhooks)\.\w+\.", r"\1.NAME.", name)
        known = {it.lower() for it in self.tree.settings}
        sections = {".".join(it.split(".")[:end]) for it in known for end in range(1, it.count(".") + 1)}
        is_there = {name.lower(), name.lower().removesuffix("_file")} & known or name in sections | {"config"}
        if not is_there and name not in self.tree.dotted:
            self.fault(file, number, f"no such setting: {name}")

    def test_cell(self, file, number, cell):
        """`api: a, b; unit: c`, where a, b and c are in backticks, and so may be what stands before a colon."""
        place = ""
        for label, folder, span in re.findall(r"(?:^|(?<=[;,:] ))([a-z][a-z ]*):(?!:)|`([^`]+)`:(?!:)|`([^`]+)`", cell):
            if span:
                self.test(file, number, span, place)
            else:
                place = folder or self.place_of(file, number, label)

    def place_of(self, file, number, label):
        """Where the suite is that a word names: one of ours by its own name, or a folder or file of `tests`."""
        if label in LABELS or label == "by hand":
            return LABELS.get(label, "")
        suites = {it for it in self.tree.files if re.search(rf"/tests/{label}(\.rs$|/)", it)}
        if not suites:
            self.fault(file, number, f"no suite of tests is called {label}")
        return tuple(suites) or ""

    def test(self, file, number, span, place):
        if self.looks_like_a_file(span) or not re.fullmatch(r"[a-z]\w*(::\w+)*(_?…)?", span):
            return
        self.counts["tests"] += 1
        name = span.split("::")[-1]
        if name.endswith("…"):
            found = [at for it, at in self.tree.tests.items() if it.startswith(name[:-1])]
        else:
            found = [self.tree.tests.get(name, set())]
        places = (place,) if isinstance(place, str) else place
        files = {it for at in found for it in at if any(place in it for place in places)}
        if not files and name not in self.tree.test_modules:
            elsewhere = sorted(it for at in found for it in at)
            also = f" (there is one in {elsewhere[0]})" if elsewhere else ""
            where = f" in {places[0]}" if any(places) else ""
            self.fault(file, number, f"no such test: {span}{where}{also}")

    def requirements(self):
        """Each requirement of the standard has its row, in the file of its chapter, and none is silent."""
        folder, known, seen = "docs/security-controls/", {}, []
        for line in self.tree.text(folder + "asvs-5.0.0.txt").splitlines():
            if not line.startswith("#"):
                name, level = line.split()
                known[name] = level
        for file in [it for it in self.tree.files if it.startswith(folder) and it.endswith(".md")]:
            for number, line in enumerate(self.tree.text(file).splitlines(), 1):
                if re.match(r"\| V\d", line):
                    self.requirement(file, number, line, known, seen)
        for name in known:
            if name not in seen:
                self.fault(folder, 0, f"no row for {name}")

    def requirement(self, file, number, line, known, seen):
        cells = [it.strip() for it in line.strip().strip("|").split(" | ")]
        if len(cells) != 5 or not all(cells):
            return self.fault(file, number, "a row has five columns: id, level, control, code, test")
        name, level, control, code, test = cells
        if name not in known or known[name] != level:
            self.fault(file, number, f"the standard has no {name} of level {level}")
        if pathlib.PurePath(file).stem != name.split(".")[0].lower():
            self.fault(file, number, f"{name} belongs to another file")
        if name in seen:
            self.fault(file, number, f"{name} has two rows")
        place = [int(part) for part in re.findall(r"\d+", name)]
        if seen and seen[-1].split(".")[0] == name.split(".")[0] and place < [int(it) for it in re.findall(r"\d+", seen[-1])]:
            self.fault(file, number, f"{name} is out of order")
        seen.append(name)
        mark = next((it for it in MARKS if control.startswith(f"{it}: ")), None)
        if "`" not in test and mark is None:
            self.fault(file, number, f"{name} names no test, and does not begin with one of: {', '.join(MARKS)}")
        if mark in {"Built in", "Document"} and not re.search(r"`|\]\(", code):
            self.fault(file, number, f"{name} names no place")
        self.counts[f"requirements: {(mark or 'tested').lower()}"] += 1


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    docs = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root / "docs"
    check = Check(root, docs)
    check.run()
    if check.faults:
        sys.exit("\n".join(check.faults))
    print(json.dumps(check.counts))


if __name__ == "__main__":
    main()
