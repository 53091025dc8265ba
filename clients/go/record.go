package events

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

const (
	recordBytesMax = 1_000_000
	entryBytesMin  = 24
	rootAt         = 4 // behind the size prefix
)

// Hash is the SHA-256 of an entry as stored.
type Hash [32]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ID is a UUID. The zero ID is one that the record does not have.
type ID [16]byte

func (id ID) String() string {
	text := hex.EncodeToString(id[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// Head is what the void rule needs of an entry.
type Head struct {
	IsClaim     bool
	Shard       uint32
	Epoch       uint64
	LSN         uint64 // 0 for a claim
	DecisionEnd bool
}

// Record is one event with its place in the log of a shard. Texts that the entry does not have are empty.
type Record struct {
	Shard         uint32
	LSN           uint64
	Epoch         uint64
	PrevHash      Hash  // of the record before; zeros for lsn 1
	TimeNs        int64 // nanoseconds since 1970-01-01T00:00:00Z: the time of the decision
	EventID       ID
	Tenant        string
	StreamKind    string
	StreamID      string
	Type          string
	SchemaVersion uint16
	Actor         string
	CausationID   *ID
	CorrelationID *ID
	Traceparent   string
	KeyID         string // empty: the payload is not sealed
	Payload       []byte // part of the entry's bytes
	DecisionEnd   bool
	Hash          Hash // of this entry
}

// Time of the decision, in UTC.
func (r *Record) Time() time.Time { return time.Unix(0, r.TimeNs).UTC() }

func openEntry(stored []byte) (table, bool) {
	if len(stored) < entryBytesMin || len(stored) > recordBytesMax {
		damage("an entry of %d bytes; it must have %d to %d", len(stored), entryBytesMin, recordBytesMax)
	}
	b := &buffer{data: stored}
	if size := int(b.uint32(0)); size != len(stored)-rootAt {
		damage("an entry of %d bytes: its size prefix says %d more", len(stored), size)
	}
	kind := string(stored[8:12])
	if kind != "TRVR" && kind != "TRVC" {
		damage("an entry with identifier %q: it is neither record (TRVR) nor claim (TRVC)", kind)
	}
	return b.root(rootAt), kind == "TRVC"
}

func head(stored []byte) Head {
	entry, isClaim := openEntry(stored)
	head := Head{IsClaim: isClaim, Shard: entry.uint32Of(0, 0)}
	if isClaim {
		head.Epoch = entry.uint64Of(1)
	} else {
		head.Epoch = entry.uint64Of(2)
		head.LSN = entry.uint64Of(1)
		head.DecisionEnd = entry.uint8Of(18) != 0
	}
	if head.Epoch == 0 || (head.LSN == 0 && !isClaim) {
		damage("an entry of %d bytes has no epoch or no lsn", len(stored))
	}
	return head
}

// ReadHead opens an entry as far as the void rule needs it. The error is a DamagedLogError.
func ReadHead(stored []byte) (found Head, err error) {
	defer catch(&err)
	return head(stored), nil
}

func record(stored []byte) *Record {
	entry, isClaim := openEntry(stored)
	if isClaim {
		damage("an entry of %d bytes is a claim, not a record", len(stored))
	}
	lsn := entry.uint64Of(1)
	require := func(name string, has bool) {
		if !has {
			damage("the record with lsn %d has no %s", lsn, name)
		}
	}
	identity := func(field int) *ID {
		bytes := entry.structOf(field, 16)
		if bytes == nil {
			return nil
		}
		return (*ID)(bytes)
	}
	if encoding := entry.uint8Of(15); encoding != 0 {
		damage("the record with lsn %d has payload encoding %d, which this version does not know", lsn, encoding)
	}
	prevHash := entry.structOf(3, 32)
	eventID := identity(5)
	require("prev_hash", prevHash != nil)
	require("event_id", eventID != nil)
	read := &Record{
		Shard: entry.uint32Of(0, 0), LSN: lsn, Epoch: entry.uint64Of(2), PrevHash: Hash(prevHash),
		TimeNs: int64(entry.uint64Of(4)), EventID: *eventID,
		Tenant: entry.textOf(6), StreamKind: entry.textOf(7), StreamID: entry.textOf(8), Type: entry.textOf(9),
		SchemaVersion: entry.uint16Of(10), Actor: entry.textOf(11),
		CausationID: identity(12), CorrelationID: identity(13), Traceparent: entry.textOf(14),
		KeyID: entry.textOf(16), Payload: entry.bytesOf(17), DecisionEnd: entry.uint8Of(18) != 0,
		Hash: sha256.Sum256(stored),
	}
	require("lsn", read.LSN != 0)
	require("epoch", read.Epoch != 0)
	require("tenant", read.Tenant != "")
	require("stream_kind", read.StreamKind != "")
	require("stream_id", read.StreamID != "")
	require("type", read.Type != "")
	require("actor", read.Actor != "")
	return read
}

// ReadRecord opens the entry of a record. The error is a DamagedLogError.
func ReadRecord(stored []byte) (found *Record, err error) {
	defer catch(&err)
	return record(stored), nil
}
