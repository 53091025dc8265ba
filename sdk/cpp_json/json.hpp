#pragma once
// JSON for plugin authors who use Boost.JSON: reading a call's input and a service's answer. C++20; any thread.
//
// Boost.JSON is used header-only, so that a plugin needs no Boost library at run time: one source file of the plugin
// includes <boost/json/src.hpp>.

#include <boost/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/cpp/url.hpp"
#include "sdk/cpp/values.hpp"

/// What a plugin speaks of; its source says `using namespace trv::sdk;` within its own namespace and has all of it.
namespace trv::sdk {

namespace json = boost::json;

/// An object from JSON text, at most 32 levels deep; nullopt for anything else.
[[nodiscard]] inline std::optional<boost::json::object> parse_object(std::string_view text) {
  boost::system::error_code failure;
  boost::json::value value = boost::json::parse(text, failure);
  if (failure || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

/// The text of a member, or empty where it is missing or no string; borrowed.
[[nodiscard]] inline std::string_view text_of(const boost::json::object& object, std::string_view name) noexcept {
  const boost::json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

/// The object in a member, or nullptr; borrowed.
[[nodiscard]] inline const boost::json::object* object_of(const boost::json::object& object,
                                                          std::string_view name) noexcept {
  const boost::json::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

/// A call's input. Members are read one after the other; the first that is wrong makes failure() and the rest does not
/// matter:
///
///   Input input(call.input());
///   const std::string title = input.text("title");
///   const std::int64_t number = input.integer("number");
///   if (input.failure()) co_return *input.failure();
class Input {
 public:
  explicit Input(std::string_view text) {
    if (auto object = parse_object(text)) {
      object_ = std::move(*object);
    } else {
      wrong("input: must be a JSON object");
    }
  }

  /// Code::invalid with the member's name; nullopt while all that was read was right.
  [[nodiscard]] const std::optional<Failure>& failure() const noexcept { return failure_; }
  [[nodiscard]] bool has(std::string_view name) const noexcept { return object_.contains(name); }

  /// A text that is not empty.
  std::string text(std::string_view name) {
    const boost::json::value* value = require(name);
    if (value == nullptr) return {};
    if (!value->is_string() || value->get_string().empty()) {
      wrong(name, "must be a text that is not empty");
      return {};
    }
    return std::string(value->get_string());
  }

  /// A text, or `otherwise` where the member is missing.
  std::string text_or(std::string_view name, std::string_view otherwise) {
    const boost::json::value* value = object_.if_contains(name);
    if (value == nullptr) return std::string(otherwise);
    if (!value->is_string()) {
      wrong(name, "must be a text");
      return {};
    }
    return std::string(value->get_string());
  }

  /// A text, encoded as one segment of a path.
  std::string segment(std::string_view name) {
    const std::string value = text(name);
    if (failure_) return {};
    auto encoded = path_segment(value);
    if (!encoded) wrong(name, "cannot be in a path");
    return encoded.value_or(std::string());
  }

  std::int64_t integer(std::string_view name) {
    const boost::json::value* value = require(name);
    if (value == nullptr) return 0;
    if (!value->is_int64()) {
      wrong(name, "must be an integer");
      return 0;
    }
    return value->get_int64();
  }

  /// An array of texts, none of them empty; empty where the member is missing.
  std::vector<std::string> texts(std::string_view name) {
    std::vector<std::string> out;
    const boost::json::value* value = object_.if_contains(name);
    if (value == nullptr) return out;
    if (!value->is_array()) {
      wrong(name, "must be an array of texts");
      return out;
    }
    for (const boost::json::value& item : value->get_array()) {
      if (!item.is_string() || item.get_string().empty()) {
        wrong(name, "must hold only texts that are not empty");
        return {};
      }
      out.emplace_back(item.get_string());
    }
    return out;
  }

  /// The member as it is, or nullptr; borrowed from the input.
  [[nodiscard]] const boost::json::value* value(std::string_view name) const noexcept {
    return object_.if_contains(name);
  }

 private:
  const boost::json::value* require(std::string_view name) {
    const boost::json::value* value = object_.if_contains(name);
    if (value == nullptr) wrong(name, "is missing");
    return value;
  }
  void wrong(std::string_view name, std::string_view what) {
    wrong("input: " + std::string(name) + ": " + std::string(what));
  }
  void wrong(std::string message) {
    if (failure_) return;
    failure_.emplace();
    failure_->code = Code::invalid;
    failure_->message = std::move(message);
  }

  boost::json::object object_;
  std::optional<Failure> failure_;
};

}  // namespace trv::sdk
