#pragma once
// Providers as rows of data: how each is spoken to, where it differs from its dialect, and what it costs. The rows of
// catalogue.json come with the plugin; a tenant's configuration changes rows and adds others.
//
// Plain values; any thread. The base URL of a row is for people: requests go to the connection's.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/cpp_json/json.hpp"

namespace models {

namespace json = boost::json;

enum class DialectName : std::uint8_t { openai, anthropic, ollama };
/// How a provider is made to answer with JSON of a given schema.
enum class StructuredOutput : std::uint8_t {
  schema,  ///< the dialect's own field for a schema
  object,  ///< any JSON object, with the schema in the instructions
  tool,    ///< a tool that the model must call, whose parameters are the schema
};

/// In thousandths of a millionth of the currency for one token; so a price of 0.15 per million tokens is 150.
struct Price {
  std::uint64_t input = 0;
  std::uint64_t cached_input = 0;  ///< input that the provider had in its cache
  std::uint64_t cache_write = 0;   ///< input that the provider put into its cache
  std::uint64_t output = 0;
  std::string as_of = {};  ///< the day at which the price was read, as it was given
};

struct Provider {
  std::string name = {};
  std::string title = {};
  DialectName dialect = DialectName::openai;
  StructuredOutput structured_output = StructuredOutput::schema;
  bool stream = true;        ///< asks for the answer in pieces
  bool stream_usage = true;  ///< of the dialect openai: has to be asked for usage in a stream
  bool embeddings = true;
  std::int64_t max_tokens_default = 0;     ///< 0 = the provider's own
  std::string api_version = "2026-10-21";  ///< of the dialect anthropic
  /// Members of a call's input that the provider does not take.
  std::vector<std::string> unsupported = {};
  std::map<std::string, std::string, std::less<>> renames = {};  ///< fields of a request: the dialect's name to theirs
  std::string currency = "USD";
  std::map<std::string, Price, std::less<>> prices = {};  ///< by model

  /// The price of the model, or of the model that it is a dated edition of ("gpt-4.1-2025-04-14"); nullptr where none
  /// is known.
  [[nodiscard]] const Price* price_of(std::string_view model) const noexcept;
};

class Catalogue {
 public:
  /// The rows that come with the plugin.
  Catalogue();

  /// Puts the rows of a tenant's configuration, {"providers": {name: row}}, over those that are there: the members of a
  /// row replace those of the row with the same name. Returns what is wrong with it, in words; nothing is changed then.
  [[nodiscard]] std::optional<std::string> configure(std::string_view configuration);

  /// Or nullptr; borrowed.
  [[nodiscard]] const Provider* find(std::string_view name) const noexcept;
  /// "anthropic, cerebras, …"
  [[nodiscard]] std::string names() const;

 private:
  [[nodiscard]] std::optional<std::string> add(const json::object& rows);

  json::object rows_;
  std::map<std::string, Provider, std::less<>> providers_;
};

}  // namespace models
