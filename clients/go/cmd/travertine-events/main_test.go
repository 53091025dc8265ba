package main

import (
	"fmt"
	"strings"
	"testing"

	events "travertine.example/events"
)

func TestFromNeedsItsTenantAndGoesWithoutACheckpoint(t *testing.T) {
	position := events.PositionOf("acme", 5, 1)
	for said, arguments := range map[string][]string{
		"--from needs --tenant":                         {"--from", "0"},
		"needs --tenant":                                {"--from", position},
		"'' is not a position":                          {"--from", "", "--tenant", "acme"},
		"--from and --checkpoint exclude each other":    {"--from", position, "--tenant", "acme", "--checkpoint", "f"},
		"is not a position in the events of tenant 'b'": {"--from", position, "--tenant", "b"},
	} {
		_, err := parse(append([]string{"--brokers", "127.0.0.1:1", "--topic", "t"}, arguments...))
		if exitCode(err) != 2 || !strings.Contains(err.Error(), said) {
			t.Errorf("%v: %v", arguments, err)
		}
	}
	for from, taken := range map[string]string{"0": "", position: position} {
		wanted, err := parse([]string{"--brokers", "127.0.0.1:1", "--topic", "t", "--tenant", "acme", "--from", from})
		if err != nil || wanted.Position != taken {
			t.Errorf("%s: %s %v", from, wanted.Position, err)
		}
	}
}

func TestATenantThatWasMovedEndsWith2AndDamageWith3(t *testing.T) {
	for code, err := range map[int]error{
		0: nil, 1: fmt.Errorf("no broker"), 2: &events.TenantMovedError{}, 3: &events.DamagedLogError{},
	} {
		if exitCode(err) != code {
			t.Errorf("%T ends with %d", err, exitCode(err))
		}
	}
}
