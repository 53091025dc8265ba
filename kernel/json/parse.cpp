#include "kernel/json/parse.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "kernel/json/memory_meter.hpp"
#include "sdk/base/contract.hpp"

namespace trv::json {
namespace {

Value to_number(std::string_view text) {
  const char* const end = text.data() + text.size();
  std::int64_t integer = 0;
  if (const auto read = std::from_chars(text.data(), end, integer); read.ptr == end && read.ec == std::errc()) {
    return integer == 0 && text.starts_with('-') ? Value(-0.0) : Value(integer);
  }
  const double real = to_double(text);
  return Value(std::isinf(real) ? std::copysign(std::numeric_limits<double>::max(), real) : real);
}

/// The values that were read: children of open containers wait in one row until their container closes and takes them.
class Builder {
 public:
  Builder() { values_.reserve(32); }
  /// False where the memory budget is used up.
  [[nodiscard]] bool add(Piece piece, std::string_view text) {
    switch (piece) {
      case Piece::null: values_.emplace_back(); break;
      case Piece::boolean: values_.emplace_back(text == "true"); break;
      case Piece::number: values_.push_back(to_number(text)); break;
      case Piece::string:
      case Piece::key: values_.emplace_back(text); break;
      case Piece::array_begin:
      case Piece::object_begin: first_children_.push_back(values_.size()); break;
      case Piece::array_end: close_array(); break;
      case Piece::object_end: close_object(); break;
      case Piece::document_end: TRV_ASSERT(values_.size() == 1 && first_children_.empty()); break;
    }
    const MemoryMeter* meter = MemoryMeter::current();
    return meter == nullptr || meter->fits(values_.capacity() * sizeof(Value));
  }
  Value take() {
    TRV_EXPECTS(values_.size() == 1);
    return std::move(values_.back());
  }

 private:
  std::size_t close() {
    TRV_EXPECTS(!first_children_.empty());
    const std::size_t first = first_children_.back();
    first_children_.pop_back();
    return first;
  }
  void close_array() {
    const std::size_t first = close();
    Value array = Value::make_array(values_.size() - first);
    for (std::size_t i = first; i < values_.size(); ++i) array.push_back(std::move(values_[i]));
    values_.resize(first);
    values_.push_back(std::move(array));
  }
  void close_object() {
    const std::size_t first = close();
    TRV_ASSERT((values_.size() - first) % 2 == 0);
    Value object = Value::make_object((values_.size() - first) / 2);
    for (std::size_t i = first; i < values_.size(); i += 2) object.set(values_[i], std::move(values_[i + 1]));
    values_.resize(first);
    values_.push_back(std::move(object));
  }

  std::vector<Value> values_;
  std::vector<std::size_t> first_children_;  ///< of each open container
};

}  // namespace

base::Result<Value> parse(std::string_view text, const ParseLimits& limits) {
  Reader reader(text, limits);
  Builder builder;
  const auto refuse = [](base::Error error, int line, int column) {
    return base::fail(std::move(error).in(fmt::format("JSON at line {}, column {}", line, column)).at(line, column));
  };
  while (true) {
    auto piece = reader.next();
    if (!piece) {
      const auto [line, column] = std::pair(piece.error().line(), piece.error().column());
      return refuse(std::move(piece).error(), line, column);
    }
    if (!builder.add(*piece, reader.text())) {
      return refuse(base::Error(base::ErrorCode::too_large, "the memory budget is used up"), reader.position().line,
                    reader.position().column);
    }
    if (*piece == Piece::document_end) return builder.take();
  }
}

}  // namespace trv::json
