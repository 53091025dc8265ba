#include "kernel/workflow/instance/row.hpp"

#include <concepts>
#include <cstring>
#include <limits>
#include <type_traits>

#include "events/record/varint.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {
namespace {

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) { out_.clear(); }
  template <std::integral T>
  Writer& operator<<(T number) {
    record::append_varint(out_, static_cast<std::make_unsigned_t<T>>(number));
    return *this;
  }
  Writer& operator<<(std::string_view text) {
    *this << text.size();
    out_ += text;
    return *this;
  }
  Writer& operator<<(const base::Digest& digest) {
    out_.append(reinterpret_cast<const char*>(digest.data()), digest.size());
    return *this;
  }

 private:
  std::string& out_;
};

class Reader {
 public:
  explicit Reader(base::BytesView bytes) : rest_(bytes) {}
  template <std::integral T>
  Reader& operator>>(T& number) {
    const auto stored = good_ ? record::take_varint(rest_) : std::nullopt;
    good_ = stored && *stored <= std::numeric_limits<std::make_unsigned_t<T>>::max();
    if (good_) number = static_cast<T>(*stored);
    return *this;
  }
  Reader& operator>>(std::string_view& text) {
    std::size_t size = 0;
    *this >> size;
    text = take(size);
    return *this;
  }
  Reader& operator>>(std::string& text) {
    std::string_view borrowed;
    *this >> borrowed;
    text = borrowed;
    return *this;
  }
  Reader& operator>>(base::Digest& digest) {
    if (const std::string_view bytes = take(digest.size()); bytes.size() == digest.size()) {
      std::memcpy(digest.data(), bytes.data(), digest.size());
    }
    return *this;
  }
  /// How many elements follow, each of at least `element_bytes`.
  std::size_t count(std::size_t element_bytes) {
    TRV_EXPECTS(element_bytes > 0);
    std::size_t number = 0;
    *this >> number;
    if (number > rest_.size() / element_bytes) {
      good_ = false;
      return 0;
    }
    return number;
  }
  [[nodiscard]] base::Status finish(std::string_view what) const {
    if (good_ && rest_.empty()) return {};
    return base::fail(base::ErrorCode::corrupt, std::string(what) + " cannot be read; rebuild the projection");
  }

 private:
  std::string_view take(std::size_t size) {
    if (!good_ || size > rest_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view bytes = base::as_text(rest_.first(size));
    rest_ = rest_.subspan(size);
    return bytes;
  }

  base::BytesView rest_;
  bool good_ = true;
};

}  // namespace

void encode(const InstanceRow& row, std::string& out) {
  TRV_EXPECTS(row.steps >= 1 && row.first_lsn >= 1);
  TRV_EXPECTS(row.status == Status::running || (row.frames.empty() && row.due_ns == 0 && row.next == no_task));
  Writer writer(out);
  writer << static_cast<std::uint8_t>(row.status) << row.space << row.name << row.version << row.sha256 << row.trigger
         << row.started_ns << row.first_lsn << row.context_lsn << row.positions << row.steps << row.updated_ns
         << row.data << row.error;
  // Nothing of the rest is left once it has ended.
  if (row.status != Status::running) return;
  writer << row.due_ns << row.next << row.current;
  writer << row.frames.size();
  for (const FrameRow& frame : row.frames) {
    writer << frame.task << frame.attempt << frame.index << frame.started_ns << frame.has_input << frame.items
           << frame.effect << frame.is_parked << frame.error;
  }
  writer << row.runs.size();
  for (const TaskRuns& runs : row.runs) writer << runs.task << runs.runs;
}

base::Result<InstanceRow> decode_instance(base::BytesView bytes) {
  Reader reader(bytes);
  InstanceRow row;
  std::uint8_t status = 0;
  reader >> status >> row.space >> row.name >> row.version >> row.sha256 >> row.trigger >> row.started_ns >>
      row.first_lsn >> row.context_lsn >> row.positions >> row.steps >> row.updated_ns >> row.data >> row.error;
  const bool known =
      status >= static_cast<std::uint8_t>(Status::running) && status <= static_cast<std::uint8_t>(Status::cancelled);
  if (!known) return base::fail(base::ErrorCode::corrupt, "an instance's status is not known; rebuild the projection");
  row.status = static_cast<Status>(status);
  if (row.status == Status::running) {
    reader >> row.due_ns >> row.next >> row.current;
    row.frames.resize(reader.count(9));
    for (FrameRow& frame : row.frames) {
      reader >> frame.task >> frame.attempt >> frame.index >> frame.started_ns >> frame.has_input >> frame.items >>
          frame.effect >> frame.is_parked >> frame.error;
    }
    row.runs.resize(reader.count(2));
    for (TaskRuns& runs : row.runs) reader >> runs.task >> runs.runs;
  }
  TRV_TRY(reader.finish("an instance's row"));
  return row;
}

void encode(const DefinitionRow& row, std::string& out) {
  Writer writer(out);
  writer << row.sha256 << row.format << row.title << row.applied_ns << row.event_types.size();
  for (const std::string_view type : row.event_types) writer << type;
  writer << row.text;
}

base::Result<DefinitionRow> decode_definition(base::BytesView bytes) {
  Reader reader(bytes);
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
  Writer(out) << row.count << row.time_ns << row.event << row.reason;
}

base::Result<FilterFailuresRow> decode_filter_failures(base::BytesView bytes) {
  Reader reader(bytes);
  FilterFailuresRow row;
  reader >> row.count >> row.time_ns >> row.event >> row.reason;
  TRV_TRY(reader.finish("the failures of an event filter"));
  return row;
}

}  // namespace trv::instance
