#pragma once
// The rows of the workflow projection as bytes. Rows are rebuilt from the log at will, so this is not a format for
// others: little-endian numbers and length-prefixed texts in a fixed order. Readers check every length.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/workflow/instance/state.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"

namespace trv::instance {

// The texts of all rows borrow from the bytes they were decoded from. JSON texts are empty where absent.

struct FrameRow {
  std::uint32_t task = no_task;
  std::uint32_t attempt = 0;
  std::uint32_t index = 0;
  std::int64_t started_ns = 0;
  std::string_view input;
  std::string_view items;
  std::string_view error;
};

/// Changes with every event of the instance.
struct StateRow {
  Status status = Status::running;
  std::uint64_t steps = 0;
  std::int64_t updated_ns = 0;
  std::int64_t due_ns = 0;
  std::uint32_t next = no_task;
  std::string_view current;  ///< reference of the task that the last event was about
  std::string_view data;
  std::string_view error;
  std::vector<FrameRow> frames;
  std::vector<TaskRuns> runs;
};

/// Written once.
struct HeadRow {
  std::string_view space;
  std::string_view name;
  std::string_view version;
  base::Digest sha256{};
  std::string_view trigger;
  std::int64_t started_ns = 0;
};

/// One line of an instance's timeline.
struct StepRow {
  std::int64_t time_ns = 0;
  std::string_view type;  ///< of the event
  std::string_view name;
  std::string_view reference;
  std::string_view kind;
  std::string_view operation;
  std::uint32_t attempt = 0;
  std::int64_t started_ns = 0;
  std::string_view error;
};

struct DefinitionRow {
  base::Digest sha256{};
  std::string_view format;
  std::string_view title;
  std::int64_t applied_ns = 0;
  std::vector<std::string_view> event_types;
  std::string_view text;
};

void encode(const StateRow& row, std::string& out);
void encode(const HeadRow& row, std::string& out);
void encode(const StepRow& row, std::string& out);
void encode(const DefinitionRow& row, std::string& out);

// Error: corrupt.
[[nodiscard]] base::Result<StateRow> decode_state(base::BytesView bytes);
[[nodiscard]] base::Result<HeadRow> decode_head(base::BytesView bytes);
[[nodiscard]] base::Result<StepRow> decode_step(base::BytesView bytes);
[[nodiscard]] base::Result<DefinitionRow> decode_definition(base::BytesView bytes);

}  // namespace trv::instance
