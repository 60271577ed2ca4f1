# SPDX-License-Identifier: GPL-2.0-or-later
"""As much of the Common Expression Language as docs/kubevirt-plugin.yaml uses;
Debian has nothing that evaluates it. Objects are dicts, and a field that one
doesn't have is an error. An object that an expression makes has only the fields
that it names."""
import json
import re

TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\w+|&&|==|[^\s\w])')


def evaluate(text, types=None, **scope):
    """types: {name of a type: its fields}"""
    parser = Parser(TOKEN.findall(text), types or {})
    value = parser.choice()
    assert parser.next is None, parser.next
    return value(scope)


class Parser:
    """Each method takes a part of the text, and gives a function that has its
    value in a scope."""

    def __init__(self, words, types):
        self._words, self._types = iter(words), types
        self.next = None
        self._take()

    def _take(self, *wanted):
        word = self.next
        assert not wanted or word in wanted, (word, wanted)
        self.next = next(self._words, None)
        return word

    def _took(self, *words):
        return self.next in words and self._take()

    def choice(self):
        test = self._both()
        if not self._took("?"):
            return test
        yes = self.choice()
        self._take(":")
        no = self.choice()
        return lambda scope: yes(scope) if test(scope) else no(scope)

    def _both(self):
        left = self._relation()
        if not self._took("&&"):
            return left
        right = self._both()
        return lambda scope: left(scope) and right(scope)

    def _relation(self):
        left = self._sum()
        if self._took("=="):
            right = self._sum()
            return lambda scope: left(scope) == right(scope)
        if self._took("in"):
            right = self._sum()
            return lambda scope: left(scope) in right(scope)
        return left

    def _sum(self):
        left = self._not()
        if not self._took("+"):
            return left
        right = self._sum()
        return lambda scope: left(scope) + right(scope)

    def _not(self):
        if not self._took("!"):
            return self._member()
        value = self._not()
        return lambda scope: not value(scope)

    def _member(self):
        value = self._primary()
        while self.next in (".", "["):
            value = self._index(value) if self._took("[") else \
                self._field(value)
        return value

    def _index(self, value):
        key = self.choice()
        self._take("]")
        return lambda scope: value(scope)[key(scope)]

    def _field(self, value):
        self._take(".")
        name = self._take()
        if not self._took("("):
            return lambda scope: value(scope)[name]
        assert name == "endsWith", name
        end = self.choice()
        self._take(")")
        return lambda scope: value(scope).endswith(end(scope))

    def _has(self):
        """Of a field: the last one may be missing, and no other."""
        self._take("(")
        names = [self._take()]
        while not self._took(")"):
            self._take(".")
            names.append(self._take())

        def found(scope):
            for name in names[:-1]:
                scope = scope[name]
            return names[-1] in scope
        return found

    def _primary(self):
        word = self._take()
        if word == "has":
            return self._has()
        if word == "(":
            value = self.choice()
            self._take(")")
            return value
        if word[0] == '"':
            return lambda scope: json.loads(word)
        if self._took("{"):
            return self._object(self._types[word])
        return lambda scope: scope[word]

    def _object(self, fields):
        made = {}
        while not self._took("}"):
            name = self._take(*fields)
            self._take(":")
            made[name] = self.choice()
            self._took(",")
        return lambda scope: {name: value(scope)
                              for name, value in made.items()}
