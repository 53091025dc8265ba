package events

import (
	"context"
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
