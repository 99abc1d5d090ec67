# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small changes of meaning of a C file, one at a time. What is changed is what a test should notice: nothing in what is
logged or asserted, and no release of memory or descriptors (a sanitizer sees those)."""

import re
from dataclasses import dataclass

from csource import Source

FLIPPED = {
    "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"], "==": ["!="], "!=": ["=="],
    "&&": ["||"], "||": ["&&"],
    "+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "%": ["/"], "<<": [">>"], ">>": ["<<"], "&": ["|"], "^": ["|"],
    "++": ["--"], "--": ["++"],
    "+=": ["-=", "="], "-=": ["+=", "="], "|=": ["="], "&=": ["="], "*=": ["/="], "/=": ["*="],
    "<<=": [">>="], ">>=": ["<<="],
}  # fmt: skip
PREFIX_OR_BINARY = {"+", "-", "*", "&"}
SILENT = re.compile(r"^(log_\w+|assert|static_assert|_Static_assert|__builtin_unreachable|fprintf|printf)$")
RELEASE = re.compile(r"(^|_)(free|close|unref|deinit|destroy|done|release|umount|munmap|clear|hasher_free)(p|_\w+)?$")
# The order of their arguments changes nothing.
SYMMETRIC = {"streq", "streq_ptr", "MIN", "MAX", "calloc", "path_meets"}
KEYWORDS = {
    "if", "else", "for", "while", "do", "switch", "case", "default", "return", "break", "continue", "goto", "sizeof",
    "typeof", "__typeof__", "defined",
}  # fmt: skip
TYPE_WORDS = {
    "static", "const", "struct", "enum", "union", "unsigned", "signed", "int", "char", "bool", "long", "short", "void",
    "double", "float", "typedef", "extern", "volatile",
}  # fmt: skip
ENDS = {")", "]", "}", ",", ";", "?", ":", "=", "{", "(", "[", "return", "case"}
LOWER_THAN_OR = ENDS | {"&&", "||", "|=", "&=", "+=", "-="}


@dataclass(frozen=True)
class Change:
    start: int
    end: int
    new: str


class Mutator:
    def __init__(self, text):
        self.source = Source(text)
        self.changes = []

    def generate(self):
        """All changes, in the order of the text, each text once."""
        for function in self.source.functions:
            first, last = function.body
            i = first + 1
            while i < last:
                skip_to = self._silent_end(i)
                if skip_to is None:
                    self._token(i)
                    if self.source.starts_statement(i):
                        self._statement(i, function)
                i = i + 1 if skip_to is None else skip_to + 1
        self._outside_functions()
        seen, result = set(), []
        for change in sorted(self.changes, key=lambda c: (c.start, c.end, c.new)):
            if change not in seen and self.source.text[change.start : change.end] != change.new:
                seen.add(change)
                result.append(change)
        return result

    def _replace(self, first, last, new):
        start, end = self.source.tokens[first].start, self.source.tokens[last].end
        # lines keep their numbers, which asserts and error_origin() compile in
        missing = self.source.text.count("\n", start, end) - new.count("\n")
        self.changes.append(Change(start, end, new + "\n" * max(0, missing)))

    def _silent_end(self, i):
        source = self.source
        if source.tokens[i].kind == "name" and SILENT.match(source.word(i)) and source.word(i + 1) == "(":
            return source.partner[i + 1]
        return None

    # Single tokens

    def _token(self, i):
        token = self.source.tokens[i]
        if token.kind == "number" and not self._is_array_size(i):
            self._number(i)
        elif token.kind == "char":
            self._replace(i, i, f"({token.text} + 1)")
        elif token.text in ("true", "false"):
            self._replace(i, i, "false" if token.text == "true" else "true")
        elif token.kind == "op":
            self._operator(i)
        elif token.kind == "name" and self.source.word(i + 1) == "(" and token.text not in KEYWORDS:
            self._call(i)

    def _number(self, i):
        text = self.source.word(i)
        digits = re.match(r"(0[xX][0-9a-fA-F]+|[0-9]+)([uUlL]*)$", text)
        if not digits:
            return
        value = int(digits[1], 8 if re.fullmatch("0[0-7]+", digits[1]) else 0)
        others = {value + 1, max(value - 1, 0)} - {value}
        if i > 1 and self.source.word(i - 1) == "(" and self.source.word(i - 2) == "calloc":
            others.discard(value + 1)  # memory that is not used
        for other in others:
            self._replace(i, i, f"{other}{digits[2]}")

    def _is_array_size(self, i):
        source = self.source
        around = source.inside[i]
        if around is None or source.word(around) != "[" or source.word(source.partner[around] + 1) not in ";,=[":
            return False
        k = around
        while k > 0 and not source.starts_statement(k):
            k -= 1
        return self._is_declaration(k)

    def _operator(self, i):
        source, text = self.source, self.source.word(i)
        if text == "!" and source.word(i + 1) != "!":
            self._replace(i, i, "")
        if text == "?":
            self._swap_ternary(i)
        if text in PREFIX_OR_BINARY and not self._is_value_end(i - 1):
            return
        for other in FLIPPED.get(text, []):
            self._replace(i, i, other)
        if text in ("&&", "||"):
            self._drop_operands(i, ENDS | {"&&", "||"}, "true" if text == "&&" else "false")
        elif text == "|":
            self._drop_flags(i)
        elif text == "|=":
            end = source.statement_end(i) if source.word(source.inside[i]) == "{" else None
            if end:
                self._replace(i, end - 1, f"&= ~({source.between(i + 1, end - 1)})")

    def _is_value_end(self, i):
        token = self.source.tokens[i]
        return (
            token.kind in ("number", "char", "string")
            or (token.kind == "name" and token.text not in KEYWORDS)
            or token.text in (")", "]")
        )

    def _operand_before(self, i, stops):
        source, k = self.source, i - 1
        while k != source.inside[i] and not (source.inside[k] == source.inside[i] and source.word(k) in stops):
            k = source.partner[k] - 1 if source.word(k) in (")", "]", "}") else k - 1
        return k + 1

    def _operand_after(self, i, stops):
        source, k = self.source, i + 1
        while not (source.inside[k] == source.inside[i] and source.word(k) in stops):
            if source.word(k) in ("(", "[", "{"):
                k = source.partner[k]
            elif source.word(k) in (")", "]", "}"):
                break
            k += 1
        return k - 1

    # Closing brackets must not stop the way back over them, nor opening ones the way on.
    BEFORE = {")", "]", "}"}
    AFTER = {"(", "[", "{"}

    def _drop_operands(self, i, stops, neutral):
        first = self._operand_before(i, stops - self.BEFORE)
        if self.source.word(first - 1) != self.source.word(i):
            self._replace(first, i - 1, neutral)
        self._replace(i + 1, self._operand_after(i, stops - self.AFTER), neutral)

    def _drop_flags(self, i):
        first = self._operand_before(i, (LOWER_THAN_OR | {"|"}) - self.BEFORE)
        if self.source.word(first - 1) != "|":
            self._replace(first, i, "")
        self._replace(i, self._operand_after(i, (LOWER_THAN_OR | {"|"}) - self.AFTER), "")

    def _swap_ternary(self, i):
        source = self.source
        depth, colon = 0, i + 1
        while source.inside[colon] != source.inside[i] or source.word(colon) != ":" or depth:
            if source.inside[colon] == source.inside[i]:
                depth += {"?": 1, ":": -1}.get(source.word(colon), 0)
            colon += 1
        end = self._operand_after(colon, {",", ";", ")", "]", "}", ":"})
        if colon > i + 1:
            self._replace(i + 1, end, f"{source.between(colon + 1, end)} : ({source.between(i + 1, colon - 1)})")

    def _call(self, i):
        if self.source.word(i) in SYMMETRIC:
            return
        arguments = self.source.split_arguments(i + 1)
        for (a, b), (c, d) in zip(arguments, arguments[1:]):
            one, two = self.source.between(a, b), self.source.between(c, d)
            if one != two:
                self._replace(a, d, f"{two}, {one}")

    # Statements

    def _is_declaration(self, i):
        source = self.source
        if source.tokens[i].kind != "name":
            return False
        if source.word(i) in TYPE_WORDS or source.word(i).startswith("_"):
            return True
        if source.word(i) in KEYWORDS:
            return False
        k = i + 1
        while source.word(k) in ("*", "const"):
            k += 1
        return source.tokens[k].kind == "name" and source.word(k + 1) in "=;,["

    def _statement(self, i, function):
        source, word = self.source, self.source.word(i)
        if word in ("if", "while"):
            self._condition(i)
        elif word == "for":
            self._loop(i)
        elif word == "return":
            self._return(i, function)
        elif word in ("break", "continue"):
            self._replace(i, i, "continue" if word == "break" else "break")
            self._replace(i, i, "")
        elif word == "case":
            k = i
            while source.word(k) != ":":
                k += 1
            self._replace(i, k, "")
        elif word not in KEYWORDS and word not in "{};" and not self._is_declaration(i):
            self._expression(i)

    def _expression(self, i):
        source, end = self.source, self.source.statement_end(i)
        if end is None:
            return
        k = i
        if source.word(k) == "(" and source.between(k, k + 2) == "(void)":
            k += 3
        called = source.word(k) if source.word(k + 1) == "(" and source.partner[k + 1] == end - 1 else ""
        if not (SILENT.match(called) or RELEASE.search(called)):
            self._replace(i, end - 1, "")

    def _condition(self, i):
        source, opening = self.source, i + 1
        closing = source.partner[opening]
        inner = source.between(opening + 1, closing - 1)
        self._replace(opening + 1, closing - 1, f"!({inner})")
        if source.word(i) == "if":
            self._replace(opening + 1, closing - 1, "true")
        self._replace(opening + 1, closing - 1, "false")

    def _loop(self, i):
        source, opening = self.source, i + 1
        parts = [k for k in range(opening, source.partner[opening]) if source.word(k) == ";" and source.inside[k] == opening]
        if len(parts) == 2 and parts[1] > parts[0] + 1:
            self._replace(parts[0] + 1, parts[1] - 1, "false")

    def _return(self, i, function):
        source, end = self.source, self.source.statement_end(i)
        if end == i + 1:
            self._replace(i, i, "")
            return
        value = source.between(i + 1, end - 1)
        words = set(function.returns)
        if source.word(function.parameters[0] - 2) == "*":
            others = ["NULL"]
        elif "bool" in words:
            others = ["true", "false"]
        elif "int" in words and "unsigned" not in words:
            others = ["-EINVAL"] if value == "0" else ["0", "1"] if value == "r" else ["0"]
        elif re.fullmatch(r"[A-Za-z_0-9]+", value):
            others = [f"({' '.join(w for w in function.returns if w not in ('static', 'inline'))}) {{0}}"]
        else:
            others = []
        for other in others:
            self._replace(i + 1, end - 1, other)

    # Constants of the file

    def _outside_functions(self):
        source = self.source
        in_function = set()
        for function in source.functions:
            in_function.update(range(function.parameters[0], function.body[1] + 1))
        for i, token in enumerate(source.tokens):
            if token.kind == "number" and i not in in_function and source.inside[i] is not None:
                if source.word(source.inside[i]) == "{":
                    self._number(i)
        for directive in source.directives:
            found = re.match(r"\s*#define \w+ (.*)$", directive.text, re.S)
            for number in re.finditer(r"(?<![\w.])[0-9]+\b", found[1]) if found else ():
                start = directive.start + found.start(1) + number.start()
                for other in {int(number[0]) + 1, max(int(number[0]) - 1, 0)} - {int(number[0])}:
                    self.changes.append(Change(start, start + len(number[0]), str(other)))
