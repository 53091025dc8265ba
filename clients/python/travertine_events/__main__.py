"""Prints the events of a topic, one CloudEvent in JSON on each line."""

import argparse
import json
import os
import signal
import sys
from typing import List

from confluent_kafka import KafkaException

from .cloud_event import parse_position, to_cloud_event
from .errors import DamagedLog, TenantMoved
from .kafka import Reader, load_checkpoints, save_checkpoints
from .payload import installed_schemas


def _property(text: str) -> List[str]:
    if "=" not in text:
        raise argparse.ArgumentTypeError(f"'{text}' is not KEY=VALUE")
    return text.split("=", 1)


def _parse(arguments: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="travertine_events", description=__doc__)
    parser.add_argument("--brokers", required=True, metavar="HOST:PORT", help="several with commas")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--tenant", default="", help="only events of this tenant")
    parser.add_argument("--type", action="append", default=[], metavar="PREFIX",
                        help="only types that begin so; may be repeated")
    parser.add_argument("--from", dest="position", metavar="POSITION",
                        help="only events behind this `position` of an event, of its shard alone; needs --tenant; "
                             "not with --checkpoint; 0 is the beginning, of all shards")
    parser.add_argument("--checkpoint", metavar="FILE",
                        help="goes on where the file says, and keeps it up to date")
    parser.add_argument("--until-end", action="store_true", help="ends after what the topic has now; default: follows it")
    parser.add_argument("--set", dest="properties", action="append", default=[], type=_property, metavar="KEY=VALUE",
                        help="a setting of librdkafka, for example security.protocol=SSL; may be repeated")
    options = parser.parse_args(arguments)
    if options.position is None:
        return options
    if not options.tenant:
        parser.error("--from needs --tenant")
    if options.position == "0":
        options.position = None
        return options
    if options.checkpoint:
        parser.error("--from and --checkpoint exclude each other; --checkpoint follows a tenant that is moved")
    try:
        parse_position(options.position, options.tenant)
    except ValueError as error:
        parser.error(f"--from: {error}")
    return options


def _print_events(options: argparse.Namespace) -> None:
    checkpoints = load_checkpoints(options.checkpoint, options.topic) if options.checkpoint else {}
    schemas = installed_schemas()
    with Reader(options.brokers, options.topic, checkpoints=checkpoints, tenant=options.tenant, types=options.type,
                position=options.position, properties=dict(options.properties)) as reader:
        saved = dict(checkpoints)
        # What is before a checkpoint is not read: there it cannot be known.
        asks_for_tenant = bool(options.tenant) and not checkpoints
        while True:
            if asks_for_tenant and not reader.is_behind:
                asks_for_tenant = False
                if not reader.has_tenant:
                    print(f"travertine_events: topic '{options.topic}' has no event of tenant '{options.tenant}' so far; "
                          "if it should have, compare the name with `trav tenant list`", file=sys.stderr)
            if options.until_end and not reader.is_behind:
                return
            for event in reader.poll():
                line = json.dumps(to_cloud_event(event.record, schemas), ensure_ascii=False, separators=(",", ":"))
                sys.stdout.write(line + "\n")
            sys.stdout.flush()
            if options.checkpoint and reader.checkpoints != saved:
                saved = dict(reader.checkpoints)
                save_checkpoints(options.checkpoint, options.topic, saved)


def main(arguments: List[str]) -> int:
    """Exit codes: 0 the end or an interrupt, 1 Kafka or a file failed, 2 wrong usage or the tenant left the shard of
    --from, 3 the log is damaged."""
    options = _parse(arguments)
    sys.stdout.reconfigure(encoding="utf-8")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _print_events(options)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # Who read the lines has gone; the interpreter must not complain about it again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except DamagedLog as error:
        print(f"travertine_events: {error}", file=sys.stderr)
        return 3
    except TenantMoved as error:
        print(f"travertine_events: {error}", file=sys.stderr)
        return 2
    except KafkaException as error:
        print(f"travertine_events: Kafka at {options.brokers}, topic '{options.topic}': {error.args[0].str()}",
              file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"travertine_events: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
