#include "kernel/expression/builtins/prelude.hpp"

#include <algorithm>
#include <array>

namespace trv::expression {
namespace {

struct Definition {
  std::string_view name;
  int arity;
  std::string_view text;
};

// Each text ends with an expression because a program must have one; only the definition is used.
constexpr auto definitions = std::to_array<Definition>({
    {"recurse", 0, "def recurse: def _each: ., (.[]? | _each); _each; ."},
    {"recurse", 1, "def recurse(f): def _each: ., (f | _each); _each; ."},
    {"recurse", 2, "def recurse(f; cond): def _each: ., (f | select(cond) | _each); _each; ."},
    {"values", 0, "def values: select(. != null); ."},
    {"nulls", 0, "def nulls: select(. == null); ."},
    {"booleans", 0, "def booleans: select(type == \"boolean\"); ."},
    {"numbers", 0, "def numbers: select(type == \"number\"); ."},
    {"strings", 0, "def strings: select(type == \"string\"); ."},
    {"arrays", 0, "def arrays: select(type == \"array\"); ."},
    {"objects", 0, "def objects: select(type == \"object\"); ."},
    {"iterables", 0, "def iterables: select(type | . == \"array\" or . == \"object\"); ."},
    {"scalars", 0, "def scalars: select(type | . != \"array\" and . != \"object\"); ."},
    {"isfinite", 0, "def isfinite: type == \"number\" and (isinfinite | not); ."},
    {"finites", 0, "def finites: select(isfinite); ."},
    {"normals", 0, "def normals: select(isnormal); ."},
    {"map_values", 1, "def map_values(f): .[] |= f; ."},
    {"add", 1, "def add(f): reduce f as $item (null; . + $item); ."},
    {"abs", 0, "def abs: if . < 0 then -. else . end; ."},
    {"any", 0, "def any: isempty(first(.[] | select(.))) | not; ."},
    {"any", 1, "def any(cond): isempty(first(.[] | cond | select(.))) | not; ."},
    {"any", 2, "def any(items; cond): isempty(first(items | cond | select(.))) | not; ."},
    {"all", 0, "def all: isempty(first(.[] | select(. | not))); ."},
    {"all", 1, "def all(cond): isempty(first(.[] | cond | select(. | not))); ."},
    {"all", 2, "def all(items; cond): isempty(first(items | cond | select(. | not))); ."},
    {"first", 0, "def first: .[0]; ."},
    {"last", 0, "def last: .[-1]; ."},
    {"nth", 1, "def nth($n): .[$n]; ."},
    {"nth", 2,
     "def nth($n; f): if $n < 0 then error(\"nth doesn't support negative indices\") else first(skip($n; f)) end; ."},
    {"until", 2, "def until(cond; update): def _until: if cond then . else update | _until end; _until; ."},
    {"while", 2, "def while(cond; update): def _while: if cond then ., (update | _while) else empty end; _while; ."},
    {"repeat", 1, "def repeat(f): def _repeat: f, _repeat; _repeat; ."},
    {"in", 1, "def in(xs): . as $x | xs | has($x); ."},
    {"inside", 1, "def inside(xs): . as $x | xs | contains($x); ."},
    {"with_entries", 1, "def with_entries(f): to_entries | map(f) | from_entries; ."},
    {"del", 1, "def del(f): delpaths([path(f)]); ."},
    {"paths", 0, "def paths: path(..) | select(length > 0); ."},
    {"paths", 1, "def paths(f): path(.. | select(f)) | select(length > 0); ."},
    {"pick", 1, "def pick(f): . as $whole | reduce path(f) as $p (null; setpath($p; $whole | getpath($p))); ."},
    {"sort_by", 1, "def sort_by(f): _sort_by(map([f])); ."},
    {"group_by", 1, "def group_by(f): _group_by(map([f])); ."},
    {"unique_by", 1, "def unique_by(f): _unique_by(map([f])); ."},
    {"min_by", 1, "def min_by(f): _min_by(map([f])); ."},
    {"max_by", 1, "def max_by(f): _max_by(map([f])); ."},
    {"indices", 1,
     "def indices($part): if type == \"array\" and ($part | type) == \"array\" then .[$part] elif type == \"array\" "
     "then .[[$part]] elif type == \"string\" and ($part | type) == \"string\" then _strindices($part) else .[$part] "
     "end; "
     "."},
    {"index", 1, "def index($part): indices($part) | .[0]; ."},
    {"rindex", 1, "def rindex($part): indices($part) | .[-1:][0]; ."},
    {"combinations", 0,
     "def combinations: if length == 0 then [] else .[0][] as $head | (.[1:] | combinations) as $tail | [$head] + "
     "$tail end; ."},
    {"combinations", 1, "def combinations(n): . as $items | [range(n)] | map($items) | combinations; ."},
    {"walk", 1,
     "def walk(f): def _walk: if type == \"object\" then map_values(_walk) elif type == \"array\" then map(_walk) else "
     ". end | f; _walk; ."},
    {"tostream", 0,
     "def tostream: path(def _leaves: (.[]? | _leaves), .; _leaves) as $p | getpath($p) | reduce path(.[]?) as $q "
     "([$p, .]; [$p + $q]); ."},
    {"fromstream", 1,
     "def fromstream(events): foreach events as $event ({value: null, done: false}; (if .done then {value: null, done: "
     "false} else . end) as $state | $state | if ($event | length) == 2 then .done = (($event[0] | length) == 0) | "
     "setpath([\"value\"] + $event[0]; $event[1]) else .done = (($event[0] | length) == 1) end; if .done then "
     ".value else empty end); ."},
    {"truncate_stream", 1,
     "def truncate_stream(events): . as $depth | null | events | . as $event | if ($event[0] | length) > $depth then "
     "setpath([0]; $event[0][$depth:]) else empty end; ."},
    {"todate", 0, "def todate: strftime(\"%Y-%m-%dT%H:%M:%SZ\"); ."},
    {"fromdateiso8601", 0, "def fromdateiso8601: strptime(\"%Y-%m-%dT%H:%M:%SZ\") | mktime; ."},
    {"todateiso8601", 0, "def todateiso8601: strftime(\"%Y-%m-%dT%H:%M:%SZ\"); ."},
    {"fromdate", 0, "def fromdate: fromdateiso8601; ."},
    {"match", 2, "def match($re; $flags): _match($re; $flags) | .[]; ."},
    {"match", 1,
     "def match($val): if ($val | type) == \"array\" then _match($val[0]; $val[1]) else _match($val; null) end | "
     ".[]; ."},
    {"test", 2, "def test($re; $flags): _test($re; $flags); ."},
    {"test", 1,
     "def test($val): if ($val | type) == \"array\" then _test($val[0]; $val[1]) else _test($val; null) end; ."},
    {"capture", 1, "def capture($val): match($val) | _capture; ."},
    {"capture", 2, "def capture($re; $flags): match($re; $flags) | _capture; ."},
    {"_capture", 0, "def _capture: reduce (.captures[] | select(.name != null)) as $c ({}; .[$c.name] = $c.string); ."},
    {"scan", 1, "def scan($re): scan($re; null); ."},
    {"scan", 2,
     "def scan($re; $flags): match($re; \"g\" + $flags) | if (.captures | length) > 0 then [.captures[].string] else "
     ".string end; ."},
    {"split", 2,
     "def split($re; $flags): . as $text | [foreach (_match($re; \"g\" + $flags) | .[], null) as $m ({from: 0, part: "
     "null}; if $m == null then .part = $text[.from:] else .part = $text[.from:$m.offset] | .from = $m.offset + "
     "$m.length end; .part)]; ."},
    {"splits", 1, "def splits($re): split($re; null) | .[]; ."},
    {"splits", 2, "def splits($re; flags): split($re; flags) | .[]; ."},
    {"sub", 3,
     "def sub($re; str; $flags): . as $text | _match($re; $flags) as $matches | [$matches[] | _capture | [str]] as "
     "$choices | $text | _sub($matches; $choices) | .[]; ."},
    {"sub", 2, "def sub($re; str): sub($re; str; \"\"); ."},
    {"gsub", 3, "def gsub($re; str; $flags): sub($re; str; $flags + \"g\"); ."},
    {"gsub", 2, "def gsub($re; str): sub($re; str; \"g\"); ."},
    {"INDEX", 2, "def INDEX(stream; key): reduce stream as $row ({}; .[$row | key | tostring] |= $row); ."},
    {"INDEX", 1, "def INDEX(key): INDEX(.[]; key); ."},
    {"IN", 1, "def IN(items): any(items == .; .); ."},
    {"IN", 2, "def IN(source; items): any(source == items; .); ."},
    {"JOIN", 2, "def JOIN($index; key): [.[] | [., $index[key]]]; ."},
    {"JOIN", 3, "def JOIN($index; stream; key): stream | [., $index[key]]; ."},
    {"JOIN", 4, "def JOIN($index; stream; key; merge): stream | [., $index[key]] | merge; ."},
});

constexpr auto left_out = std::to_array<std::string_view>({
    "input",
    "inputs",
    "debug",
    "stderr",
    "input_filename",
    "input_line_number",
    "env",
    "halt",
    "halt_error",
    "get_search_list",
    "modulemeta",
    "get_prog_origin",
    "get_jq_origin",
    "getenv",
});

}  // namespace

std::string_view find_prelude(std::string_view name, int arity) noexcept {
  const auto found = std::find_if(definitions.begin(), definitions.end(), [&](const Definition& definition) {
    return definition.arity == arity && definition.name == name;
  });
  return found == definitions.end() ? std::string_view() : found->text;
}

bool is_left_out(std::string_view name) noexcept {
  return std::find(left_out.begin(), left_out.end(), name) != left_out.end();
}

std::vector<PreludeName> prelude_names() {
  std::vector<PreludeName> names;
  for (const Definition& definition : definitions) names.push_back({definition.name, definition.arity});
  return names;
}

}  // namespace trv::expression
