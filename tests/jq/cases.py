"""The cases that are always the same: every builtin on every kind of input and argument, and programs on what is not a
function."""

# Of these there is one of each kind, with what is at an edge of the kind.
INPUTS = [
    None, True, False, 0, -1, 1.5, 3, 1e17, 1425599621, 1425599621.678,
    "", "abc", "a,b, cd", "äb😀c", " \ta \n", "12", "-0.5e1", "[1,{\"a\":2}]", "nan", "true", "2015-03-05T23:51:47Z",
    "10:15 5 Mar 2015", "a%20b%C3%A9", "<&'\"\\", "YWJj", "test TEST tEst",
    [], [3, 1, 2], [1, 1, 2, 1], ["b", "a", ""], [[1, 2], [3], []], [None, True, "a", 1, [1], {"a": 1}], [0, 1, 2.5, -1],
    [65, 228, 128512], [2015, 2, 5, 23, 51, 47, 4, 63], [{"a": 1, "b": 2}, {"a": 0}, {"b": 3}],
    [{"key": "x", "value": 1}, {"name": "y", "value": None}, {"Name": "z", "Value": False}, {"k": 1}], [[["a"], 1], [["a"]]],
    {}, {"a": 1}, {"b": {"c": [1, {"a": None}]}, "a": [1, 2]}, {"a": "x", "b": False, "c": None}, {"a": {"b": 1}, "key": "k"},
]

FEW_INPUTS = [None, True, 0, 1.5, -1, "abc", "", "a,b, cd", "12", [], [3, 1, 2], ["b", "a", ""], [[1, 2], [3], []],
              [{"a": 1, "b": 2}, {"a": 0}, {"b": 3}], {}, {"a": 1}, {"b": {"c": [1, {"a": None}]}, "a": [1, 2]}]

# Arguments, as text of the language.
ARGUMENTS = [
    "null", "true", "0", "1", "-1", "2", "1.5", "nan", "infinite", '""', '"a"', '"b+"', '", "', "[]", "[1]", '["a"]', '["a",0]', "[[0]]",
    "{}", '{"a":1}', ".", ".[0]", ".[]", ".a", ".[]?", "1,2", "empty", 'error("x")', "length", "type", ". == 1", "path(..)",
    ".. | numbers",
]
FEW_ARGUMENTS = ["null", "0", "1", "-1", "2.5", '""', '"a"', "[]", '["a"]', '[0]', "{}", ".", ".[]?", ".a?", "1,2", "empty"]
FEWER_ARGUMENTS = ["null", "0", "2", '"a"', "[1]", ".", ".[]?", "1,2"]

# Functions that end only with the right argument.
ENDLESS = {"repeat/1", "while/2", "until/2", "recurse/1", "recurse/2", "range/3"}
# Those have their own cases below.
OWN = {"now/0", "localtime/0", "combinations/1", "limit/2", "ldexp/2"}

OPERATORS = ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "and", "or", "//"]
ASSIGNMENTS = [
    "=", "|=", "+=", "-=", "*=", "/=", "%=", "//=",
]
PATHS = [
    ".", ".a", ".[0]", ".[-1]", ".[]", ".[]?", ".a?", ".[1:]", ".[:-1]", ".b.c", "..", ".a,.b", "empty", "select(.)", ".[2:1]",
    "first(.[]?)", 'getpath(["a","b"])', "if . then .a else .[0] end", ".a // .b", '(.. | select(type == "number"))', "recurse(.[]?)",
    "limit(1; .[])", ".[[1]]", "1", "last", "last(.[]?)", "paths", 'try error("x") catch .',
]
FORMATS = ["text", "json", "csv", "tsv", "html", "uri", "urid", "sh", "base64", "base64d", "nothing"]

# Programs that no table makes.
PROGRAMS = [
    '"\\u00e9\\n\\t\\"\\\\"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\udc00"', '"\\ud800\\u0041"', "1e999", "-1e999", "1e-999", "1.50",
    "0.1e1", ".5", "5.", "1.e1", "00012", "[1,2,]", "{}", "{a:1}", '{"a":1}', "{a:1,a:2}", '{"a b"}', "{a}", "{$__loc__}", "{(.a):1}?",
    "{a:1|2}", "{a:1,b:(2,3)}", '{("a","b"):(1,2)}', '{"a\\(1)":2}', '{@text "a":1}', '{@base64 "\\("x")":1}', "{if:1}", "{and:1, def:2}",
    "{1:2}", "{true:1}", ". as $x | {$x}", ". as $x | {$x:1}", "{a:1}.a", "{a:{b:2}}.a.b", '."a"', '."a"?', '.["a"]?', '."a"."b"?',
    '.["a","b"]?', ".a.b.c?", ".a[]?", ".a[0]?", '.["a"].b?', "..a", "...", "..[0]?", "..?", ".a.[0]?", ".[1,0]?", ".[1:2,3]?",
    ".[1.2:3.5]?", ".[:1][0]?", ".[null:2]?", '.["a":]?', ".[nan]?", ".[1.7]?", ".[-1.2]?", "$__loc__", "$__prog_args", "$nope", "nope",
    "nope(1)", "nope::x", "$a::b", "@nope", '@nope "x"', '@json "a\\(1+1)b\\("c")"', '@sh "x\\(.)"?', '"a\\(1,2)b\\(3,4)"',
    '"\\("\\("a")")"', '@html "\\("<\\("&")>")"', '@uri "\\(@html "\\("<")")"', '"\\(empty)"', '"x" as $x | "\\($x)"',
    "1 + 2 * 3 - 4 / 2 % 3", "-1 - -1", "-(1)", "- . ?", "-.a?", "1 - 1", "1 -1", "[.[]? | -.]?", "5 % -2", "-5 % 2", "5.9 % 2.1",
    "1 % 0", "0 % 1e300", "nan % 1", "1 % nan", "1 / 3", "0 / 0", "1 / 0", "[nan] | sort", "[nan, 1] | min, max", "nan == nan",
    "nan < nan", "nan > nan", "[nan] == [nan]", "nan < 1", "infinite < nan", "[infinite, -infinite, nan]", "infinite | tostring",
    "[infinite] | tojson", "1e1000 | tostring", "0.1 + 0.2", "1e15, 1e16, 1e17, 1e18, 123456789012", "0.00001, 0.000001, 1.5e-7",
    "3.0, 3.10", "-0", "-0.0", "0 * -1", "[-0] | tojson", "pow(2; 10), pow(2; 0.5), log10, exp10?", "[1, 1.0, 1.00] | unique",
    "1e308 * 10", "-1e308 * 10", "4 | ldexp(.; 3), scalb(.; 2), scalbln(.; 2), nearbyint",
    "10 | frexp, modf, significand, logb, gamma, lgamma_r, trunc",
    "[1.5, -1.5, 2.5, -2.5, 0.5] | map(round), map(rint), map(nearbyint), map(ceil), map(floor), map(trunc)",
    "[0, 1, -1, 1.5, infinite, nan] | map(frexp), map(modf), map(logb), map(significand)",
    "infinite | floor, ceil, round, sqrt, length, abs", "nan | floor, isnan, isnormal, isinfinite, abs, length",
    "[limit(3; range(infinite))]", "[range(0; 1; 0.3)]", "[range(5; 0; -2)]", "[range(0; 3; 0)]", "[range(nan)]", "[range(3; nan)]",
    "[range(0; 1; nan)]?", '[range("a"; 3)]?', "[range(1, 2; 3, 4)]", "[range(0; 2, 4; 1, 2)]", "[range(2.5)]", "[range(-1)]",
    "[range(0;10;-1)]", '[range(0; "b"; 1)] | length?', '"abc" | .[1:2], .[-1:], .[:-1]',
    '"äöü" | .[1:2], length, utf8bytelength, explode, ascii_downcase', '"abc" * 0', '"abc" * 1', '"abc" * -1', '"abc" * 0.5',
    '"abc" * 1.5', '0 * "abc"', '"abc" * nan', '"a" * {}', '"a,b,,c," / ","', '"" / ","', '"" / ""', '"abc" / ""',
    '"aaa" | indices("aa")', '"a" | indices("")', '"abcb" | index("b"), rindex("b"), indices("b")', '"x" | index("y"), rindex("y")',
    'null | indices(1), index(1), rindex("a")', "[1,2,1] | indices(1), indices([1]), indices([1,2]), indices([]), index(1), rindex(1)",
    "[1,2,1,2] | .[[1,2]]", "[] | .[[]]", "[1] | .[[]]", "[[]] | indices([[]])",
    '"abc" | contains("b"), inside("xabcx"), startswith("a"), endswith("c")',
    '"a b" | @uri, @html, @sh, @base64, @json, @text, @csv?, @tsv?', '[1,"a\\"b",null,true,1.5] | @csv, @tsv, @sh?',
    '["a\\tb\\\\\\n\\r"] | @tsv, @csv', "[[1]] | @csv?, @sh?", '"\\u0000" | @json, @tsv?, ([.] | @tsv), ([.] | @csv), @html',
    "[nan] | @csv, @tsv, @sh, @json", '"=" , "a", "ab", "YQ", "YWI", "YWJj", "YWJjZ", "YW=Jj", "ÿ", "/+8=" | try @base64d catch "bad"',
    '"%41%", "%4", "%zz", "%ff", "+" | try @urid catch "bad"', '"abc" | test("B"), test("B"; "i"), test("B"; null), test(["B", "i"])',
    '"aXbxc" | [match("x"; "gi") | .offset]', '"äbä" | [match("ä"; "g") | [.offset, .length, .string]]',
    '"abc" | match("(?<x>z)?b") | .captures', '"abc" | match("(z)?"; "g")', '"aab" | [match("a*?"; "g") | .offset, .length]',
    '"abc" | [match(""; "g") | .offset]', '"test" | [match("(?=s)"; "g") | .offset]', '"foo bar foo" | [match("foo", "bar") | .offset]',
    '"xyz" | capture("(?<a>x)(?<n>q)?")',
    '"abAB" | sub("(?<l>a)"; "<\\(.l)>"), sub("a"; "b"; "gi"), gsub("a"; "x"), gsub("(?<l>[ab])"; .l + "-")',
    '"abc" | gsub(""; "-"), gsub("^"; ">"), gsub("$"; "<"), gsub("b*"; "x")', '"aa" | [sub("a"; "x", "y")], [gsub("a"; "x", "y")]',
    '"a1b2" | [scan("[a-z][0-9]")], [scan("([a-z])([0-9])")], [scan("A"; "i")], [splits("[0-9]")], split("[0-9]"; null), split("A"; "i"), split("b")',
    '"" | [scan("")], [splits("a")], split(""; null), gsub("a";"b"), gsub("";"b")',
    '"a\\nb" | test("a.b"), test("a.b"; "s"), test("a.b"; "p"), test("^b"), test("a$"), test("A B"; "xi")', '"aa" | test("("), 1',
    '"aa" | test("a"; "q")', '"aa" | test(1)', '"aa" | test("a"; 1)', '"aa" | test([])', '"aa" | test(["a"])', '"aa" | test({})',
    '1 | test("a")', '"aa" | [match(["a", "g"]).offset]', '"abc" | [match("a|c"; "gn").offset]', '"abc" | [match("x*"; "gn").offset]',
    '"aab" | [match("a+"; "gl").string]', '" a " | trim, ltrim, rtrim', '"\\u00a0a\\u2003" | trim',
    '"abc" | ltrimstr("a"), rtrimstr("c"), trimstr("a"), trimstr("b")', '"aa" | trimstr("a"), trimstr("aa")',
    '"" | trim, ltrimstr(""), reverse', '"abc" | reverse',
    '"1", "1.5", "-1", " 1", "1 ", "0x1", "1e2", "nan", "", "-", "1e1000", "+1", "01", ".5", "5.", "infinity", "-nan" | try tonumber catch "bad"',
    '"1 2", "[1", "nan", "NaN", "-nan", "[nan]", "1e999", "", " ", "\'a\'", "{\\"a\\":1,\\"a\\":2}", "[1,]", "tru", "true", "\\"\\\\ud800\\"", "\\"\\\\udc00\\"", "nanx", "Infinity", "-Infinity", "[-Infinity, Infinity]", "01", "+1", ".5", "1.", "\\ufeff1" | try fromjson catch "bad"',
    "[1,[2]] | tojson, tostring | fromjson", '"a" | tojson, tostring, tojson | fromjson?', '"a", "b" | ascii_upcase | explode | implode',
    "[-1, 55296, 1114112, 65.7] | implode", '["a"] | implode', "[null] | implode", '"x" | implode', "[1e10] | implode", "[nan] | implode",
    "[3,1,2] | sort, sort_by(-.), group_by(. % 2), unique_by(. % 2), min_by(-.), max_by(-.), min, max",
    '[] | min, max, min_by(.), max_by(.), add, unique, sort, group_by(.), transpose, first, last, any, all, flatten, reverse, tojson, implode, join(","), from_entries, to_entries',
    '[{"a":1,"b":2},{"a":1,"b":1}] | sort_by(.a, .b), sort_by(.b), group_by(.a), unique_by(.a), min_by(.b), max_by(.a), min_by(.a)',
    '[null,true,false,0,-1,"a","A",[],[0],{},{"a":1},{"b":0},{"a":0}] | sort, unique, min, max',
    '{} | transpose, flatten, add, min?, reverse, to_entries, keys, length, any, all, map(1), map_values(1), first?, last?, tojson, join(","), unique?',
    '{"a":[1,2],"b":[3]} | transpose?, flatten, add, map(.[0]), to_entries, with_entries(.value |= length), reverse?, [.[]], keys, keys_unsorted, map_values(empty), map_values(.[]), del(.a), delpaths([["a",0],["b"]]), tojson, paths, [leaf_paths]?',
    "[[1,2],[3]] | transpose, combinations, flatten(0), flatten(1), add, add(.[]), add(.[] | length), [combinations]",
    '[1,[2,[3]]] | flatten, flatten(0), flatten(1), flatten(-1)?, flatten(1.5), flatten("a")?, flatten(null)?',
    "[0,1] | [combinations(2)], [combinations(0)], [combinations(-1)]", "[[1],2] | combinations?",
    '{"a":[1,2],"b":[3]} | [combinations]?', '[{"key":"a","value":1}] | from_entries',
    '[{"key":null},{"key":false},{"name":"n"},{"k":"K","v":1},{"Key":"u","Value":2},{"K":3}] | try from_entries catch "bad"',
    '[{"key":1},{"key":[1]}] | try from_entries catch "bad"', '[{"key":"a","v":1},{"key":"b","value":null,"Value":3}] | from_entries',
    '{"a":{"key":"x","value":1}} | from_entries', "[1] | from_entries?", "null | from_entries?", '[["a",1]] | from_entries?',
    "[null] | from_entries?", "[1,2] | to_entries", '"a" | to_entries?', "null | to_entries?", "[1,2,3] | with_entries(.value += 1)?",
    '{"a":1} | with_entries(.key |= "x" + .)', '{"a":1} | with_entries(empty)', '{"a":1} | has("a"), has("b")',
    "[1,2] | has(0), has(2), has(-1), has(0.5), has(1.5)", '[1] | has("a")?', '{"a":1} | has(0)?', 'null | has("a")?', "[1] | has(nan)",
    '"a" | in({"a":1}), in([1])?', "0 | in([1])", "[1,[2]] | contains([1]), contains([[2]]), contains([3]), inside([1,[2],3])",
    '{"a":{"b":1,"c":"xyz"}} | contains({a:{c:"y"}}), contains({a:{}}), contains({d:1})', '"foobar" | contains("bar")',
    "[null] | contains([null])", "1 | contains(1), contains(2)", "true | contains(true)", "true | contains(false)?",
    '"a\\u0000b" | contains("b"), contains("\\u0000")', '["foobar"] | contains(["bar"])', "null | contains(null)", "[1] | contains(1)?",
    "[1,2,3] | bsearch(0), bsearch(1), bsearch(2.5), bsearch(4)", "{} | bsearch(1)?", '"a" | bsearch("a")?', "[] | bsearch(1)",
    "[1,2,3] | first, last, nth(1), nth(5), nth(-1), first(.[]), last(.[]), nth(1; .[]), nth(5; .[])", "nth(-1; 1)?",
    "first(empty), last(empty), nth(0; empty)", '[first(1, error("x"))]', "[limit(0; error)]", "[limit(1; 1, error)]", "[limit(-1; 1)]?",
    "[limit(2; 1, 2, 3)]", "[limit(1.5; 1, 2, 3)]", "[limit(1, 2; 1, 2, 3)]", '[limit("a"; 1, 2)]?', "[limit(null; 1)]?",
    "[limit(nan; 1, 2)]?", "[skip(1; 1, 2, 3)], [skip(0; 1, 2)], [skip(5; 1)], [skip(1, 2; 1, 2, 3)]", "[skip(-1; 1)]?",
    "[skip(1.5; 1, 2, 3)]", '[skip("a"; 1, 2)]?', "[skip(nan; 1, 2)]?", "[until(. > 3; . + 1)]?",
    "0 | [while(. < 3; . + 1)], [recurse(if . < 2 then . + 1 else empty end)], [recurse(. + 1; . < 3)], [limit(3; repeat(1))], until(. > 3; . + 1)",
    "[limit(5; 1 | repeat(. * 2))]", "[.[]?] | any, all, any(. == 1), all(. == 1)", "any(true, error; .), all(false, error; .)",
    'isempty(empty), isempty(1), isempty(error("x"))?, isempty(1, error("x"))', "[paths]", '[paths(type == "number")]', "[path(..)]",
    "[path(.a[]?, .b?)]", "path(1)?", "[path(first(.a, .b))]", 'path(getpath(["a","b"]))', '[path(.. | select(type == "boolean"))]',
    "path(.a | map(.b))?", "path(if .a then .b else .c end)?", "path(.a // .b)?", "[path(.a?, .b?)]", 'path(try error("x") catch .)?',
    "path(empty)", "path(error)?", "path(.[1:][0])?", "path(.. )", "[paths(..)]", "path(. as $x | $x)", "path(.a | . as $x | .b)?",
    "path(reduce 1 as $x (.; .a))?", "path(foreach (1,2) as $x (.; .a; .b))?", "path(label $out | .a, break $out)?",
    "path(def f: .a; f)?", "path(def f(g): g | g; f(.a))?", "path(select(.a))?", "path(recurse)", "path(input)?",
    "[path(limit(1; .a, .b))]?", "[path(skip(1; .a, .b))]?", "path(last(.a, .b))?", "path(nth(1; .a, .b))?", "path(until(true; .a))",
    "path(walk(1))?", "path(.a, 1)?", "path(del(.a))?", "path(to_entries)?", "path(with_entries(.))?", "path(map(.))?",
    "path(map_values(.))?", "path(.a |= 1)?", "path($__loc__)?", 'path(error("x")?)', "path([.a])?", "path({a}.a)?", 'path("a")?',
    "path(-.)?", "path(.a + 1)?", "path(. == 1)?", "path(not)?", "path(.a and .b)?", 'path(getpath(["a"]) | getpath(["b"]))?',
    "path(getpath(1))?", "path(getpath([1]))?", "path(paths)?", "path(pick(.a))?", "path(first)?", "path(last)?", "path(.[0]?)",
    "path(isempty(.a))?", 'path(splits("a"))?', "path(env)?", "pick(.a)?", "pick(.[0])?", "pick(.a.b)?", "pick(.[-1])?",
    "pick(first(.a, .b))?", "pick(.[1:])?", "pick(empty)", "pick(1)?", "[1,2,3] | pick(.[1]), pick(.[0], .[2]), pick(first)",
    "[1] | pick(.[-1])?", "[1,[2]] | pick(.[1][0])", "null | pick(.[2])", "[1,2] | pick(last)?", "tostream",
    "[tostream] | fromstream(.[])", "fromstream(tostream)", "[1|truncate_stream([[0],1],[[1,0],2],[[1,0]],[[1]])]",
    "[truncate_stream(tostream)]?", "[1 | truncate_stream([[0],1])]", "fromstream(1 | truncate_stream([[0],1],[[1,0],2],[[1,0]],[[1]]))",
    "fromstream([1])?", "fromstream([[0],1],[[0]])", "fromstream([[],3])", 'fromstream(([["a"],1],[["a"]]),[[],2])', "getpath([])",
    'getpath(["a","b"])?', "getpath([0])?", "getpath(null)?", 'getpath([["a"]])?', 'null | getpath(["a",0,"b"])', "setpath([]; 1)",
    'setpath(["a"]; 1)?', "setpath([0]; 1)?", "setpath([-1]; 1)?", "setpath([[0]]; 1)?", "setpath(1; 1)?", 'null | setpath(["a",0]; 1)',
    'null | setpath([{"start":1}]; [1])', "delpaths([])", "delpaths([[]])", 'delpaths([["a"]])?', "delpaths([[0],[1]])?",
    "delpaths([[-1]])?", "delpaths(1)?", "delpaths([1])?", "del(.)", "del(.a)?", "del(.[0])?", "del(.[0,1])?", "del(.[])?", "del(.[1:])?",
    "del(.a, .b)?", "del(..)?", "del(.[-1])?", "del(empty)", "del(.[100])?", "del(.a.b.c)?", "del(.[nan])?", "del(.[] | select(. == 1))?",
    "del(1)?", "[1,2,3,4] | del(.[1:3]), del(.[0], .[1:]), del(.[::-1])?", "to_entries?, keys?, length?", 'splits("a")?', "ascii?",
    "todate?, fromdate?, date?, now | type",
    '0 | todate, strftime("%A %B %d %Y %j %U %w %Z %z %e %H %I %M %p %S %T %D %F %R %c %a %b %h %C %y %G %g %V %u %n%t%% %s"), gmtime, (gmtime | mktime, todate), localtime, strflocaltime("%H %Z"), dateadd("seconds"; 1)?, date?',
    '"2015-03-05T23:51:47Z" | strptime("%Y-%m-%dT%H:%M:%SZ"), fromdate, (strptime("%Y-%m-%dT%H:%M:%SZ") | mktime), fromdateiso8601, dateadd("seconds"; 1)?',
    '1425599621.25 | todate, gmtime, strftime("%s"), todateiso8601', "-1 | todate, gmtime", "[2024,1,30] | mktime, todate",
    "[2024] | mktime?, todate?", "[] | mktime?, todate?", '["a"] | mktime?', '[2024,13,1,0,0,0] | mktime, strftime("%F")',
    '[2024,-1,1,25,61,61,0,0] | mktime, strftime("%F %T")', '[2024,1.9,1.9,1.9,1.9,1.9] | mktime, strftime("%F %T")', "[nan] | mktime?",
    '"x" | mktime?', '"x" | strftime("%Y")?', "1 | strftime(1)?", '"12 Mar 2001" | strptime("%d %b %Y")',
    '"12 march 01" | strptime("%d %B %y")', '"2001-060" | strptime("%Y-%j")?', '"10 PM" | strptime("%I %p")',
    '"Thu, 05 Mar 2015 23:51:47 +0100" | strptime("%a, %d %b %Y %H:%M:%S %z")', '"2015-03-05" | strptime("%F")?',
    '"1425599621" | strptime("%s")?', '"2015 x" | strptime("%Y")', '"2015x" | strptime("%Y")?', '"x" | strptime("%Y")?',
    '1 | strptime("%Y")?', '"1" | strptime(1)?', "1e12 | todate?", "1e300 | todate?", "nan | todate?", "infinite | gmtime?",
    "null | gmtime?, todate?", '"a" | todate?', '0 | strftime("")', '0 | strftime("%q %E %O %+ %")',
    "0 | gmtime | .[5] = 1.5 | mktime, todate", "1e10 | gmtime", "-1.5 | gmtime, todate", "1.5 | gmtime", "walk(.)",
    'walk(if type == "number" then . + 1 else . end)', "walk(empty)", "[walk(1, 2)]", 'walk(if type == "object" then del(.a) else . end)',
    "walk(.[]?)", "[1,[2]] | [walk(., 1)]", "INDEX(.a?)?", "INDEX(.[]?; type)", "[{id:1,v:2},{id:2,v:3}] | INDEX(.id)", "IN(1, 2)",
    "IN(.[]?)", "IN(.[]?; 1, 3)", "2 | IN(1, 2)", "[1,2] | IN(.[]; 2)", '[[1,2]] | JOIN({"1":"a"}; .[0] | tostring)',
    "JOIN({}; .[]?; tostring)", '[JOIN({"1":2}; (1, 2); tostring; add)]?', "add(.[]?)?", "add(empty)", "add(1, 2)", 'add("a", null, "b")',
    "abs?", "-1.5, 0, -0, null?, 1 | abs?", "toboolean?", '"true", "false", "True", "", 1, true, null | try toboolean catch "bad"',
    "have_decnum | type", "have_literal_numbers", 'getpath(["a"])?, env?', "builtins | length > 0", 'splits(", ")?', "ltrimstr(1)?",
    "tojson | fromjson", "error", "error(null)", "try error(null) catch .", "try error catch .", 'try error("x") catch .',
    "try error({a:1}) catch .a", 'error("x")?', '[.[]?, error("x")?]', 'try (1, error("x"), 3) catch .', '[(1, error("x"), 3)?]',
    'try error(error("y")) catch .', "try error(empty) catch .", 'try (try error("x") catch error("y")) catch .', 'error("a", "b")?',
    ".a.b.c?", 'try (.a.b) catch "e"', 'try -"a" catch .', '(try 1 catch 2) | error("z")', '[limit(2; (try error("x") catch ., 2, 3))]',
    ". as [$a, $b] | [$a, $b]", ". as {a: $x} | $x", ". as {$a, b: [$c]} | [$a, $c]", '. as {"a": $x, ("b", "c"): $y} | [$x, $y]',
    ". as [$a] ?// $a | [$a]", ". as {a: $x} ?// [$x] ?// $x | [$x]", ". as [$a, [$b]] ?// {a: $a} | [$a, $b]",
    "[.[]? as [$a] ?// $a | $a]", ". as {$a: [$b]} | [$a, $b]", ". as [] | 1", ". as {} | 1", ". as {a: 1} | 1",
    "[[1,2]] | .[] as [$a] | $a", "1 as $x | 2 as $x | $x", "1 as $x | [$x, (2 as $x | $x), $x]", "[1,2] as [$a, $b] | $a + $b",
    ". as $x | [$x, $x] | length", "1 as $x | def f: $x; 2 as $x | f", "reduce .[]? as $x (0; . + 1)",
    "reduce (1, 2, 3) as $x (0; . + $x)", "reduce empty as $x (0; 1)", "reduce (1, 2) as $x (0; empty)", "reduce (1, 2) as $x (0; ., 5)",
    "[reduce (1, 2) as $x (0, 10; . + $x)]", "reduce ([1,2],[3,4]) as [$a, $b] (0; . + $a * $b)", "[foreach (1, 2, 3) as $x (0; . + $x)]",
    "[foreach (1, 2, 3) as $x (0; . + $x; [$x, .])]", "[foreach (1, 2) as $x (0, 10; . + $x; ., -.)]",
    "[foreach (1, 2) as $x (0; empty; .)]", "[foreach (1, 2) as $x (0; ., 10 + .; .)]",
    "[foreach ([1,2],[3,4]) as [$a, $b] (0; . + $a; [., $b])]", "[foreach empty as $x (0; 1)]", "[label $f | 1, break $f, 2]",
    "[label $f | label $g | 1, break $f, 2]", "break $x", "label $x | break $y", "[.[]? | label $f | if . == 1 then break $f else . end]",
    "[label $out | foreach (1, 2, 3) as $x (0; . + $x; if . > 2 then ., break $out else . end)]", "def f: 1; def g: f + 1; g",
    "def f(x): x * 2; f(1, 2)", "def f($a; $b): $a + $b; f(1, 2; 10, 20)", "def f(g): def h: g; h | h; 1 | f(. + 1)",
    "def fac: if . <= 1 then 1 else . * (. - 1 | fac) end; 5 | fac", "def f: def f: 2; f; f", "def f(f): f; f(1)",
    "def f($f): f + $f; f(1)", "def map(f): 1; map(.)", "def f: reduce .[]? as $x (0; . + 1); f", "def f(a; b): a, b; [f(1; 2)]",
    "def f: .; f?", 'def f: error("x"); f?', 'def f(g): g?; f(error("x"))', "if . then 1 else 2 end", "if . then 1 end",
    "if empty then 1 else 2 end", "[if (true, false, null) then 1 else 2 end]", "if 1, null then 2 elif 3 then 4 else 5 end",
    "if . == 1 then 2 elif . == 0 then 3 end", 'if error("x") then 1 else 2 end?', "(true, false) and (true, false)",
    "(true, false) or (true, false)", 'false and error("x")', 'true or error("x")', "empty and true", "[true, false | not]",
    "(1, null, 2) // 3", "(null, false) // 3", "empty // 3", 'error("x") // 1', '(null, error("x")) // 1', "[.[]? // 1]", "[.[] // 1]?",
    '(1, error("x")) // 2', 'first(.[]?) // "none"', "1 // error", "null // null // 3", "[false, 1] | .[] // 2", '.a // .b // "c"?',
    ".. == 1", "[..]", "[.. | numbers]", "[.[]?, ..?]", "1, 2 | . + 1", "1 | 2, 3", "(1, 2) + (10, 20)", "[(1, 2) * (3, 4)]",
    "[(1, 2) == (1, 2)]", "1 == 1.0", "[1] == [1.0]", "{} == {}", '{"a":1,"b":2} == {"b":2,"a":1}', "1 == 1 == 1", "1 < 2 < 3",
    "1 as $x | 2", ". = 1", ".a = 1?", ".[0] = 1?", "(.a, .b) = (1, 2)?", ".a |= empty?", "(.[]? | select(. == 1)) |= empty",
    ".[]? |= empty", "[1,2,3,4] | .[] |= empty", "[1,2,3] | (.[] | select(. >= 2)) |= empty", ".a += 1?", ".[0] += 1?", ".[]? += 1?",
    ".a //= 3?", ".a.b |= 1?", ".[1:] = [9]?", ".[1:] |= map(. + 1)?", ".[:1] += [5]?", ".[-1] = 5?", ".[100000] = 1 | length?",
    ".[nan] = 1?", "null | .[1] = 1, .a.b[1] = 2", "[1] | .[3] = 1", "[1] | .[-2] = 1?", ". |= 1", ". += 1?", ".[] = 1?",
    ".[]? |= (., 1)", ".a = (1, 2)?", ".a |= (1, 2)?", ".a += (1, 2)?", "[.a, .b] = 1?", "1 = 2", "(1, 2) = 3?", ".a = .b?", ".a |= .b?",
    ".a += .b?", "(.a | .b) = 1?", "(if .a then .a else .b end) = 1?", "(.a // .b) = 1?", "(.a // .b) |= 5?", "first(.[]?) = 1?",
    "last = 9?", 'getpath(["a","b"]) = 5?', '(.. | select(type == "number")) |= . + 1', "(.. | scalars) = 0?", "to_entries = 1?",
    "reduce path(..) as $p (.; setpath($p; 1))?", "limit(1; .[]?) = 7?", ".a[1:2] = [3]?", ".[2:4] = []?", ".[0:0] = [1,2]?",
    '"abc" | .[0:1] = "x"?', 'try ("abc" | .[0:1] = "x") catch "e"', "del(.[0:1])?", '"a" as $k | .[$k]?', '"a" as $k | {($k): 1}', "$x",
    ". as $x | $x", "[.[]?] | length as $n | $n", "1 as $x | [$x, $x + 1]", "# comment", "1 # comment", "1 #\\\n2", "# c\n1", "", " ",
    "(1)", "((1))", "[]", "[[]]", "{}", "[1,2][0]", "[1,2] | .[0]", '{a:1}["a"]', '"abc"[1:]', "1[0]?", "[1,2,3][1:]",
    '{a:{b:1}} | .a.b, .a["b"], .["a"].b, ."a"."b", .["a"]["b"]', ".[", ".]", "1 +", "+ 1", "| 1", "1 |", "1,", "if", "if 1 then",
    "def f 1; f", "def f: 1", "reduce", "reduce 1 as $x", "try", "catch", "try 1 catch", "1 as x | 1", "1 as $x", '"a', "\'a\'", "{a:}",
    "{a", "[1", "(1", "1)", "a:b", 'import "a" as a; 1', 'include "a"; 1', "$ENV | type", "env | type", "input", "inputs", "debug",
    "debug(1)", "stderr", "input_filename", "halt", "halt_error", "get_search_list", "$ENV.PATH", "modulemeta", "getpath", "ltrimstr",
    "leaf_paths", "toarray", "isvalid(1)", "date", "ascii", "@base32", "@base32d", '@base32 "x"', "tojson(1)", "gsub(1)", "limit(1)",
    "input_line_number", "getenv", "splits", "error(1; 2)", "min_by", "finites, normals",
    "1 | finites, normals, numbers, scalars, values", "[.[]? | finites]", "isfinite, isnan, isnormal, isinfinite",
    '[nan, infinite, 1, 0, "a"] | map(isfinite), map(isnan), map(isnormal), map(isinfinite)',
    "[.[]? | strings], [.[]? | nulls], [.[]? | booleans], [.[]? | arrays], [.[]? | objects], [.[]? | iterables], [.[]? | scalars], [.[]? | values]",
    'format("json"), format("text"), format("base64")', 'format("nothing")?', "format(1)?", '[format("json", "text")]',
    "tojson, tojson | fromjson?", '"\\(1)" | format("html")', 'getpath(["a"]; 1)', "reverse | length?",
    "null | reverse, length, add, sort?, keys?, tojson, not, ascii_downcase?", "splits(1)?", '"aXb" | ascii_downcase, ascii_upcase',
    "1 | ascii_downcase?", '[.[]?] | join(",")?', '["a",1,null,true] | join(","), join("")', '["a"] | join(1)?',
    '["a","b"] | join(null)?', '[[1]] | join(",")?', '["a","b"] | join(",", ";")', "[1,2] | join(1)?", "[] | join(1)",
    '{"a":1} * {"a":{"b":2}}, {"a":{"b":1}} * {"a":{"c":2}}, {"a":{"b":1}} * {"a":1}',
    "[1,2,2,3] - [2], [1] - [], [[1]] - [[1]], [1] - [1.0]", '{} + {}, [] + [], null + 1, 1 + null, null + null, "a" + "b"', "{} - {}",
    '"a" - "b"', "[] * 2", "{} / {}", "[1] / 2", "tojson + 1?", 'getpath(["a","b"]) // 1?',
    'ltrimstr("a")?, rtrimstr("c")?, trimstr("a")?',
    "significand?, drem(5; 3), ldexp(1; 2), scalb(1; 2), scalbln(1; 2), nearbyint?, trunc?",
    'splits("b"; null)?, sub("a"; "b")?, gsub("a"; "b"; "i")?', "[1,2] | tojson as $x | $x", "@text, @json",
    '"a" | @text "x\\(.)", @json "x\\(.)"', "limit(3; repeat(1))", "[limit(3; .[]?)]", 'getpath(["a",0,"b"])?', "input?",
    "ascii_downcase?", "tojson | length", "todate?", "getpath(paths)?", "[getpath(paths)]", '[paths(type == "string")]',
    "delpaths([paths])", "delpaths([paths | select(length == 1)])",
    "min_by(.a)?, max_by(.a)?, group_by(.a)?, unique_by(.a)?, sort_by(.a)?", "min_by(empty)?", "sort_by(empty)?", "sort_by(1, 2)?",
    "group_by(1)?", "unique_by(length)?", 'splits("a, b")?', 'error("\\(.)")?', "first(range(10; 0; -1))", "limit(3; range(100))",
    "[range(3)] | .[1:] as [$a] | $a", 'ltrimstr("x", "a")?', '[splits("a", "b")]?', 'test("a", "b")?', '[test("a"; "g", "i")]?',
    'getpath(["a"], ["b"])?', 'has("a", "b")?', "[has(0, 1)]?", "contains(1, 2)?", "pow(2, 3; 1, 2)", 'setpath(["a"], ["b"]; 1, 2)?',
    "fma(1, 2; 3, 4; 5, 6)", "[limit(1, 2; 3, 4)]", "[.[]?, 1][0]", 'sub("a"; "b", "c")?', 'sub("(?<x>a)"; .x, "d")?',
    "ascii_upcase?, explode?", "trim?, ltrim?, rtrim?", 'splits("")?', '[scan("a", "b")]?', '[scan("a"; "g")]?',
    'capture("(?<a>a)|(?<b>b)")?', '[match("a", "b")]?', '[match("(a)(b)?"; "g")]?', 'getpath(["b","c",1,"a"])?', 'tojson | test("a")',
]

# What differs only where the operators of a chain bind.
PRECEDENCE = [
    "1 + 2 | . * 3", "1, 2 + 3", "1 // 2 + 3", "false or true and false", "1 == 1 and 2 == 2", "1 + 1 == 2", "null // 1 | . + 1",
    "2 - 1 - 1", "8 / 4 / 2", "1 // 2 // 3", ".a = 1 | .a?", ".a = 1 + 2?", ".a = 1, 2?", "-1 + 2", "-1 | . + 2", "- 1", "1 - -1",
    "1 as $x | 2, $x", "[1 as $x | 2, $x]", "1 + 2 as $x | $x", "1, 2 as $x | $x", "(1, 2) as $x | $x", "def f: 1, 2; f | . + 1",
    'try error("x") catch . | length', 'try 1 + error("x") catch 2', "reduce 1, 2 as $x (0; . + $x)",
    "reduce (1, 2) as $x (0; . + $x) | . + 1", "if 1 then 2 else 3 end | . + 1", "1 | 2 as $x | $x + .", "label $f | 1 | ., break $f",
    "[.[]? | 1, 2]", "{a: 1 + 2, b: 1 | 2}", "{a: (1, 2), b: 3}", "[1, 2 | . + 1]", "1 + (2 | . + 1)", "not | not", "1 and not", "-.[0]?",
    "..|.a?", "..|..", "1?", "1??", "[1]?[0]", ".a?.b?", ".a?//1", "try error // 1", "[.[]?//1]", "1 //= 2", ". //= 2", "not == true",
]


# jq 1.8 does not end these, or only after a long time.
ENDLESS_PROGRAMS = {"range(nan)", "range(infinite)", "[range(nan)]", "[range(3; nan)]", '[range(0; "b"; 1)] | length?', "del(.[nan])?"}


def arity_of(builtin: str) -> tuple[str, int]:
    name, arity = builtin.split("/")
    return name, int(arity)


def cases(builtins: list[str]):
    """Each a program and the inputs that it gets."""
    return (case for case in all_cases(builtins) if case[0] not in ENDLESS_PROGRAMS)


def all_cases(builtins: list[str]):
    for builtin in sorted(builtins):
        name, arity = arity_of(builtin)
        if builtin in ENDLESS or builtin in OWN:
            continue
        if arity == 0:
            yield name, INPUTS
        elif arity == 1:
            for argument in ARGUMENTS:
                yield f"{name}({argument})", FEW_INPUTS
        elif arity == 2:
            for first in FEWER_ARGUMENTS:
                for second in FEWER_ARGUMENTS:
                    yield f"{name}({first}; {second})", FEW_INPUTS[::3]
        else:
            for rest in range(arity * 9):
                chosen = [FEWER_ARGUMENTS[(rest * (3 + at) + at) % len(FEWER_ARGUMENTS)] for at in range(arity)]
                yield f"{name}({'; '.join(chosen)})", FEW_INPUTS[::3]
    for operator in OPERATORS:
        for right in ARGUMENTS[:26]:
            yield f". {operator} ({right})", FEW_INPUTS
    for operator in ASSIGNMENTS:
        for path in PATHS:
            for right in ["1", ".a?", "(1, 2)", "empty", "null"]:
                yield f"({path}) {operator} {right}", FEW_INPUTS[::2]
    for path in PATHS:
        for around in ["{}", "[{}]", "path({})", "[paths({})]", "del({})", "pick({})", "[{}]?", "try ({}) catch \"e\"", "first({})", "isempty({})"]:
            yield around.format(path), FEW_INPUTS
    for name in FORMATS:
        yield f"@{name}", INPUTS
        yield f"format({name!r})".replace("'", '"'), INPUTS
        yield f'@{name} "<\\(.)>\\("a b\'<")\\(1)"', INPUTS
    for program in PROGRAMS + PRECEDENCE:
        yield program, FEW_INPUTS
