"""Selectors of PromQL, compared with the series that a node shows at /metrics."""

import re

SELECTOR = re.compile(r"\b((?:auth|http_server|process|target)_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')


def shown(text):
    """Every series of a page of metrics: its name and its labels."""
    series = []
    for line in text.splitlines():
        found = re.match(r"(\w+)(?:\{(.*)\})? \S+$", line)
        if found and not line.startswith("#"):
            series.append((found[1], dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or ""))))
    return series


def faults(expression, series):
    """What an expression selects that no series has: metrics, labels, and values of labels."""
    for name, matchers in SELECTOR.findall(re.sub(r'"[^"]*"', lambda it: it[0].replace("}", "\0"), expression)):
        of_name = [labels for found, labels in series if found == name]
        if not of_name:
            yield f"no metric {name}"
            continue
        for label, how, value in MATCHER.findall(matchers.replace("\0", "}")):
            known = {labels[label] for labels in of_name if label in labels}
            if not known:
                yield f"{name} has no label {label}"
            for part in alternatives(value) if how in {"=~", "!~"} else [value]:
                matches = re.fullmatch if how in {"=~", "!~"} else (lambda wanted, it: wanted == it)
                if known and not any(matches(part, it) for it in known):
                    yield f"{name} has no {label} {part}; it has {', '.join(sorted(known))}"
        together = [labels for labels in of_name if all(holds(labels, it) for it in MATCHER.findall(matchers.replace("\0", "}")))]
        if not together:
            yield f"{name}{{{matchers}}} selects no series"
    for label in re.findall(r"\b(?:by|without)\s*\(([^)]*)\)", expression):
        for one in re.findall(r"\w+", label):
            # What the scrape adds.
            if one not in {"instance", "job"} and not any(one in labels for _, labels in series):
                yield f"no metric has the label {one}"


def alternatives(pattern):
    """`a|b` and `p(a|b)` in their parts, so that each is looked for."""
    group = re.search(r"\(([^()]*)\)", pattern)
    if group:
        return [pattern[: group.start()] + it + pattern[group.end() :] for it in group[1].split("|")]
    return pattern.split("|")


def holds(labels, matcher):
    label, how, value = matcher
    is_it = re.fullmatch(value, labels.get(label, "")) is not None if how in {"=~", "!~"} else labels.get(label, "") == value
    return is_it != how.startswith("!")
