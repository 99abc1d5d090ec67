# SPDX-License-Identifier: LGPL-2.1-or-later
"""C source as tokens and functions, for the tools that analyse it. Not a parser: it knows brackets, statements and the
habits of this tree, but nothing about types."""

import bisect
import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)
      | (?P<directive>^[ \t]*\#(?:\\\n|/\*.*?\*/|[^\n])*)
      | (?P<string>(?:u8|[uUL])?"(?:\\.|[^"\\])*")
      | (?P<char>[uUL]?'(?:\\.|[^'\\])+')
      | (?P<number>\.?[0-9](?:[eEpP][+-]|[0-9A-Za-z_.])*)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<op><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[^\s\w])""",
    re.S | re.M | re.X,
)
OPENING = {"(": ")", "[": "]", "{": "}"}
BLOCK_WORDS = {"if", "for", "while", "switch"}
ITERATOR = re.compile(r"^[A-Z_]*(ITER|FOREACH)[A-Z_]*$|_foreach$")  # macros that stand for a loop


@dataclass
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass
class Function:
    name: str
    returns: list  # the words before the name: static, bool, …
    parameters: tuple  # the indexes of its parentheses
    body: tuple  # the indexes of its braces


class Source:
    """The tokens of a file without comments and directives, which are kept apart."""

    def __init__(self, text):
        self.text = text
        self.tokens, self.comments, self.directives = [], [], []
        for found in TOKEN.finditer(text):
            token = Token(found.lastgroup, found[0], found.start(), found.end())
            {"comment": self.comments, "directive": self.directives}.get(token.kind, self.tokens).append(token)
        self.line_starts = [0] + [found.end() for found in re.finditer("\n", text)]
        self._match_brackets()
        self.functions = list(self._find_functions())

    def line_of(self, position):
        return bisect.bisect_right(self.line_starts, position)

    def word(self, index):
        return self.tokens[index].text if 0 <= index < len(self.tokens) else ""

    def between(self, first, last):
        """The text from token FIRST to token LAST, both included."""
        return self.text[self.tokens[first].start : self.tokens[last].end]

    def _match_brackets(self):
        self.partner = {}  # of each bracket
        self.inside = []  # of each token: the bracket around it, or None
        stack = []
        for i, token in enumerate(self.tokens):
            if token.kind == "op" and token.text in OPENING.values() and stack:
                opening = stack.pop()
                self.partner[opening], self.partner[i] = i, opening
            self.inside.append(stack[-1] if stack else None)
            if token.kind == "op" and token.text in OPENING:
                stack.append(i)

    def _find_functions(self):
        for i in range(len(self.tokens)):
            if self.inside[i] is not None or self.word(i) != "{" or self.word(i - 1) != ")":
                continue
            opening = self.partner.get(i - 1)
            if opening is None or i not in self.partner or self.tokens[opening - 1].kind != "name":
                continue
            first = opening - 1
            while first > 0 and not (self.inside[first - 1] is None and self.word(first - 1) in (";", "}")):
                first -= 1
            words = [self.word(k) for k in range(first, opening - 1)]
            yield Function(self.word(opening - 1), words, (opening, i - 1), (i, self.partner[i]))

    def is_block(self, brace):
        """True if the brace opens statements, not an initialiser or the members of a type."""
        before, around = self.word(brace - 1), self.inside[brace]
        if before != ")":
            return before in ("else", "do", "(") or (
                before in ("{", "}", ";", ":") and around is not None and self.is_block(around)
            )
        head = self.word(self.partner[brace - 1] - 1)
        return head in BLOCK_WORDS or ITERATOR.search(head) or self.inside[brace] is None

    def starts_statement(self, i):
        around = self.inside[i]
        if around is None or self.word(around) != "{" or not self.is_block(around):
            return False
        before = self.word(i - 1)
        if before in ("{", "}", ";", "else", "do"):
            return True
        if before == ")":
            head = self.word(self.partner[i - 1] - 1)
            return head in BLOCK_WORDS or (ITERATOR.search(head) and self.starts_statement(self.partner[i - 1] - 1))
        if before == ":":  # of a label
            k = i - 2
            while self.word(k) not in (";", "{", "}", "?", "case", "default", ":", ""):
                k -= 1
            return self.word(k) in ("case", "default")
        return False

    def statement_end(self, i):
        """The semicolon of the simple statement that starts at I; None if it is none."""
        for k in range(i, self.partner[self.inside[i]]):
            if self.inside[k] == self.inside[i] and self.word(k) in (";", "{"):
                if self.word(k) == ";":
                    return k
                if self.is_block(k):
                    return None
        return None

    def split_arguments(self, opening):
        """Pairs of the first and last token of each argument."""
        closing, first, result = self.partner[opening], opening + 1, []
        for k in range(opening + 1, closing + 1):
            if k == closing or (self.word(k) == "," and self.inside[k] == opening):
                if k > first:
                    result.append((first, k - 1))
                first = k + 1
        return result
