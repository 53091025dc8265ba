package events

import (
	"bytes"
	"embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"sync"
)

const depthMax = 64

// reflection.BaseType of FlatBuffers.
const (
	kindBool   = 2
	kindUByte  = 4
	kindLong   = 9
	kindULong  = 10
	kindFloat  = 11
	kindDouble = 12
	kindString = 13
	kindVector = 14
	kindObject = 15
)

// Bytes of each number, by base type.
var numberBytes = [...]int{1: 1, 2: 1, 3: 1, 4: 1, 5: 2, 6: 2, 7: 4, 8: 4, 9: 8, 10: 8, 11: 4, 12: 8}

func isNumber(kind int) bool { return kind > 0 && kind < len(numberBytes) }

//go:embed schemas/*.bfbs
var published embed.FS

type attributes map[string]string

func (a attributes) has(name string) bool { _, has := a[name]; return has }

type field struct {
	name          string
	id            int
	kind, element int
	object        uint32 // index of the type in the schema, where it is a table or a struct
	defaultBits   uint64
	attributes    attributes
}

type object struct {
	fields      []field // by id
	structBytes int     // 0: a table
	attributes  attributes
}

type schema struct{ objects []object }

// event is where a type's table is described.
type event struct {
	schema *schema
	object *object
}

// Schemas are the event types and the tables of their payloads. Immutable.
type Schemas struct{ types map[string]event }

// PublishedSchemas are those that this module carries.
var PublishedSchemas = sync.OnceValue(func() *Schemas {
	schemas, err := LoadSchemas(published)
	if err != nil {
		panic(err)
	}
	return schemas
})

// LoadSchemas reads the .bfbs files of a folder's `schemas`, for example those of a later version.
func LoadSchemas(folder fs.FS) (schemas *Schemas, err error) {
	defer catch(&err)
	paths, err := fs.Glob(folder, "schemas/*.bfbs")
	if err != nil {
		return nil, err
	}
	schemas = &Schemas{types: map[string]event{}}
	for _, path := range paths {
		binary, err := fs.ReadFile(folder, path)
		if err != nil {
			return nil, err
		}
		read := readSchema(binary)
		for i := range read.objects {
			if type_, is := read.objects[i].attributes["record_type"]; is {
				schemas.types[type_] = event{read, &read.objects[i]}
			}
		}
	}
	if len(schemas.types) == 0 {
		return nil, fmt.Errorf("no event schemas in schemas/*.bfbs of the folder")
	}
	return schemas, nil
}

func readAttributes(t table, id int) attributes {
	read := attributes{}
	for _, entry := range t.tablesOf(id) {
		read[entry.textOf(0)] = entry.textOf(1)
	}
	return read
}

func readSchema(binary []byte) *schema {
	read := &schema{}
	for _, described := range (&buffer{data: binary}).root(0).tablesOf(0) {
		object := object{attributes: readAttributes(described, 5)}
		if described.uint8Of(2) != 0 {
			object.structBytes = int(described.uint32Of(4, 0))
		}
		for _, t := range described.tablesOf(1) {
			kind, _ := t.tableOf(1)
			field := field{name: t.textOf(0), id: int(t.uint16Of(2)), kind: int(kind.uint8Of(0)),
				element: int(kind.uint8Of(1)), object: kind.uint32Of(2, math.MaxUint32), defaultBits: t.uint64Of(4),
				attributes: readAttributes(t, 9)}
			if field.kind == kindFloat || field.kind == kindDouble {
				field.defaultBits = t.uint64Of(5)
			}
			object.fields = append(object.fields, field)
		}
		slices.SortFunc(object.fields, func(a, b field) int { return a.id - b.id })
		read.objects = append(read.objects, object)
	}
	return read
}

// Types that are known, in order.
func (s *Schemas) Types() []string {
	types := make([]string, 0, len(s.types))
	for name := range s.types {
		types = append(types, name)
	}
	slices.Sort(types)
	return types
}

// DataOf gives a payload as the JSON object that the API shows: fields without a value are left out, bytes are
// hexadecimal text, 64-bit integers are text, fields that hold JSON are given as that JSON, and secrets are left out.
// A type that is not known gives {"payload_base64":"…"}. The error is a DamagedLogError.
func (s *Schemas) DataOf(type_ string, payload []byte) (data json.RawMessage, err error) {
	known, is := s.types[type_]
	if !is {
		return json.RawMessage(`{"payload_base64":"` + base64.StdEncoding.EncodeToString(payload) + `"}`), nil
	}
	defer func() {
		if err != nil {
			err = &DamagedLogError{fmt.Sprintf("the payload of a %s event does not fit its schema: %s", type_, err)}
		}
	}()
	defer catch(&err)
	var out bytes.Buffer
	known.schema.write(&out, (&buffer{data: payload}).root(0), known.object, 0)
	return out.Bytes(), nil
}

func writeText(out *bytes.Buffer, text string) {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		damage("a text cannot be written: %s", err)
	}
	out.Truncate(out.Len() - 1) // the line end
}

func writeHex(out *bytes.Buffer, bytes []byte) {
	out.WriteByte('"')
	out.WriteString(hex.EncodeToString(bytes))
	out.WriteByte('"')
}

// signed gives the number of an integer of that type, whose bits may be fewer than 64.
func signed(kind int, bits uint64) int64 {
	switch kind {
	case 3:
		return int64(int8(bits))
	case 5:
		return int64(int16(bits))
	case 7:
		return int64(int32(bits))
	default:
		return int64(bits)
	}
}

func writeNumber(out *bytes.Buffer, kind int, bits uint64) {
	switch kind {
	case kindBool:
		out.WriteString(strconv.FormatBool(bits != 0))
	case kindULong:
		out.WriteString(strconv.FormatUint(bits, 10))
	case kindFloat, kindDouble:
		value := math.Float64frombits(bits)
		if math.IsNaN(value) || math.IsInf(value, 0) {
			damage("%v is not a number of JSON", value)
		}
		out.WriteString(strconv.FormatFloat(value, 'g', -1, 64))
	default:
		out.WriteString(strconv.FormatInt(signed(kind, bits), 10))
	}
}

// bits of the number at a place; a float's are those of the double.
func (b *buffer) bits(kind, at int) uint64 {
	var wide [8]byte
	copy(wide[:], b.number(at, numberBytes[kind]))
	bits := binary.LittleEndian.Uint64(wide[:])
	if kind == kindFloat {
		return math.Float64bits(float64(math.Float32frombits(uint32(bits))))
	}
	return bits
}

func (s *schema) write(out *bytes.Buffer, t table, described *object, depth int) {
	if depth > depthMax {
		damage("tables are more than %d deep", depthMax)
	}
	separator := byte('{')
	for i := range described.fields {
		field := &described.fields[i]
		if field.attributes.has("secret") {
			continue
		}
		at := t.place(field.id)
		isNumber := isNumber(field.kind) && field.kind != kindBool
		if at == 0 && !isNumber {
			continue
		}
		bits := field.defaultBits
		if at != 0 && isNumber {
			bits = t.bits(field.kind, at)
		}
		if field.attributes.has("unset_is_absent") &&
			(isNumber && bits == 0 || field.kind == kindString && t.textOf(field.id) == "") {
			continue
		}
		out.WriteByte(separator)
		separator = ','
		writeText(out, field.name)
		out.WriteByte(':')
		switch {
		case field.kind == kindLong || field.kind == kindULong:
			out.WriteByte('"')
			writeNumber(out, field.kind, bits)
			out.WriteByte('"')
		case isNumber:
			writeNumber(out, field.kind, bits)
		default:
			s.writeField(out, t, field, at, depth)
		}
	}
	if separator == '{' {
		out.WriteByte('{')
	}
	out.WriteByte('}')
}

func (s *schema) writeField(out *bytes.Buffer, t table, field *field, at, depth int) {
	switch field.kind {
	case kindBool:
		writeNumber(out, kindBool, t.bits(kindBool, at))
	case kindString:
		text := t.textOf(field.id)
		if !field.attributes.has("json") || text == "" {
			writeText(out, text)
			return
		}
		if !json.Valid([]byte(text)) {
			damage("the field %s holds JSON, but has %.40q", field.name, text)
		}
		out.WriteString(text)
	case kindVector:
		s.writeVector(out, t, field, depth)
	case kindObject:
		described := s.object(field)
		if described.structBytes != 0 {
			writeHex(out, t.structOf(field.id, described.structBytes))
			return
		}
		inner, _ := t.tableOf(field.id)
		s.write(out, inner, described, depth+1)
	default:
		damage("the field %s has base type %d of FlatBuffers, which this version does not know", field.name, field.kind)
	}
}

func (s *schema) object(field *field) *object {
	if int64(field.object) >= int64(len(s.objects)) {
		damage("the field %s has type %d of a schema with %d types", field.name, field.object, len(s.objects))
	}
	return &s.objects[field.object]
}

func (s *schema) writeVector(out *bytes.Buffer, t table, field *field, depth int) {
	if field.element == kindUByte {
		writeHex(out, t.bytesOf(field.id))
		return
	}
	size := 4
	var described *object
	if field.element == kindObject {
		if described = s.object(field); described.structBytes != 0 {
			size = described.structBytes
		}
	} else if isNumber(field.element) {
		size = numberBytes[field.element]
	} else if field.element != kindString {
		damage("the field %s has elements of base type %d of FlatBuffers, which this version does not know", field.name,
			field.element)
	}
	first, count := t.elements(field.id, size)
	out.WriteByte('[')
	for i := range count {
		if i > 0 {
			out.WriteByte(',')
		}
		at := first + i*size
		switch {
		case field.element == kindString:
			writeText(out, t.text(t.follow(at)))
		case described == nil:
			writeNumber(out, field.element, t.bits(field.element, at))
		case described.structBytes != 0:
			writeHex(out, t.slice(at, size))
		default:
			s.write(out, t.table(t.follow(at)), described, depth+1)
		}
	}
	out.WriteByte(']')
}
