#include "kernel/workflow/instance/row.hpp"

#include "events/record/row.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

using record::RowReader;
using record::RowWriter;

namespace {

void write(RowWriter& writer, const BranchRow& row) {
  writer << row.due_ns << row.next << row.current;
  writer << row.frames.size();
  for (const FrameRow& frame : row.frames) {
    writer << frame.task << frame.attempt << frame.index << frame.started_ns << frame.has_input << frame.items
           << frame.effect << frame.is_parked << frame.is_fork << frame.is_listen << frame.deadline_ns << frame.child
           << frame.error << frame.attempt_deadline_ns << static_cast<std::uint8_t>(frame.then.kind);
    if (frame.then.kind == definition::Flow::Kind::jump) writer << frame.then.target;
    if (frame.is_listen != 0) writer << frame.heard << frame.is_over << frame.bound << frame.listens;
  }
}

base::Status read(RowReader& reader, BranchRow& row) {
  reader >> row.due_ns >> row.next >> row.current;
  row.frames.resize(reader.count(15));
  for (FrameRow& frame : row.frames) {
    std::uint8_t then = 0;
    reader >> frame.task >> frame.attempt >> frame.index >> frame.started_ns >> frame.has_input >> frame.items >>
        frame.effect >> frame.is_parked >> frame.is_fork >> frame.is_listen >> frame.deadline_ns >> frame.child >>
        frame.error >> frame.attempt_deadline_ns >> then;
    if (then > static_cast<std::uint8_t>(definition::Flow::Kind::jump)) {
      return base::fail(base::ErrorCode::corrupt, "where a task's flow goes is not known; rebuild the projection");
    }
    frame.then.kind = static_cast<definition::Flow::Kind>(then);
    if (frame.then.kind == definition::Flow::Kind::jump) reader >> frame.then.target;
    if (frame.is_listen != 0) reader >> frame.heard >> frame.is_over >> frame.bound >> frame.listens;
  }
  return {};
}

}  // namespace

std::int64_t BranchRow::timer_ns() const noexcept {
  std::int64_t first_ns = due_ns;
  for (const FrameRow& frame : frames) {
    first_ns = first_of(first_ns, first_of(frame.deadline_ns, frame.attempt_deadline_ns));
  }
  return first_ns;
}

std::int64_t InstanceRow::timer_ns() const noexcept {
  return is_suspended != 0 ? 0 : first_of(root.timer_ns(), first_of(resumes_ns, deadline_ns));
}

void encode(const InstanceRow& row, std::string& out) {
  TRV_EXPECTS(row.steps >= 1 && row.first_lsn >= 1);
  const bool has_ended = row.status != Status::running;
  TRV_EXPECTS(!has_ended || (row.root.frames.empty() && row.root.due_ns == 0 && row.root.next == no_task));
  RowWriter writer(out);
  writer << static_cast<std::uint8_t>(row.status) << row.space << row.name << row.version << row.sha256 << row.trigger
         << row.started_ns << row.first_lsn << row.context_lsn << row.positions << row.steps << row.updated_ns
         << row.root.data << row.root.error << row.names.key << row.names.correlation.size();
  for (const std::string& one : row.names.correlation) writer << one;
  writer << row.not_compensated.size();
  for (const std::string& task : row.not_compensated) writer << task;
  // Nothing of the rest is left once it has ended.
  if (has_ended) return;
  write(writer, row.root);
  writer << row.resumes_ns << row.deadline_ns << row.chain << row.branches << row.is_suspended << row.runs.size();
  for (const TaskRuns& runs : row.runs) writer << runs.task << runs.runs;
  writer << row.compensable << static_cast<std::uint8_t>(row.compensates);
  if (row.compensates == CompensatesFor::nothing) return;
  writer << row.compensates_why << row.compensation_failures;
}

void encode(const ForkedRow& row, std::string& out) {
  TRV_EXPECTS(row.fork != no_task);
  RowWriter writer(out);
  writer << row.parent << row.fork << row.place << row.has_context << row.branch.data << row.branch.error;
  write(writer, row.branch);
}

void encode(const CompletedRow& row, std::string& out) {
  TRV_EXPECTS(row.compensation != no_task);
  RowWriter(out) << row.compensation << row.input << row.output;
}

base::Result<InstanceRow> decode_instance(base::BytesView bytes) {
  RowReader reader(bytes);
  InstanceRow row;
  std::uint8_t status = 0;
  reader >> status >> row.space >> row.name >> row.version >> row.sha256 >> row.trigger >> row.started_ns >>
      row.first_lsn >> row.context_lsn >> row.positions >> row.steps >> row.updated_ns >> row.root.data >>
      row.root.error >> row.names.key;
  row.names.correlation.resize(reader.count(1));
  for (std::string& one : row.names.correlation) reader >> one;
  row.not_compensated.resize(reader.count(1));
  for (std::string& task : row.not_compensated) reader >> task;
  const bool known =
      status >= static_cast<std::uint8_t>(Status::running) && status <= static_cast<std::uint8_t>(Status::cancelled);
  if (!known) return base::fail(base::ErrorCode::corrupt, "an instance's status is not known; rebuild the projection");
  row.status = static_cast<Status>(status);
  if (row.status == Status::running) {
    TRV_TRY(read(reader, row.root));
    reader >> row.resumes_ns >> row.deadline_ns >> row.chain >> row.branches >> row.is_suspended;
    row.runs.resize(reader.count(2));
    for (TaskRuns& runs : row.runs) reader >> runs.task >> runs.runs;
    std::uint8_t compensates = 0;
    reader >> row.compensable >> compensates;
    if (compensates > static_cast<std::uint8_t>(CompensatesFor::cancellation)) {
      return base::fail(base::ErrorCode::corrupt, "why an instance compensates is not known; rebuild the projection");
    }
    row.compensates = static_cast<CompensatesFor>(compensates);
    if (row.compensates != CompensatesFor::nothing) {
      reader >> row.compensates_why >> row.compensation_failures;
    }
  }
  TRV_TRY(reader.finish("an instance's row"));
  return row;
}

base::Result<ForkedRow> decode_forked(base::BytesView bytes) {
  RowReader reader(bytes);
  ForkedRow row;
  reader >> row.parent >> row.fork >> row.place >> row.has_context >> row.branch.data >> row.branch.error;
  TRV_TRY(read(reader, row.branch));
  TRV_TRY(reader.finish("a branch of an instance"));
  return row;
}

void encode(const DefinitionRow& row, std::string& out) {
  RowWriter writer(out);
  writer << row.sha256 << row.format << row.title << row.applied_ns << row.event_types.size();
  for (const std::string_view type : row.event_types) writer << type;
  writer << row.text;
}

base::Result<CompletedRow> decode_completed(base::BytesView bytes) {
  RowReader reader(bytes);
  CompletedRow row;
  reader >> row.compensation >> row.input >> row.output;
  TRV_TRY(reader.finish("a task to compensate"));
  return row;
}

base::Result<DefinitionRow> decode_definition(base::BytesView bytes) {
  RowReader reader(bytes);
  DefinitionRow row;
  reader >> row.sha256 >> row.format >> row.title >> row.applied_ns;
  row.event_types.resize(reader.count(1));
  for (std::string_view& type : row.event_types) reader >> type;
  reader >> row.text;
  TRV_TRY(reader.finish("a definition"));
  return row;
}

void encode(const FilterFailuresRow& row, std::string& out) {
  TRV_EXPECTS(row.count >= 1);
  RowWriter(out) << row.count << row.time_ns << row.event << row.reason;
}

void encode(const DisabledRow& row, std::string& out) {
  TRV_EXPECTS(row.since_ns > 0);
  RowWriter(out) << row.since_ns << row.actor << row.reason;
}

base::Result<DisabledRow> decode_disabled(base::BytesView bytes) {
  RowReader reader(bytes);
  DisabledRow row;
  reader >> row.since_ns >> row.actor >> row.reason;
  TRV_TRY(reader.finish("a disabled workflow"));
  return row;
}

void encode(const ScheduleRow& row, std::string& out) {
  RowWriter(out) << row.version << row.text << row.due_ns << row.last_ns << row.missed << row.running << row.gathered
                 << row.gathered_bytes;
}

base::Result<ScheduleRow> decode_schedule(base::BytesView bytes) {
  RowReader reader(bytes);
  ScheduleRow row;
  reader >> row.version >> row.text >> row.due_ns >> row.last_ns >> row.missed >> row.running >> row.gathered >>
      row.gathered_bytes;
  TRV_TRY(reader.finish("a schedule"));
  return row;
}

base::Result<FilterFailuresRow> decode_filter_failures(base::BytesView bytes) {
  RowReader reader(bytes);
  FilterFailuresRow row;
  reader >> row.count >> row.time_ns >> row.event >> row.reason;
  TRV_TRY(reader.finish("the failures of an event filter"));
  return row;
}

}  // namespace trv::instance
