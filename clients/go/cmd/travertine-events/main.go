// travertine-events prints the events of a topic, one CloudEvent in JSON on each line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"strings"
	"syscall"

	events "travertine.example/events"
)

type options struct {
	events.Options
	checkpoint string
	untilEnd   bool
}

type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// parse exits with 0 for --help.
func parse(arguments []string) (options, error) {
	var parsed options
	flags := flag.NewFlagSet("travertine-events", flag.ContinueOnError)
	brokers := flags.String("brokers", "", "`HOST:PORT`, several with commas")
	flags.StringVar(&parsed.Topic, "topic", "", "the topic, for example travertine.events")
	flags.StringVar(&parsed.Tenant, "tenant", "", "only events of this tenant")
	flags.Func("type", "only types that begin with this `prefix`; may be repeated", func(prefix string) error {
		parsed.Types = append(parsed.Types, prefix)
		return nil
	})
	var from *string
	flags.Func("from", "only events behind this `position` of an event, of its shard alone; needs --tenant; not with "+
		"--checkpoint; 0 is the beginning, of all shards", func(position string) error {
		from = &position
		return nil
	})
	flags.StringVar(&parsed.checkpoint, "checkpoint", "", "goes on where the `file` says, and keeps it up to date")
	flags.BoolVar(&parsed.untilEnd, "until-end", false, "ends after what the topic has now; default: follows it")
	if err := flags.Parse(arguments); err != nil {
		return parsed, usageError{err}
	}
	switch {
	case flags.NArg() > 0:
		return parsed, usageError{fmt.Errorf("'%s' is not an option", flags.Arg(0))}
	case *brokers == "" || parsed.Topic == "":
		return parsed, usageError{errors.New("--brokers and --topic are needed")}
	}
	parsed.Brokers = strings.Split(*brokers, ",")
	switch {
	case from == nil:
		return parsed, nil
	case parsed.Tenant == "":
		return parsed, usageError{errors.New("--from needs --tenant")}
	case *from == "0":
		return parsed, nil
	case parsed.checkpoint != "":
		return parsed, usageError{errors.New("--from and --checkpoint exclude each other; --checkpoint follows a tenant that " +
			"is moved")}
	}
	if _, _, err := events.ParsePosition(*from, parsed.Tenant); err != nil {
		return parsed, usageError{fmt.Errorf("--from: %w", err)}
	}
	parsed.Position = *from
	return parsed, nil
}

func print(ctx context.Context, wanted options) error {
	var err error
	if wanted.checkpoint != "" {
		if wanted.Checkpoints, err = events.LoadCheckpoints(wanted.checkpoint, wanted.Topic); err != nil {
			return err
		}
	}
	reader, err := events.Open(ctx, wanted.Options)
	if err != nil {
		return err
	}
	defer reader.Close()
	saved := reader.Checkpoints()
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	// What is before a checkpoint is not read: there it cannot be known.
	asksForTenant := wanted.Tenant != "" && len(wanted.Checkpoints) == 0
	for {
		if asksForTenant && !reader.IsBehind() {
			asksForTenant = false
			if !reader.HasTenant() {
				fmt.Fprintf(os.Stderr, "travertine-events: topic '%s' has no event of tenant '%s' so far; if it should have, "+
					"compare the name with `trav tenant list`\n", wanted.Topic, wanted.Tenant)
			}
		}
		if wanted.untilEnd && !reader.IsBehind() {
			return nil
		}
		given, err := reader.Poll(ctx)
		if err != nil {
			return err
		}
		for _, event := range given {
			shown, err := event.Record.CloudEvent()
			if err != nil {
				return err
			}
			if err := lines.Encode(shown); err != nil {
				return err
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if known := reader.Checkpoints(); wanted.checkpoint != "" && !maps.Equal(known, saved) {
			saved = known
			if err := events.SaveCheckpoints(wanted.checkpoint, wanted.Topic, known); err != nil {
				return err
			}
		}
	}
}

// exitCode is 0 for the end or an interrupt, 1 where Kafka or a file failed, 2 for wrong usage or where the tenant left the
// shard of --from, 3 where the log is damaged.
func exitCode(err error) int {
	var usage usageError
	var moved *events.TenantMovedError
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp) || errors.Is(err, context.Canceled) || errors.Is(err, syscall.EPIPE):
		return 0
	case errors.As(err, &usage) || errors.As(err, &moved):
		return 2
	case events.IsDamaged(err):
		return 3
	}
	return 1
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	wanted, err := parse(os.Args[1:])
	if err == nil {
		err = print(ctx, wanted)
	}
	stop()
	code := exitCode(err)
	if code != 0 {
		fmt.Fprintf(os.Stderr, "travertine-events: %s\n", err)
	}
	os.Exit(code)
}
