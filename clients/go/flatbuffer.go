package events

import (
	"encoding/binary"
	"unicode/utf8"
)

// Tables, texts and vectors may be shared, so that few bytes can unfold to many. Far beyond what a writer makes.
const unfoldedBytesMax = 16_000_000

// buffer is a FlatBuffer that nobody has verified. Every step is checked to lie inside the bytes; what does not fit
// ends with damage, which the package's exported functions return as a DamagedLogError.
type buffer struct {
	data     []byte
	unfolded int
}

func (b *buffer) unfold(size int) {
	b.unfolded += size
	if b.unfolded > unfoldedBytesMax {
		damage("%d bytes unfold to more than %d", len(b.data), unfoldedBytesMax)
	}
}

// number gives size bytes of a number.
func (b *buffer) number(at, size int) []byte {
	if at < 0 || at+size > len(b.data) {
		damage("a number of %d bytes at %d lies outside of %d bytes", size, at, len(b.data))
	}
	return b.data[at : at+size]
}

func (b *buffer) uint16(at int) uint16 { return binary.LittleEndian.Uint16(b.number(at, 2)) }
func (b *buffer) uint32(at int) uint32 { return binary.LittleEndian.Uint32(b.number(at, 4)) }
func (b *buffer) uint64(at int) uint64 { return binary.LittleEndian.Uint64(b.number(at, 8)) }

func (b *buffer) slice(at, size int) []byte {
	if at < 0 || at+size > len(b.data) {
		damage("%d bytes at %d lie outside of %d bytes", size, at, len(b.data))
	}
	b.unfold(size)
	return b.data[at : at+size]
}

// text whose length is at `at`.
func (b *buffer) text(at int) string {
	bytes := b.slice(at+4, int(b.uint32(at)))
	if !utf8.Valid(bytes) {
		damage("the text at %d is not UTF-8", at)
	}
	return string(bytes)
}

// follow says where the reference at `at` leads.
func (b *buffer) follow(at int) int { return at + int(b.uint32(at)) }

func (b *buffer) root(at int) table { return b.table(b.follow(at)) }

// table at a place. Its fields are named by their ids.
type table struct {
	*buffer
	at      int
	offsets []byte
}

func (b *buffer) table(at int) table {
	vtable := at - int(int32(b.uint32(at)))
	size := max(int(b.uint16(vtable))-4, 0)
	b.unfold(8)
	return table{b, at, b.slice(vtable+4, size/2*2)}
}

// place of a field; 0 where it is absent.
func (t table) place(field int) int {
	if 2*field+2 > len(t.offsets) {
		return 0
	}
	offset := int(binary.LittleEndian.Uint16(t.offsets[2*field:]))
	if offset == 0 {
		return 0
	}
	return t.at + offset
}

func (t table) uint8Of(field int) uint8 {
	if at := t.place(field); at != 0 {
		return t.number(at, 1)[0]
	}
	return 0
}

func (t table) uint16Of(field int) uint16 {
	if at := t.place(field); at != 0 {
		return t.uint16(at)
	}
	return 0
}

func (t table) uint32Of(field int, absent uint32) uint32 {
	if at := t.place(field); at != 0 {
		return t.uint32(at)
	}
	return absent
}

func (t table) uint64Of(field int) uint64 {
	if at := t.place(field); at != 0 {
		return t.uint64(at)
	}
	return 0
}

// structOf gives the bytes of a struct; nil where it is absent.
func (t table) structOf(field, size int) []byte {
	if at := t.place(field); at != 0 {
		return t.slice(at, size)
	}
	return nil
}

func (t table) textOf(field int) string {
	if at := t.place(field); at != 0 {
		return t.text(t.follow(at))
	}
	return ""
}

func (t table) bytesOf(field int) []byte {
	at := t.place(field)
	if at == 0 {
		return nil
	}
	at = t.follow(at)
	return t.slice(at+4, int(t.uint32(at)))
}

func (t table) tableOf(field int) (table, bool) {
	at := t.place(field)
	if at == 0 {
		return table{}, false
	}
	return t.table(t.follow(at)), true
}

// elements gives the place of a vector's first element and how many there are, `size` bytes each.
func (t table) elements(field, size int) (first, count int) {
	at := t.place(field)
	if at == 0 {
		return 0, 0
	}
	at = t.follow(at)
	count = int(t.uint32(at))
	if count > len(t.data) {
		damage("a vector of %d elements at %d lies outside of %d bytes", count, at, len(t.data))
	}
	t.slice(at+4, count*size)
	return at + 4, count
}

func (t table) tablesOf(field int) []table {
	first, count := t.elements(field, 4)
	tables := make([]table, count)
	for i := range tables {
		tables[i] = t.table(t.follow(first + 4*i))
	}
	return tables
}
