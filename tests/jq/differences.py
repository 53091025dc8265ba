"""Where expressions differ from jq on purpose, each with the reason that a user is given."""

import dataclasses
import json
import re

# Builtins of jq that are left out: input and output, modules, the process around the program.
LEFT_OUT = {
    "input/0", "inputs/0", "debug/0", "debug/1", "stderr/0", "input_filename/0", "input_line_number/0", "env/0", "halt/0",
    "halt_error/0", "halt_error/1", "get_search_list/0", "get_prog_origin/0", "get_jq_origin/0", "modulemeta/0",
}


@dataclasses.dataclass
class Difference:
    reason: str
    program: str = ""  # a regular expression that the program has somewhere
    ours: str = ""  # the same of our answer as JSON
    theirs: str = ""
    input: str = ""
    always: bool = True  # whether the cases that are always the same have it

    def covers(self, program: str, value, ours, theirs) -> bool:
        return all(re.search(pattern, text) for pattern, text in
                   [(self.program, program), (self.ours, json.dumps(ours)), (self.theirs, json.dumps(theirs)),
                    (self.input, json.dumps(value))])


STRICT_JSON = ("A text that is not JSON is refused, here as everywhere else: NaN and Infinity would become null and the largest double "
               "without a word, and 01, .5, 1. and +1 are mistakes.")
NUMBERS = ("A number is an integer of 64 bits or a double. jq keeps the text of a literal that nothing has computed with, and gives "
           "that.")

ACCEPTED = [
    Difference("The program's surroundings are left out: an evaluation depends on its arguments alone, so that a replay gives the same.",
               program=r"\$ENV|\benv\b|\binputs?\b|debug|stderr|input_filename|\bhalt|get_search_list|modulemeta|input_line_number",
               ours="not available here"),
    Difference("Those that are left out are not listed.", program=r"^builtins$"),
    Difference("An unknown format is an error of the definition, not of the first run that comes by.", program="@|format",
               ours="is not a valid format", theirs="is not a valid format"),
    Difference(NUMBERS, ours="1e\\+17|MWUrMTc=|1e%2B17", theirs="1E\\+17|MUUrMTc=|1E%2B17"),
    Difference(NUMBERS, program="^have_decnum$"),
    Difference(NUMBERS + " A literal beyond the largest double is the largest double as soon as it is written.",
               program=r"1e1000 \| tostring", theirs=r"1E\+1000"),
    Difference(NUMBERS + " Minus zero keeps its sign.", program=r"\[-0\] \| tojson"),
    Difference(STRICT_JSON, program="tonumber|fromjson", theirs="NaN|null|Infinity|1.797"),
    Difference("A scalar that equals the one at the path counts as that one: whether jq sees them as one depends on where it came from.",
               program=r"del\(|path\(|pick\(|paths|\|=|=", theirs="Invalid pa"),
    Difference("The same: whether a change that changes nothing gives the same value depends on how it is done.", always=False,
               program=r"del\(|path\(|pick\(|paths|\|=|=", ours="Invalid path expression"),
    Difference("The same.", always=False, program=r"=.*=.*\?", theirs=r"^\[\]$"),
    Difference("A path with a search as key leads to nothing that could be deleted.", always=False, program="delpaths",
               theirs="at array index of array"),
    Difference("The same: what nothing has changed is still at its path.", program=r"^path\((del\(\.a\)|map_values\(\.\))\)\?$"),
    Difference("What computes a value is not a path. Some functions of jq are written so that a step of theirs counts as one.",
               program=r"(?s)(?=.*(path|pick|del|=))(?=.*(any|all|trimstr|splits))"),
    Difference("Of what is not UTF-8 each malformed part is replaced. jq takes the character behind a part that is cut off with it.",
               program="base64d", ours=r"\\ufffd", theirs=r"\\ufffd"),
    Difference("PCRE2 looks for the first match in the order of the pattern, not for the longest; the flag is refused.",
               program='"[a-z]*l[a-z]*"', ours="longest match"),
    Difference("jq looks for empty matches between the bytes of a character, too, and counts them twice.", always=False,
               program=r"match|sub|split|scan|capture", input=r"\\u00"),
    Difference("?// goes on with the next pattern after an error. jq's |= and break leave a loop by an error of their own, which "
               "?// takes for one of the program.", always=False,
               program=r"(?s)(?=.*\?//)(?=.*(=|map_values|with_entries|walk|break|first|label|limit|nth|until|isempty|any|all|IN))"),
    Difference("jq 1.8.1 cuts all away where the end is empty; 1.8.2 does not.", program=r'trimstr\((""|\.)', theirs='""'),
    Difference("jq 1.8.1 takes characters that are not ASCII apart; 1.8.2 does not.", program="urid", theirs=r"\\ufffd"),
    Difference("Times end with the year 30000.", always=False, ours="requires parsed datetime inputs", input=r"\[\d{6,}"),
    Difference("Times end with the year 30000.", program=r"todate|strftime|mktime|gmtime|strflocaltime|localtime", theirs=r"\d{5,}-"),
]
