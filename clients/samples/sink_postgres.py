#!/usr/bin/env python3
"""Writes the events of a topic to PostgreSQL: a row for each in the table `events`, its data as jsonb.

Each event is there once, also after a crash: rows and checkpoints are written in one transaction, and the reader begins
from the checkpoints that the database has. Needs psycopg2 (on Debian: apt-get install python3-psycopg2).

    sink_postgres.py --brokers 127.0.0.1:19092 --topic travertine.events --database 'host=127.0.0.1 dbname=acme'

An event that the database refuses (a constraint, a trigger of yours) holds up nothing: it goes, with the reason, to the
table `refused`, and the rest goes on. Look at it, mend the database, and run with --retry-refused.

Then, for example: SELECT subject, data->>'name' FROM events WHERE type = 'trv.instance.started' ORDER BY shard, lsn;
"""

import argparse
import sys

import psycopg2
from psycopg2.extras import Json, execute_values

from travertine_events import Checkpoint, Reader, to_cloud_event

TABLES = """
CREATE TABLE IF NOT EXISTS events (
  shard integer, lsn bigint, id uuid NOT NULL, tenant text NOT NULL, source text NOT NULL, type text NOT NULL,
  subject text NOT NULL, time timestamptz NOT NULL, actor text NOT NULL, correlation uuid, data jsonb NOT NULL,
  PRIMARY KEY (shard, lsn));
CREATE INDEX IF NOT EXISTS events_by_type ON events (tenant, type);
CREATE TABLE IF NOT EXISTS refused (
  shard integer, lsn bigint, event jsonb NOT NULL, reason text NOT NULL, PRIMARY KEY (shard, lsn));
CREATE TABLE IF NOT EXISTS checkpoints (
  topic text, shard integer, place bigint NOT NULL, lsn bigint NOT NULL, sha256 text NOT NULL, PRIMARY KEY (topic, shard));
"""


def without_nul(value):
    """PostgreSQL has no text with U+0000: in user data it becomes U+FFFD."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {without_nul(name): without_nul(item) for name, item in value.items()}
    return value


class Database:
    """The tables of one topic. Makes them where they are missing."""

    def __init__(self, connection, topic):
        self._connection = connection
        self._topic = topic
        with connection, connection.cursor() as cursor:
            cursor.execute(TABLES)
            cursor.execute("SELECT shard, place, lsn, sha256 FROM checkpoints WHERE topic = %s", (topic,))
            self.checkpoints = {shard: Checkpoint(shard, place, lsn, bytes.fromhex(sha256))
                                for shard, place, lsn, sha256 in cursor.fetchall()}

    def store(self, events, checkpoints):
        """One transaction: once this returns, the events are in the database and will not come again."""
        events = [(event.record.shard, event.record.lsn, without_nul(to_cloud_event(event.record))) for event in events]
        with self._connection, self._connection.cursor() as cursor:
            self._insert_or_refuse(cursor, events)
            execute_values(cursor, "INSERT INTO checkpoints VALUES %s ON CONFLICT (topic, shard) DO UPDATE SET "
                           "place = EXCLUDED.place, lsn = EXCLUDED.lsn, sha256 = EXCLUDED.sha256",
                           [(self._topic, known.shard, known.offset, known.lsn, known.hash.hex())
                            for known in checkpoints.values()])

    def retry_refused(self):
        """Inserts what was refused before; how many are refused still."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute("DELETE FROM refused RETURNING shard, lsn, event")
            self._insert_or_refuse(cursor, cursor.fetchall())
            cursor.execute("SELECT count(*) FROM refused")
            return cursor.fetchone()[0]

    def _insert_or_refuse(self, cursor, events):
        """All at once; where one is refused, each half by itself."""
        if not events:
            return
        cursor.execute("SAVEPOINT events")
        try:
            execute_values(cursor, "INSERT INTO events VALUES %s",
                           [(shard, lsn, event["id"], event["tenant"], event["source"], event["type"], event["subject"],
                             event["time"], event["actor"], event.get("correlationid"), Json(event["data"]))
                            for shard, lsn, event in events])
        except (psycopg2.DataError, psycopg2.IntegrityError, psycopg2.errors.RaiseException) as error:
            cursor.execute("ROLLBACK TO SAVEPOINT events")
            if len(events) > 1:
                half = len(events) // 2
                self._insert_or_refuse(cursor, events[:half])
                return self._insert_or_refuse(cursor, events[half:])
            shard, lsn, event = events[0]
            cursor.execute("INSERT INTO refused VALUES (%s, %s, %s, %s)", (shard, lsn, Json(event), str(error).strip()))
        cursor.execute("RELEASE SAVEPOINT events")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--database", required=True, help="a connection string of PostgreSQL")
    parser.add_argument("--until-end", action="store_true")
    parser.add_argument("--retry-refused", action="store_true", help="insert what was refused before, and end")
    options = parser.parse_args()
    database = Database(psycopg2.connect(options.database), options.topic)
    if options.retry_refused:
        sys.exit(f"{left} events are still refused: SELECT * FROM refused" if (left := database.retry_refused()) else 0)
    with Reader(options.brokers, options.topic, checkpoints=database.checkpoints) as reader:
        while reader.is_behind or not options.until_end:
            events = reader.poll()
            if events:
                database.store(events, reader.checkpoints)


if __name__ == "__main__":
    main()
