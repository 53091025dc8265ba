package events

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
)

// CloudEvent is a record as a CloudEvent 1.0 in structured form, the same as those of the API's
// `GET /v1/tenants/<tenant>/events`.
type CloudEvent struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject"`
	Time            string          `json:"time"`
	Position        string          `json:"position"`
	Tenant          string          `json:"tenant"`
	Actor           string          `json:"actor"`
	CausationID     string          `json:"causationid,omitempty"`
	CorrelationID   string          `json:"correlationid,omitempty"`
	Traceparent     string          `json:"traceparent,omitempty"`
	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data"`
}

// PositionOf is a place in a tenant's events as the API writes it: 24 hexadecimal digits.
func PositionOf(tenant string, shard uint32, lsn uint64) string {
	place := fmt.Sprintf("01%04x%012x", shard, lsn)
	seal := sha256.Sum256([]byte(tenant + "\x00" + place))
	return place + hex.EncodeToString(seal[:3])
}

// ParsePosition gives shard and lsn of a position. The error says that a text is not a position of this tenant.
func ParsePosition(text, tenant string) (shard uint32, lsn uint64, err error) {
	if len(text) == 24 {
		wide, _ := strconv.ParseUint(text[2:6], 16, 32)
		shard = uint32(wide)
		lsn, _ = strconv.ParseUint(text[6:18], 16, 64)
	}
	if PositionOf(tenant, shard, lsn) != text {
		return 0, 0, fmt.Errorf("'%.40s' is not a position in the events of tenant '%s'; use the `position` of one of "+
			"its events", text, tenant)
	}
	return shard, lsn, nil
}

// CloudEvent with the published schemas. The error is a DamagedLogError: the payload does not fit its schema.
func (r *Record) CloudEvent() (*CloudEvent, error) {
	data, err := PublishedSchemas().DataOf(r.Type, r.Payload)
	if err != nil {
		return nil, err
	}
	text := func(id *ID) string {
		if id == nil {
			return ""
		}
		return id.String()
	}
	return &CloudEvent{
		SpecVersion: "1.0", ID: r.EventID.String(), Source: "/tenants/" + r.Tenant + "/" + r.StreamKind,
		Type: r.Type, Subject: r.StreamID, Time: r.Time().Format("2006-01-02T15:04:05.000000Z"),
		Position: PositionOf(r.Tenant, r.Shard, r.LSN), Tenant: r.Tenant, Actor: r.Actor,
		CausationID: text(r.CausationID), CorrelationID: text(r.CorrelationID), Traceparent: r.Traceparent,
		DataContentType: "application/json", Data: data,
	}, nil
}
