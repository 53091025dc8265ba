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
	behind     uint64 // lsn; only events behind it
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
	from := flags.String("from", "", "only events behind this `position` of an event; needs --tenant; 0 is the beginning")
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
	if *from != "" && *from != "0" {
		if parsed.Tenant == "" {
			return parsed, usageError{errors.New("--from needs --tenant")}
		}
		shard, lsn, err := events.ParsePosition(*from, parsed.Tenant)
		if err != nil {
			return parsed, usageError{fmt.Errorf("--from: %w", err)}
		}
		// A tenant's events are in one shard, which its positions name.
		parsed.Partitions, parsed.behind = []int32{int32(shard)}, lsn
	}
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
	for reader.IsBehind() || !wanted.untilEnd {
		given, err := reader.Poll(ctx)
		if err != nil {
			return err
		}
		for _, event := range given {
			if event.Record.LSN <= wanted.behind {
				continue
			}
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
	return nil
}

// Exit codes: 0 the end or an interrupt, 1 Kafka or a file failed, 2 wrong usage, 3 the log is damaged.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	wanted, err := parse(os.Args[1:])
	if err == nil {
		err = print(ctx, wanted)
	}
	stop()
	var usage usageError
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp) || errors.Is(err, context.Canceled) || errors.Is(err, syscall.EPIPE):
		return
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "travertine-events: %s\n", err)
		os.Exit(2)
	}
	fmt.Fprintf(os.Stderr, "travertine-events: %s\n", err)
	if events.IsDamaged(err) {
		os.Exit(3)
	}
	os.Exit(1)
}
