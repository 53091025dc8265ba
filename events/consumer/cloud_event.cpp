#include "events/consumer/cloud_event.hpp"

#include <fmt/format.h>

namespace trv::consumer {

CloudEvent to_cloud_event(const record::RecordView& record) {
  const auto text_of = [](const std::optional<base::Uuid>& id) { return id ? id->to_string() : std::string(); };
  return {.id = record.event_id().to_string(),
          .source = fmt::format("/tenants/{}/{}", record.tenant(), record.stream_kind()),
          .type = std::string(record.type()),
          .subject = std::string(record.stream_id()),
          .time = record.time().to_rfc3339(),
          .sequence = std::to_string(record.lsn().value()),
          .epoch = std::to_string(record.epoch().value()),
          .tenant = std::string(record.tenant()),
          .actor = std::string(record.actor()),
          .causation_id = text_of(record.causation_id()),
          .correlation_id = text_of(record.correlation_id()),
          .traceparent = std::string(record.traceparent()),
          .schema_version = record.schema_version()};
}

}  // namespace trv::consumer
