#include "kernel/workflow/definition/expression.hpp"

#include <fmt/format.h>

#include "kernel/json/serialize.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {

using json::Value;

namespace {

constexpr std::size_t text_bytes_max = 1'000'000;
/// What the parts of one template may come to, in about the bytes of their JSON.
constexpr std::size_t template_bytes_max = 1'000'000;

std::unexpected<base::Error> too_large() {
  return base::fail(base::ErrorCode::too_large, "the values of its expressions come to more than 1,000,000 bytes");
}

}  // namespace

base::Result<Value> Expression::evaluate(const Value& input, VariableSource& source, base::Timestamp now) const {
  if (identity_) return input;
  std::vector<Value> values;
  values.reserve(variables_.size());
  for (const VariableReference& reference : variables_) values.push_back(source.variable(reference));
  base::Result<std::optional<Value>> first =
      expression::evaluate_first(program_, input, {.variables = values, .now = now}, expression_budget);
  if (first) return *first ? **std::move(first) : Value();
  if (place_ == nullptr) return base::fail(std::move(first).error());
  return base::fail(first.error().code(),
                    fmt::format("{}; in the expression '{}' at {}, line {}", first.error().message(), place_->text,
                                place_->field, place_->line));
}

bool Expression::names(Variable variable) const noexcept {
  for (const VariableReference& reference : variables_) {
    if (reference.variable == variable) return true;
  }
  return false;
}

Template Template::constant(Value value) {
  Template out;
  out.constant_ = std::move(value);
  return out;
}

Template Template::from(Expression expression) {
  Template out;
  out.kind_ = Kind::expression;
  out.expression_ = std::move(expression);
  return out;
}

Template Template::secret(SecretReference reference) {
  TRV_EXPECTS(!reference.name.empty());
  Template out;
  out.kind_ = Kind::secret;
  out.constant_ = Value("[secret " + reference.name + "]");
  out.secret_ = std::make_shared<const SecretReference>(std::move(reference));
  return out;
}

Template Template::loose(Expression expression, std::string_view text) {
  Template out = from(std::move(expression));
  out.is_loose_ = true;
  out.constant_ = Value(text);
  return out;
}

Template Template::concatenation(std::vector<Template> parts) {
  TRV_EXPECTS(parts.size() > 1);
  Template out;
  out.kind_ = Kind::concatenation;
  out.parts_ = std::move(parts);
  return out;
}

Template Template::array(std::vector<Template> items) {
  Template out;
  bool constant = true;
  for (const Template& item : items) constant = constant && item.is_constant();
  if (constant) {
    out.constant_ = Value::make_array(items.size());
    for (Template& item : items) out.constant_.push_back(std::move(item.constant_));
    return out;
  }
  out.kind_ = Kind::array;
  out.parts_ = std::move(items);
  return out;
}

Template Template::object(std::vector<std::pair<std::string, Template>> entries) {
  Template out;
  bool constant = true;
  for (const auto& entry : entries) constant = constant && entry.second.is_constant();
  if (constant) {
    out.constant_ = Value::make_object(entries.size());
    for (auto& entry : entries) out.constant_.set(std::string_view(entry.first), std::move(entry.second.constant_));
    return out;
  }
  out.kind_ = Kind::object;
  for (auto& entry : entries) {
    out.keys_.push_back(std::move(entry.first));
    out.parts_.push_back(std::move(entry.second));
  }
  TRV_ENSURES(out.keys_.size() == out.parts_.size());
  return out;
}

const Value& Template::constant_value() const {
  TRV_EXPECTS(is_constant());
  return constant_;
}

bool Template::names(Variable variable) const noexcept {
  if (expression_ && expression_->names(variable)) return true;
  for (const Template& part : parts_) {
    if (part.names(variable)) return true;
  }
  return false;
}

bool Template::has_secrets() const noexcept {
  if (kind_ == Kind::secret) return true;
  for (const Template& part : parts_) {
    if (part.has_secrets()) return true;
  }
  return false;
}

base::Status Template::secrets(const Value& at, const Value& input, VariableSource& source, base::Timestamp now,
                               Value& out) const {
  TRV_EXPECTS(at.is_array() && out.is_array());
  if (!has_secrets()) return {};
  if (kind_ == Kind::array || kind_ == Kind::object) {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      Value place = at;
      place.push_back(kind_ == Kind::array ? Value(i) : Value(keys_[i]));
      TRV_TRY(parts_[i].secrets(place, input, source, now, out));
    }
    return {};
  }
  Value parts = Value::array();
  const auto add = [&](const Template& part) -> base::Status {
    if (part.kind_ != Kind::secret) {
      TRV_TRY_ASSIGN(const Value value, part.evaluate(input, source, now));
      parts.push_back(value.is_string() ? value : Value(json::serialize(value)));
      return {};
    }
    Value secret = {{"name", part.secret_->name}};
    if (!part.secret_->path.empty()) {
      Value path = Value::array();
      for (const std::string& property : part.secret_->path) path.push_back(Value(property));
      secret.set("path", std::move(path));
    }
    parts.push_back(std::move(secret));
    return {};
  };
  if (kind_ == Kind::secret) {
    TRV_TRY(add(*this));
  } else {
    for (const Template& part : parts_) TRV_TRY(add(part));
  }
  out.push_back({{"at", at}, {"parts", std::move(parts)}});
  return {};
}

base::Result<Value> Template::evaluate(const Value& input, VariableSource& source, base::Timestamp now) const {
  TRV_EXPECTS((kind_ == Kind::expression) == expression_.has_value());
  std::size_t left = template_bytes_max;
  switch (kind_) {
    case Kind::secret:
    case Kind::constant: return constant_;
    case Kind::expression: {
      base::Result<Value> value = expression_->evaluate(input, source, now);
      // What it may use up is used up.
      if (!value && is_loose_ && value.error().code() == base::ErrorCode::invalid) return constant_;
      return value;
    }
    case Kind::concatenation: {
      std::string text;
      for (const Template& part : parts_) {
        TRV_TRY_ASSIGN(const Value value, part.evaluate(input, source, now));
        if (value.is_string()) {
          text += value.as_string();
        } else if (!json::append(text, value, {.bytes_max = text_bytes_max})) {
          text.resize(text_bytes_max + 1);
        }
        if (text.size() > text_bytes_max) {
          return base::fail(base::ErrorCode::too_large, "the text with its expressions is longer than 1,000,000 bytes");
        }
      }
      return Value(text);
    }
    case Kind::array: {
      Value array = Value::make_array(parts_.size());
      for (const Template& part : parts_) {
        TRV_TRY_ASSIGN(Value value, part.evaluate(input, source, now));
        if (!json::spend_bytes(value, left)) return too_large();
        array.push_back(std::move(value));
      }
      return array;
    }
    case Kind::object: {
      Value object = Value::make_object(parts_.size());
      for (std::size_t i = 0; i < parts_.size(); ++i) {
        TRV_TRY_ASSIGN(Value value, parts_[i].evaluate(input, source, now));
        if (!json::spend_bytes(value, left)) return too_large();
        object.set(std::string_view(keys_[i]), std::move(value));
      }
      return object;
    }
  }
  return Value();
}

}  // namespace trv::definition
