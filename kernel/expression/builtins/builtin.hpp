#pragma once
// Builtins written in C++: what they get and how they answer. Those written in jq are in prelude.hpp.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/expression/syntax/syntax.hpp"
#include "kernel/json/memory_meter.hpp"
#include "kernel/json/value.hpp"
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
  void raise(json::Value error) {
    error_ = std::move(error);
    stop_ = Stop::raised;
    culprit_.function = {};
    culprit_.values.clear();
  }
  /// What the error that was just raised came from, for its reader; `catch` does not see that.
  struct Culprit {
    std::string_view function;        ///< static; empty for a step into a value
    std::vector<json::Value> values;  ///< the input, then the arguments; empty where the error says all
  };
  void blame(std::string_view function, std::span<const json::Value> values) {
    TRV_EXPECTS(stop_ == Stop::raised);
    culprit_.function = function;
    culprit_.values.assign(values.begin(), values.end());
  }
  [[nodiscard]] const Culprit& culprit() const noexcept { return culprit_; }
  /// Ends the evaluation for good: a budget is used up.
  void stop(Stop why) noexcept {
    TRV_EXPECTS(why != Stop::none && why != Stop::raised);
    stop_ = why;
  }
  /// The raised error is handled. Nothing clears a budget that is used up.
  void clear() noexcept {
    TRV_EXPECTS(stop_ == Stop::raised);
    stop_ = Stop::none;
    culprit_.values.clear();  // a value that is held here is copied where it changes
  }
  [[nodiscard]] Stop stopped() const noexcept { return stop_; }
  [[nodiscard]] json::Value take_error() noexcept { return std::move(error_); }
  [[nodiscard]] std::uint64_t fuel() const noexcept { return fuel_; }
  [[nodiscard]] json::MemoryMeter& meter() noexcept { return meter_; }

 private:
  std::uint64_t fuel_;
  json::MemoryMeter meter_;
  Stop stop_ = Stop::none;
  json::Value error_;
  Culprit culprit_;
};

/// One call of a builtin.
class NativeCall {
 public:
  NativeCall(Allowance& allowance, base::Timestamp now, const json::Value* values) noexcept
      : allowance_(allowance), now_(now), values_(values) {}

  [[nodiscard]] const json::Value& input() const noexcept { return values_[0]; }
  /// From 0.
  [[nodiscard]] const json::Value& argument(int index) const noexcept { return values_[index + 1]; }
  [[nodiscard]] base::Timestamp now() const noexcept { return now_; }
  [[nodiscard]] Allowance& allowance() noexcept { return allowance_; }
  bool charge(std::uint64_t steps) noexcept { return allowance_.charge(steps); }
  bool room(std::size_t bytes) noexcept { return allowance_.room(bytes); }
  /// Raises a jq error; the answer of the call no longer matters.
  json::Value fail(std::string_view message) {
    allowance_.raise(json::Value(message));
    return {};
  }

 private:
  Allowance& allowance_;
  base::Timestamp now_;
  const json::Value* values_;
};

using NativeFunction = json::Value (*)(NativeCall& call);

struct Native {
  std::string_view name;  // static
  int arity;
  NativeFunction function;
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
[[nodiscard]] std::string describe(const json::Value& value);
[[nodiscard]] json::Value apply(Operator op, json::Value left, const json::Value& right, Allowance& allowance);
[[nodiscard]] bool compare_values(const json::Value& a, const json::Value& b, Allowance& allowance, int& order);
[[nodiscard]] json::Value negate(const json::Value& value, Allowance& allowance);
/// Where `part`, which is not empty, begins in `text` at `from` or after it; npos for nowhere and when the fuel is used
/// up. Takes fuel for what it may look at.
[[nodiscard]] std::size_t find_text(std::string_view text, std::string_view part, std::size_t from,
                                    Allowance& allowance);
/// The value as jq's tostring gives it: strings as they are, others as JSON.
[[nodiscard]] json::Value to_text(const json::Value& value, Allowance& allowance);
[[nodiscard]] json::Value to_json_text(const json::Value& value, Allowance& allowance);

/// @text, @json, @csv, …
enum class Format : std::uint8_t { text, json, csv, tsv, html, uri, urid, sh, base64, base64d };
[[nodiscard]] std::optional<Format> find_format(std::string_view name) noexcept;
[[nodiscard]] json::Value apply_format(Format format, const json::Value& value, Allowance& allowance);

// Paths: arrays of keys, indices and slices ({"start": …, "end": …}).
[[nodiscard]] json::Value get_child(const json::Value& container, const json::Value& key, Allowance& allowance);
[[nodiscard]] json::Value get_slice(const json::Value& container, const json::Value& from, const json::Value& to,
                                    Allowance& allowance);
[[nodiscard]] json::Value get_path(const json::Value& root, const json::Value& path, Allowance& allowance);
/// Moves the value at the path out and leaves null; copies where it cannot.
[[nodiscard]] json::Value take_path(json::Value& root, const json::Value& path, Allowance& allowance);
[[nodiscard]] json::Value set_path(json::Value root, const json::Value& path, json::Value value, Allowance& allowance);
[[nodiscard]] json::Value delete_paths(json::Value root, const json::Value& paths, Allowance& allowance);
[[nodiscard]] json::Value make_slice_key(const json::Value& from, const json::Value& to);

}  // namespace trv::expression
