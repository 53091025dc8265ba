package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	answerWithin = 10 * time.Second
	pollWithin   = time.Second
	takenAtOnce  = 1000
)

// Options of Open. A Position, the `position` of an event, is read from in its shard alone, and goes without Partitions and
// Checkpoints.
type Options struct {
	Brokers     []string              // HOST:PORT
	Topic       string                // mostly travertine.events
	Partitions  []int32               // which to read; nil: all
	Checkpoints map[uint32]Checkpoint // by shard, where to go on; a shard without one is read from its beginning
	Tenant      string                // only events of this tenant; empty: of all
	Types       []string              // only types that begin with one of these; nil: all
	Position    string                // only events of Tenant behind this one; see below
	Kafka       []kgo.Opt             // more settings of franz-go, for example kgo.DialTLSConfig
}

// Reader gives the events of a topic's partitions, in order within each, each at least once: the caller stores
// Checkpoints after it handled the events, and starts from them again. One goroutine.
//
// Partitions are assigned, not shared by a consumer group: the void rule and the chain need every entry of a partition
// in one place.
type Reader struct {
	options     Options
	client      *kgo.Client
	logs        map[int32]*ShardLog
	ends        map[int32]int64 // of partitions that are not read up to where they ended
	checkpoints map[uint32]Checkpoint
	failure     error
	behind      uint64  // lsn of Position
	departed    *Record // the event by which the tenant left the shard of Position
	hasTenant   bool
}

// Open connects and finds out where the partitions begin and end. Close it.
//
// The error is a DamagedLogError where a checkpoint's record is not in the topic any more.
func Open(ctx context.Context, options Options) (*Reader, error) {
	reader := &Reader{options: options, logs: map[int32]*ShardLog{}, ends: map[int32]int64{},
		checkpoints: maps.Clone(options.Checkpoints), hasTenant: options.Tenant == ""}
	if reader.checkpoints == nil {
		reader.checkpoints = map[uint32]Checkpoint{}
	}
	if options.Position != "" {
		if options.Partitions != nil || len(options.Checkpoints) > 0 {
			return nil, errors.New("a position names where to begin; leave Partitions and Checkpoints out")
		}
		shard, lsn, err := ParsePosition(options.Position, options.Tenant)
		if err != nil {
			return nil, err
		}
		reader.options.Partitions, reader.behind = []int32{int32(shard)}, lsn
	}
	settings := append([]kgo.Opt{kgo.SeedBrokers(options.Brokers...)}, options.Kafka...)
	places, err := reader.places(ctx, settings)
	if err != nil {
		return nil, err
	}
	reader.client, err = kgo.NewClient(append(settings,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{options.Topic: places}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()))...)
	if err != nil {
		return nil, err
	}
	return reader, nil
}

// places says where to begin in each partition.
func (r *Reader) places(ctx context.Context, settings []kgo.Opt) (map[int32]kgo.Offset, error) {
	client, err := kgo.NewClient(settings...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	admin := kadm.NewClient(client)
	begins, err := admin.ListStartOffsets(ctx, r.options.Topic)
	if err == nil {
		err = begins.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("topic '%s': %w", r.options.Topic, err)
	}
	ends, err := admin.ListEndOffsets(ctx, r.options.Topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("topic '%s': %w", r.options.Topic, err)
	}
	partitions := r.options.Partitions
	if partitions == nil {
		partitions = slices.Sorted(maps.Keys(begins[r.options.Topic]))
	}
	places := map[int32]kgo.Offset{}
	for _, partition := range partitions {
		begin, has := begins.Lookup(r.options.Topic, partition)
		end, hasEnd := ends.Lookup(r.options.Topic, partition)
		if !has || !hasEnd {
			return nil, fmt.Errorf("topic '%s' has no partition %d; it has %d", r.options.Topic, partition,
				len(begins[r.options.Topic]))
		}
		low, high := begin.Offset, end.Offset
		place := low
		var known *Checkpoint
		if checkpoint, has := r.checkpoints[uint32(partition)]; has {
			known = &checkpoint
			place = known.Offset
			if place < low || place >= high {
				return nil, &DamagedLogError{fmt.Sprintf("partition %d has offsets %d to %d, and the checkpoint's record "+
					"was at %d: it was trimmed, or the topic was made anew", partition, low, high-1, place)}
			}
		}
		if r.logs[partition], err = NewShardLog(uint32(partition), known); err != nil {
			return nil, err
		}
		places[partition] = kgo.NewOffset().At(place)
		if low < high {
			r.ends[partition] = high
		}
	}
	return places, nil
}

// IsBehind says whether entries that the topic had when the reader was opened are not read yet, or
// cannot be.
func (r *Reader) IsBehind() bool { return len(r.ends) > 0 || r.failure != nil }

// HasTenant says whether Options.Tenant had an event among those that were read; true where none is asked for.
func (r *Reader) HasTenant() bool { return r.hasTenant }

// Checkpoints by shard, behind the last event that was given or left out.
func (r *Reader) Checkpoints() map[uint32]Checkpoint { return maps.Clone(r.checkpoints) }

// Poll gives events that were there, or came within a second; mostly several, and none where there are none.
//
// The error is a DamagedLogError where the log is not what it must be, a TenantMovedError behind the event by
// which the tenant left the shard of Position, and otherwise what Kafka reports and what does not pass by itself. Events before it are given first, by a call without error; every later call returns the same.
func (r *Reader) Poll(ctx context.Context) ([]Event, error) {
	if r.failure != nil {
		return nil, r.failure
	}
	within, cancel := context.WithTimeout(ctx, pollWithin)
	defer cancel()
	fetches := r.client.PollRecords(within, takenAtOnce)
	if err := ctx.Err(); err != nil && fetches.NumRecords() == 0 {
		return nil, err
	}
	var given []Event
	fetches.EachPartition(func(fetched kgo.FetchTopicPartition) {
		for _, message := range fetched.Records {
			if r.failure != nil {
				return
			}
			given = append(given, r.take(message)...)
		}
	})
	if r.failure == nil {
		r.failure = failureOf(fetches)
	}
	if len(given) == 0 && r.failure != nil {
		return nil, r.failure
	}
	return given, nil
}

// take gives the wanted events of the decision that the message ends.
func (r *Reader) take(message *kgo.Record) []Event {
	whole, err := r.logs[message.Partition].Take(message.Offset, message.Value)
	if err != nil {
		r.failure = err
		return nil
	}
	if end, isBehind := r.ends[message.Partition]; isBehind && message.Offset+1 >= end {
		delete(r.ends, message.Partition)
	}
	wanted := whole[:0]
	for _, event := range whole {
		r.checkpoints[event.Record.Shard] = event.Checkpoint()
		r.hasTenant = r.hasTenant || event.Record.Tenant == r.options.Tenant
		if r.wants(event.Record) {
			wanted = append(wanted, event)
		}
		if r.options.Position == "" {
			continue
		}
		if r.failure = r.moveAt(event.Record); r.failure != nil {
			break
		}
	}
	return wanted
}

func (r *Reader) wants(record *Record) bool {
	if record.LSN <= r.behind || r.options.Tenant != "" && record.Tenant != r.options.Tenant {
		return false
	}
	return len(r.options.Types) == 0 ||
		slices.ContainsFunc(r.options.Types, func(prefix string) bool { return strings.HasPrefix(record.Type, prefix) })
}

// moveAt gives what ends the reading from a position: the tenant is in another shard. It may have come back before the
// position.
func (r *Reader) moveAt(record *Record) error {
	if record.Tenant == r.options.Tenant {
		switch record.Type {
		case "trv.tenant.departed":
			r.departed = record
		case "trv.tenant.arrived":
			r.departed = nil
		}
	}
	if r.departed == nil || record.LSN < r.behind {
		return nil
	}
	left := r.departed
	data, err := PublishedSchemas().DataOf(left.Type, left.Payload)
	if err != nil {
		return err
	}
	var said struct{ To uint32 }
	if err := json.Unmarshal(data, &said); err != nil {
		return err
	}
	return &TenantMovedError{fmt.Sprintf("tenant '%s' was moved from shard %d to shard %d by the event at position %s; "+
		"reading from a position (--from) reads shard %d alone; use checkpoints (--checkpoint FILE), which follow moves",
		r.options.Tenant, left.Shard, said.To, PositionOf(r.options.Tenant, left.Shard, left.LSN), left.Shard)}
}

// failureOf gives what does not pass by itself: the client connects anew and follows leaders by itself.
func failureOf(fetches kgo.Fetches) error {
	for _, failed := range fetches.Errors() {
		var lost *kgo.ErrDataLoss
		switch {
		case errors.Is(failed.Err, kerr.OffsetOutOfRange) || errors.As(failed.Err, &lost):
			return &DamagedLogError{fmt.Sprintf("partition %d: entries were deleted before they were read: %s",
				failed.Partition, failed.Err)}
		case errors.Is(failed.Err, context.DeadlineExceeded) || errors.Is(failed.Err, context.Canceled) ||
			kerr.IsRetriable(failed.Err):
		default:
			return fmt.Errorf("topic '%s', partition %d: %w", failed.Topic, failed.Partition, failed.Err)
		}
	}
	return nil
}

// Close ends the connections.
func (r *Reader) Close() { r.client.Close() }
