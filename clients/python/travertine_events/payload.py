"""Payloads as dictionaries, by the binary schemas (.bfbs) that flatc made: a new event type needs nothing here.

The dictionary is the `data` of the API's events: fields without a value are left out, bytes are hexadecimal text, 64-bit
integers are text, fields that hold JSON are given as what they hold, and secrets are left out.
"""

import base64
import functools
import json
import math
import pathlib
import struct
from typing import Any, Dict, List, NamedTuple, Optional

from .errors import DamagedLog
from .flatbuffer import Buffer, Table

DEPTH_MAX = 64

# reflection.BaseType of FlatBuffers.
_BOOL, _UBYTE, _LONG, _ULONG, _FLOAT, _DOUBLE, _STRING, _VECTOR, _OBJECT = 2, 4, 9, 10, 11, 12, 13, 14, 15
_NUMBERS = {kind: struct.Struct("<" + code)
            for kind, code in zip(range(1, 13), ("B", "?", "b", "B", "h", "H", "i", "I", "q", "Q", "f", "d"))}
# What `unset_is_absent` leaves out. A truth value that is there was set.
_UNSET = {False: ("", 0, "0"), True: ()}
_INT8, _INT32, _INT64, _UINT16, _REAL = (struct.Struct("<" + code) for code in "biqHd")


class _Field(NamedTuple):
    name: str
    id: int
    kind: int
    element: int
    object: int  # index of the type in the schema, where it is a table or a struct
    default: Any
    attributes: Dict[str, str]


class _Object(NamedTuple):
    name: str
    fields: List[_Field]  # by id
    struct_bytes: int  # 0: a table
    attributes: Dict[str, str]


def _attributes(table: Table, field: int) -> Dict[str, str]:
    return {entry.text(0) or "": entry.text(1) or "" for entry in table.tables(field)}


def _field(table: Table) -> _Field:
    kind = table.table(1)
    base = kind.number(0, _INT8)
    default = table.number(5, _REAL) if base in (_FLOAT, _DOUBLE) else table.number(4, _INT64)
    return _Field(table.text(0), table.number(2, _UINT16), base, kind.number(1, _INT8), kind.number(2, _INT32, -1),
                  default, _attributes(table, 9))


class _Schema:
    def __init__(self, binary: bytes):
        self.objects: List[_Object] = []
        for table in Buffer(binary).root().tables(0):
            fields = sorted(map(_field, table.tables(1)), key=lambda field: field.id)
            is_struct = table.number(2, _NUMBERS[_BOOL], False)
            self.objects.append(_Object(table.text(0), fields, table.number(4, _INT32) if is_struct else 0,
                                        _attributes(table, 5)))

    def read(self, table: Table, described: _Object, depth: int = 0) -> Dict[str, Any]:
        if depth > DEPTH_MAX:
            raise DamagedLog(f"tables are more than {DEPTH_MAX} deep")
        values = {}
        for field in described.fields:
            if "secret" in field.attributes:
                continue
            value = self._value(table, field, depth)
            is_unset = value is None or ("unset_is_absent" in field.attributes and value in _UNSET[field.kind == _BOOL])
            if not is_unset:
                values[field.name] = _json(value) if "json" in field.attributes and value else value
        return values

    def _value(self, table: Table, field: _Field, depth: int) -> Any:
        """None: the field is absent. A number never is, and has its default then."""
        if field.kind == _STRING:
            return table.text(field.id)
        if field.kind == _VECTOR:
            return self._vector(table, field, depth)
        if field.kind == _OBJECT:
            described = self.objects[field.object]
            if described.struct_bytes:
                value = table.struct(field.id, described.struct_bytes)
                return None if value is None else value.hex()
            inner = table.table(field.id)
            return None if inner is None else self.read(inner, described, depth + 1)
        if field.kind == _BOOL:
            return table.number(field.id, _NUMBERS[_BOOL], None)
        value = table.number(field.id, _NUMBERS[field.kind], field.default)
        return str(value) if field.kind in (_LONG, _ULONG) else value

    def _vector(self, table: Table, field: _Field, depth: int) -> Any:
        if field.element == _UBYTE:
            value = table.bytes(field.id)
            return None if value is None else value.hex()
        described = self.objects[field.object] if field.element == _OBJECT else None
        if field.element in _NUMBERS:
            size = _NUMBERS[field.element].size
        else:
            size = described.struct_bytes if described and described.struct_bytes else 4
        places = table.elements(field.id, size)
        if places is None:
            return None
        buffer = table.buffer
        if field.element == _STRING:
            return [buffer.text(buffer.follow(at)) for at in places]
        if described is None:
            return [buffer.number(_NUMBERS[field.element], at) for at in places]
        if described.struct_bytes:
            return [buffer.slice(at, size).hex() for at in places]
        return [self.read(Table(buffer, buffer.follow(at)), described, depth + 1) for at in places]


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _real(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is beyond the largest double")
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_real)
    except (ValueError, RecursionError) as error:
        raise DamagedLog(f"a field that holds JSON does not: {error}") from None


class Schemas:
    """The event types and their payloads' tables."""

    def __init__(self, folder: Optional[pathlib.Path] = None):
        """Reads every .bfbs of a folder; default: those that were installed with this package."""
        folder = folder or pathlib.Path(__file__).parent / "schemas"
        self._types = {}
        for path in sorted(folder.glob("*.bfbs")):
            schema = _Schema(path.read_bytes())
            for described in schema.objects:
                if "record_type" in described.attributes:
                    self._types[described.attributes["record_type"]] = (schema, described)
        if not self._types:
            raise FileNotFoundError(f"no event schemas (*.bfbs) in {folder}; install the package: "
                                    "pip install clients/python")

    @property
    def types(self) -> List[str]:
        return sorted(self._types)

    def data_of(self, type: str, payload: bytes) -> Dict[str, Any]:
        """The payload as a dictionary; a type that is not known gives {"payload_base64": "…"}. Raises DamagedLog."""
        if type not in self._types:
            return {"payload_base64": base64.b64encode(payload).decode()}
        schema, described = self._types[type]
        try:
            return schema.read(Buffer(payload).root(), described)
        except DamagedLog as error:
            raise DamagedLog(f"the payload of a {type} event does not fit its schema: {error}") from None


@functools.lru_cache(maxsize=None)
def installed_schemas() -> Schemas:
    """Those that were installed with this package, read once."""
    return Schemas()
