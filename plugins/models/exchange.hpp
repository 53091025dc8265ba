#pragma once
// What is asked of a model and what it answers, the same for every provider, and the port that turns both into a
// provider's own words.
//
// Plain values; any thread. The shapes in JSON are those of the manifest's schemas.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "plugins/models/catalogue.hpp"
#include "sdk/cpp/values.hpp"
#include "sdk/cpp_json/json.hpp"

namespace models {

enum class Role : std::uint8_t { system, user, assistant, tool };

/// A call of a tool that the model asks for.
struct ToolCall {
  std::string id = {};
  std::string name = {};
  json::object arguments = {};
  std::string arguments_text = {};  ///< as the model wrote them, where that is not a JSON object
};

/// A text or a picture.
struct Part {
  std::string text = {};
  std::string media_type = {};  ///< of a picture; empty for a text
  std::string data = {};        ///< of a picture, base64
};

struct Message {
  Role role = Role::user;
  std::vector<Part> parts = {};
  std::vector<ToolCall> tool_calls = {};  ///< of an assistant
  std::string tool_call_id = {};          ///< of a tool: what it is the result of

  /// All texts, one after the other.
  [[nodiscard]] std::string text() const;
};

struct Tool {
  std::string name = {};
  std::string description = {};
  json::object parameters = {};  ///< a JSON Schema
};

enum class ToolChoice : std::uint8_t { automatic, none, required, named };

/// The JSON that the answer has to be.
struct OutputFormat {
  std::string name = "answer";
  json::object schema = {};
  bool strict = false;
};

struct ChatRequest {
  std::string model = {};
  std::vector<Message> messages = {};
  std::vector<Tool> tools = {};
  ToolChoice tool_choice = ToolChoice::automatic;
  std::string tool_name = {};  ///< of ToolChoice::named
  std::optional<OutputFormat> output = {};
  std::optional<std::int64_t> max_tokens = {};
  std::optional<double> temperature = {};
  std::optional<double> top_p = {};
  std::optional<std::int64_t> seed = {};
  std::vector<std::string> stop = {};
  json::object extra = {};  ///< merged over the provider's own request

  /// The texts of the messages of the system, apart by an empty line.
  [[nodiscard]] std::string instructions() const;
};

struct EmbedRequest {
  std::string model = {};
  std::vector<std::string> input = {};
  std::optional<std::int64_t> dimensions = {};
  json::object extra = {};
};

enum class Stop : std::uint8_t { end, length, tool_calls, stop_sequence, refused };

/// Input holds what was cached; output holds what was reasoned.
struct Usage {
  std::uint64_t input = 0;
  std::uint64_t cached_input = 0;
  std::uint64_t cache_write = 0;
  std::uint64_t output = 0;
  std::uint64_t reasoning = 0;
};

struct Answer {
  std::string id = {};
  std::string model = {};  ///< as the provider calls it
  std::string text = {};
  std::string reasoning = {};
  std::vector<ToolCall> tool_calls = {};
  Stop stop = Stop::end;
  std::optional<Usage> usage = {};
};

struct Embeddings {
  std::string model = {};
  json::array vectors = {};  ///< arrays of numbers, in the order of the input
  std::optional<Usage> usage = {};
};

template <typename T>
using Read = std::variant<T, trv::sdk::Failure>;

/// Reads a call's input. Code::invalid with the name of the member that is wrong.
[[nodiscard]] Read<ChatRequest> read_chat(const json::object& input);
[[nodiscard]] Read<EmbedRequest> read_embed(const json::object& input);

/// The usage, and where the price of the model is known the cost, as members of an output.
void write_usage(const Provider& provider, std::string_view model, const Usage& usage, json::object& out);
/// The output of chat. Code::invalid or unavailable where JSON was asked for and the answer is none.
[[nodiscard]] Read<json::object> write_answer(const Provider& provider, const ChatRequest& request, Answer answer);

/// What a model without a field for a schema is asked in its instructions.
[[nodiscard]] std::string in_words(const OutputFormat& output);
/// A member that counts; 0 where it is missing or no such number.
[[nodiscard]] std::uint64_t count_of(const json::object& object, std::string_view name) noexcept;
/// The arguments of a call as the model wrote them.
void read_arguments(std::string_view text, ToolCall& call);

/// `change` over `base`, object by object.
void merge(json::object& base, const json::object& change);

/// Reads one answer as it comes.
class AnswerReader {
 public:
  AnswerReader() = default;
  AnswerReader(const AnswerReader&) = delete;
  AnswerReader& operator=(const AnswerReader&) = delete;
  virtual ~AnswerReader() = default;
  /// More of the body. False: what follows changes nothing.
  [[nodiscard]] virtual bool add(std::string_view bytes) = 0;
  /// The text of the answer that has come since this was asked.
  [[nodiscard]] virtual std::string new_text() = 0;
  /// Once, where nothing follows.
  [[nodiscard]] virtual Read<Answer> finish() = 0;
};

/// A provider's own words. Pure; any thread.
class Dialect {
 public:
  virtual ~Dialect() = default;
  [[nodiscard]] virtual trv::sdk::Request chat(const Provider& provider, const ChatRequest& request) const = 0;
  /// Of the body of a response with a status of 2xx: whole, or a stream. Both outlive the reader.
  [[nodiscard]] virtual std::unique_ptr<AnswerReader> read_chat(const Provider& provider,
                                                                const ChatRequest& request) const = 0;
  [[nodiscard]] virtual trv::sdk::Request embed(const Provider& provider, const EmbedRequest& request) const = 0;
  [[nodiscard]] virtual Read<Embeddings> read_embed(const Provider& provider, const EmbedRequest& request,
                                                    std::string_view body) const = 0;
};

/// Lives as long as the library.
[[nodiscard]] const Dialect& openai_dialect() noexcept;
[[nodiscard]] const Dialect& anthropic_dialect() noexcept;
[[nodiscard]] const Dialect& ollama_dialect() noexcept;
[[nodiscard]] const Dialect& dialect_of(const Provider& provider) noexcept;

}  // namespace models
