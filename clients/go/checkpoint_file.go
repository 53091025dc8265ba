package events

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
)

// The file is the same in the packages of every language.
type checkpointFile struct {
	Topic       *string             `json:"topic"`
	Checkpoints *[]storedCheckpoint `json:"checkpoints"`
}

type storedCheckpoint struct {
	Shard  *uint32 `json:"shard"`
	Offset *int64  `json:"offset"`
	LSN    *uint64 `json:"lsn"`
	SHA256 string  `json:"sha256"`
}

func (s storedCheckpoint) checkpoint() (Checkpoint, error) {
	hash, err := hex.DecodeString(s.SHA256)
	if err != nil || len(hash) != len(Hash{}) || s.Shard == nil || s.Offset == nil || s.LSN == nil {
		return Checkpoint{}, errors.New("a checkpoint needs shard, offset, lsn and sha256")
	}
	return Checkpoint{*s.Shard, *s.Offset, *s.LSN, Hash(hash)}, nil
}

// LoadCheckpoints gives them by shard; none where the file does not exist. Any other file than one of this topic is an
// error.
func LoadCheckpoints(path, topic string) (map[uint32]Checkpoint, error) {
	known := map[uint32]Checkpoint{}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err != nil {
		return nil, err
	}
	var file checkpointFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s is not a file of checkpoints: %w", path, err)
	}
	if file.Topic == nil || file.Checkpoints == nil {
		return nil, fmt.Errorf("%s is not a file of checkpoints: it has no topic or no checkpoints", path)
	}
	if *file.Topic != topic {
		return nil, fmt.Errorf("%s has checkpoints of topic '%s', not of '%s'", path, *file.Topic, topic)
	}
	for _, stored := range *file.Checkpoints {
		checkpoint, err := stored.checkpoint()
		if err != nil {
			return nil, fmt.Errorf("%s is not a file of checkpoints: %w", path, err)
		}
		known[checkpoint.Shard] = checkpoint
	}
	return known, nil
}

// SaveCheckpoints replaces the file as a whole: after a crash it is the old one or the new one.
func SaveCheckpoints(path, topic string, checkpoints map[uint32]Checkpoint) (err error) {
	stored := []storedCheckpoint{}
	for _, shard := range slices.Sorted(maps.Keys(checkpoints)) {
		known := checkpoints[shard]
		stored = append(stored, storedCheckpoint{&known.Shard, &known.Offset, &known.LSN, known.Hash.String()})
	}
	text, err := json.MarshalIndent(checkpointFile{&topic, &stored}, "", "  ")
	if err != nil {
		return err
	}
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	if synced := file.Sync(); err == nil {
		err = synced
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
