#pragma once
// A record as a CloudEvent 1.0 (cloudevents.io, version 1.0.2): the attributes, without the data.

#include <cstdint>
#include <string>

#include "events/record/record.hpp"

namespace trv::consumer {

/// Values as they are in the JSON format and in the HTTP and Kafka bindings. `specversion` is "1.0". Empty: the
/// attribute is absent.
struct CloudEvent {
  std::string id;              ///< the event id
  std::string source;          ///< "/tenants/<tenant>/<stream kind>"
  std::string type;            ///< the record's type
  std::string subject;         ///< the stream id
  std::string time;            ///< RFC 3339
  std::string sequence;        ///< the lsn: extension "sequence"
  std::string epoch;           ///< extension "epoch"
  std::string tenant;          ///< extension "tenant"
  std::string actor;           ///< extension "actor"
  std::string causation_id;    ///< extension "causationid"
  std::string correlation_id;  ///< extension "correlationid"
  std::string traceparent;     ///< extension "traceparent" (distributed tracing)
  std::uint16_t schema_version = 1;
};

[[nodiscard]] CloudEvent to_cloud_event(const record::RecordView& record);

}  // namespace trv::consumer
