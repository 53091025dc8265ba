#pragma once
// The rows of the workflow projection as bytes. Rows are rebuilt from the log at will, so this is not a format for
// others: numbers in base 128 and length-prefixed texts in a fixed order. Readers check every length.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/workflow/instance/state.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"

namespace trv::instance {

// The texts of the rows but InstanceRow's borrow from the bytes they were decoded from. JSON texts are empty where
// absent.

struct FrameRow {
  TaskIndex task = no_task;
  std::uint32_t attempt = 0;
  std::uint32_t index = 0;
  std::int64_t started_ns = 0;
  std::uint8_t has_input = 0;  ///< 1: its input is in Tables::frames
  std::uint32_t items = 0;     ///< how many items of a loop are in Tables::frames
  std::uint64_t effect = 0;    ///< of a call: lsn of the record that put its effect into the outbox
  std::uint8_t is_parked = 0;  ///< 1: its effect is
  std::uint8_t is_fork = 0;    ///< 1: Tables::branches has its branches
  std::uint8_t is_listen = 0;  ///< 1: the four below are there
  std::uint64_t heard = 0;
  std::uint8_t is_over = 0;
  std::string bound;
  std::string listens;  ///< the ends of its keys in Tables::listens, each after its length
  std::int64_t deadline_ns = 0;
  std::string child;  ///< of a run: the instance whose end it awaits
  std::string error;
  definition::Flow then;                 ///< of an extension
  std::int64_t attempt_deadline_ns = 0;  ///< of a try
};

/// What changes of a branch with its decisions.
struct BranchRow {
  std::int64_t due_ns = 0;
  TaskIndex next = no_task;
  std::string current;  ///< reference of the task that the last event of the branch was about
  std::string data;
  std::string error;
  std::vector<FrameRow> frames;

  /// When it goes on by itself; 0 = it does not.
  [[nodiscard]] std::int64_t timer_ns() const noexcept;
};

/// A branch that is not the root.
struct ForkedRow {
  BranchId parent = root_branch;
  TaskIndex fork = no_task;
  std::uint32_t place = 0;
  std::uint8_t has_context = 0;  ///< 1: Tables::contexts has its context
  BranchRow branch;
};

/// A completed task that can be undone.
struct CompletedRow {
  TaskIndex compensation = no_task;
  std::string_view input;
  std::string_view output;
};

/// Why completed tasks are undone.
enum class CompensatesFor : std::uint8_t { nothing, fault, cancellation };

/// All that changes with every decision of the instance, and the little that never does. What may be large and changes
/// seldom has rows of its own.
struct InstanceRow {
  Status status = Status::running;
  std::string space;
  std::string name;
  std::string version;
  base::Digest sha256{};
  std::string trigger;
  Names names;
  std::int64_t started_ns = 0;
  std::uint64_t first_lsn = 0;    ///< place of trv.instance.started in the tenant's history; see record/stays.hpp
  std::uint64_t context_lsn = 0;  ///< place of the last event that brought a context; 0 = none
  std::string positions;          ///< runs of positions, the latest
  std::uint64_t steps = 0;
  std::int64_t updated_ns = 0;
  BranchRow root;               ///< once it has ended: its output or error, and nothing else
  std::int64_t resumes_ns = 0;  ///< branches without a timer of their own go on at this time; 0 = none do
  std::int64_t deadline_ns = 0;
  std::uint32_t chain = 0;        ///< see State
  BranchId branches = 0;          ///< how many were made besides the root
  std::uint8_t is_suspended = 0;  ///< 1: no timer of it is set
  std::uint32_t compensable = 0;  ///< rows in Tables::compensations
  CompensatesFor compensates = CompensatesFor::nothing;
  std::string compensates_why;               ///< the error, or who cancelled it says it
  std::vector<std::string> not_compensated;  ///< references of tasks; also once it has ended
  std::uint32_t compensation_failures = 0;
  std::vector<TaskRuns> runs;

  /// Of the root, with what is about all branches; 0 while it is suspended.
  [[nodiscard]] std::int64_t timer_ns() const noexcept;
};

struct DefinitionRow {
  base::Digest sha256{};
  std::string_view format;
  std::string_view title;
  std::int64_t applied_ns = 0;
  std::vector<std::string_view> event_types;
  std::string_view text;
};

/// Events that did not start a workflow because its filter failed, and the last of them.
struct FilterFailuresRow {
  std::uint64_t count = 0;
  std::int64_t time_ns = 0;
  std::string_view event;
  std::string_view reason;
};

/// Nothing starts an instance of the workflow.
struct DisabledRow {
  std::int64_t since_ns = 0;
  std::string_view actor;
  std::string_view reason;
};

/// Of the latest version of a workflow.
struct ScheduleRow {
  std::string version;
  std::string text{};        ///< as in the event; empty: it does not start by itself
  std::int64_t due_ns = 0;   ///< 0: none
  std::int64_t last_ns = 0;  ///< the last time that has come; 0: none has
  std::uint64_t missed = 0;
  std::string running{};  ///< the instance whose end decides the next time
  std::uint64_t gathered = 0;
  std::uint64_t gathered_bytes = 0;
};

void encode(const InstanceRow& row, std::string& out);
void encode(const ForkedRow& row, std::string& out);
void encode(const CompletedRow& row, std::string& out);
void encode(const DefinitionRow& row, std::string& out);
void encode(const FilterFailuresRow& row, std::string& out);
void encode(const DisabledRow& row, std::string& out);
void encode(const ScheduleRow& row, std::string& out);

// Error: corrupt.
[[nodiscard]] base::Result<InstanceRow> decode_instance(base::BytesView bytes);
[[nodiscard]] base::Result<ForkedRow> decode_forked(base::BytesView bytes);
[[nodiscard]] base::Result<CompletedRow> decode_completed(base::BytesView bytes);
[[nodiscard]] base::Result<DefinitionRow> decode_definition(base::BytesView bytes);
[[nodiscard]] base::Result<FilterFailuresRow> decode_filter_failures(base::BytesView bytes);
[[nodiscard]] base::Result<DisabledRow> decode_disabled(base::BytesView bytes);
[[nodiscard]] base::Result<ScheduleRow> decode_schedule(base::BytesView bytes);

}  // namespace trv::instance
