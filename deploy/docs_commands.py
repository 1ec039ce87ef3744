"""The command line of the service, read from its source. For check_docs.py, which needs no build."""

import functools
import re

# What others define: scopes of OpenID.
FOREIGN = {"openid email profile"}
# Programs of others that documents may call.
PROGRAMS = {
    "apt", "apt-get", "bash", "cargo", "chmod", "chown", "chronyc", "cosign", "createdb", "curl", "df", "docker",
    "du", "git", "grype", "haproxy", "install", "kill", "kubectl", "maxmemory-policy", "npm", "openssl", "pg_dump", "pg_restore",
    "psql", "python", "python3", "redis-cli", "runuser", "sh", "sqlite3", "ss", "sudo", "systemctl", "systemd-analyze",
    "systemd-run", "timedatectl", "useradd",
}
ROOT = "Command"


class Commands:
    """Which commands there are, what each takes, and the recipes of the justfile."""

    def __init__(self, tree):
        # Of each option, whether a value follows it.
        self.enums, self.options = {}, {"--help": False, "--version": False}
        for file in tree.files:
            if "server/src/commands/" in file and file.endswith(".rs"):
                self.read(file, tree.text(file))
        self.recipes = set(re.findall(r"^([a-z][\w-]*)(?: [^\n]*)?:$", tree.text("justfile"), re.M))
        self.tree = tree

    def read(self, file, text):
        for name, body in re.findall(r"derive\([^)]*Subcommand[^)]*\)\](?:\s*#\[[^\]]*\])*\s*(?:pub(?:\([^)]*\))? )?enum (\w+) \{\n(.*?)^\}", text, re.M | re.S):
            variants = re.findall(r"^    (\w+)(?:\((?:\w+::)*(\w+)\))?(?: \{|,)", body, re.M)
            # Two files may give their enum one name: both count.
            self.enums.setdefault(name, {}).update({kebab(variant): of for variant, of in variants})
        for attributes, field, kind in re.findall(r"#\[arg\((.*?)\)\]\s*(?:pub(?:\([^)]*\))? )?(\w+): (\w+)", text, re.S):
            if re.search(r"\blong\b", attributes):
                spelled = re.search(r'long = "([\w-]+)"', attributes)
                self.options["--" + (spelled[1] if spelled else field.replace("_", "-"))] = kind != "bool"

    def begins(self, words):
        """Whether these words call the service, with its name left out."""
        return words[0] in self.enums[ROOT] and (self.enums[ROOT][words[0]] in self.enums or len(words) == 1)

    def fault(self, words):
        """What is wrong with a call of the service; None if nothing is."""
        commands, path, is_value = self.enums[ROOT], [], False
        for word in words:
            if is_value:
                is_value = False
            elif word.startswith("-"):
                option, equals, _ = word.partition("=")
                if option not in self.options:
                    return f"no such option: {option}"
                is_value = self.options[option] and not equals
            elif commands is not None:
                path.append(word)
                if word not in commands:
                    return f"no such command: {' '.join(path)}"
                commands = self.enums.get(commands[word])
        return None

    @functools.cached_property
    def said(self):
        """The source, with the texts that a line break divides made whole."""
        texts = [self.tree.text(it) for it in self.tree.files if it.endswith(".rs") and "/src/" in it]
        return re.sub(r"\s+", " ", re.sub(r"\\\n\s*", "", "\n".join(texts)))

    def span_fault(self, span):
        """What is wrong with words in backticks: a call of ours, a recipe, a program of others, or a text of ours."""
        words = span.split(" ")
        # A number stands where the source has a placeholder.
        if re.sub(r"\d+$", "", span) in self.said:
            return None
        if words[0] == "fashionistar-auth":
            return self.fault(words[1:])
        if self.begins(words):
            return self.fault(words)
        if words[0] == "just":
            return None if words[1] in self.recipes else f"no such recipe: {span}"
        if words[0] in PROGRAMS or span in FOREIGN:
            return None
        return f"no command and no text of ours: {span}"

    def block_fault(self, line):
        """The same of a line in a block of shell commands."""
        for call in re.findall(r"(?:^|[\s/\"(])fashionistar-auth((?: [\w=./:-]+)+)", line):
            fault = self.fault(plain(call))
            if fault:
                return fault
        for call in re.findall(r"\bdocker compose\b.* run (?:--rm )?(?:auth|keys|migrate)((?: [\w=./:-]+)+)", line):
            fault = self.fault(plain(call))
            if fault:
                return fault
        return None


def plain(call):
    """The words of a call, without what follows that is another's."""
    words = call.split()
    return words if words and re.fullmatch(r"[a-z][a-z-]*|--[a-z-]+", words[0]) else []


def kebab(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
