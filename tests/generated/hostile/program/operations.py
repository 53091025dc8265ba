# Made by `trav plugin generate` from manifest.json: change that, and make this again.
from typing import Any, Dict, List, Literal, Optional, TypedDict


_NamesInputRequired = TypedDict("_NamesInputRequired", {
    "class": str,
    "int": int,
    "a-b": str,
    "a_b": str,
})


_NamesInputOptional = TypedDict("_NamesInputOptional", {
    "namespace": str,
    "a_b_2": str,
    "aB": str,
    "": str,
    "\u65e5\u672c": str,
    "\u043a\u043b\u044e\u0447": int,
    "\"quoted\\": str,
    "new\u000aline": str,
    "nul\u0000byte": str,
    "??/trigraph": str,
    "emoji \U0001f600": str,
    "2nd": str,
    "describe": str,
    "members": str,
    "std": str,
    "trv": str,
    "boost": str,
    "errno": str,
    "__proto__": str,
    "self": str,
    "None": str,
    "HTMLUrl": str,
    "value": str,
    # turns the text * / and ends // with a backslash
    "\u202eright": str,
    "constructor": str,
    "default": str,
    "operator": str,
    "type": str,
    "pass": str,
    "*/": str,
}, total=False)


class NamesInput(_NamesInputRequired, _NamesInputOptional):
    pass


class ShapesInputNestedDeep(TypedDict, total=False):
    deeper: str


class ShapesInputNested(TypedDict):
    deep: ShapesInputNestedDeep


ShapesInputRowsItemTagsItem = Literal["red", "green"]


class _ShapesInputRowsItemRequired(TypedDict):
    id: int


class _ShapesInputRowsItemOptional(TypedDict, total=False):
    tags: List[ShapesInputRowsItemTagsItem]


class ShapesInputRowsItem(_ShapesInputRowsItemRequired, _ShapesInputRowsItemOptional):
    pass


ShapesInputLevel = Literal[3, -1, 7]


ShapesInputFixed = Literal["v1"]


ShapesInputState = Literal["open", "closed", "in progress", "", "int", "\u65e5\u672c", "Open"]


_NodeRequired = TypedDict("_NodeRequired", {
    "name": str,
})


_NodeOptional = TypedDict("_NodeOptional", {
    "children": List["Node"],
    "by-name": Dict[str, "Node"],
}, total=False)


class Node(_NodeRequired, _NodeOptional):
    pass


ShapesInputMaybeChoice = Literal["a"]


# It can have members of other names.
class ShapesInputOpen(TypedDict):
    known: str
    unlisted: int


# Every shape.
class _ShapesInputRequired(TypedDict):
    # A text.
    text: str
    count: int
    ratio: float
    on: bool
    nothing: None
    any: Any
    list: List[str]
    map: Dict[str, int]
    nested: ShapesInputNested
    rows: List[ShapesInputRowsItem]
    level: ShapesInputLevel
    fixed: ShapesInputFixed
    maybe: Optional[str]
    node: Node


class _ShapesInputOptional(TypedDict, total=False):
    flags: List[bool]
    matrix: List[List[float]]
    bag: Dict[str, Any]
    state: ShapesInputState
    flag: bool
    maybe_absent: Optional[Node]
    maybe_choice: Optional[ShapesInputMaybeChoice]
    nodes: Dict[str, Node]
    open: ShapesInputOpen


class ShapesInput(_ShapesInputRequired, _ShapesInputOptional):
    pass


class ShapesOutputItem(TypedDict, total=False):
    id: int


class Linked(TypedDict, total=False):
    # Of any type: it contains itself.
    next: Any


class JsonItselfInputEither(TypedDict, total=False):
    a: str
    b: str


class JsonItselfInput(TypedDict, total=False):
    # Of any type: several types.
    several: Any
    # Of any type: oneOf.
    one: Any
    # Of any type: prefixItems.
    tuple: Any
    # Of any type: patternProperties.
    patterns: Any
    # Of any type: an enum of several types.
    mixed: Any
    # Of any type: allOf.
    merged: Any
    # Of any type: $ref https://example.com/schema.
    elsewhere: Any
    # Of any type: $ref #/$defs/missing.
    lost: Any
    linked: Linked
    # Of any type: oneOf.
    list: List[Any]
    either: JsonItselfInputEither


class OptionInput(TypedDict):
    pass


class JsonItselfInput_2(TypedDict, total=False):
    type_: str


class Record_(TypedDict):
    x: str


class Record_2(TypedDict):
    y: str


class Type(TypedDict):
    z: str


Any_ = Literal["only"]


class TypeNamesInput(TypedDict, total=False):
    a: Record_
    b: Record_2
    c: Type
    d: Any_


TypeNamesOutput = Literal["yes", "no"]


NamesOutput = Any


ShapesOutput = List[ShapesOutputItem]


JsonItselfOutput = Optional[str]
