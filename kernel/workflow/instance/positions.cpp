#include "kernel/workflow/instance/positions.hpp"

#include "events/record/varint.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

void add_position(std::vector<Run>& runs, record::Lsn lsn) {
  TRV_EXPECTS(runs.empty() || lsn.value() >= runs.back().first + runs.back().count);
  if (!runs.empty() && lsn.value() == runs.back().first + runs.back().count) {
    ++runs.back().count;
  } else {
    runs.push_back({lsn.value(), 1});
  }
}

std::string encode(std::span<const Run> runs) {
  std::string out;
  std::uint64_t end = 0;
  for (const Run& run : runs) {
    TRV_EXPECTS(run.first >= end && run.count >= 1);
    record::append_varint(out, run.first - end);
    record::append_varint(out, run.count);
    end = run.first + run.count;
  }
  return out;
}

base::Result<std::vector<Run>> decode_runs(base::BytesView bytes) {
  std::vector<Run> runs;
  runs.reserve(bytes.size() / 2 + 1);
  std::uint64_t end = 0;
  while (!bytes.empty()) {
    const auto distance = record::take_varint(bytes);
    const auto count = record::take_varint(bytes);
    const bool holds =
        distance && count && *count >= 1 && *distance < INT64_MAX && *count < INT64_MAX && end < INT64_MAX;
    if (!holds)
      return base::fail(base::ErrorCode::corrupt, "an instance's positions cannot be read; rebuild the projection");
    runs.push_back({end + *distance, *count});
    end = runs.back().first + *count;
  }
  return runs;
}

}  // namespace trv::instance
