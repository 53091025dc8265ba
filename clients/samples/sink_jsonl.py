#!/usr/bin/env python3
"""Writes the events of a topic to files, one for each tenant: FOLDER/<tenant>.jsonl, a CloudEvent in JSON on each line.

Each event is in its file once, also after a crash: FOLDER/state.json has the checkpoints and how long each file was
then. What a crash left behind that is cut off, and its events come again.

    sink_jsonl.py --brokers 127.0.0.1:19092 --topic travertine.events --folder events
"""

import argparse
import json
import os
import pathlib

from travertine_events import Checkpoint, Reader, to_cloud_event


class JsonLines:
    """A folder of files. One process."""

    def __init__(self, folder, topic):
        self._folder = pathlib.Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._topic = topic
        state = {"topic": topic, "checkpoints": [], "bytes": {}}
        if (self._folder / "state.json").exists():
            state = json.loads((self._folder / "state.json").read_text())
        if state["topic"] != topic:
            raise SystemExit(f"{folder} has events of topic '{state['topic']}', not of '{topic}'; use another folder")
        self._bytes = state["bytes"]
        self.checkpoints = {known["shard"]: Checkpoint(known["shard"], known["offset"], known["lsn"],
                                                       bytes.fromhex(known["sha256"])) for known in state["checkpoints"]}
        for path in self._folder.glob("*.jsonl"):
            os.truncate(path, self._bytes.get(path.name, 0))

    def store(self, events, checkpoints):
        """Once this returns, the events are on the disk and will not come again."""
        lines = {}
        for event in events:
            line = json.dumps(to_cloud_event(event.record), ensure_ascii=False, separators=(",", ":")) + "\n"
            lines.setdefault(f"{event.record.tenant}.jsonl", []).append(line)
        for name, texts in lines.items():
            self._write(name, "ab", "".join(texts))
            self._bytes[name] = (self._folder / name).stat().st_size
        state = {"topic": self._topic, "bytes": self._bytes,
                 "checkpoints": [{"shard": known.shard, "offset": known.offset, "lsn": known.lsn, "sha256": known.hash.hex()}
                                 for known in checkpoints.values()]}
        self._write("state.json.new", "wb", json.dumps(state))
        os.replace(self._folder / "state.json.new", self._folder / "state.json")

    def _write(self, name, mode, text):
        with open(self._folder / name, mode) as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--until-end", action="store_true")
    options = parser.parse_args()
    files = JsonLines(options.folder, options.topic)
    with Reader(options.brokers, options.topic, checkpoints=files.checkpoints) as reader:
        while reader.is_behind or not options.until_end:
            events = reader.poll()
            if events:
                files.store(events, reader.checkpoints)


if __name__ == "__main__":
    main()
