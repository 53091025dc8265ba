#pragma once
// Builtins written in C++: what they get and how they answer. Those written in jq are in prelude.hpp.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "kernel/expression/code.hpp"
#include "kernel/expression/memory_meter.hpp"
#include "kernel/expression/value.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::expression {

/// What one evaluation may still spend, and the error that ended it. One thread.
class Allowance {
 public:
  Allowance(std::uint64_t fuel, std::size_t memory_bytes_max) noexcept : fuel_(fuel), meter_(memory_bytes_max) {}

  enum class Stop : std::uint8_t { none, raised, fuel, memory, depth };

  /// Takes `steps` units of fuel; false when the budget is used up.
  bool charge(std::uint64_t steps) noexcept {
    if (steps > fuel_) {
      fuel_ = 0;
      stop_ = Stop::fuel;
      return false;
    }
    fuel_ -= steps;
    return true;
  }
  /// Whether `bytes` more of memory would fit; when not, the evaluation stops.
  bool room(std::size_t bytes) noexcept {
    if (meter_.fits(bytes)) return true;
    stop_ = Stop::memory;
    return false;
  }
  /// A jq error, which `try` can catch.
  void raise(Value error) {
    error_ = std::move(error);
    stop_ = Stop::raised;
  }
  /// Ends the evaluation for good: a budget is used up.
  void stop(Stop why) noexcept {
    TRV_EXPECTS(why != Stop::none && why != Stop::raised);
    stop_ = why;
  }
  /// The raised error is handled. Nothing clears a budget that is used up.
  void clear() noexcept {
    TRV_EXPECTS(stop_ == Stop::raised);
    stop_ = Stop::none;
  }
  [[nodiscard]] Stop stopped() const noexcept { return stop_; }
  [[nodiscard]] Value take_error() noexcept { return std::move(error_); }
  [[nodiscard]] std::uint64_t fuel() const noexcept { return fuel_; }
  [[nodiscard]] MemoryMeter& meter() noexcept { return meter_; }

 private:
  std::uint64_t fuel_;
  MemoryMeter meter_;
  Stop stop_ = Stop::none;
  Value error_;
};

/// One call of a builtin.
class NativeCall {
 public:
  NativeCall(Allowance& allowance, base::Timestamp now, const Value* values) noexcept
      : allowance_(allowance), now_(now), values_(values) {}

  [[nodiscard]] const Value& input() const noexcept { return values_[0]; }
  /// From 0.
  [[nodiscard]] const Value& argument(int index) const noexcept { return values_[index + 1]; }
  [[nodiscard]] base::Timestamp now() const noexcept { return now_; }
  [[nodiscard]] Allowance& allowance() noexcept { return allowance_; }
  bool charge(std::uint64_t steps) noexcept { return allowance_.charge(steps); }
  bool room(std::size_t bytes) noexcept { return allowance_.room(bytes); }
  /// Raises a jq error; the answer of the call no longer matters.
  Value fail(std::string_view message) {
    allowance_.raise(Value(message));
    return {};
  }

 private:
  Allowance& allowance_;
  base::Timestamp now_;
  const Value* values_;
};

[[nodiscard]] std::span<const Native> math_natives() noexcept;
[[nodiscard]] std::span<const Native> string_natives() noexcept;
[[nodiscard]] std::span<const Native> collection_natives() noexcept;
[[nodiscard]] std::span<const Native> time_natives() noexcept;
[[nodiscard]] std::span<const Native> regex_natives() noexcept;

/// The builtin of this name and arity, or null.
[[nodiscard]] const Native* find_native(std::string_view name, int arity) noexcept;

// Shared by the machine and the builtins. All answer with an error in `allowance` when they fail.

/// `number (1)`, `string ("abc")`: kind and beginning of the value, as jq's messages show them.
[[nodiscard]] std::string describe(const Value& value);
[[nodiscard]] Value apply(Operator op, Value left, const Value& right, Allowance& allowance);
[[nodiscard]] bool compare_values(const Value& a, const Value& b, Allowance& allowance, int& order);
[[nodiscard]] Value negate(const Value& value, Allowance& allowance);
/// Where `part`, which is not empty, begins in `text` at `from` or after it; npos for nowhere and when the fuel is used
/// up. Takes fuel for what it may look at.
[[nodiscard]] std::size_t find_text(std::string_view text, std::string_view part, std::size_t from,
                                    Allowance& allowance);
/// The value as jq's tostring gives it: strings as they are, others as JSON.
[[nodiscard]] Value to_text(const Value& value, Allowance& allowance);
[[nodiscard]] Value to_json_text(const Value& value, Allowance& allowance);

/// @text, @json, @csv, …
enum class Format : std::uint8_t { text, json, csv, tsv, html, uri, urid, sh, base64, base64d, base32, base32d };
[[nodiscard]] std::optional<Format> find_format(std::string_view name) noexcept;
[[nodiscard]] Value apply_format(Format format, const Value& value, Allowance& allowance);

// Paths: arrays of keys, indices and slices ({"start": …, "end": …}).
[[nodiscard]] Value get_child(const Value& container, const Value& key, Allowance& allowance);
[[nodiscard]] Value get_slice(const Value& container, const Value& from, const Value& to, Allowance& allowance);
[[nodiscard]] Value get_path(const Value& root, const Value& path, Allowance& allowance);
/// Moves the value at the path out and leaves null; copies where it cannot.
[[nodiscard]] Value take_path(Value& root, const Value& path, Allowance& allowance);
[[nodiscard]] Value set_path(Value root, const Value& path, Value value, Allowance& allowance);
[[nodiscard]] Value delete_paths(Value root, const Value& paths, Allowance& allowance);
[[nodiscard]] Value make_slice_key(const Value& from, const Value& to);

}  // namespace trv::expression
