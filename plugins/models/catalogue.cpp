#include "plugins/models/catalogue.hpp"

#include <array>
#include <cmath>

#include "plugins/models/catalogue_json.h"

namespace models {
namespace {

using trv::sdk::object_of;
using trv::sdk::text_of;
using Problem = std::optional<std::string>;

template <typename T, std::size_t N>
Problem read_choice(const json::object& row, std::string_view member,
                    const std::array<std::pair<std::string_view, T>, N>& choices, T& out) {
  const json::value* value = row.if_contains(member);
  if (value == nullptr) return std::nullopt;
  std::string names;
  for (const auto& [name, choice] : choices) {
    if (value->is_string() && value->get_string() == name) {
      out = choice;
      return std::nullopt;
    }
    names += (names.empty() ? "\"" : ", \"") + std::string(name) + "\"";
  }
  return std::string(member) + ": must be one of " + names;
}

Problem read_bool(const json::object& row, std::string_view member, bool& out) {
  const json::value* value = row.if_contains(member);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) return std::string(member) + ": must be true or false";
  out = value->get_bool();
  return std::nullopt;
}

Problem read_price(const json::object& price, std::string_view member, std::uint64_t& out) {
  const json::value* value = price.if_contains(member);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code failure;
  const double amount = value->to_number<double>(failure);
  if (failure || !(amount >= 0 && amount <= 1'000'000))
    return std::string(member) + ": must be a number from 0 to 1000000, the price of a million tokens";
  out = static_cast<std::uint64_t>(std::llround(amount * 1'000));
  return std::nullopt;
}

Problem read_prices(const json::object& row, std::map<std::string, Price, std::less<>>& out) {
  const json::object* prices = object_of(row, "prices");
  if (prices == nullptr) return row.contains("prices") ? Problem("prices: must be an object") : std::nullopt;
  for (const auto& member : *prices) {
    const std::string model(member.key());
    const json::object* object = member.value().if_object();
    const auto wrong = [&](const std::string& what) {
      return std::string("prices: ").append(model).append(": ").append(what);
    };
    if (object == nullptr) return wrong("must be an object");
    if (!object->contains("input") || !object->contains("output")) return wrong("must have input and output");
    Price price;
    if (const Problem problem = read_price(*object, "input", price.input)) return wrong(*problem);
    price.cached_input = price.cache_write = price.input;
    if (const Problem problem = read_price(*object, "cached_input", price.cached_input)) return wrong(*problem);
    if (const Problem problem = read_price(*object, "cache_write", price.cache_write)) return wrong(*problem);
    if (const Problem problem = read_price(*object, "output", price.output)) return wrong(*problem);
    price.as_of = text_of(*object, "as_of");
    out.emplace(model, std::move(price));
  }
  return std::nullopt;
}

Problem read_renames(const json::object& row, std::map<std::string, std::string, std::less<>>& out) {
  const json::object* renames = object_of(row, "renames");
  if (renames == nullptr) return row.contains("renames") ? Problem("renames: must be an object") : std::nullopt;
  for (const auto& member : *renames) {
    if (!member.value().is_string() || member.value().get_string().empty())
      return "renames: " + std::string(member.key()) + ": must be the name of a field";
    out.emplace(member.key(), member.value().get_string());
  }
  return std::nullopt;
}

Problem read_names(const json::object& row, std::string_view member, std::vector<std::string>& out) {
  const json::value* names = row.if_contains(member);
  if (names == nullptr) return std::nullopt;
  if (!names->is_array()) return std::string(member) + ": must be an array of names";
  for (const json::value& name : names->get_array()) {
    if (!name.is_string()) return std::string(member) + ": must hold names";
    out.emplace_back(name.get_string());
  }
  return std::nullopt;
}

Problem read_row(const json::object& row, Provider& out) {
  static constexpr std::array<std::pair<std::string_view, DialectName>, 3> dialects = {
      {{"openai", DialectName::openai}, {"anthropic", DialectName::anthropic}, {"ollama", DialectName::ollama}}};
  static constexpr std::array<std::pair<std::string_view, StructuredOutput>, 3> structured = {
      {{"schema", StructuredOutput::schema},
       {"json_object", StructuredOutput::object},
       {"tool", StructuredOutput::tool}}};
  if (!row.contains("dialect")) return "dialect: is missing";
  if (Problem problem = read_choice(row, "dialect", dialects, out.dialect)) return problem;
  if (Problem problem = read_choice(row, "structured_output", structured, out.structured_output)) return problem;
  if (out.dialect == DialectName::ollama && out.structured_output == StructuredOutput::tool)
    return "structured_output: \"tool\" needs a choice of tools, which the dialect ollama has not; use \"schema\"";
  if (const Problem problem = read_bool(row, "stream", out.stream)) return problem;
  if (const Problem problem = read_bool(row, "stream_usage", out.stream_usage)) return problem;
  // Messages has no counterpart.
  out.embeddings = out.dialect != DialectName::anthropic;
  if (const Problem problem = read_bool(row, "embeddings", out.embeddings)) return problem;
  if (const json::value* tokens = row.if_contains("max_tokens_default")) {
    if (!tokens->is_int64() || tokens->get_int64() < 1) return "max_tokens_default: must be an integer from 1";
    out.max_tokens_default = tokens->get_int64();
  }
  if (!text_of(row, "api_version").empty()) out.api_version = text_of(row, "api_version");
  if (const Problem problem = read_names(row, "unsupported", out.unsupported)) return problem;
  if (const Problem problem = read_renames(row, out.renames)) return problem;
  if (!text_of(row, "currency").empty()) out.currency = text_of(row, "currency");
  out.title = text_of(row, "title").empty() ? std::string_view(out.name) : text_of(row, "title");
  return read_prices(row, out.prices);
}

/// The members of `change` in place of those of `row`; prices model by model.
json::object merged(json::object row, const json::object& change) {
  for (const auto& member : change) {
    json::value* old = row.if_contains(member.key());
    if (member.key() == "prices" && old != nullptr && old->is_object() && member.value().is_object()) {
      for (const auto& price : member.value().get_object()) old->get_object()[price.key()] = price.value();
    } else {
      row[member.key()] = member.value();
    }
  }
  return row;
}

bool is_dated_edition(std::string_view model, std::string_view of) noexcept {
  if (model.size() < of.size() + 9 || !model.starts_with(of) || model[of.size()] != '-') return false;
  return model.find_first_not_of("0123456789-", of.size()) == std::string_view::npos;
}

}  // namespace

const Price* Provider::price_of(std::string_view model) const noexcept {
  const auto exact = prices.find(model);
  if (exact != prices.end()) return &exact->second;
  for (const auto& [known, price] : prices)
    if (is_dated_edition(model, known)) return &price;
  return nullptr;
}

Catalogue::Catalogue() {
  const std::string_view text(reinterpret_cast<const char*>(catalogue_json), sizeof catalogue_json);
  (void)configure(text);
}

Problem Catalogue::configure(std::string_view configuration) {
  const auto object = trv::sdk::parse_object(configuration);
  if (!object) return "configuration: must be a JSON object";
  const json::value* rows = object->if_contains("providers");
  if (rows == nullptr) return std::nullopt;
  if (!rows->is_object()) return "configuration: providers: must be an object";
  return add(rows->get_object());
}

Problem Catalogue::add(const json::object& rows) {
  json::object all = rows_;
  std::map<std::string, Provider, std::less<>> providers = providers_;
  for (const auto& member : rows) {
    const std::string name(member.key());
    const auto wrong = [&](const std::string& what) {
      return std::string("configuration: providers: ").append(name).append(": ").append(what);
    };
    if (!member.value().is_object()) return wrong("must be an object");
    const json::object* known = object_of(all, name);
    json::object row = merged(known == nullptr ? json::object() : *known, member.value().get_object());
    Provider provider;
    provider.name = name;
    if (const Problem problem = read_row(row, provider)) return wrong(*problem);
    providers.insert_or_assign(name, std::move(provider));
    all[name] = std::move(row);
  }
  rows_ = std::move(all);
  providers_ = std::move(providers);
  return std::nullopt;
}

const Provider* Catalogue::find(std::string_view name) const noexcept {
  const auto found = providers_.find(name);
  return found == providers_.end() ? nullptr : &found->second;
}

std::string Catalogue::names() const {
  std::string out;
  for (const auto& [name, provider] : providers_) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace models
