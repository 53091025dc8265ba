// The output of an operation from what a provider answered.

#include <algorithm>
#include <string_view>

#include "plugins/models/exchange.hpp"
#include "plugins/models/failure.hpp"

namespace models {
namespace {

using namespace trv::sdk;

std::string_view name_of(Stop stop) {
  switch (stop) {
    case Stop::end: return "end";
    case Stop::length: return "length";
    case Stop::tool_calls: return "tool_calls";
    case Stop::stop_sequence: return "stop_sequence";
    case Stop::refused: return "refused";
  }
  return "end";
}

json::object cost_of(const Provider& provider, const Price& price, const Usage& usage) {
  const std::uint64_t cached = std::min(usage.cached_input, usage.input);
  const std::uint64_t written = std::min(usage.cache_write, usage.input - cached);
  const std::uint64_t thousandths = (usage.input - cached - written) * price.input + cached * price.cached_input +
                                    written * price.cache_write + usage.output * price.output;
  // One division, so that the amount is the nearest number to the exact one.
  json::object cost = {{"currency", provider.currency}, {"amount", static_cast<double>(thousandths) / 1e9}};
  if (!price.as_of.empty()) cost["prices_as_of"] = price.as_of;
  return cost;
}

/// Models that are only asked for JSON may put it between fences.
std::string_view without_fences(std::string_view text) {
  const auto trim = [](std::string_view part) {
    const std::size_t begin = part.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return std::string_view();
    return part.substr(begin, part.find_last_not_of(" \t\r\n") - begin + 1);
  };
  text = trim(text);
  if (!text.starts_with("```") || !text.ends_with("```") || text.size() < 6) return text;
  const std::size_t line = text.find('\n');
  if (line == std::string_view::npos) return text;
  return trim(text.substr(line, text.size() - 3 - line));
}

/// Whether the model wants results of tools before it answers with JSON.
bool asks_for_tools(const Provider& provider, const OutputFormat& output, const Answer& answer) {
  if (provider.structured_output != StructuredOutput::tool) return !answer.tool_calls.empty();
  const auto is_answer = [&](const ToolCall& call) { return call.name == output.name; };
  return !answer.tool_calls.empty() && std::none_of(answer.tool_calls.begin(), answer.tool_calls.end(), is_answer);
}

/// The JSON of the answer; it is taken out of the answer's text or tool calls.
Read<json::value> take_output(const Provider& provider, const ChatRequest& request, Answer& answer) {
  const auto failed = [&](Kind kind, const std::string& message) {
    return failure_of(kind, provider, request.model, message);
  };
  if (answer.stop == Stop::refused)
    return failed(Kind::refused, "refused to answer" + (answer.text.empty() ? std::string() : ": " + answer.text));
  if (answer.stop == Stop::length)
    return failed(Kind::length, "the answer was cut off before its JSON was whole; raise max_tokens");
  if (provider.structured_output == StructuredOutput::tool) {
    for (auto call = answer.tool_calls.begin(); call != answer.tool_calls.end(); ++call) {
      if (call->name != request.output->name) continue;
      if (!call->arguments_text.empty()) break;
      json::value output = std::move(call->arguments);
      answer.tool_calls.erase(call);
      if (answer.tool_calls.empty()) answer.stop = Stop::end;
      return output;
    }
    return failed(Kind::unreadable, "the answer has no JSON for the schema");
  }
  boost::system::error_code failure;
  json::value output = json::parse(without_fences(answer.text), failure);
  if (failure) return failed(Kind::unreadable, "the answer is not JSON, although a schema was given");
  return output;
}

}  // namespace

std::string Message::text() const {
  std::string out;
  for (const Part& part : parts) out += part.text;
  return out;
}

std::string ChatRequest::instructions() const {
  std::string out;
  for (const Message& message : messages)
    if (message.role == Role::system) out += (out.empty() ? "" : "\n\n") + message.text();
  return out;
}

std::string in_words(const OutputFormat& output) {
  return "Answer with one JSON value and nothing else. It must be valid against this JSON Schema: " +
         json::serialize(output.schema);
}

std::uint64_t count_of(const json::object& object, std::string_view name) noexcept {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return 0;
  boost::system::error_code failure;
  const auto count = value->to_number<std::uint64_t>(failure);
  return failure ? 0 : count;
}

void read_arguments(std::string_view text, ToolCall& call) {
  // Some services send nothing for a call without arguments.
  auto arguments = parse_object(text.empty() ? "{}" : text);
  if (arguments) {
    call.arguments = std::move(*arguments);
  } else {
    call.arguments_text = text;
  }
}

void merge(json::object& base, const json::object& change) {
  for (const auto& member : change) {
    json::value& into = base[member.key()];
    if (into.is_object() && member.value().is_object()) {
      merge(into.get_object(), member.value().get_object());
    } else {
      into = member.value();
    }
  }
}

void write_usage(const Provider& provider, std::string_view model, const Usage& usage, json::object& out) {
  out["usage"] = {{"input_tokens", usage.input},
                  {"cached_input_tokens", usage.cached_input},
                  {"cache_write_tokens", usage.cache_write},
                  {"output_tokens", usage.output},
                  {"reasoning_tokens", usage.reasoning},
                  {"total_tokens", usage.input + usage.output}};
  if (const Price* price = provider.price_of(model)) out["cost"] = cost_of(provider, *price, usage);
}

Read<json::object> write_answer(const Provider& provider, const ChatRequest& request, Answer answer) {
  json::object out = {{"provider", provider.name}, {"model", answer.model.empty() ? request.model : answer.model}};
  if (!answer.id.empty()) out["id"] = answer.id;
  if (request.output && !asks_for_tools(provider, *request.output, answer)) {
    Read<json::value> output = take_output(provider, request, answer);
    if (auto* failure = std::get_if<Failure>(&output)) return std::move(*failure);
    out["output"] = std::move(std::get<json::value>(output));
  }
  json::object message = {{"role", "assistant"}, {"content", answer.text}};
  if (!answer.tool_calls.empty()) {
    json::array calls;
    for (const ToolCall& call : answer.tool_calls) {
      json::object written = {{"id", call.id}, {"name", call.name}, {"arguments", call.arguments}};
      if (!call.arguments_text.empty()) written["arguments_text"] = call.arguments_text;
      calls.emplace_back(std::move(written));
    }
    message["tool_calls"] = std::move(calls);
  }
  out["message"] = std::move(message);
  if (!answer.reasoning.empty()) out["reasoning"] = answer.reasoning;
  out["stop"] = name_of(answer.stop);
  if (answer.usage) write_usage(provider, request.model, *answer.usage, out);
  return out;
}

const Dialect& dialect_of(const Provider& provider) noexcept {
  switch (provider.dialect) {
    case DialectName::anthropic: return anthropic_dialect();
    case DialectName::ollama: return ollama_dialect();
    case DialectName::openai: break;
  }
  return openai_dialect();
}

}  // namespace models
