"""Templates made by chance: expressions of all types, statements within each other, and white space."""
import random

CONTEXTS = [
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "  Name a colour,\n\nplease  "},
            {"role": "assistant", "content": "<think>\nHm\n</think>\n\nBlue & 'red' 日本 😀", "tool_calls": None},
        ],
        "tools": None,
        "documents": None,
        "add_generation_prompt": True,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "s": "aXb cD\n e",
        "n": 7,
        "x": 2.5,
        "l": [3, 1, 2],
        "d": {"a": 1, "b": [1, 2], "c": {"d": "e"}},
    },
    {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image"}]},
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1.5}}}]},
            {"role": "tool", "content": "{\"r\": null}", "name": "f"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "documents": [],
        "add_generation_prompt": False,
        "bos_token": "",
        "eos_token": "<|end|>",
        "s": "",
        "n": -3,
        "x": -0.125,
        "l": [],
        "d": {},
    },
]

STRINGS = [
    "''", "'a'", "'ab'", "'Hello World'", "' pad '", "'\\n'", "'a\\nb'", "'x,y,,z'", "'éß'", "'😀a'", '"it\'s"', "'<b>'", "'12'",
    "'3.5'", "'%s'", "'%d|%5s'", "'{}'", "'{:>5}'", "s", "bos_token", "messages[0].role", "messages[-1].content", "messages[1]['content']",
    "d.c.d", "'aXbX'", "'ABC'", "'user'",
]
INTEGERS = ["0", "1", "2", "3", "-1", "-2", "5", "10", "n", "l|length", "messages|length", "s|length", "100", "7"]
FLOATS = ["0.5", "1.0", "2.5", "-1.5", "x", "1e3", "0.1", "3.14159", "1e-5", "1e17"]
LISTS = ["[]", "[1, 2, 3]", "['a', 'b', 'A']", "l", "[3, 1, 2]", "[1, 'a', none]", "(1, 2)", "()", "range(4)", "messages", "[[1, 2], [3]]",
         "[0.5, 2, true]", "[{'a': 1}, {'a': 2}, {'b': 3}]", "'abc'|list", "[(1, 'x'), (2, 'y')]", "d.b"]
DICTS = ["{}", "{'a': 1}", "d", "{'b': 2, 'a': 1}", "{'k': [1, {'z': none}]}", "messages[0]", "dict(a=1, c='x')", "{1: 'one', 'two': 2.0}"]
OTHERS = ["none", "true", "false", "nothing", "d.missing", "tools", "documents", "messages[9]", "messages[0].nope", "namespace(a=1)"]

METHODS = [
    "upper()", "lower()", "title()", "capitalize()", "strip()", "lstrip()", "rstrip()", "strip({s})", "lstrip({s})", "rstrip({s})",
    "replace({s}, {s})", "replace({s}, {s}, {k})", "swapcase()", "center({k})", "ljust({k})", "rjust({k}, '*')", "zfill({k})",
    "removeprefix({s})", "removesuffix({s})", "expandtabs()", "casefold()", "format({a})", "format({a}, {a})", "join({l})",
]
TEXT_FILTERS = [
    "upper", "lower", "title", "capitalize", "trim", "trim({s})", "replace({s}, {s})", "replace({s}, {s}, {k})", "indent", "indent({k})",
    "indent({k}, true)", "string", "center({k})", "truncate({k})", "truncate({k}, true)", "truncate({k}, leeway=0)", "reverse", "e", "safe", "urlencode",
    "format({a})", "default({a})", "default({a}, true)", "tojson", "first", "last", "list|join({s})", "wordcount",
]
LIST_FILTERS = [
    "sort", "sort(reverse=true)", "sort(case_sensitive=true)", "reverse|list", "unique|list", "map('string')|list", "map('upper')|list",
    "map(attribute='a')|list", "map(attribute='role')|list", "select|list", "reject|list", "select('string')|list", "reject('none')|list",
    "select('gt', {k})|list", "selectattr('a')|list", "selectattr('role', 'equalto', 'user')|list", "rejectattr('a', 'defined')|list", "batch({k})|list",
    "batch({k}, {a})|list", "slice({k})|list", "slice({k}, {a})|list", "list", "groupby('a')", "map('length')|list", "map('int')|list", "dictsort",
    "items|list", "map('default', {a})|list", "map('tojson')|list", "selectattr('content', 'string')|map(attribute='content')|list",
]
SCALAR_FILTERS = [
    "length", "first", "last", "sum", "min", "max", "join", "join({s})", "tojson", "tojson(indent={k})", "string", "int", "float", "abs", "round", "round({k})",
    "round({k}, 'floor')", "round({k}, 'ceil')", "default({a})", "count", "sum(attribute='a')", "max(attribute='a')", "join({s}, attribute='role')",
    "int({k})", "float({f})", "filesizeformat", "sum(start={a})", "tojson(sort_keys=true)", "tojson(ensure_ascii=true)", "attr('a')",
    "tojson(separators=(',', ':'))",
]
TESTS = [
    "defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number", "integer", "float", "boolean", "odd", "even", "divisibleby {i}",
    "in {l}", "eq {a}", "ne({a})", "gt {i}", "lt({f})", "sameas {o}", "lower", "upper", "true", "false", "callable", "filter", "test", "escaped",
    "ge({i})", "le {i}", "equalto({a})",
]


class Maker:
    def __init__(self, rng: random.Random):
        self.rng = rng
        self.names = []

    def fill(self, pattern: str, depth: int) -> str:
        makers = {"s": self.text, "i": self.integer, "f": self.real, "l": self.list, "a": self.any, "o": self.other, "k": self.size}
        for letter, make in makers.items():
            while "{" + letter + "}" in pattern:
                pattern = pattern.replace("{" + letter + "}", make(depth - 1), 1)
        return pattern

    def pick(self, options):
        return self.rng.choice(options)

    def group(self, text: str) -> str:
        return f"({text})"

    def any(self, depth: int) -> str:
        make = self.pick([self.text, self.text, self.integer, self.real, self.list, self.list, self.dict, self.bool, self.other, self.scalar])
        return make(depth)

    def size(self, depth: int) -> str:
        return self.pick(["0", "1", "2", "3", "5", "8", "-1", "true", "none", "n", "'x'", "2.0"] if self.rng.random() < 0.4 else ["1", "2", "4", "7"])

    def other(self, depth: int) -> str:
        return self.pick([*OTHERS, *self.names])

    def wrong(self, depth: int) -> bool:
        return self.rng.random() < 0.02 and depth > 0

    def text(self, depth: int) -> str:
        if depth <= 0:
            return self.pick(STRINGS)
        if self.wrong(depth):
            return self.any(depth - 1)
        inner = lambda: self.text(depth - 1)
        return self.pick([
            lambda: self.pick(STRINGS),
            lambda: f"{self.group(inner())}.{self.fill(self.pick(METHODS), depth)}",
            lambda: f"{self.group(inner())}.{self.fill(self.pick(METHODS), depth)}",
            lambda: f"{self.group(inner())}|{self.fill(self.pick(TEXT_FILTERS), depth)}",
            lambda: f"{self.group(inner())}|{self.fill(self.pick(TEXT_FILTERS), depth)}",
            lambda: f"{inner()} ~ {self.any(depth - 1)}",
            lambda: f"{self.group(inner())} + {self.group(inner())}",
            lambda: f"{self.group(inner())} * {self.pick(['0', '1', '2', '3', '-1'])}",
            lambda: f"{self.group(inner())}[{self.slice(depth)}]",
            lambda: f"{self.group(inner())}[{self.integer(0)}]",
            lambda: f"{self.group(inner())} % {self.group(self.any(depth - 1))}",
            lambda: f"{self.group(inner())}.split({self.pick(['', inner(), 'none, 1', repr(',')])})[{self.integer(0)}]",
            lambda: f"{self.group(inner())}.{self.pick(['partition', 'rpartition'])}({inner()})[{self.pick(['0', '1', '2'])}]",
            lambda: f"({inner()} if {self.bool(depth - 1)} else {inner()})",
            lambda: f"{self.group(self.any(depth - 1))}|string",
            lambda: f"{self.group(self.any(depth - 1))}|tojson",
            lambda: f"'{{}}-{{0}}'.format({self.any(depth - 1)})" if self.rng.random() < 0.1 else f"'{{:{self.spec()}}}'.format({self.any(depth - 1)})",
            lambda: f"'%{self.percent()}' % {self.group(self.any(depth - 1))}",
        ])()

    def spec(self) -> str:
        return self.pick(["", ">8", "<6", "^7", "*^9", "05", "+", ".2f", ".3", "e", "g", ",", "x", "#x", "b", "%", "08.3f", ".1e", "s", "d", ".4g", "_", "10,", "=+6", ".0f", "n"])

    def percent(self) -> str:
        return self.pick(["s", "5s", "-5s|", "d", "05d", "+d", ".2f", "e", ".3g", "x", "X", "o", "r", "c", ".1s", "8.3f", "-8.1f|", "% d", "i", "#x", ".3d", "g", "%"])

    def slice(self, depth: int) -> str:
        bound = lambda: self.pick(["", "0", "1", "2", "-1", "-2", "5", "none"])
        return f"{bound()}:{bound()}" + (f":{self.pick(['', '1', '2', '-1', '-2'])}" if self.rng.random() < 0.5 else "")

    def integer(self, depth: int) -> str:
        if depth <= 0:
            return self.pick(INTEGERS)
        if self.wrong(depth):
            return self.any(depth - 1)
        inner = lambda: self.group(self.integer(depth - 1))
        return self.pick([
            lambda: self.pick(INTEGERS),
            lambda: f"{inner()} {self.pick(['+', '-', '*', '//', '%'])} {inner()}",
            lambda: f"{inner()} ** {self.pick(['0', '1', '2', '3'])}",
            lambda: f"-{inner()}",
            lambda: f"{self.group(self.text(depth - 1))}.{self.pick(['find', 'rfind', 'count', 'index'])}({self.text(depth - 1)})",
            lambda: f"{self.group(self.list(depth - 1))}|length",
            lambda: f"{self.group(self.any(depth - 1))}|int",
            lambda: f"{self.group(self.real(depth - 1))}|round|int",
            lambda: f"{self.group(self.bool(depth - 1))}|int",
        ])()

    def real(self, depth: int) -> str:
        if depth <= 0:
            return self.pick(FLOATS)
        inner = lambda: self.group(self.pick([self.real, self.integer])(depth - 1))
        return self.pick([
            lambda: self.pick(FLOATS),
            lambda: f"{inner()} {self.pick(['+', '-', '*', '/', '//', '%'])} {inner()}",
            lambda: f"{inner()} ** {self.pick(['0.5', '2', '-1', '3'])}",
            lambda: f"{inner()}|round({self.pick(['', '0', '1', '2', '-1'])})",
            lambda: f"{self.group(self.any(depth - 1))}|float",
            lambda: f"-{inner()}",
        ])()

    def list(self, depth: int) -> str:
        if depth <= 0:
            return self.pick(LISTS)
        if self.wrong(depth):
            return self.any(depth - 1)
        inner = lambda: self.group(self.list(depth - 1))
        return self.pick([
            lambda: self.pick(LISTS),
            lambda: "[" + ", ".join(self.any(depth - 1) for _ in range(self.rng.randrange(4))) + "]",
            lambda: "(" + "".join(self.any(depth - 1) + ", " for _ in range(self.rng.randrange(3))) + ")",
            lambda: f"{inner()}|{self.fill(self.pick(LIST_FILTERS), depth)}",
            lambda: f"{inner()}|{self.fill(self.pick(LIST_FILTERS), depth)}",
            lambda: f"{inner()}|{self.fill(self.pick(LIST_FILTERS), depth)}",
            lambda: f"{inner()}[{self.slice(depth)}]",
            lambda: f"{inner()} + {inner()}",
            lambda: f"{inner()} * {self.pick(['0', '1', '2'])}",
            lambda: f"{self.group(self.text(depth - 1))}.{self.pick(['split()', 'splitlines()', 'rsplit(none, 1)'])}",
            lambda: f"{self.group(self.text(depth - 1))}.{self.pick(['split', 'rsplit'])}({self.text(depth - 1)}, {self.integer(0)})",
            lambda: f"{self.group(self.dict(depth - 1))}.{self.pick(['keys()', 'values()', 'items()'])}|list",
            lambda: f"range({self.integer(0)}, {self.integer(0)})|list",
        ])()

    def dict(self, depth: int) -> str:
        if depth <= 0:
            return self.pick(DICTS)
        return self.pick([
            lambda: self.pick(DICTS),
            lambda: "{" + ", ".join(f"{self.pick([self.text, self.integer, self.any])(0)}: {self.any(depth - 1)}" for _ in range(self.rng.randrange(4))) + "}",
            lambda: f"dict({self.group(self.dict(depth - 1))}, z={self.any(depth - 1)})",
        ])()

    def bool(self, depth: int) -> str:
        if depth <= 0:
            return self.pick(["true", "false", "s", "l", "n > 0", "tools", "add_generation_prompt", "nothing"])
        inner = lambda: self.group(self.bool(depth - 1))
        pair = self.pick([self.text, self.integer, self.list, self.any, self.real])
        return self.pick([
            lambda: f"{self.group(self.any(depth - 1))} is {self.pick(['', 'not '])}{self.fill(self.pick(TESTS), depth)}",
            lambda: f"{self.group(self.any(depth - 1))} is {self.pick(['', 'not '])}{self.fill(self.pick(TESTS), depth)}",
            lambda: f"{self.group(pair(depth - 1))} {self.pick(['==', '!=', '<', '<=', '>', '>='])} {self.group(pair(depth - 1))}",
            lambda: f"{self.group(self.any(depth - 1))} {self.pick(['==', '!='])} {self.group(self.any(depth - 1))}",
            lambda: f"{self.group(self.integer(depth - 1))} < {self.group(self.real(depth - 1))} <= {self.group(self.integer(depth - 1))}",
            lambda: f"{self.group(self.any(depth - 1))} {self.pick(['in', 'not in'])} {self.group(self.list(depth - 1))}",
            lambda: f"{self.group(self.text(depth - 1))} in {self.group(self.pick([self.text, self.dict])(depth - 1))}",
            lambda: f"not {inner()}",
            lambda: f"{inner()} {self.pick(['and', 'or'])} {inner()}",
            lambda: f"{self.group(self.text(depth - 1))}.{self.pick(['startswith', 'endswith'])}({self.text(depth - 1)})",
            lambda: f"{self.group(self.text(depth - 1))}.startswith(({self.text(depth - 1)}, {self.text(0)}))",
            lambda: f"{self.group(self.text(depth - 1))}.{self.pick(['isalpha', 'isdigit', 'isspace', 'isupper', 'islower', 'istitle', 'isalnum', 'isascii'])}()",
        ])()

    def scalar(self, depth: int) -> str:
        source = self.pick([self.list, self.dict, self.any])
        return f"{self.group(source(depth - 1))}|{self.fill(self.pick(SCALAR_FILTERS), depth)}"

    # Statements.

    def tag(self, text: str) -> str:
        left, right = self.pick(["", "", "", "-", "+"]), self.pick(["", "", "", "-", "+"])
        return f"{{%{left} {text} {right}%}}"

    def output(self, depth: int) -> str:
        left, right = self.pick(["", "", "", "-"]), self.pick(["", "", "", "-"])
        expression = self.any(depth)
        return f"{{{{{left} {expression} {right}}}}}"

    def space(self) -> str:
        return self.pick(["", "", "", " ", "\n", "\n  ", "  \n", "a", "b\n", " c ", "\t", "\r\n", "\n\n", "é "])

    def body(self, depth: int) -> str:
        parts = [self.space()]
        for _ in range(self.rng.randrange(1, 4)):
            parts += [self.statement(depth), self.space()]
        return "".join(parts)

    def target(self) -> str:
        name = self.pick(["v", "w", "s", "n", "u"])
        self.names.append(name)
        return name

    def statement(self, depth: int) -> str:
        if depth <= 0:
            return self.pick([self.output, self.output, lambda _: self.pick([*self.names, "s", "n"]).join(["{{ ", " }}"])])(1)
        tag, body = self.tag, lambda: self.body(depth - 1)
        return self.pick([
            lambda: self.output(2),
            lambda: tag(f"if {self.bool(1)}") + body() + (tag(f"elif {self.bool(1)}") + body() if self.rng.random() < 0.3 else "")
            + (tag("else") + body() if self.rng.random() < 0.5 else "") + tag("endif"),
            lambda: tag(f"for {self.target()} in {self.list(1)}{self.pick(['', '', ' if ' + self.bool(1)])}") + body() + self.loop(depth)
            + (tag("else") + body() if self.rng.random() < 0.3 else "") + tag("endfor"),
            lambda: tag(f"for {self.target()} in {self.list(1)}") + body() + self.loop(depth) + tag("endfor"),
            lambda: tag(f"for k, val in {self.pick(['d.items()', 'd|dictsort', '[(1, 2), (3, 4)]', '{1: 2}.items()'])}") + "{{ k }}={{ val }}" + body() + tag("endfor"),
            lambda: tag(f"set {self.target()} = {self.any(2)}"),
            lambda: tag(f"set {self.target()} = {self.any(1)}"),
            lambda: tag(f"set {self.target()}{self.pick(['', '|upper', '|trim'])}") + body() + tag("endset"),
            lambda: tag(f"with {self.target()} = {self.any(1)}") + body() + tag("endwith"),
            lambda: tag(f"filter {self.pick(['upper', 'trim', 'indent(2, true)', 'replace(' + repr('a') + ', s)', 'title'])}") + body() + tag("endfilter"),
            lambda: tag(f"macro m(a, b={self.any(1)})") + "{{ a }}{{ b }}" + body() + tag("endmacro") + "{{ m(" + self.pick(["", "1", "1, 2", "b=s", "s, a=2"]) + ") }}",
            lambda: tag("macro c()") + "<{{ caller() }}>" + tag("endmacro") + tag("call c()") + body() + tag("endcall"),
            lambda: tag("set ns = namespace(v=0)") + tag(f"for i in {self.list(0)}") + tag("set ns.v = ns.v + 1") + body() + tag("endfor") + "{{ ns.v }}",
            lambda: "{#" + self.pick(["", "-"]) + " c " + self.pick(["", "-"]) + "#}",
            lambda: "{% raw %}{{ x }}{% endraw %}",
            lambda: tag("generation") + body() + tag("endgeneration"),
        ])()

    def loop(self, depth: int) -> str:
        field = self.pick(["index", "index0", "first", "last", "length", "revindex", "previtem", "nextitem", "depth", "changed(n)", "cycle(1, 2)"])
        control = self.tag(f"if {self.bool(1)}") + "q" + self.tag(self.pick(["break", "continue"])) + self.tag("endif") + "r"
        return self.pick(["", f"{{{{ loop.{field} }}}}", control])


def template(rng: random.Random) -> str:
    maker = Maker(rng)
    if rng.random() < 0.5:
        return f"{{{{ {maker.any(rng.choice([1, 2, 2, 3]))} }}}}"
    return maker.body(rng.choice([1, 2, 2, 3]))
