/**
 * Reads Travertine's events from its Kafka topic: whole decisions, in order, with the hash chain verified. The guide is
 * docs/guides/events-in-typescript.md of the repository.
 */
export { loadCheckpoints, saveCheckpoints } from './checkpoint_file.js'
export { type CloudEvent, parsePosition, positionOf, toCloudEvent, toJson } from './cloud_event.js'
export { DamagedLog, TenantMoved } from './errors.js'
export { type Checkpoint, checkpointOf, type Event, ShardLog } from './log.js'
export { publishedSchemas, Schemas } from './payload.js'
export { Reader, type ReaderOptions } from './reader.js'
export { type Head, readHead, type Record, readRecord } from './record.js'
