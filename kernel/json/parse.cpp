#include "kernel/json/parse.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "kernel/json/memory_meter.hpp"
#include "sdk/base/contract.hpp"

namespace trv::json {
namespace {

Value to_number(std::string_view text) {
  double real = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), real);
  if (error == std::errc::result_out_of_range) {
    real = std::strtod(std::string(text).c_str(), nullptr);
    if (std::isinf(real)) real = std::copysign(std::numeric_limits<double>::max(), real);
  }
  return Value(real);
}

// Keeps the open containers' children on one stack; a container takes its children when it closes.
class ValueHandler {
 public:
  static constexpr std::size_t max_array_size = Value::size_max;
  static constexpr std::size_t max_object_size = Value::size_max;
  static constexpr std::size_t max_string_size = Value::size_max;
  static constexpr std::size_t max_key_size = Value::size_max;

  Value take() {
    TRV_EXPECTS(stack_.size() == 1 && text_.empty());
    return std::move(stack_.back());
  }
  [[nodiscard]] bool out_of_memory() const noexcept { return out_of_memory_; }

  bool on_document_begin(boost::json::error_code&) { return true; }
  bool on_document_end(boost::json::error_code&) { return true; }
  bool on_array_begin(boost::json::error_code&) { return true; }
  bool on_array_end(std::size_t size, boost::json::error_code& error) {
    TRV_EXPECTS(size <= stack_.size());
    Value array = Value::make_array(size);
    for (auto item = stack_.end() - static_cast<std::ptrdiff_t>(size); item != stack_.end(); ++item) {
      array.push_back(std::move(*item));
    }
    stack_.resize(stack_.size() - size);
    return push(std::move(array), error);
  }
  bool on_object_begin(boost::json::error_code&) { return true; }
  bool on_object_end(std::size_t size, boost::json::error_code& error) {
    TRV_EXPECTS(size <= stack_.size() / 2);
    Value object = Value::make_object(size);
    for (auto key = stack_.end() - static_cast<std::ptrdiff_t>(2 * size); key != stack_.end(); key += 2) {
      object.set(*key, std::move(*(key + 1)));
    }
    stack_.resize(stack_.size() - 2 * size);
    return push(std::move(object), error);
  }
  bool on_string_part(boost::json::string_view part, std::size_t, boost::json::error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_string(boost::json::string_view part, std::size_t, boost::json::error_code& error) {
    if (text_.empty()) return push(Value(std::string_view(part.data(), part.size())), error);
    text_.append(part.data(), part.size());
    Value value{std::string_view(text_)};
    text_.clear();
    return push(std::move(value), error);
  }
  bool on_key_part(boost::json::string_view part, std::size_t size, boost::json::error_code& error) {
    return on_string_part(part, size, error);
  }
  bool on_key(boost::json::string_view part, std::size_t size, boost::json::error_code& error) {
    return on_string(part, size, error);
  }
  bool on_number_part(boost::json::string_view part, boost::json::error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_int64(std::int64_t integer, boost::json::string_view text, boost::json::error_code& error) {
    if (integer == 0 && (text_.starts_with('-') || text.starts_with('-'))) {
      text_.clear();
      return push(Value(-0.0), error);
    }
    text_.clear();
    return push(Value(integer), error);
  }
  bool on_uint64(std::uint64_t, boost::json::string_view text, boost::json::error_code& error) {
    return on_real(text, error);
  }
  bool on_double(double, boost::json::string_view text, boost::json::error_code& error) { return on_real(text, error); }
  bool on_bool(bool truth, boost::json::error_code& error) { return push(Value(truth), error); }
  bool on_null(boost::json::error_code& error) { return push(Value(), error); }
  bool on_comment_part(boost::json::string_view, boost::json::error_code&) { return true; }
  bool on_comment(boost::json::string_view, boost::json::error_code&) { return true; }

 private:
  // The parser's own double can be off by one bit in the last place, so the text is read again.
  bool on_real(boost::json::string_view text, boost::json::error_code& error) {
    text_.append(text.data(), text.size());
    Value number = to_number(text_);
    text_.clear();
    return push(std::move(number), error);
  }
  bool push(Value value, boost::json::error_code& error) {
    stack_.push_back(std::move(value));
    const MemoryMeter* meter = MemoryMeter::current();
    if (meter != nullptr && !meter->fits(stack_.capacity() * sizeof(Value))) {
      out_of_memory_ = true;
      error = boost::json::error::exception;
      return false;
    }
    return true;
  }

  std::vector<Value> stack_;
  std::string text_;
  bool out_of_memory_ = false;
};

std::string_view expectation(const boost::json::error_code& code, std::string_view rest) {
  if (!rest.empty() && static_cast<unsigned char>(rest.front()) >= 0x80) return "bytes that are not UTF-8";
  switch (static_cast<boost::json::error>(code.value())) {
    case boost::json::error::syntax: return "expected a JSON value, ',', ':' or a closing bracket";
    case boost::json::error::extra_data: return "expected the end of the text after the value";
    case boost::json::error::incomplete: return "expected more: the text ends inside a value";
    case boost::json::error::exponent_overflow: return "expected an exponent that fits in 32 bits";
    case boost::json::error::illegal_leading_surrogate:
      return "expected a \\u escape that is not a lone trailing surrogate";
    case boost::json::error::illegal_trailing_surrogate: return "expected a trailing surrogate \\uDC00 to \\uDFFF";
    case boost::json::error::expected_hex_digit: return "expected four hexadecimal digits after \\u";
    case boost::json::error::expected_utf16_escape: return "expected a \\u escape of the trailing surrogate";
    default: return "expected a JSON value";
  }
}

base::Error error_at(std::string_view text, std::size_t offset, base::ErrorCode code, std::string_view what) {
  offset = std::min(offset, text.size());
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  const std::size_t column = offset - line_start + 1;
  return base::Error(code, fmt::format("JSON at line {}, column {}: {}", line, column, what))
      .at(static_cast<int>(line), static_cast<int>(column));
}

}  // namespace

base::Result<Value> parse(std::string_view text, const ParseLimits& limits) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.size() > limits.bytes_max) {
    return base::fail(base::ErrorCode::too_large,
                      fmt::format("JSON of {} bytes is over the limit of {} bytes", text.size(), limits.bytes_max));
  }
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  boost::json::parse_options options;
  options.max_depth = limits.depth_max;
  try {
    boost::json::basic_parser<ValueHandler> parser(options);
    boost::json::error_code code;
    const std::size_t consumed = parser.write_some(false, text.data(), text.size(), code);
    if (!code && consumed < text.size()) code = boost::json::error::extra_data;
    if (!code) return parser.handler().take();
    if (parser.handler().out_of_memory()) {
      return base::fail(error_at(text, consumed, base::ErrorCode::too_large, "the memory budget is used up"));
    }
    if (code == boost::json::error::too_deep) {
      return base::fail(error_at(text, consumed, base::ErrorCode::too_large,
                                 fmt::format("nested deeper than the limit of {}", limits.depth_max)));
    }
    return base::fail(error_at(text, consumed, base::ErrorCode::invalid,
                               expectation(code, text.substr(std::min(consumed, text.size())))));
  } catch (const std::exception& exception) {
    return base::fail(base::ErrorCode::too_large, fmt::format("JSON could not be read: {}", exception.what()));
  }
}

}  // namespace trv::json
