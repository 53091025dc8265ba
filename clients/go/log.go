package events

import (
	"errors"
	"fmt"
)

const decisionBytesMax = 67_108_864

// Checkpoint names the record that a reader took last. It is found again at its offset and known by its hash.
type Checkpoint struct {
	Shard  uint32
	Offset int64
	LSN    uint64
	Hash   Hash
}

// Event is a record that counts, and where it is in its partition.
type Event struct {
	Offset int64
	Record *Record
}

// Checkpoint to go on behind this event: store it once the event was handled.
func (e Event) Checkpoint() Checkpoint {
	return Checkpoint{e.Record.Shard, e.Offset, e.Record.LSN, e.Record.Hash}
}

type entry struct {
	offset int64
	stored []byte
}

// ShardLog takes the entries of one shard in the order of their offsets and gives the events of each whole decision:
// void rule, gap check and hash chain of docs/formats/record.md. It does no I/O. One goroutine.
type ShardLog struct {
	shard        uint32
	checkpoint   *Checkpoint
	begun        bool
	epoch        uint64
	next         uint64
	nextDecision uint64
	held         []entry // the decision that has not ended
	heldBytes    int
	last         *Record
	chainUnknown bool // true until the first record where the log was trimmed: the hash before is not known
	damage       error
}

// NewShardLog begins behind a checkpoint, and then its first entry must be the checkpoint's record. Without one (nil)
// it begins where the log does.
func NewShardLog(shard uint32, checkpoint *Checkpoint) (*ShardLog, error) {
	if checkpoint != nil && checkpoint.Shard != shard {
		return nil, fmt.Errorf("the checkpoint is of shard %d, not of shard %d", checkpoint.Shard, shard)
	}
	return &ShardLog{shard: shard, checkpoint: checkpoint, next: 1, nextDecision: 1}, nil
}

// Take gives the events of the decision that this entry ends; mostly none or few. It keeps `value`. The error is a
// DamagedLogError with the offset; then nothing more is given, and every later call returns the same error.
func (l *ShardLog) Take(offset int64, value []byte) ([]Event, error) {
	if l.damage != nil {
		return nil, l.damage
	}
	given, err := l.take(offset, value)
	if err != nil {
		l.damage = &DamagedLogError{fmt.Sprintf("the log of shard %d is damaged at offset %d: %s", l.shard, offset, err)}
		return nil, l.damage
	}
	return given, nil
}

func (l *ShardLog) take(offset int64, value []byte) (given []Event, err error) {
	defer catch(&err)
	head := head(value)
	if !l.begun {
		l.begin(offset, value, head)
		l.begun = true
	}
	if !l.isNext(head) {
		return nil, nil
	}
	l.heldBytes += len(value)
	if l.heldBytes > decisionBytesMax {
		damage("the decision with lsn %d has more than %d bytes", head.LSN, decisionBytesMax)
	}
	l.held = append(l.held, entry{offset, value})
	if !head.DecisionEnd {
		return nil, nil
	}
	for _, held := range l.held {
		event := Event{held.offset, l.chained(record(held.stored))}
		// The decision may have begun before the checkpoint's record, which was given already.
		if l.checkpoint == nil || event.Record.LSN > l.checkpoint.LSN {
			given = append(given, event)
		}
	}
	l.dropHeld()
	return given, nil
}

// begin puts the rule in the state that is right at the first entry.
func (l *ShardLog) begin(offset int64, value []byte, head Head) {
	known := l.checkpoint
	if known == nil && offset == 0 {
		return
	}
	if head.IsClaim {
		if known != nil {
			damage("the entry of the checkpoint is a claim")
		}
		damage("the entries before this claim were deleted")
	}
	if known != nil && (offset != known.Offset || head.LSN != known.LSN || record(value).Hash != known.Hash) {
		damage("here is lsn %d, not the record of the checkpoint, which has lsn %d at offset %d; if the topic was made "+
			"anew, delete the checkpoint", head.LSN, known.LSN, known.Offset)
	}
	// Trimming leaves a record that counts at the beginning, and a checkpoint is of one.
	l.epoch = head.Epoch
	l.next, l.nextDecision = head.LSN, head.LSN
	l.chainUnknown = true
}

// isNext is the void rule: whether the entry is the next record, which counts if its decision ends before a claim wins.
func (l *ShardLog) isNext(head Head) bool {
	switch {
	case head.Shard != l.shard:
		damage("an entry of shard %d", head.Shard)
	case head.IsClaim:
		if head.Epoch > l.epoch {
			l.epoch = head.Epoch
			l.next = l.nextDecision
			l.dropHeld()
		}
		return false
	case head.Epoch < l.epoch:
		return false
	case head.Epoch > l.epoch:
		damage("a record of epoch %d without its claim; the current epoch is %d", head.Epoch, l.epoch)
	case head.LSN < l.next:
		return false
	case head.LSN > l.next:
		damage("a gap: lsn %d follows lsn %d", head.LSN, l.next-1)
	}
	l.next++
	if head.DecisionEnd {
		l.nextDecision = l.next
	}
	return true
}

func (l *ShardLog) chained(record *Record) *Record {
	var before Hash
	if l.last != nil {
		before = l.last.Hash
	}
	if !l.chainUnknown && record.PrevHash != before {
		damage("the chain breaks at lsn %d: its prev_hash is %s, but the record before hashes to %s", record.LSN,
			record.PrevHash, before)
	}
	if l.last != nil && record.TimeNs < l.last.TimeNs {
		damage("time runs backwards: lsn %d has %d ns, the record before has %d ns", record.LSN, record.TimeNs,
			l.last.TimeNs)
	}
	l.last, l.chainUnknown = record, false
	return record
}

func (l *ShardLog) dropHeld() {
	l.held, l.heldBytes = nil, 0
}

// IsDamaged says whether an error means that the log is damaged.
func IsDamaged(err error) bool {
	var damaged *DamagedLogError
	return errors.As(err, &damaged)
}
