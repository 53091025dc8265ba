#include "kernel/gateway/instances.hpp"

#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "events/log/record_lookup.hpp"

namespace trv::gateway {

base::Error no_instance(std::string_view id) {
  return {base::ErrorCode::not_found, fmt::format("instance '{}' not found", id.substr(0, 80))};
}

base::Result<instance::InstanceId> instance_of(const http::Request& request) {
  const auto id = base::Uuid::parse(request.parameter("id"));
  if (id) return *id;
  return base::fail(no_instance(request.parameter("id")));
}

base::Status check_reason(std::string_view reason) {
  constexpr std::size_t reason_bytes_max = 1'000;
  if (reason.size() <= reason_bytes_max) return {};
  return fail(ErrorCode::too_large,
              fmt::format("reason has {} bytes; at most {} are kept", reason.size(), reason_bytes_max));
}

base::Result<std::string> reason_of(const Body& body) {
  TRV_TRY_ASSIGN(auto reason, body.optional_text("reason"));
  if (!reason) return std::string();
  TRV_TRY(check_reason(*reason));
  return *std::move(reason);
}

base::Result<instance::RecordAt> records_of(const Call& call, const lmdb::Txn& txn) {
  TRV_TRY_ASSIGN(record::Stays stays, call.shard.stays(txn, call.tenant));
  const auto records = std::make_shared<log::RecordLookup>(call.shard.log(), std::move(stays));
  return [records](record::Lsn place) { return records->at(place); };
}

std::string shown_trigger(std::string_view trigger) {
  const std::size_t end = trigger.find('\n');
  std::uint64_t index = 0;
  if (end == std::string_view::npos) return std::string(trigger);
  const std::string_view number = trigger.substr(end + 1);
  const auto [at, error] = std::from_chars(number.data(), number.data() + number.size(), index);
  const bool is_number = error == std::errc() && at == number.data() + number.size();
  return is_number ? fmt::format("{} #{}", trigger.substr(0, end), index + 1) : std::string(trigger);
}

}  // namespace trv::gateway
