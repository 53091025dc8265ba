#pragma once
// JSON to and from structs that describe themselves, as `trav plugin generate` makes them of a manifest. C++20; any
// thread.
//
//   const auto input = trv::sdk::read_json<EchoInput>(call.input());
//   if (!input) co_return input.failure();
//   co_return trv::sdk::write_json(EchoOutput{.text = input->text});
//
// A member is a bool, std::int64_t, double, std::string, std::nullptr_t, boost::json::value, an enum or a struct that
// is described, a std::vector or a std::map by name of those, or Nullable of one. What only restricts (lengths, bounds,
// patterns) is held against the schema by the host.

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "sdk/cpp_json/json.hpp"

namespace trv::sdk {

/// A value, or null where it is empty. A member that may be missing is a std::optional.
template <typename T>
class Nullable : public std::optional<T> {
 public:
  using std::optional<T>::optional;
  Nullable() = default;
  Nullable(std::nullptr_t) noexcept {}  // NOLINT(google-explicit-constructor)
};

/// What was read, or why it could not be.
template <typename T>
class Typed {
 public:
  Typed(T value) : outcome_(std::move(value)) {}            // NOLINT(google-explicit-constructor)
  Typed(Failure failure) : outcome_(std::move(failure)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const noexcept { return outcome_.index() == 0; }
  /// Only where there is one.
  [[nodiscard]] T& operator*() { return std::get<0>(outcome_); }
  [[nodiscard]] const T& operator*() const { return std::get<0>(outcome_); }
  [[nodiscard]] T* operator->() { return &std::get<0>(outcome_); }
  [[nodiscard]] const T* operator->() const { return &std::get<0>(outcome_); }
  /// Only where there is none: Code::invalid, with the member's name.
  [[nodiscard]] const Failure& failure() const { return std::get<1>(outcome_); }

 private:
  std::variant<T, Failure> outcome_;
};

/// Where a value is: "input: labels[2]: name". Borrows from the one around it.
class Place {
 public:
  explicit Place(std::string_view whole) : name_(whole) {}
  Place(const Place& around, std::string_view name) : around_(&around), name_(name) {}
  Place(const Place& around, std::size_t index) : around_(&around), index_(index) {}

  [[nodiscard]] std::string text() const {
    if (around_ == nullptr) return std::string(name_);
    if (index_) return around_->text() + '[' + std::to_string(*index_) + ']';
    return around_->text() + ": " + std::string(name_);
  }
  [[nodiscard]] Failure failure(std::string_view what) const {
    Failure failure;
    failure.code = Code::invalid;
    failure.message = text() + ' ' + std::string(what);
    return failure;
  }

 private:
  const Place* around_ = nullptr;
  std::string_view name_ = {};
  std::optional<std::size_t> index_ = std::nullopt;
};

using Fault = std::optional<Failure>;

/// How a type is read and written; `into` is changed also where reading fails.
template <typename T>
struct JsonOf;

/// Reads the members of a struct, one after the other, until one is wrong.
template <typename T>
class MemberReader {
 public:
  MemberReader(const boost::json::object& from, T& into, const Place& place)
      : from_(from), into_(into), place_(place) {}

  template <std::size_t N, typename V>
  void required(const char (&name)[N], V T::* member) {
    const boost::json::value* value = find({name, N - 1});
    if (value == nullptr) return fail(Place(place_, std::string_view(name, N - 1)).failure("is missing"));
    read(*value, {name, N - 1}, into_.*member);
  }
  template <std::size_t N, typename V>
  void optional(const char (&name)[N], std::optional<V> T::* member) {
    if (const boost::json::value* value = find({name, N - 1})) {
      read(*value, {name, N - 1}, (into_.*member).emplace());
    }
  }
  /// What was not named before.
  template <typename V>
  void others(std::map<std::string, V> T::* member) {
    for (const auto& [name, value] : from_) {
      if (!is_known(name)) read(value, name, (into_.*member)[std::string(name)]);
    }
  }
  void no_others() {
    for (const auto& [name, value] : from_) {
      if (!is_known(name)) return fail(Place(place_, std::string_view(name)).failure("is not known"));
    }
  }
  [[nodiscard]] Fault take_fault() { return std::move(fault_); }

 private:
  const boost::json::value* find(std::string_view name) {
    known_.push_back(name);
    return from_.if_contains(name);
  }
  [[nodiscard]] bool is_known(std::string_view name) const {
    for (const std::string_view one : known_)
      if (one == name) return true;
    return false;
  }
  template <typename V>
  void read(const boost::json::value& value, std::string_view name, V& into) {
    if (!fault_) fault_ = JsonOf<V>::read(value, into, Place(place_, name));
  }
  void fail(Failure failure) {
    if (!fault_) fault_ = std::move(failure);
  }

  const boost::json::object& from_;
  T& into_;
  const Place& place_;
  std::vector<std::string_view> known_ = {};
  Fault fault_ = std::nullopt;
};

/// Writes the members of a struct.
template <typename T>
class MemberWriter {
 public:
  MemberWriter(const T& from, boost::json::object& into) : from_(from), into_(into) {}

  template <std::size_t N, typename V>
  void required(const char (&name)[N], V T::* member) {
    into_[std::string_view(name, N - 1)] = JsonOf<V>::write(from_.*member);
  }
  template <std::size_t N, typename V>
  void optional(const char (&name)[N], std::optional<V> T::* member) {
    if (from_.*member) into_[std::string_view(name, N - 1)] = JsonOf<V>::write(*(from_.*member));
  }
  /// One that has the name of another member is left out.
  template <typename V>
  void others(std::map<std::string, V> T::* member) {
    for (const auto& [name, value] : from_.*member)
      if (!into_.contains(name)) into_[name] = JsonOf<V>::write(value);
  }
  void no_others() const noexcept {}

 private:
  const T& from_;
  boost::json::object& into_;
};

/// What an enum is in JSON.
using ChoiceValue = std::variant<std::string_view, std::int64_t>;

[[nodiscard]] inline std::string text_of(const ChoiceValue& value) {
  const auto* text = std::get_if<std::string_view>(&value);
  return text != nullptr ? '"' + std::string(*text) + '"' : std::to_string(std::get<std::int64_t>(value));
}

/// The values of an enum, as it describes them.
template <typename T>
class Choices {
 public:
  Choices() { describe(*this, T{}); }

  template <std::size_t N>
  void add(T choice, const char (&text)[N]) {
    all_.emplace_back(choice, std::string_view(text, N - 1));
  }
  void add(T choice, std::int64_t integer) { all_.emplace_back(choice, integer); }
  [[nodiscard]] const std::vector<std::pair<T, ChoiceValue>>& all() const& noexcept { return all_; }
  void all() const&& = delete;  // a loop over it would outlive it

 private:
  std::vector<std::pair<T, ChoiceValue>> all_ = {};
};

/// An exact integer, also where it is written as 3.0.
[[nodiscard]] inline std::optional<std::int64_t> integer_of(const boost::json::value& from) noexcept {
  constexpr double whole_max = 9007199254740992.0;
  if (from.is_int64()) return from.get_int64();
  if (from.is_uint64()) {
    const std::uint64_t value = from.get_uint64();
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    return static_cast<std::int64_t>(value);
  }
  if (!from.is_double()) return std::nullopt;
  const double value = from.get_double();
  if (!(value >= -whole_max && value <= whole_max) || std::trunc(value) != value) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

template <typename T>
struct JsonOf {
  static Fault read(const boost::json::value& from, T& into, const Place& place) {
    if constexpr (std::is_enum_v<T>) {
      const Choices<T> choices;
      std::string known;
      for (const auto& [choice, value] : choices.all()) {
        const auto* text = std::get_if<std::string_view>(&value);
        const bool is_it = text != nullptr ? from.is_string() && std::string_view(from.get_string()) == *text
                                           : integer_of(from) == std::get<std::int64_t>(value);
        if (is_it) {
          into = choice;
          return std::nullopt;
        }
        known += (known.empty() ? "" : ", ") + text_of(value);
      }
      return place.failure("must be one of " + known);
    } else {
      if (!from.is_object()) return place.failure("must be an object");
      MemberReader<T> members(from.get_object(), into, place);
      T::describe(members);
      return members.take_fault();
    }
  }
  static boost::json::value write(const T& from) {
    if constexpr (std::is_enum_v<T>) {
      const Choices<T> choices;
      for (const auto& [choice, value] : choices.all()) {
        if (choice != from) continue;
        if (const auto* text = std::get_if<std::string_view>(&value)) return boost::json::string(*text);
        return std::get<std::int64_t>(value);
      }
      return nullptr;
    } else {
      boost::json::object object;
      MemberWriter<T> members(from, object);
      T::describe(members);
      return object;
    }
  }
};

template <>
struct JsonOf<boost::json::value> {
  static Fault read(const boost::json::value& from, boost::json::value& into, const Place& /*place*/) {
    into = from;
    return std::nullopt;
  }
  static boost::json::value write(const boost::json::value& from) { return from; }
};

template <>
struct JsonOf<std::nullptr_t> {
  static Fault read(const boost::json::value& from, std::nullptr_t& /*into*/, const Place& place) {
    return from.is_null() ? std::nullopt : Fault(place.failure("must be null"));
  }
  static boost::json::value write(std::nullptr_t /*from*/) { return nullptr; }
};

template <>
struct JsonOf<bool> {
  static Fault read(const boost::json::value& from, bool& into, const Place& place) {
    if (!from.is_bool()) return place.failure("must be true or false");
    into = from.get_bool();
    return std::nullopt;
  }
  static boost::json::value write(bool from) { return from; }
};

template <>
struct JsonOf<std::int64_t> {
  static Fault read(const boost::json::value& from, std::int64_t& into, const Place& place) {
    const auto integer = integer_of(from);
    if (!integer) return place.failure("must be an integer of 64 bits");
    into = *integer;
    return std::nullopt;
  }
  static boost::json::value write(std::int64_t from) { return from; }
};

template <>
struct JsonOf<double> {
  static Fault read(const boost::json::value& from, double& into, const Place& place) {
    if (!from.is_number()) return place.failure("must be a number");
    into = from.to_number<double>();
    return std::nullopt;
  }
  static boost::json::value write(double from) { return from; }
};

template <>
struct JsonOf<std::string> {
  static Fault read(const boost::json::value& from, std::string& into, const Place& place) {
    if (!from.is_string()) return place.failure("must be a text");
    into.assign(from.get_string().data(), from.get_string().size());
    return std::nullopt;
  }
  static boost::json::value write(const std::string& from) { return boost::json::string(from); }
};

template <typename T>
struct JsonOf<Nullable<T>> {
  static Fault read(const boost::json::value& from, Nullable<T>& into, const Place& place) {
    into.reset();
    return from.is_null() ? std::nullopt : JsonOf<T>::read(from, into.emplace(), place);
  }
  static boost::json::value write(const Nullable<T>& from) { return from ? JsonOf<T>::write(*from) : nullptr; }
};

template <typename T>
struct JsonOf<std::vector<T>> {
  static Fault read(const boost::json::value& from, std::vector<T>& into, const Place& place) {
    if (!from.is_array()) return place.failure("must be an array");
    for (std::size_t i = 0; i < from.get_array().size(); ++i) {
      T item = {};
      if (Fault fault = JsonOf<T>::read(from.get_array()[i], item, Place(place, i))) return fault;
      into.push_back(std::move(item));
    }
    return std::nullopt;
  }
  static boost::json::value write(const std::vector<T>& from) {
    boost::json::array array;
    for (const auto& item : from) array.push_back(JsonOf<T>::write(item));
    return array;
  }
};

template <typename T>
struct JsonOf<std::map<std::string, T>> {
  static Fault read(const boost::json::value& from, std::map<std::string, T>& into, const Place& place) {
    if (!from.is_object()) return place.failure("must be an object");
    for (const auto& [name, value] : from.get_object()) {
      const Place inside(place, std::string_view(name));
      if (Fault fault = JsonOf<T>::read(value, into[std::string(name)], inside)) return fault;
    }
    return std::nullopt;
  }
  static boost::json::value write(const std::map<std::string, T>& from) {
    boost::json::object object;
    for (const auto& [name, value] : from) object[name] = JsonOf<T>::write(value);
    return object;
  }
};

/// Of JSON text, at most 32 levels deep; `whole` is what messages call it, such as "the service's answer".
template <typename T>
[[nodiscard]] Typed<T> read_json(std::string_view text, std::string_view whole = "input") {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(text, error);
  const Place place(whole);
  if (error) return place.failure("must be JSON: " + error.message());
  T into = {};
  if (Fault fault = JsonOf<T>::read(value, into, place)) return *std::move(fault);
  return into;
}

/// As JSON text.
template <typename T>
[[nodiscard]] std::string write_json(const T& value) {
  return boost::json::serialize(JsonOf<T>::write(value));
}

}  // namespace trv::sdk
