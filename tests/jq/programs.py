"""Random programs, from a grammar of the language and its functions. The same seed gives the same programs.

What one jq does not end, or only with much memory, is not made: no loops but over what there is.
"""

import random

NAMES = ["a", "b", "c"]
TEXTS = ["", "a", "b", "ab", "a,b", " x ", "1", "äb", "2015-03-05T23:51:47Z"]
NUMBERS = ["0", "1", "2", "3", "-1", "0.5", "1.5", "10"]
PATTERNS = ["a", "b*", "[a-z]", "(?<n>a)", "^", "x?", ",", "(a)(b)?", "\\\\s+"]
FLAGS = ["null", '""', '"g"', '"i"', '"gi"', '"x"', '"n"']
STRFTIME = ["%Y-%m-%d", "%H:%M:%S", "%A %j %U", "%s"]

PLAIN = ["length", "keys", "keys_unsorted", "values", "add", "any", "all", "flatten", "floor", "sqrt", "tostring", "tonumber", "type",
         "sort", "unique", "min", "max", "reverse", "to_entries", "from_entries", "tojson", "ascii_downcase", "ascii_upcase", "explode",
         "implode", "trim", "ltrim", "rtrim", "not", "first", "last", "transpose", "abs", "toboolean", "utf8bytelength", "paths",
         "isnan", "isinfinite", "isnormal", "isfinite", "empty", "error", "tostream", "objects", "arrays", "strings", "numbers", "nulls",
         "booleans", "scalars", "iterables", "todate", "gmtime", "combinations", "@text", "@json", "@csv", "@tsv", "@html", "@uri",
         "@urid", "@sh", "@base64", "@base64d", "recurse", "..", "round", "ceil", "trunc", "fabs", "frexp", "infinite", "nan", "null",
         "true", "false", "builtins | length > 5", "have_literal_numbers", "$__loc__", "finites"]
WITH_FILTER = ["map({})", "map_values({})", "select({})", "sort_by({})", "group_by({})", "unique_by({})", "min_by({})", "max_by({})",
               "any({})", "all({})", "first({})", "last({})", "isempty({})", "path({})", "[paths({})]", "del({})", "pick({})", "walk({})",
               "with_entries({})", "add({})", "to_entries | map({})", "[.[]? | {}]", "[{}]", "try ({}) catch \"caught\"", "({})?", "-({})",
               "has({})", "in({})", "contains({})", "inside({})", "index({})", "indices({})", "rindex({})", "startswith({})",
               "endswith({})", "ltrimstr({})", "rtrimstr({})", "trimstr({})", "split({})", "join({})", "flatten({})", "getpath({})",
               "delpaths({})", "bsearch({})", "error({})", "nth({})", "IN({})", "INDEX({})", "format({})", "tojson | {}", "range({})",
               "reduce ({}) as $v (0; . + 1)", "[foreach ({}) as $v (0; . + 1; [., $v])]", "label $out | ({}), break $out",
               "fromstream({})", "[truncate_stream({})]", "splits({})", "strptime({})", "recurse({}; false)", "limit(2; {})",
               "[limit(3; {})]", "skip(1; {})", "[skip(1, 2; {})]", "nth(1; {})", "until(true; {})", "[while(false; {})]",
               "def f: {}; f", "def f(g): [g, g]; f({})", "def f($p): [$p]; f({})", "{{a: ({})}}", "{{(\"k\"): ({})}}", "[.[{}]?]",
               "[.[{}:]?]", "[.[:{}]?]", '"<\\({})>"', '@html "\\({})"', '@sh "\\({})"', '@json "\\({})"', '@uri "a=\\({})"', ".a |= ({})",
               ".[]? |= ({})", ".[0]? |= ({})", "(.. | numbers) |= ({})", ".a = ({})", ".b += ({})", ".c //= ({})", ".[1:]? = ({})",
               "[splits({}; null)]", "@base64 \"\\({})\"", "[.[]? as $v | $v | {}]", "if {} then 1 end", "not | {}"]
WITH_TWO = ["({}) + ({})", "({}) - ({})", "({}) * ({})", "({}) / ({})", "({}) % ({})", "({}) == ({})", "({}) != ({})", "({}) < ({})",
            "({}) <= ({})", "({}) > ({})", "({}) >= ({})", "({}) and ({})", "({}) or ({})", "({}) // ({})", "({}), ({})", "({}) | ({})",
            "[({}), ({})]", "{{a: ({}), b: ({})}}", "if ({}) then ({}) else . end", "reduce ({}) as $v (.; ({}))", "any({}; {})",
            "all({}; {})", "setpath({}; {})", "({}) as $v | [$v, ({})]", "({}) as [$v, $w] | [$v, $w, ({})]",
            "({}) as {{a: $v}} | [$v, ({})]", "({}) as [$v] ?// $v | [$v, ({})]", "IN({}; {})", "INDEX({}; {})", "pow({}; {})",
            "[limit({}; {})]", "[skip({}; {})]", "[range({}; {})]", "try ({}) catch [({} | empty), 1]", "first({}) // ({})", "[foreach ({}) as $v (0; . + $v; ({}))]",
            "({}) |= ({})", "({}) = ({})", "({}) += ({})", "({}) //= ({})", "[.[{}:{}]?]", "label $out | foreach ({}) as $v (.; ({}); ., break $out)",
            "def f: {}; def g(h): h | h; g({})", "def f(g): g | ({}); f({})", '"\\({}) \\({})"', "path(({}) | ({}))", "path(({}) // ({}))",
            "del(({}), ({}))", "[paths(({}) and ({}))]", "({}) as $v | ({}) as $w | [$v, $w]", ". as {{(({}) | tostring): $v}} ?// $v | [$v, ({})]",
            "fmin({}; {})", "ldexp({}; {})", "JOIN({}; {})", "[recurse(.[]?; ({}) == ({}))]", "{{(({}) | tostring): ({})}}", "isempty(({}) | ({}))"]


class Programs:
    def __init__(self, seed: int):
        self.dice = random.Random(seed)

    def text(self) -> str:
        return '"' + self.dice.choice(TEXTS) + '"'

    def leaf(self) -> str:
        kind = self.dice.randrange(12)
        if kind == 0:
            return self.dice.choice(NUMBERS)
        if kind == 1:
            return self.text()
        if kind <= 4:
            return "." + self.dice.choice(NAMES) + self.dice.choice(["", "", "?"])
        if kind == 5:
            return self.dice.choice([".[0]", ".[-1]", ".[]", ".[]?", ".[1:]", ".[:1]", ".a.b", ".[0]?", ".a[]?", ".[\"a\"]?", ".a?.b?", ".[1:]?"])
        if kind == 6:
            return self.dice.choice(["[]", "{}", "[1,2]", '["a","b"]', "{a:1}", '{"b":[1]}', "[[1],[2]]", "[.]", "{a:.}", "[.[]?]", "[[0]]"])
        if kind == 7:
            return self.regular()
        if kind == 8:
            return "."
        return self.dice.choice(PLAIN)

    def regular(self) -> str:
        pattern = '"' + self.dice.choice(PATTERNS) + '"'
        flags = self.dice.choice(FLAGS)
        text_flags = '""' if flags == "null" else flags
        return self.dice.choice([
            f"test({pattern}; {flags})", f"[match({pattern}; {flags})]", f"capture({pattern})", f"[scan({pattern})]",
            f"split({pattern}; {flags})", f"sub({pattern}; \"<\\(.n)>\"; {text_flags})", f"gsub({pattern}; \"-\")",
            f"gsub({pattern}; \"x\", \"y\")", f"[splits({pattern})]", f"[match({pattern}; \"g\") | .offset]",
            f"strftime(\"{self.dice.choice(STRFTIME)}\")", f"strptime(\"{self.dice.choice(STRFTIME)}\")"])

    def program(self, depth: int) -> str:
        kind = self.dice.randrange(10)
        if depth == 0 or kind < 2:
            return self.leaf()
        if kind < 6:
            return self.dice.choice(WITH_FILTER).format(self.program(depth - 1))
        return self.dice.choice(WITH_TWO).format(self.program(depth - 1), self.program(depth - 1))

    def value(self, depth: int):
        kind = self.dice.randrange(8 if depth else 6)
        if kind == 0:
            return self.dice.choice([None, True, False])
        if kind <= 2:
            return self.dice.choice([0, 1, 2, -1, 1.5, 10, 1425599621])
        if kind <= 5:
            return self.dice.choice(TEXTS)
        if kind == 6:
            return [self.value(depth - 1) for _ in range(self.dice.randrange(4))]
        return {name: self.value(depth - 1) for name in NAMES if self.dice.random() < 0.6}


def programs(seed: int, count: int):
    """Each a program and the inputs that it gets."""
    made = Programs(seed)
    for _ in range(count):
        program = made.program(made.dice.choice([1, 2, 2, 3, 3, 4]))
        yield program, [None, made.value(1), made.value(2), made.value(3), made.value(3)]
