package events

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const shard = 5 // of the golden entries

// topic on a broker within the test program, with these entries; the real one is used in tests/kafka.
func topic(t *testing.T, entries [][]byte) (Options, *kgo.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(shard+1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	produce(t, client, entries)
	return Options{Brokers: cluster.ListenAddrs(), Topic: "t"}, client
}

func produce(t *testing.T, client *kgo.Client, entries [][]byte) {
	t.Helper()
	for _, entry := range entries {
		message := &kgo.Record{Topic: "t", Partition: shard, Value: entry}
		if err := client.ProduceSync(t.Context(), message).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func entriesOf(t *testing.T, name string) [][]byte {
	t.Helper()
	var entries [][]byte
	for _, entry := range logNamed(t, name).Entries {
		entries = append(entries, entry.Value)
	}
	return entries
}

func open(t *testing.T, options Options) *Reader {
	t.Helper()
	reader, err := Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	return reader
}

// toEnd gives the lsns up to where the topic ended when the reader was opened.
func toEnd(t *testing.T, reader *Reader) (lsns []uint64, err error) {
	t.Helper()
	for range 100 {
		if !reader.IsBehind() {
			return lsns, nil
		}
		given, err := reader.Poll(t.Context())
		if err != nil {
			return lsns, err
		}
		for _, event := range given {
			lsns = append(lsns, event.Record.LSN)
		}
	}
	t.Fatal("the end was not reached")
	return nil, nil
}

func expect(t *testing.T, reader *Reader, wanted ...uint64) {
	t.Helper()
	lsns, err := toEnd(t, reader)
	if err != nil || !reflect.DeepEqual(lsns, wanted) {
		t.Errorf("gave %v (%v), not %v", lsns, err, wanted)
	}
}

func TestEverythingIsGivenAndACheckpointGoesOnBehindIt(t *testing.T) {
	options, client := topic(t, entriesOf(t, "a repetition is skipped")[:3])
	first := open(t, options)
	expect(t, first, 1, 2)
	if first.IsBehind() {
		t.Error("behind")
	}
	produce(t, client, entriesOf(t, "a repetition is skipped")[3:])
	options.Checkpoints = first.Checkpoints()
	expect(t, open(t, options), 3)

	filtered := options
	filtered.Checkpoints = nil
	filtered.Types = []string{"trv.token.", "x"}
	reader := open(t, filtered)
	expect(t, reader)
	if known := reader.Checkpoints()[shard]; known.LSN != 3 {
		t.Errorf("the checkpoint is behind lsn %d", known.LSN)
	}
	filtered.Types = []string{"x", "trv.ex"}
	filtered.Tenant = "acme"
	expect(t, open(t, filtered), 1, 2, 3)
	filtered.Tenant = "beta"
	expect(t, open(t, filtered))
}

func TestWhetherTheTenantHasAnEventIsKnownAlsoWhereItsTypesAreLeftOut(t *testing.T) {
	options, _ := topic(t, entriesOf(t, "a repetition is skipped"))
	options.Types = []string{"x"}
	for tenant, known := range map[string]bool{"": true, "acme": true, "beta": false} {
		options.Tenant = tenant
		reader := open(t, options)
		if reader.HasTenant() != (tenant == "") {
			t.Errorf("tenant '%s' before anything is read: %v", tenant, reader.HasTenant())
		}
		expect(t, reader)
		if reader.HasTenant() != known {
			t.Errorf("tenant '%s': %v", tenant, reader.HasTenant())
		}
	}
}

func TestEventsBeforeDamageAreGivenFirst(t *testing.T) {
	options, _ := topic(t, entriesOf(t, "a gap"))
	reader := open(t, options)
	lsns, err := toEnd(t, reader)
	if !reflect.DeepEqual(lsns, []uint64{1}) || !IsDamaged(err) || !strings.Contains(err.Error(), "a gap") {
		t.Errorf("%v %v", lsns, err)
	}
	if _, again := reader.Poll(t.Context()); again != err {
		t.Errorf("%v after %v", again, err)
	}
	if reader.Checkpoints()[shard].LSN != 1 || !reader.IsBehind() {
		t.Error("the checkpoint is not where the damage begins")
	}
}

func TestACheckpointThatWasTrimmedIsDamage(t *testing.T) {
	options, client := topic(t, entriesOf(t, "a repetition is skipped"))
	reader := open(t, options)
	expect(t, reader, 1, 2, 3)
	before := kadm.Offsets{}
	before.Add(kadm.Offset{Topic: "t", Partition: shard, At: 3})
	trimmed, err := kadm.NewClient(client).DeleteRecords(t.Context(), before)
	if err != nil || trimmed.Error() != nil {
		t.Fatal(err, trimmed.Error())
	}
	options.Checkpoints = map[uint32]Checkpoint{shard: {Shard: shard, Offset: 1, LSN: 1}}
	if _, err := Open(t.Context(), options); !IsDamaged(err) || !strings.Contains(err.Error(), "partition 5 has offsets 3 to 5") {
		t.Errorf("%v", err)
	}
}

// Lsn 3 is the first departure, 5 the arrival, 7 the second departure.
const movedLog = "a tenant leaves the shard, comes back and leaves again"

func TestAPositionIsReadFromUntilTheTenantLeavesItsShard(t *testing.T) {
	whole, _ := topic(t, entriesOf(t, movedLog))
	atDeparture, _ := topic(t, entriesOf(t, movedLog)[:1+3])
	example := []string{"trv.ex"}
	for _, wanted := range []struct {
		options    Options
		behind, by uint64
		types      []string
		given      []uint64
	}{
		{whole, 1, 3, nil, []uint64{2, 3}}, {whole, 2, 3, nil, []uint64{3}}, {whole, 3, 3, nil, nil}, {whole, 4, 3, nil, nil},
		{whole, 5, 7, nil, []uint64{6, 7}}, {whole, 6, 7, nil, []uint64{7}}, {whole, 7, 7, nil, nil}, {whole, 8, 7, nil, nil},
		{whole, 1, 3, example, []uint64{2}}, {atDeparture, 1, 3, nil, []uint64{2, 3}}, {atDeparture, 3, 3, nil, nil},
	} {
		options := wanted.options
		options.Tenant, options.Types, options.Position = "acme", wanted.types, PositionOf("acme", shard, wanted.behind)
		reader := open(t, options)
		lsns, err := toEnd(t, reader)
		var moved *TenantMovedError
		if !reflect.DeepEqual(lsns, wanted.given) || !errors.As(err, &moved) {
			t.Fatalf("behind %d: %v %v", wanted.behind, lsns, err)
		}
		for _, part := range []string{"tenant 'acme' was moved from shard 5 to shard 101", PositionOf("acme", shard, wanted.by),
			"--checkpoint"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("behind %d: %s", wanted.behind, err)
			}
		}
		if _, again := reader.Poll(t.Context()); again != err {
			t.Errorf("%v after %v", again, err)
		}
	}
}

func TestMovesBeforeThePositionAndOfOtherTenantsDoNotEndTheReading(t *testing.T) {
	options, client := topic(t, entriesOf(t, movedLog)[:1+2])
	options.Tenant, options.Position = "acme", PositionOf("acme", shard, 1)
	expect(t, open(t, options), 2)
	produce(t, client, entriesOf(t, movedLog)[1+2:1+6])
	options.Position = PositionOf("acme", shard, 5)
	expect(t, open(t, options), 6)
	produce(t, client, entriesOf(t, movedLog)[1+6:])
	options.Tenant, options.Position = "beta", PositionOf("beta", shard, 1)
	expect(t, open(t, options))
	options.Tenant, options.Position = "acme", ""
	expect(t, open(t, options), 1, 2, 3, 4, 5, 6, 7, 8)
}

func TestAPositionGoesWithoutPartitionsAndCheckpointsAndIsOfTheTenant(t *testing.T) {
	good := Options{Topic: "t", Tenant: "acme", Position: PositionOf("acme", shard, 1)}
	partitions, checkpoints, other := good, good, good
	partitions.Partitions = []int32{shard}
	checkpoints.Checkpoints = map[uint32]Checkpoint{shard: {Shard: shard, Offset: 2, LSN: 1}}
	other.Tenant = "beta"
	for _, refused := range []struct {
		options Options
		message string
	}{{partitions, "leave Partitions and Checkpoints out"}, {checkpoints, "leave Partitions and Checkpoints out"},
		{other, "is not a position in the events of tenant 'beta'"}} {
		if _, err := Open(t.Context(), refused.options); err == nil || !strings.Contains(err.Error(), refused.message) {
			t.Errorf("%v", err)
		}
	}
}

func TestAnEmptyTopicIsNotBehindAndWhatIsNotThereIsNamed(t *testing.T) {
	options, _ := topic(t, nil)
	if open(t, options).IsBehind() {
		t.Error("behind")
	}
	options.Partitions = []int32{7}
	if _, err := Open(t.Context(), options); err == nil || !strings.Contains(err.Error(), "topic 't' has no partition 7; it has 6") {
		t.Errorf("%v", err)
	}
	options.Topic, options.Partitions = "u", nil
	if _, err := Open(t.Context(), options); err == nil || !strings.Contains(err.Error(), "topic 'u'") {
		t.Errorf("%v", err)
	}
}

func TestAReaderThatIsInterruptedSaysSo(t *testing.T) {
	options, _ := topic(t, nil)
	reader := open(t, options)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	<-ctx.Done()
	if _, err := reader.Poll(ctx); err != context.DeadlineExceeded {
		t.Errorf("%v", err)
	}
}

func TestCheckpointsAreLoadedAsTheyWereSaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoints")
	if known, err := LoadCheckpoints(path, "t"); len(known) != 0 || err != nil {
		t.Errorf("%v %v", known, err)
	}
	known := map[uint32]Checkpoint{0: {0, 7, 3, Hash{}}, 4: {4, 1, 1, Hash{255, 1}}}
	if err := SaveCheckpoints(path, "t", known); err != nil {
		t.Fatal(err)
	}
	if loaded, err := LoadCheckpoints(path, "t"); err != nil || !reflect.DeepEqual(loaded, known) {
		t.Errorf("%v %v", loaded, err)
	}
	if _, err := LoadCheckpoints(path, "u"); err == nil || !strings.Contains(err.Error(), "of topic 't', not of 'u'") {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "{", "[]", "{}", `{"topic":"t","checkpoints":[{}]}`, `{"topic":"t","checkpoints":3}`,
		`{"topic":"t","checkpoints":[{"shard":0,"offset":1,"lsn":1,"sha256":"00"}]}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if loaded, err := LoadCheckpoints(path, "t"); err == nil {
			t.Errorf("%s is taken: %v", text, loaded)
		}
	}
}
