#include "audit/trail/entry.hpp"

#include <flatbuffers/flatbuffers.h>

#include <algorithm>
#include <cstring>

#include "audit/trail/json_text.hpp"
#include "events/schema/ingest_generated.h"
#include "events/schema/tenancy_generated.h"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"

namespace trv::trail {
namespace {

constexpr std::size_t entry_bytes_max = 65'535;

// What only the payload says. Empty where it says nothing.
struct Detail {
  std::string_view action;
  std::string_view target;
  std::string_view source;
};

std::string_view text_of(const flatbuffers::String* text) {
  return text == nullptr ? std::string_view() : std::string_view(text->c_str(), text->size());
}

// The payload as a table; nullptr where it is sealed or no such table.
template <typename Table>
const Table* table_in(const record::RecordView& record) {
  const base::BytesView payload = record.payload();
  if (!record.key_id().empty() || record.payload_encoding() != record::PayloadEncoding::flatbuffer) {
    return nullptr;
  }
  flatbuffers::Verifier verifier(payload.data(), payload.size(), 16, 64);
  return verifier.VerifyBuffer<Table>(nullptr) ? flatbuffers::GetRoot<Table>(payload.data()) : nullptr;
}

// Attempts that were refused, reads of the trail and what comes from outside name their target or source in the
// payload; for every other record, type and stream are action and target.
Detail detail_of(const record::RecordView& record) {
  const std::string_view type = record.type();
  if (type == "trv.access.denied") {
    if (const auto* denied = table_in<schema::tenancy::AccessDenied>(record)) {
      return {text_of(denied->action()), text_of(denied->target()), text_of(denied->source())};
    }
  } else if (type == "trv.trail.read") {
    if (const auto* read = table_in<schema::tenancy::TrailRead>(record)) {
      return {text_of(read->what()), {}, text_of(read->source())};
    }
  } else if (type == "trv.event.received") {
    if (const auto* received = table_in<schema::ingest::EventReceived>(record)) {
      return {{}, {}, text_of(received->channel())};
    }
  } else if (type == "trv.webhook.refused") {
    if (const auto* refused = table_in<schema::ingest::WebhookRefused>(record)) {
      return {{}, text_of(refused->channel()), text_of(refused->source_address())};
    }
  }
  return {};
}

// A record states a fact, so what it names succeeded, unless its type says otherwise.
std::string_view outcome_of(std::string_view type) {
  const std::string_view fact = type.substr(type.rfind('.') + 1);
  if (fact == "denied" || fact == "refused") {
    return "denied";
  }
  return fact == "failed" || fact == "faulted" ? "failure" : "success";
}

void append_two_digits(char*& to, unsigned value) {
  *to++ = static_cast<char>('0' + value / 10);
  *to++ = static_cast<char>('0' + value % 10);
}

// RFC 3339 in UTC with nine decimals, so that no record's time is rounded. The years of a Timestamp have four digits.
void append_time(std::string& out, base::Timestamp time) {
  using namespace std::chrono;
  constexpr std::int64_t day_ns = 86'400'000'000'000;
  // Not by chrono's floor, which overflows in the first day of the range.
  const bool before_midnight = time.ns() % day_ns < 0;
  const std::int64_t days_since_1970 = time.ns() / day_ns - (before_midnight ? 1 : 0);
  const auto in_day = static_cast<std::uint64_t>(time.ns() % day_ns + (before_midnight ? day_ns : 0));
  const year_month_day date{sys_days{days(days_since_1970)}};
  const auto second = static_cast<unsigned>(in_day / 1'000'000'000);
  char text[32];
  char* to = text;
  *to++ = '"';
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  append_two_digits(to, year / 100);
  append_two_digits(to, year % 100);
  *to++ = '-';
  append_two_digits(to, static_cast<unsigned>(date.month()));
  *to++ = '-';
  append_two_digits(to, static_cast<unsigned>(date.day()));
  *to++ = 'T';
  append_two_digits(to, second / 3600);
  *to++ = ':';
  append_two_digits(to, second / 60 % 60);
  *to++ = ':';
  append_two_digits(to, second % 60);
  *to++ = '.';
  auto fraction = static_cast<unsigned>(in_day % 1'000'000'000);
  for (int i = 8; i >= 0; --i) {
    to[i] = static_cast<char>('0' + fraction % 10);
    fraction /= 10;
  }
  to += 9;
  *to++ = 'Z';
  *to++ = '"';
  out.append(text, to);
}

void append_member(std::string& out, std::string_view key_with_colon, std::string_view value) {
  if (!value.empty()) {
    out += key_with_colon;
    append_string(out, value);
  }
}

void append_member(std::string& out, std::string_view key_with_colon, const std::optional<base::Uuid>& value) {
  if (value) {
    out += key_with_colon;
    append_uuid(out, *value);
  }
}

}  // namespace

base::Bytes entry_of(const record::RecordView& record) {
  std::string text;
  append_entry_of(text, record);
  return base::to_bytes(text);
}

void append_entry_of(std::string& out, const record::RecordView& record) {
  const std::size_t start = out.size();
  const Detail detail = detail_of(record);
  out += "{\"v\":1,\"shard\":";
  append_number(out, record.shard().value());
  out += ",\"lsn\":";
  append_number(out, record.lsn().value());
  out += ",\"event_id\":";
  append_uuid(out, record.event_id());
  out += ",\"time\":";
  append_time(out, record.time());
  append_member(out, ",\"tenant\":", record.tenant());
  append_member(out, ",\"type\":", record.type());
  append_member(out, ",\"stream_kind\":", record.stream_kind());
  append_member(out, ",\"stream_id\":", record.stream_id());
  append_member(out, ",\"actor\":", record.actor());
  append_member(out, ",\"action\":", detail.action);
  append_member(out, ",\"target\":", detail.target);
  out += ",\"outcome\":\"";
  out += outcome_of(record.type());
  out += '"';
  append_member(out, ",\"source\":", detail.source);
  append_member(out, ",\"causation_id\":", record.causation_id());
  append_member(out, ",\"correlation_id\":", record.correlation_id());
  out += ",\"payload_sha256\":";
  append_hex(out, base::sha256(record.payload()));
  out += ",\"record_sha256\":";
  append_hex(out, record.hash());
  out += '}';
  TRV_ENSURES(out.size() - start <= entry_bytes_max);
}

}  // namespace trv::trail
