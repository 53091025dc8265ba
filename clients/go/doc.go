// Package events reads Travertine's events from its Kafka topic: whole decisions, in order, with the hash chain
// verified.
//
//	reader, err := events.Open(ctx, events.Options{Brokers: []string{"127.0.0.1:19092"}, Topic: "travertine.events"})
//	...
//	for {
//		given, err := reader.Poll(ctx)
//		...
//	}
//
// The guide is docs/guides/events-in-go.md.
package events
