#include "kernel/workflow/instance/row.hpp"

#include <bit>
#include <concepts>
#include <cstring>

#include "sdk/base/contract.hpp"

namespace trv::instance {
namespace {

static_assert(std::endian::native == std::endian::little);

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) { out_.clear(); }
  template <std::integral T>
  Writer& operator<<(T number) {
    out_.append(reinterpret_cast<const char*>(&number), sizeof number);
    return *this;
  }
  Writer& operator<<(std::string_view text) {
    TRV_EXPECTS(text.size() <= UINT32_MAX);
    *this << static_cast<std::uint32_t>(text.size());
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
  explicit Reader(base::BytesView bytes) : rest_(base::as_text(bytes)) {}
  template <std::integral T>
  Reader& operator>>(T& number) {
    if (const std::string_view bytes = take(sizeof number); bytes.size() == sizeof number) {
      std::memcpy(&number, bytes.data(), sizeof number);
    }
    return *this;
  }
  Reader& operator>>(std::string_view& text) {
    std::uint32_t size = 0;
    *this >> size;
    text = take(size);
    return *this;
  }
  Reader& operator>>(base::Digest& digest) {
    if (const std::string_view bytes = take(digest.size()); bytes.size() == digest.size()) {
      std::memcpy(digest.data(), bytes.data(), digest.size());
    }
    return *this;
  }
  /// How many elements follow, each of at least `element_bytes`.
  std::uint32_t count(std::size_t element_bytes) {
    TRV_EXPECTS(element_bytes > 0);
    std::uint32_t number = 0;
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
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

void encode(const StateRow& row, std::string& out) {
  TRV_EXPECTS(row.steps >= 1);
  TRV_EXPECTS(row.status == Status::running || (row.frames.empty() && row.due_ns == 0 && row.next == no_task));
  Writer writer(out);
  writer << static_cast<std::uint8_t>(row.status) << row.steps << row.updated_ns << row.due_ns << row.next
         << row.current << row.data << row.error;
  writer << static_cast<std::uint32_t>(row.frames.size());
  for (const FrameRow& frame : row.frames) {
    writer << frame.task << frame.attempt << frame.index << frame.started_ns << frame.input << frame.items
           << frame.error;
  }
  writer << static_cast<std::uint32_t>(row.runs.size());
  for (const TaskRuns& runs : row.runs) writer << runs.task << runs.runs;
}

base::Result<StateRow> decode_state(base::BytesView bytes) {
  Reader reader(bytes);
  StateRow row;
  std::uint8_t status = 0;
  reader >> status >> row.steps >> row.updated_ns >> row.due_ns >> row.next >> row.current >> row.data >> row.error;
  const bool known =
      status >= static_cast<std::uint8_t>(Status::running) && status <= static_cast<std::uint8_t>(Status::cancelled);
  if (!known) return base::fail(base::ErrorCode::corrupt, "an instance's status is none; rebuild the projection");
  row.status = static_cast<Status>(status);
  row.frames.resize(reader.count(32));
  for (FrameRow& frame : row.frames) {
    reader >> frame.task >> frame.attempt >> frame.index >> frame.started_ns >> frame.input >> frame.items >>
        frame.error;
  }
  row.runs.resize(reader.count(8));
  for (TaskRuns& runs : row.runs) reader >> runs.task >> runs.runs;
  TRV_TRY(reader.finish("an instance's state"));
  return row;
}

void encode(const HeadRow& row, std::string& out) {
  Writer(out) << row.space << row.name << row.version << row.sha256 << row.trigger << row.started_ns;
}

base::Result<HeadRow> decode_head(base::BytesView bytes) {
  Reader reader(bytes);
  HeadRow row;
  reader >> row.space >> row.name >> row.version >> row.sha256 >> row.trigger >> row.started_ns;
  TRV_TRY(reader.finish("an instance's head"));
  return row;
}

void encode(const StepRow& row, std::string& out) {
  Writer(out) << row.time_ns << row.type << row.name << row.reference << row.kind << row.operation << row.attempt
              << row.started_ns << row.error;
}

base::Result<StepRow> decode_step(base::BytesView bytes) {
  Reader reader(bytes);
  StepRow row;
  reader >> row.time_ns >> row.type >> row.name >> row.reference >> row.kind >> row.operation >> row.attempt >>
      row.started_ns >> row.error;
  TRV_TRY(reader.finish("a step of an instance"));
  return row;
}

void encode(const DefinitionRow& row, std::string& out) {
  Writer writer(out);
  writer << row.sha256 << row.format << row.title << row.applied_ns
         << static_cast<std::uint32_t>(row.event_types.size());
  for (const std::string_view type : row.event_types) writer << type;
  writer << row.text;
}

base::Result<DefinitionRow> decode_definition(base::BytesView bytes) {
  Reader reader(bytes);
  DefinitionRow row;
  reader >> row.sha256 >> row.format >> row.title >> row.applied_ns;
  row.event_types.resize(reader.count(4));
  for (std::string_view& type : row.event_types) reader >> type;
  reader >> row.text;
  TRV_TRY(reader.finish("a definition"));
  return row;
}

}  // namespace trv::instance
