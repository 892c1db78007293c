#!/usr/bin/env python3
"""Checks of the source tree that compilers do not make; STYLE of the house in numbers.

usage: tidy.py [--root DIR]

Layers of includes, sizes, complexity, parameters, nesting, include guards, comments, functions
that are not used here, absolute paths. Prints one line for each finding, exits 1 if there is one.
"""
import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

MAX_COLUMNS = 100
MAX_SOURCE_LINES = 600
MAX_HEADER_LINES = 350
MAX_FUNCTION_LINES = 70
MAX_TEST_LINES = 40
MAX_COMPLEXITY = 15
MAX_PARAMETERS = 6
MAX_NESTING = 3

# Deliberate violations, for the tests of this program.
SAMPLES = "tests/build/samples"

FORBIDDEN_FUNCTIONS = re.compile(
    r"\b(strcpy|strncpy|strcat|strncat|stpcpy|sprintf|vsprintf|gets|strtok|alloca|atoi|atol)\s*\(")
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/~$}-])/(home|root|work|Users|mnt)/\w")
TEXT_SUFFIXES = {
    ".c", ".h", ".py", ".sh", ".txt", ".cmake", ".json", ".md", ".scd", ".in", ".proto", ".yml"}


class Tree:
    """The files below a root, and the findings about them."""

    def __init__(self, root):
        self.root = root
        self.findings = []
        self.files = sorted(self.walk(root))
        self.layers = self.read_layers(Path(__file__).resolve().parent / "layers.txt")

    def walk(self, folder):
        for path in folder.iterdir():
            name = path.relative_to(self.root).as_posix()
            if path.is_dir():
                hidden = name.startswith(".") and name != ".ci"
                if not hidden and name not in ("build", SAMPLES) and path.name != "__pycache__":
                    yield from self.walk(path)
            elif path.is_file() and not path.is_symlink():
                yield path

    def c_files(self):
        return [path for path in self.files if path.suffix in (".c", ".h")]

    def name(self, path):
        return path.relative_to(self.root).as_posix()

    def report(self, path, line, text):
        self.findings.append(f"{self.name(path)}:{line}: {text}")

    @staticmethod
    def read_layers(path):
        layers = {}
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                folder, _, allowed = line.partition(":")
                layers[folder] = set(allowed.split())
        return layers

    def layer_of(self, name):
        """The folder in layers.txt that the file lies in, or None."""
        for folder in self.layers:
            if name.startswith(folder + "/"):
                return folder
        return None


def blank(match):
    """The matched text as blanks, line ends kept."""
    return re.sub(r"[^\n]", " ", match.group(0))


def without_literals(text):
    """C code whose strings and block comments are blanks; `//` comments stay."""
    pattern = re.compile(
        r"""/\*.*?\*/ | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' """, re.S | re.X)
    return pattern.sub(blank, text)


def check_layers(tree, path, text):
    name = tree.name(path)
    layer = tree.layer_of(name)
    if layer is None:
        tree.report(path, 1, "this folder is not in tools/layers.txt")
        return
    allowed = tree.layers[layer] | {layer}
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            continue
        target = tree.layer_of(match.group(1))
        if target is None:
            tree.report(path, number, f'include "{match.group(1)}" from the repository root')
        elif target not in allowed and "*" not in allowed:
            tree.report(path, number, f"{layer} may not include {match.group(1)}")


def check_guard(tree, path, text):
    name = tree.name(path)
    if path.suffix != ".h":
        return
    if name.startswith("include/weir/"):
        words = "WEIR_" + name[len("include/weir/"):]
    else:
        words = "WI_" + name
    guard = re.sub(r"[^A-Z0-9]", "_", words.upper())
    if not re.search(rf"^#ifndef {guard}\n#define {guard}$", text, re.M):
        tree.report(path, 1, f"the include guard is not {guard}")


def check_lines(tree, path, text):
    lines = text.splitlines()
    limit = MAX_HEADER_LINES if path.suffix == ".h" else MAX_SOURCE_LINES
    if len(lines) > limit:
        tree.report(path, limit, f"{len(lines)} lines, limit {limit}")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS:
            tree.report(path, number, f"{len(line)} columns, limit {MAX_COLUMNS}")
    for number, line in enumerate(without_literals(text).splitlines(), 1):
        if "//" in line:
            tree.report(path, number, "a // comment means: not for merge")
        match = FORBIDDEN_FUNCTIONS.search(line)
        if match:
            tree.report(path, number, f"{match.group(1)} is not used here")


def matching(code, start, opening, closing):
    """Index of the bracket that closes the one at `start`, or the end."""
    depth = 0
    for index in range(start, len(code)):
        depth += (code[index] == opening) - (code[index] == closing)
        if depth == 0:
            return index
    return len(code) - 1


def parameters(code, start):
    """How many parameters the definition whose name stands after `start` has."""
    opening = code.index("(", start)
    text = code[opening + 1:matching(code, opening, "(", ")")]
    depth, commas = 0, 0
    for character in text:
        depth += (character == "(") - (character == ")")
        commas += character == "," and depth == 0
    return 0 if text.strip() in ("", "void") else commas + 1


def nesting(code, start):
    """Deepest control block in the function body whose brace stands at `start`."""
    depth, deepest, stack = 0, 0, []
    for match in re.finditer(r"[{}]", code[start:matching(code, start, "{", "}") + 1]):
        index = start + match.start()
        if match.group(0) == "}":
            depth -= stack.pop()
            continue
        stack.append(int(is_control(code, index)) if stack else 0)
        depth += stack[-1]
        deepest = max(deepest, depth)
    return deepest


def is_control(code, brace):
    """Does the brace open a block of statements, not an initializer?"""
    before = code[:brace].rstrip()
    if before.endswith(("else", "do", ";", "{", "}", ":")):
        return True
    if not before.endswith(")"):
        return False
    depth = 0
    for index in range(len(before) - 1, -1, -1):
        depth += (before[index] == ")") - (before[index] == "(")
        if depth == 0:
            return re.search(r"\b(if|for|while|switch)\s*$", before[:index]) is not None
    return False


def check_function(tree, path, code, fields):
    """`fields`: one line of pmccabe's table."""
    complexity, length = int(fields[0]), int(fields[4])
    place, function = fields[5].split(": ", 1)
    line = int(place.rstrip(")").rsplit("(", 1)[1])
    start = sum(len(text) + 1 for text in code.splitlines()[:line - 1])
    name = re.compile(rf"\b{re.escape(function)}\s*\(").search(code, start)
    if complexity > MAX_COMPLEXITY:
        tree.report(path, line, f"{function}: complexity {complexity}, limit {MAX_COMPLEXITY}")
    limit = MAX_FUNCTION_LINES
    if name is None:
        return
    brace = code.find("{", matching(code, name.end() - 1, "(", ")"))
    if tree.name(path).startswith("tests/"):
        is_test = "void **" in code[name.start():brace]
        limit = MAX_TEST_LINES if is_test else MAX_FUNCTION_LINES
        # A test program's main is its table of contents.
        limit = length if function == "main" else limit
    if length > limit:
        tree.report(path, line, f"{function}: {length} lines, limit {limit}")
    count = parameters(code, name.start())
    if count > MAX_PARAMETERS:
        tree.report(path, line, f"{function}: {count} parameters, limit {MAX_PARAMETERS}")
    depth = nesting(code, brace)
    if depth > MAX_NESTING:
        tree.report(path, line, f"{function}: nesting {depth}, limit {MAX_NESTING}")


def check_functions(tree):
    sources = [path for path in tree.c_files() if path.suffix == ".c"]
    if not sources:
        return
    if shutil.which("pmccabe") is None:
        sys.exit("tidy.py needs pmccabe")
    table = subprocess.run(
        ["pmccabe", *map(str, sources)], capture_output=True, text=True, check=True).stdout
    codes = {str(path): without_literals(path.read_text()) for path in sources}
    for row in table.splitlines():
        fields = row.split("\t")
        name = fields[5].split(": ", 1)[0].rsplit("(", 1)[0]
        check_function(tree, Path(name), codes[name], fields)


def check_absolute_paths(tree):
    for path in tree.files:
        if path.suffix not in TEXT_SUFFIXES and "." in path.name:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if ABSOLUTE_PATH.search(line):
                tree.report(path, number, "an absolute path of some machine")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    tree = Tree(parser.parse_args().root.resolve())
    for path in tree.c_files():
        text = path.read_text()
        check_layers(tree, path, text)
        check_guard(tree, path, text)
        check_lines(tree, path, text)
    check_functions(tree)
    check_absolute_paths(tree)
    for finding in tree.findings:
        print(finding)
    print(f"tidy: {len(tree.files)} files, {len(tree.findings)} findings")
    sys.exit(1 if tree.findings else 0)


if __name__ == "__main__":
    main()
