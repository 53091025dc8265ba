package events

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// The golden files that the packages of every language read alike.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "tests", "golden", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func decode[Value any](t *testing.T, text []byte) Value {
	t.Helper()
	var value Value
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

type logCase struct {
	Name       string
	Shard      uint32
	Checkpoint *storedCheckpoint
	Entries    []struct {
		Offset int64
		Value  []byte
	}
	Counts []uint64
	Damage string
}

func logCases(t *testing.T) []logCase {
	return decode[[]logCase](t, golden(t, "events/logs.json"))
}

func logNamed(t *testing.T, name string) logCase {
	t.Helper()
	for _, found := range logCases(t) {
		if found.Name == name {
			return found
		}
	}
	t.Fatalf("tests/golden/events/logs.json has no log '%s'", name)
	return logCase{}
}

func (c logCase) known(t *testing.T) *Checkpoint {
	t.Helper()
	if c.Checkpoint == nil {
		return nil
	}
	known, err := c.Checkpoint.checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	return &known
}

func TestWhatCountsIsGivenAndDamageStopsTheReader(t *testing.T) {
	cases := logCases(t)
	if len(cases) < 25 {
		t.Fatalf("only %d logs", len(cases))
	}
	for _, wanted := range cases {
		t.Run(wanted.Name, func(t *testing.T) {
			log, err := NewShardLog(wanted.Shard, wanted.known(t))
			if err != nil {
				t.Fatal(err)
			}
			lsns := []uint64{}
			var damage error
			for _, entry := range wanted.Entries {
				given, err := log.Take(entry.Offset, entry.Value)
				for _, event := range given {
					lsns = append(lsns, event.Record.LSN)
				}
				if damage != nil && err != damage {
					t.Errorf("%v after %v", err, damage)
				}
				damage = err
			}
			if !reflect.DeepEqual(lsns, wanted.Counts) {
				t.Errorf("gave %v, not %v", lsns, wanted.Counts)
			}
			if (damage != nil) != (wanted.Damage != "") {
				t.Fatalf("damage is %v", damage)
			}
			if damage != nil && (!IsDamaged(damage) || !strings.Contains(damage.Error(), wanted.Damage)) {
				t.Errorf("damage is %v, not %s", damage, wanted.Damage)
			}
		})
	}
}

func TestARecordedLogGivesTheEventsThatTheAPIShowed(t *testing.T) {
	releases, err := filepath.Glob(filepath.Join("..", "..", "tests", "golden", "releases", "*", "records.json"))
	if err != nil || len(releases) == 0 {
		t.Fatal("no releases", err)
	}
	for _, release := range releases {
		content, err := os.ReadFile(release)
		if err != nil {
			t.Fatal(err)
		}
		lines := decode[[]struct {
			Value []byte
			Event any
		}](t, content)
		log, err := NewShardLog(0, nil)
		if err != nil {
			t.Fatal(err)
		}
		var shown []any
		for at, line := range lines {
			// Without the claims, as a log that was trimmed behind the first one.
			given, err := log.Take(int64(1+at), line.Value)
			if err != nil {
				t.Fatal(err)
			}
			for _, event := range given {
				cloudEvent, err := event.Record.CloudEvent()
				if err != nil {
					t.Fatal(err)
				}
				text, err := json.Marshal(cloudEvent)
				if err != nil {
					t.Fatal(err)
				}
				shown = append(shown, decode[any](t, text))
			}
		}
		if len(shown) != len(lines) {
			t.Fatalf("%s: %d events of %d", release, len(shown), len(lines))
		}
		for at, line := range lines {
			if !reflect.DeepEqual(shown[at], line.Event) {
				t.Errorf("%s: %v, not %v", release, shown[at], line.Event)
			}
		}
	}
}

type payloadVector struct {
	Type    string
	Payload []byte
	Data    any
}

func TestEveryTypeIsReadWithEveryFieldAndWithNone(t *testing.T) {
	missing := map[string]bool{}
	for _, name := range PublishedSchemas().Types() {
		missing[name] = true
	}
	if len(missing) < 30 {
		t.Fatalf("only %d types", len(missing))
	}
	for _, vector := range decode[[]payloadVector](t, golden(t, "events/payloads.json")) {
		data, err := PublishedSchemas().DataOf(vector.Type, vector.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if shown := decode[any](t, data); !reflect.DeepEqual(shown, vector.Data) {
			t.Errorf("%s: %s, not %v", vector.Type, data, vector.Data)
		}
		delete(missing, vector.Type)
	}
	if len(missing) > 0 {
		t.Errorf("no vector for %v", missing)
	}
}

func TestTheGoldenRecordIsReadInEveryField(t *testing.T) {
	first, second := golden(t, "record/first.bin"), golden(t, "record/second.bin")
	before, err := ReadRecord(first)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadRecord(second)
	if err != nil {
		t.Fatal(err)
	}
	if read.PrevHash != before.Hash || before.CausationID != nil || read.KeyID != "key-1" || read.SchemaVersion != 3 {
		t.Errorf("%+v", read)
	}
	shown, err := read.CloudEvent()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	wanted := `{"specversion":"1.0","id":"00000000-0000-0007-0000-000000000000","source":"/tenants/acme/instance",` +
		`"type":"trv.example.happened","subject":"i7","time":"2023-11-14T22:13:20.000000Z","position":"` +
		PositionOf("acme", 5, 2) + `","tenant":"acme","actor":"member:ada",` +
		`"causationid":"018f0000-0000-7000-8000-000000000001","correlationid":"018f0000-0000-7000-8000-000000000002",` +
		`"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","datacontenttype":"application/json",` +
		`"data":{"payload_base64":"` + strings.Repeat("BwcH", 33) + `Bw=="}}`
	if string(text) != wanted {
		t.Errorf("%s, not %s", text, wanted)
	}
	if _, err := ReadRecord(golden(t, "record/claim.bin")); !IsDamaged(err) {
		t.Errorf("a claim is read as a record: %v", err)
	}
}

func TestAPositionIsOfOneTenant(t *testing.T) {
	position := PositionOf("acme", 5, 2)
	if shard, lsn, err := ParsePosition(position, "acme"); shard != 5 || lsn != 2 || err != nil {
		t.Errorf("%d %d %v", shard, lsn, err)
	}
	for _, text := range []string{"", strings.Repeat("x", 24), position + "0", "0" + position[2:]} {
		if _, _, err := ParsePosition(text, "acme"); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
	if _, _, err := ParsePosition(position, "beta"); err == nil {
		t.Error("the position of another tenant is taken")
	}
}

// Everything but damage would end the test program.
func TestHostileBytesAreDamageAndNothingElse(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	changed := func(good []byte) []byte {
		bytes := append([]byte(nil), good...)
		for range 1 + random.IntN(4) {
			bytes[random.IntN(len(bytes))] = byte(random.IntN(256))
		}
		return bytes
	}
	check := func(err error) {
		if err != nil && !IsDamaged(err) {
			t.Errorf("%v is not damage", err)
		}
	}
	second := golden(t, "record/second.bin")
	for size := range second {
		if _, err := ReadHead(second[:size]); !IsDamaged(err) {
			t.Errorf("an entry of %d bytes is taken: %v", size, err)
		}
	}
	for range 50_000 {
		_, err := ReadRecord(changed(second))
		check(err)
	}
	for _, vector := range decode[[]payloadVector](t, golden(t, "events/payloads.json")) {
		for range 1_000 {
			data, err := PublishedSchemas().DataOf(vector.Type, changed(vector.Payload))
			check(err)
			if err == nil && !json.Valid(data) {
				t.Errorf("%s is not JSON", data)
			}
		}
	}
}

func TestFewBytesThatUnfoldToManyAreRefused(t *testing.T) {
	// One text of 900,000 bytes, named 20 times by event_types of trv.workflow.applied.
	stored := []byte{4 + 18, 0, 0, 0, 18, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 18, 0, 0, 0, 4, 0, 0, 0, 20, 0, 0, 0}
	for i := range 20 {
		stored = append(stored, byte(4*(20-i)), 0, 0, 0)
	}
	stored = append(stored, 0xa0, 0xbb, 0x0d, 0)
	stored = append(stored, strings.Repeat("x", 900_000)...)
	if _, err := PublishedSchemas().DataOf("trv.workflow.applied", stored); err == nil ||
		!strings.Contains(err.Error(), "unfold to more than") {
		t.Errorf("%v", err)
	}
}
