// Language models of many providers behind two operations: chat and embed.
//
// A call names a connection of the tenant, which has the base URL and the key, and a row of the catalogue, which says
// how that provider is spoken to. There is no retry, no fallback and no choice of a provider here: one call, one
// request, and a failure that says what a router needs to know (failure.hpp).

#include "plugins/models/catalogue.hpp"
#include "plugins/models/exchange.hpp"
#include "plugins/models/failure.hpp"
#include "sdk/cpp/plugin.hpp"

namespace models {
namespace {

using namespace trv::sdk;

constexpr std::size_t answer_bytes_max = 64'000'000;  // with what surrounds each piece of a stream
constexpr std::size_t refusal_bytes_max = 1'000'000;

class Models : public Plugin {
 public:
  static Operations<Models> operations() { return {{"chat", &Models::chat}, {"embed", &Models::embed}}; }

  std::optional<Failure> activate(std::string_view configuration) override {
    if (auto problem = catalogue_.configure(configuration))
      return Failure{.code = Code::invalid, .message = std::move(*problem)};
    return std::nullopt;
  }

 private:
  /// The row that the input names, or else the one with the name of the connection.
  [[nodiscard]] Read<const Provider*> provider_of(const Call& call, const json::object& input) const {
    const std::string given(text_of(input, "provider"));
    const std::string& name = given.empty() ? call.connection() : given;
    if (const Provider* provider = catalogue_.find(name)) return provider;
    const std::string what = given.empty()
                                 ? "input: provider: is missing, and no provider is called as the connection is, \""
                                 : "input: provider: no provider is called \"";
    return Failure{
        .code = Code::invalid,
        .message = what + name + "\"; known are " + catalogue_.names() + "; the plugin's configuration may add others"};
  }

  Task chat(Call& call) {
    const auto input = parse_object(call.input());
    if (!input) co_return not_an_object();
    const auto found = provider_of(call, *input);
    if (const auto* failure = std::get_if<Failure>(&found)) co_return *failure;
    const Provider& provider = *std::get<const Provider*>(found);
    if (auto failure = unsupported(provider, *input)) co_return *failure;
    const auto read = read_chat(*input);
    if (const auto* failure = std::get_if<Failure>(&read)) co_return *failure;
    const auto& request = std::get<ChatRequest>(read);

    auto response = call.http_in_parts(dialect_of(provider).chat(provider, request));
    co_await response;
    if (!response) co_return no_answer(provider, request.model, response.failure());
    const auto reader = dialect_of(provider).read_chat(provider, request);
    Response refused = *response;
    std::size_t bytes = 0;
    for (bool goes_on = true; goes_on;) {
      auto part = response.next();
      co_await part;
      if (!part) co_return no_answer(provider, request.model, part.failure());
      if (part->is_last()) break;
      bytes += part->bytes.size();
      const std::size_t bytes_max = response->ok() ? answer_bytes_max : refusal_bytes_max;
      if (bytes > bytes_max) co_return too_large(bytes_max);
      if (!response->ok()) refused.body += part->bytes;
      if (!response->ok()) continue;
      goes_on = reader->add(part->bytes);
      if (const std::string text = reader->new_text(); !text.empty()) call.stream(text);
    }
    if (!response->ok()) co_return refusal(provider, request.model, refused);
    auto answer = reader->finish();
    if (const auto* failure = std::get_if<Failure>(&answer)) co_return *failure;
    const auto output = write_answer(provider, request, std::move(std::get<Answer>(answer)));
    if (const auto* failure = std::get_if<Failure>(&output)) co_return *failure;
    co_return json::serialize(std::get<json::object>(output));
  }

  Task embed(Call& call) {
    const auto input = parse_object(call.input());
    if (!input) co_return not_an_object();
    const auto found = provider_of(call, *input);
    if (const auto* failure = std::get_if<Failure>(&found)) co_return *failure;
    const Provider& provider = *std::get<const Provider*>(found);
    if (auto failure = unsupported(provider, *input)) co_return *failure;
    const auto read = read_embed(*input);
    if (const auto* failure = std::get_if<Failure>(&read)) co_return *failure;
    const auto& request = std::get<EmbedRequest>(read);
    if (!provider.embeddings)
      co_return failure_of(Kind::invalid_request, provider, request.model,
                           "the catalogue says that this provider has no embeddings; name another in `provider`");

    auto response = call.http(dialect_of(provider).embed(provider, request));
    co_await response;
    if (!response) co_return no_answer(provider, request.model, response.failure());
    if (!response->ok()) co_return refusal(provider, request.model, *response);
    auto answer = dialect_of(provider).read_embed(provider, request, response->body);
    if (const auto* failure = std::get_if<Failure>(&answer)) co_return *failure;
    auto& embeddings = std::get<Embeddings>(answer);
    json::object output = {{"provider", provider.name},
                           {"model", embeddings.model.empty() ? request.model : embeddings.model},
                           {"embeddings", std::move(embeddings.vectors)}};
    if (embeddings.usage) write_usage(provider, request.model, *embeddings.usage, output);
    co_return json::serialize(output);
  }

  static std::optional<Failure> unsupported(const Provider& provider, const json::object& input) {
    for (const std::string& name : provider.unsupported) {
      if (input.contains(name))
        return failure_of(Kind::invalid_request, provider, text_of(input, "model"),
                          "input: " + name +
                              ": the provider does not take it; leave it out, or change `unsupported` of the row \"" +
                              provider.name + "\" in the plugin's configuration");
    }
    return std::nullopt;
  }

  static Failure too_large(std::size_t bytes_max) {
    return {.code = Code::too_large, .message = "the answer has more than " + std::to_string(bytes_max) + " bytes"};
  }

  static Failure not_an_object() { return {.code = Code::invalid, .message = "input: must be a JSON object"}; }

  /// The host's failure, with what a router looks for.
  static Failure no_answer(const Provider& provider, std::string_view model, Failure failure) {
    if (failure.detail.empty() && (failure.code == Code::unavailable || failure.code == Code::timeout)) {
      const Kind kind = failure.code == Code::timeout ? Kind::timeout : Kind::unavailable;
      failure.detail = failure_of(kind, provider, model, failure.message).detail;
    }
    return failure;
  }

  Catalogue catalogue_;
};

}  // namespace
}  // namespace models

TRV_PLUGIN(models::Models, "models", "1.0.0")
