#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/mutants, tools/names, tools/figures and tools/test-summary: they find what is planted, and nothing in what is right."""

import json
import os
import subprocess
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
TOOLS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "tools")
sys.path.insert(0, TOOLS)
from csource import Source  # noqa: E402
from mutation import Mutator  # noqa: E402

PURE = """
#define LIMIT 7
static int add(int a, int b) {
        log_debug("%i < %i", a, b); /* a < b */
        assert(a < b);
        if (a < 3 && b)
                return -EINVAL;
        free(x);
        *ret = a + b;
        return 0;
}
"""


def lines_after(text):
    """Each change as the lines that it makes, without white space."""
    return {
        " ".join((text[: c.start] + c.new + text[c.end :])[text.rfind("\n", 0, c.start) + 1 :].split("\n")[0].split())
        for c in Mutator(text).generate()
    }


def each_kind_of_change_is_made():
    made = lines_after(PURE)
    for line in (
        "#define LIMIT 8", "#define LIMIT 6",
        "if (a <= 3 && b)", "if (a >= 3 && b)", "if (a < 3 || b)", "if (!(a < 3 && b))", "if (true)", "if (false)",
        "if (true && b)", "if (a < 3 && true)", "if (a < 4 && b)", "if (a < 2 && b)",
        "return 0;", ";", "*ret = a - b;", "return -EINVAL;",
    ):  # fmt: skip
        assert line in made, line


def logs_asserts_and_releases_stay():
    for line in lines_after(PURE):
        assert not line.startswith(("log_debug", "assert", "free")), line


def lines_keep_their_numbers():
    text = "int f(void) {\n        call(a,\n             b);\n        return x;\n}\n"
    for change in Mutator(text).generate():
        changed = text[: change.start] + change.new + text[change.end :]
        assert changed.count("\n") == text.count("\n"), change


def functions_are_found_whole():
    text = "static bool f(int a, char *b) {\n        if (a) {\n        }\n        return (X){1}.y;\n}\nint g(void);\nint x = 3;\n"
    (function,) = Source(text).functions
    assert function.name == "f" and function.returns == ["static", "bool"], function
    assert len(Source(text).split_arguments(function.parameters[0])) == 2


class Tree:
    """A repository with these files and the tools."""

    def __init__(self, files):
        self.folder = tempfile.TemporaryDirectory(prefix="bootkeep-test-")
        os.mkdir(self.path("tools"))
        for tool in ("csource.py", "names", "figures"):
            with open(os.path.join(TOOLS, tool), "rb") as f:
                self.write("tools/" + tool, f.read())
            os.chmod(self.path("tools/" + tool), 0o755)
        for name, text in files.items():
            self.write(name, text.encode())
        subprocess.run(["git", "init", "--quiet", self.folder.name], check=True)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, data):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as f:
            f.write(data)

    def says(self, tool, *arguments):
        done = subprocess.run([self.path("tools/" + tool), *arguments], stdout=subprocess.PIPE, text=True, check=False)
        assert (done.returncode == 0) == (done.stdout == ""), done
        return done.stdout.splitlines()


def what_is_named_and_not_there_is_found():
    tree = Tree({
        "src/a/one.c": "#include <stdlib.h>\n/* See a/one.c, one.c, one(), malloc(), free(3) and /etc/x.conf. */\nint one(void) {\n}\n",
        "src/a/two.c": "/* As\n * other.c says, two() is b/one.c. */\nint three(void) {\n}\n",
        "docs/map.md": "`one()` of `src/a/one.c`, `docs/map.md`; `none()` of `a/none.c`; tests/unit/test-NAME.c\n",
    })  # fmt: skip
    found = [line for line in tree.says("names") if not line.startswith("tools/")]
    assert found == [
        "docs/map.md:1: there is no a/none.c",
        "docs/map.md:1: there is no none()",
        "src/a/two.c:2: there is no other.c",
        "src/a/two.c:2: there is no b/one.c",
        "src/a/two.c:2: there is no two()",
    ], found  # fmt: skip


def what_breaks_the_rules_is_found():
    tree = Tree({
        "src/a.c": "static void take(int a) {\n" + "        call();\n" * 40 + "}\n"
                   "int many(int a, int b, int c, int d, int e, int f) {\n}\n"
                   "int callback(sd_bus *bus, int b, int c, int d, int e, int f) {\n}\n",
        "src/b.c": "static void take(bool one, bool two) {\n}\nint main(void) {\n}\n",
        "src/c.c": "static void good(bool one, int two, bool *three) {\n        assert(one);\n}\nint main(void) {\n}\n",
    })  # fmt: skip
    found = tree.says("figures", "--check")
    assert len(found) == 4, found
    assert "src/a.c:1: take() has 42 lines" in found[0], found
    assert "src/a.c:43: many() has 6 parameters" in found[1], found
    assert "src/b.c:1: take() takes two bools" in found[2], found
    assert "src/a.c:1: take() has the name of another function, in src/b.c:1" in found[3], found


def the_end_of_a_summary_says_what_failed_and_why():
    tap = "1..2\nok 1 - goes well\n# Traceback:\n#   at a\n# AssertionError: is stale, must be fresh\n# log\nnot ok 2 - rests\n"
    with tempfile.TemporaryDirectory() as logs:
        with open(os.path.join(logs, "testlog.json"), "w", encoding="ascii") as f:
            json.dump({"name": "bootkeep:integration / model", "result": "FAIL", "stdout": tap}, f)
        done = subprocess.run([os.path.join(TOOLS, "test-summary"), logs], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1, done
    assert done.stdout.splitlines()[-2:] == [
        "FAILED model: rests: AssertionError: is stale, must be fresh",
        "1 passed, 1 failed, 0 skipped",
    ], done.stdout


def main():
    tests = [
        each_kind_of_change_is_made,
        logs_asserts_and_releases_stay,
        lines_keep_their_numbers,
        functions_are_found_whole,
        what_is_named_and_not_there_is_found,
        what_breaks_the_rules_is_found,
        the_end_of_a_summary_says_what_failed_and_why,
    ]
    print(f"1..{len(tests)}")
    failed = False
    for number, test in enumerate(tests, 1):
        try:
            test()
            print(f"ok {number} - {test.__name__.replace('_', ' ')}")
        except Exception:  # pylint: disable=broad-except
            failed = True
            print("# " + traceback.format_exc().replace("\n", "\n# "))
            print(f"not ok {number} - {test.__name__.replace('_', ' ')}")
    return 1 if failed else 0


sys.exit(main())
