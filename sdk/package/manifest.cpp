#include "sdk/package/manifest.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "sdk/base/identity.hpp"
#include "sdk/base/version.hpp"
#include "sdk/package/json_text.hpp"
#include "sdk/package/pages.hpp"

namespace trv::package {
namespace {

namespace json = boost::json;
using base::Error;
using base::ErrorCode;
using base::Result;
using base::Status;

constexpr std::size_t depth_max = 32;
constexpr std::size_t expression_bytes_max = 4'096;

std::unexpected<Error> wrong(std::string_view where, std::string_view what) {
  return base::fail(ErrorCode::invalid, fmt::format("manifest: {}: {}", where.empty() ? "(whole)" : where, what));
}

std::string member_of(std::string_view where, std::string_view name) {
  return where.empty() ? std::string(name) : fmt::format("{}.{}", where, name);
}

/// A JSON object with its place in the manifest. Hands out members by kind and refuses those nobody asked for.
class Object {
 public:
  static Result<Object> of(const json::value& value, std::string where) {
    if (!value.is_object()) return wrong(where, "must be an object");
    return Object(value.get_object(), std::move(where));
  }

  const std::string& where() const { return where_; }
  std::string where(std::string_view name) const { return member_of(where_, name); }

  const json::value* find(std::string_view name) {
    known_.insert(std::string(name));
    return object_->if_contains(name);
  }

  Result<const json::value*> require(std::string_view name) {
    const json::value* value = find(name);
    if (value == nullptr) return wrong(where(name), "is missing");
    return value;
  }

  Result<std::string> text(std::string_view name, std::size_t bytes_max) {
    TRV_TRY_ASSIGN(const json::value* value, require(name));
    return text_of(*value, where(name), bytes_max);
  }

  Result<std::string> text_or_empty(std::string_view name, std::size_t bytes_max) {
    const json::value* value = find(name);
    if (value == nullptr) return std::string();
    return text_of(*value, where(name), bytes_max);
  }

  Result<std::uint16_t> number(std::string_view name) {
    TRV_TRY_ASSIGN(const json::value* value, require(name));
    if (!value->is_int64() || value->get_int64() < 0 || value->get_int64() > std::numeric_limits<std::uint16_t>::max())
      return wrong(where(name), "must be an integer from 0 to 65535");
    return static_cast<std::uint16_t>(value->get_int64());
  }

  Result<const json::array*> array_or_null(std::string_view name, std::size_t items_max) {
    const json::value* value = find(name);
    if (value == nullptr) return nullptr;
    if (!value->is_array()) return wrong(where(name), "must be an array");
    if (value->get_array().size() > items_max)
      return base::fail(ErrorCode::too_large, fmt::format("manifest: {}: has {} items, more than {}", where(name),
                                                          value->get_array().size(), items_max));
    return &value->get_array();
  }

  /// A JSON Schema, as JSON text: an object or a boolean.
  Result<std::string> schema(std::string_view name, std::string_view fallback) {
    const json::value* value = find(name);
    if (value == nullptr && !fallback.empty()) return std::string(fallback);
    if (value == nullptr) return wrong(where(name), "is missing");
    if (!value->is_object() && !value->is_bool())
      return wrong(where(name), "must be a JSON Schema: an object or a boolean");
    return json::serialize(*value);
  }

  Status nothing_else() const {
    for (const auto& member : *object_)
      if (!known_.contains(std::string(member.key())))
        return wrong(where(std::string_view(member.key())), "is not a member of this version of the manifest");
    return {};
  }

 private:
  Object(const json::object& object, std::string where) : object_(&object), where_(std::move(where)) {}

  static Result<std::string> text_of(const json::value& value, const std::string& where, std::size_t bytes_max) {
    if (!value.is_string()) return wrong(where, "must be a string");
    if (value.get_string().size() > bytes_max)
      return base::fail(ErrorCode::too_large, fmt::format("manifest: {}: is longer than {} bytes", where, bytes_max));
    return std::string(value.get_string());
  }

  const json::object* object_;
  std::string where_;
  std::set<std::string, std::less<>> known_;
};

Result<std::string> label(Object& object, std::string_view name) {
  TRV_TRY_ASSIGN(std::string text, object.text(name, 63));
  if (!base::check_label(name, text))
    return wrong(object.where(name), fmt::format("\"{}\" must be a label: a-z, 0-9 and '-', 1 to 63 characters", text));
  return text;
}

Result<base::Digest> digest_of(const json::value& value, const std::string& where) {
  const auto bad = [&] { return wrong(where, "must be a SHA-256 digest of 64 hexadecimal digits"); };
  if (!value.is_string() || value.get_string().size() != 64) return bad();
  const auto bytes = base::from_hex(std::string_view(value.get_string()));
  if (!bytes) return bad();
  base::Digest digest;
  std::copy(bytes->begin(), bytes->end(), digest.begin());
  return digest;
}

template <typename T, std::size_t N>
Result<T> one_of(const std::string& text, const std::string& where,
                 const std::array<std::pair<std::string_view, T>, N>& choices) {
  std::string names;
  for (const auto& [name, value] : choices) {
    if (text == name) return value;
    names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", name);
  }
  return wrong(where, fmt::format("\"{}\" is not one of {}", text, names));
}

template <typename T>
Status unique_names(const std::vector<T>& items, std::string_view where) {
  std::set<std::string_view> seen;
  for (const T& item : items)
    if (!seen.insert(item.name).second) return wrong(where, fmt::format("has \"{}\" twice", item.name));
  return {};
}

Result<Library> parse_library(std::string_view platform, const json::value& value, ManifestForm form) {
  TRV_TRY_ASSIGN(Object object, Object::of(value, fmt::format("libraries.{}", platform)));
  Library library;
  library.platform = platform;
  TRV_TRY_ASSIGN(library.path, object.text("path", 255));
  if (form == ManifestForm::packed) {
    TRV_TRY_ASSIGN(const json::value* digest, object.require("sha256"));
    TRV_TRY_ASSIGN(library.sha256, digest_of(*digest, object.where("sha256")));
  } else {
    (void)object.find("sha256");
  }
  TRV_TRY(object.nothing_else());
  return library;
}

constexpr std::array<std::pair<std::string_view, AuthScheme>, 4> auth_schemes = {{{"none", AuthScheme::none},
                                                                                  {"bearer", AuthScheme::bearer},
                                                                                  {"basic", AuthScheme::basic},
                                                                                  {"header", AuthScheme::header}}};

Result<Connection> parse_connection(const json::value& value, std::string where) {
  TRV_TRY_ASSIGN(Object object, Object::of(value, std::move(where)));
  Connection connection;
  TRV_TRY_ASSIGN(connection.name, label(object, "name"));
  TRV_TRY_ASSIGN(connection.title, object.text("title", 120));
  TRV_TRY_ASSIGN(connection.summary, object.text_or_empty("summary", 2'000));
  TRV_TRY_ASSIGN(connection.base_url, object.text_or_empty("base_url", 2'000));
  if (!connection.base_url.empty() && !connection.base_url.starts_with("https://"))
    return wrong(object.where("base_url"), fmt::format("\"{}\" must begin with https://", connection.base_url));
  TRV_TRY_ASSIGN(const json::array* auth, object.array_or_null("auth", 4));
  if (auth == nullptr || auth->empty()) return wrong(object.where("auth"), "must name at least one scheme");
  for (const json::value& scheme : *auth) {
    if (!scheme.is_string()) return wrong(object.where("auth"), "must hold strings");
    TRV_TRY_ASSIGN(const AuthScheme known,
                   one_of(std::string(scheme.get_string()), object.where("auth"), auth_schemes));
    connection.auth.push_back(known);
  }
  TRV_TRY(object.nothing_else());
  return connection;
}

Result<Operation> parse_operation(const json::value& value, std::string where) {
  TRV_TRY_ASSIGN(Object object, Object::of(value, std::move(where)));
  Operation operation;
  TRV_TRY_ASSIGN(operation.name, label(object, "name"));
  TRV_TRY_ASSIGN(operation.title, object.text("title", 120));
  TRV_TRY_ASSIGN(operation.summary, object.text_or_empty("summary", 2'000));
  TRV_TRY_ASSIGN(const json::value* idempotent, object.require("idempotent"));
  if (!idempotent->is_bool()) return wrong(object.where("idempotent"), "must be true or false");
  operation.idempotent = idempotent->get_bool();
  TRV_TRY_ASSIGN(operation.input, object.schema("input", ""));
  TRV_TRY_ASSIGN(operation.output, object.schema("output", ""));
  TRV_TRY(object.nothing_else());
  return operation;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

Result<std::string> header_name(Object& object, std::string_view member) {
  TRV_TRY_ASSIGN(const std::string name, object.text(member, 100));
  if (name.empty()) return wrong(object.where(member), "is empty");
  return lower(name);
}

Result<base::DeliverySignature> parse_signature(Object& object) {
  base::DeliverySignature signature;
  TRV_TRY_ASSIGN(signature.header, header_name(object, "header"));
  TRV_TRY_ASSIGN(signature.prefix, object.text_or_empty("prefix", 100));
  TRV_TRY_ASSIGN(const std::string encoding, object.text("encoding", 40));
  using base::SignatureEncoding;
  static constexpr std::array<std::pair<std::string_view, SignatureEncoding>, 2> encodings = {
      {{"hex", SignatureEncoding::hex}, {"base64", SignatureEncoding::base64}}};
  TRV_TRY_ASSIGN(signature.encoding, one_of(encoding, object.where("encoding"), encodings));
  if (object.find("secret_encoding") != nullptr) {
    using base::SecretEncoding;
    static constexpr std::array<std::pair<std::string_view, SecretEncoding>, 2> of_secrets = {
        {{"text", SecretEncoding::text}, {"base64", SecretEncoding::base64}}};
    TRV_TRY_ASSIGN(const std::string of_secret, object.text("secret_encoding", 40));
    TRV_TRY_ASSIGN(signature.secret_encoding, one_of(of_secret, object.where("secret_encoding"), of_secrets));
  }
  TRV_TRY_ASSIGN(const std::string signed_text, object.text_or_empty("signed", 200));
  if (!signed_text.empty()) {
    TRV_TRY(base::check_signed_text(object.where("signed"), signed_text));
    signature.signed_text = signed_text;
  }
  if (signature.signed_text.find("{id}") != std::string::npos) {
    TRV_TRY_ASSIGN(signature.id_header, header_name(object, "id_header"));
  }
  if (!base::signs_time(signature.signed_text)) return signature;
  TRV_TRY_ASSIGN(signature.timestamp_header, header_name(object, "timestamp_header"));
  TRV_TRY_ASSIGN(const json::value* tolerance, object.require("tolerance_s"));
  const bool is_time = tolerance->is_int64() && tolerance->get_int64() >= 1 &&
                       tolerance->get_int64() <= std::int64_t{base::delivery_tolerance_s_max};
  if (!is_time) return wrong(object.where("tolerance_s"), "must be 1 to 86400 seconds");
  signature.tolerance_s = static_cast<std::uint32_t>(tolerance->get_int64());
  return signature;
}

Result<Verification> parse_verification(const json::value& value, std::string where) {
  TRV_TRY_ASSIGN(Object object, Object::of(value, std::move(where)));
  Verification verification;
  TRV_TRY_ASSIGN(const std::string scheme, object.text("scheme", 40));
  static constexpr std::array<std::pair<std::string_view, VerificationScheme>, 3> schemes = {
      {{"none", VerificationScheme::none},
       {"hmac-sha256", VerificationScheme::hmac_sha256},
       {"token", VerificationScheme::token}}};
  TRV_TRY_ASSIGN(verification.scheme, one_of(scheme, object.where("scheme"), schemes));
  if (verification.scheme == VerificationScheme::hmac_sha256) {
    TRV_TRY_ASSIGN(verification.signature, parse_signature(object));
  }
  if (verification.scheme == VerificationScheme::token) {
    TRV_TRY_ASSIGN(verification.token_header, header_name(object, "header"));
  }
  TRV_TRY(object.nothing_else());
  return verification;
}

/// How the body is read, and what is answered.
Status parse_exchange(Object& object, Webhook& webhook) {
  TRV_TRY_ASSIGN(const std::string body, object.text_or_empty("body", 40));
  static constexpr std::array<std::pair<std::string_view, WebhookBody>, 2> bodies = {
      {{"json", WebhookBody::json}, {"form", WebhookBody::form}}};
  if (!body.empty()) {
    TRV_TRY_ASSIGN(webhook.body, one_of(body, object.where("body"), bodies));
  }
  if (webhook.body == WebhookBody::form) {
    TRV_TRY_ASSIGN(webhook.json_field, object.text_or_empty("json_field", 100));
  }
  TRV_TRY_ASSIGN(const std::string answer, object.text_or_empty("answer", 40));
  static constexpr std::array<std::pair<std::string_view, WebhookAnswer>, 2> answers = {
      {{"receipt", WebhookAnswer::receipt}, {"empty", WebhookAnswer::empty}}};
  if (!answer.empty()) {
    TRV_TRY_ASSIGN(webhook.answer, one_of(answer, object.where("answer"), answers));
  }
  TRV_TRY_ASSIGN(webhook.challenge, object.text_or_empty("challenge", expression_bytes_max));
  return {};
}

Result<Webhook> parse_webhook(const json::value& value, std::string where) {
  TRV_TRY_ASSIGN(Object object, Object::of(value, std::move(where)));
  Webhook webhook;
  TRV_TRY_ASSIGN(webhook.name, label(object, "name"));
  TRV_TRY_ASSIGN(webhook.title, object.text("title", 120));
  TRV_TRY_ASSIGN(const json::value* verification, object.require("verification"));
  TRV_TRY_ASSIGN(webhook.verification, parse_verification(*verification, object.where("verification")));
  TRV_TRY_ASSIGN(const json::array* headers, object.array_or_null("required_headers", required_headers_max));
  if (headers != nullptr) {
    for (const json::value& header : *headers) {
      const bool is_name = header.is_string() && !header.get_string().empty() && header.get_string().size() <= 100;
      if (!is_name) return wrong(object.where("required_headers"), "must hold names of headers, of 1 to 100 bytes");
      webhook.required_headers.push_back(lower(header.get_string()));
    }
  }
  TRV_TRY(parse_exchange(object, webhook));
  TRV_TRY_ASSIGN(webhook.delivery_id, object.text_or_empty("delivery_id", expression_bytes_max));
  TRV_TRY_ASSIGN(const json::value* event_value, object.require("event"));
  TRV_TRY_ASSIGN(Object event, Object::of(*event_value, object.where("event")));
  TRV_TRY_ASSIGN(webhook.event_type, event.text("type", expression_bytes_max));
  TRV_TRY_ASSIGN(webhook.event_source, event.text("source", expression_bytes_max));
  TRV_TRY_ASSIGN(webhook.event_subject, event.text_or_empty("subject", expression_bytes_max));
  TRV_TRY(event.nothing_else());
  TRV_TRY(object.nothing_else());
  return webhook;
}

template <typename T>
Status parse_list(Object& manifest, std::string_view name, std::size_t items_max, std::vector<T>& out,
                  Result<T> (*parse)(const json::value&, std::string)) {
  TRV_TRY_ASSIGN(const json::array* items, manifest.array_or_null(name, items_max));
  if (items == nullptr) return {};
  for (std::size_t i = 0; i < items->size(); ++i) {
    TRV_TRY_ASSIGN(T item, parse((*items)[i], fmt::format("{}[{}]", name, i)));
    out.push_back(std::move(item));
  }
  return unique_names(out, name);
}

// What is declared and not asked for would be refused each time.
Status parse_permissions(Object& object, Manifest& manifest) {
  TRV_TRY_ASSIGN(const json::array* items, object.array_or_null("permissions", permissions_max));
  if (items == nullptr) return {};
  std::vector<Permission> permissions;
  for (std::size_t i = 0; i < items->size(); ++i) {
    const std::string where = fmt::format("permissions[{}]", i);
    if (!(*items)[i].is_string()) return wrong(where, "must be a string");
    auto one = Permission::parse(std::string_view((*items)[i].get_string()));
    if (!one) return wrong(where, one.error().message());
    if (std::ranges::find(permissions, *one) != permissions.end()) {
      return wrong(where, fmt::format("\"{}\" is there twice", one->text()));
    }
    permissions.push_back(*std::move(one));
  }
  const auto asks_for = [&](Permission::Kind kind) {
    return std::ranges::find(permissions, kind, &Permission::kind) != permissions.end();
  };
  if (!manifest.webhooks.empty() && !asks_for(Permission::Kind::webhooks)) {
    return wrong("permissions", "must have \"webhooks\", since the manifest declares webhooks");
  }
  if (!manifest.connections.empty() && !asks_for(Permission::Kind::http) && !asks_for(Permission::Kind::http_read)) {
    return wrong("permissions", "must have an \"http\" or \"http-read\", since the manifest declares connections");
  }
  manifest.permissions = std::move(permissions);
  return {};
}

/// A type is compared as it is: nothing in it may mean something else in a filter.
bool is_plain_type(std::string_view type) {
  const auto is_plain = [](char one) {
    return std::isalnum(static_cast<unsigned char>(one)) != 0 || std::string_view("._-/:").contains(one);
  };
  return !type.empty() && type.size() <= 200 && !type.starts_with("trv.") && std::ranges::all_of(type, is_plain);
}

Result<Subscription> parse_subscription(const json::value& value, std::string where, const Manifest& manifest) {
  TRV_TRY_ASSIGN(Object object, Object::of(value, std::move(where)));
  Subscription subscription;
  TRV_TRY_ASSIGN(subscription.operation, label(object, "operation"));
  if (manifest.find_operation(subscription.operation) == nullptr) {
    return wrong(object.where("operation"), fmt::format("\"{}\" is not in operations", subscription.operation));
  }
  TRV_TRY_ASSIGN(const json::array* events, object.array_or_null("events", subscribed_types_max));
  if (events == nullptr || events->empty()) return wrong(object.where("events"), "must name at least one type");
  for (const json::value& event : *events) {
    if (!event.is_string() || !is_plain_type(event.get_string())) {
      return wrong(object.where("events"),
                   "must hold whole types, not of \"trv.\", of 1 to 200 letters, digits, '.', '_', '-', '/' and ':'");
    }
    std::string type(event.get_string());
    if (std::ranges::find(subscription.events, type) != subscription.events.end()) {
      return wrong(object.where("events"), fmt::format("has \"{}\" twice", type));
    }
    if (!covers(manifest.requested(), {.kind = Permission::Kind::subscriptions, .scope = type})) {
      return wrong("permissions",
                   fmt::format("must have \"subscriptions:{}\", since the manifest subscribes to it", type));
    }
    subscription.events.push_back(std::move(type));
  }
  TRV_TRY(object.nothing_else());
  return subscription;
}

Status parse_subscriptions(Object& object, Manifest& manifest) {
  TRV_TRY_ASSIGN(const json::array* items, object.array_or_null("subscriptions", subscriptions_max));
  if (items == nullptr || items->empty()) return {};
  if (manifest.id.size() > subscriber_bytes_max) {
    return wrong("id", fmt::format("has more than {} characters, and it subscribes to events", subscriber_bytes_max));
  }
  std::set<std::string> seen;
  for (std::size_t i = 0; i < items->size(); ++i) {
    const std::string where = fmt::format("subscriptions[{}]", i);
    TRV_TRY_ASSIGN(Subscription one, parse_subscription((*items)[i], where, manifest));
    if (!seen.insert(one.operation).second) return wrong(where, fmt::format("\"{}\" is there twice", one.operation));
    manifest.subscriptions.push_back(std::move(one));
  }
  return {};
}

Status parse_pages(Object& object, Manifest& manifest) {
  if (object.find("pages") == nullptr) return {};
  TRV_TRY_ASSIGN(manifest.pages, object.text("pages", 40));
  if (const Status fits = check_pages_folder(manifest.pages); !fits) return wrong("pages", fits.error().message());
  if (covers(manifest.requested(), {.kind = Permission::Kind::serve})) return {};
  return wrong("permissions", "must have \"serve\", since the manifest has pages");
}

Status parse_libraries(Object& object, ManifestForm form, Manifest& manifest) {
  const json::value* libraries = object.find("libraries");
  if (libraries == nullptr) {
    if (form == ManifestForm::packed && !manifest.program) return wrong("libraries", "is missing");
    return {};
  }
  if (!libraries->is_object()) return wrong("libraries", "must be an object");
  if (libraries->get_object().size() > libraries_max)
    return base::fail(ErrorCode::too_large, fmt::format("manifest: libraries: more than {}", libraries_max));
  for (const auto& member : libraries->get_object()) {
    const std::string_view platform = member.key();
    if (platform != "linux-x86_64" && platform != "linux-aarch64")
      return wrong(member_of("libraries", platform), "is not a known platform (linux-x86_64, linux-aarch64)");
    TRV_TRY_ASSIGN(Library library, parse_library(platform, member.value(), form));
    manifest.libraries.push_back(std::move(library));
  }
  if (form == ManifestForm::packed && manifest.libraries.empty()) return wrong("libraries", "is empty");
  return {};
}

Status parse_program(Object& object, Manifest& manifest) {
  const json::value* runtime = object.find("runtime");
  const json::value* given = object.find("program");
  if (runtime == nullptr && given == nullptr) return {};
  static constexpr std::array<std::pair<std::string_view, bool>, 2> runtimes = {
      {{"library", false}, {"process", true}}};
  std::string name = "library";
  if (runtime != nullptr) {
    TRV_TRY_ASSIGN(name, object.text("runtime", 40));
  }
  TRV_TRY_ASSIGN(const bool is_process, one_of(name, "runtime", runtimes));
  if (!is_process) {
    if (given != nullptr) return wrong("program", "is for \"runtime\": \"process\"");
    return {};
  }
  if (given == nullptr) return wrong("program", "is missing");
  if (object.find("libraries") != nullptr) return wrong("libraries", "are not for \"runtime\": \"process\"");
  if (manifest.isolation != Isolation::sandboxed) {
    return wrong("isolation", "must be \"sandboxed\": a program runs in a process of its own");
  }
  TRV_TRY_ASSIGN(Object program, Object::of(*given, "program"));
  manifest.program.emplace();
  TRV_TRY_ASSIGN(const std::string interpreter, program.text("interpreter", 40));
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 2> interpreters = {
      {{"python3", "python3"}, {"node", "node"}}};
  TRV_TRY_ASSIGN(manifest.program->interpreter, one_of(interpreter, "program.interpreter", interpreters));
  TRV_TRY_ASSIGN(manifest.program->file, program.text("file", 255));
  if (!manifest.program->file.starts_with(program_folder)) {
    return wrong("program.file", fmt::format("must be a file in the folder {}", program_folder));
  }
  return program.nothing_else();
}

Status parse_files(Object& object, ManifestForm form, Manifest& manifest) {
  const json::value* files = object.find("files");
  if (form == ManifestForm::source) {
    if (files != nullptr) return wrong("files", "is written at packing; take it out of the source manifest");
    return {};
  }
  if (files == nullptr || !files->is_object()) return wrong("files", "must be an object");
  for (const auto& member : files->get_object()) {
    const std::string path(member.key());
    TRV_TRY_ASSIGN(const base::Digest digest, digest_of(member.value(), member_of("files", path)));
    manifest.files.emplace(path, digest);
  }
  if (manifest.program && !manifest.files.contains(manifest.program->file)) {
    return wrong("program.file", fmt::format("is not in files (\"{}\")", manifest.program->file));
  }
  for (const Library& library : manifest.libraries) {
    const auto file = manifest.files.find(library.path);
    if (file == manifest.files.end() || file->second != library.sha256)
      return wrong(fmt::format("libraries.{}", library.platform),
                   fmt::format("path and sha256 are not in files (\"{}\")", library.path));
  }
  return {};
}

Status parse_members(Object& object, ManifestForm form, Manifest& manifest) {
  TRV_TRY_ASSIGN(const std::uint16_t manifest_version, object.number("manifest"));
  if (manifest_version != 1)
    return wrong("manifest", fmt::format("version {} is not known here; this reads version 1", manifest_version));
  TRV_TRY_ASSIGN(manifest.id, label(object, "id"));
  TRV_TRY_ASSIGN(manifest.version, object.text("version", 64));
  if (!base::Version::parse(manifest.version))
    return wrong("version", fmt::format("\"{}\" is not a semantic version, such as 1.0.0", manifest.version));
  TRV_TRY_ASSIGN(manifest.title, object.text("title", 120));
  TRV_TRY_ASSIGN(manifest.summary, object.text("summary", 2'000));
  TRV_TRY_ASSIGN(manifest.license, object.text("license", 120));

  TRV_TRY_ASSIGN(const json::value* abi_value, object.require("abi"));
  TRV_TRY_ASSIGN(Object abi, Object::of(*abi_value, "abi"));
  TRV_TRY_ASSIGN(manifest.abi_major, abi.number("major"));
  TRV_TRY_ASSIGN(manifest.abi_minor, abi.number("minor"));
  TRV_TRY(abi.nothing_else());

  TRV_TRY_ASSIGN(const std::string isolation, object.text("isolation", 40));
  static constexpr std::array<std::pair<std::string_view, Isolation>, 2> isolations = {
      {{"in-process", Isolation::in_process}, {"sandboxed", Isolation::sandboxed}}};
  TRV_TRY_ASSIGN(manifest.isolation, one_of(isolation, "isolation", isolations));

  TRV_TRY_ASSIGN(manifest.configuration, object.schema("configuration", R"({"type":"object"})"));
  TRV_TRY(parse_list(object, "connections", connections_max, manifest.connections, &parse_connection));
  TRV_TRY(parse_list(object, "operations", operations_max, manifest.operations, &parse_operation));
  TRV_TRY(parse_list(object, "webhooks", webhooks_max, manifest.webhooks, &parse_webhook));
  TRV_TRY(parse_permissions(object, manifest));
  TRV_TRY(parse_subscriptions(object, manifest));
  TRV_TRY(parse_pages(object, manifest));
  if (object.find("bodies") != nullptr) {
    TRV_TRY_ASSIGN(const std::string bodies, object.text("bodies", 40));
    static constexpr std::array<std::pair<std::string_view, Bodies>, 2> kinds = {
        {{"whole", Bodies::whole}, {"in-parts", Bodies::in_parts}}};
    TRV_TRY_ASSIGN(manifest.bodies, one_of(bodies, "bodies", kinds));
  }
  TRV_TRY(parse_program(object, manifest));
  TRV_TRY(parse_libraries(object, form, manifest));
  TRV_TRY(parse_files(object, form, manifest));
  return object.nothing_else();
}

template <typename T>
const T* find_by_name(const std::vector<T>& items, std::string_view name) noexcept {
  const auto found = std::find_if(items.begin(), items.end(), [&](const T& item) { return item.name == name; });
  return found == items.end() ? nullptr : &*found;
}

}  // namespace

std::string_view to_string(AuthScheme scheme) noexcept {
  const auto* found = std::ranges::find(auth_schemes, scheme, &std::pair<std::string_view, AuthScheme>::second);
  return found == auth_schemes.end() ? std::string_view() : found->first;
}

const std::vector<Permission>& Manifest::requested() const noexcept {
  return permissions ? *permissions : permissions_unless_said();
}
const Operation* Manifest::find_operation(std::string_view name) const noexcept {
  return find_by_name(operations, name);
}
const Connection* Manifest::find_connection(std::string_view name) const noexcept {
  return find_by_name(connections, name);
}
const Webhook* Manifest::find_webhook(std::string_view name) const noexcept {
  return find_by_name(webhooks, name);
}
const Library* Manifest::find_library(std::string_view platform) const noexcept {
  const auto found =
      std::find_if(libraries.begin(), libraries.end(), [&](const Library& item) { return item.platform == platform; });
  return found == libraries.end() ? nullptr : &*found;
}

Result<Manifest> parse_manifest(std::string_view text, ManifestForm form) {
  if (text.size() > manifest_bytes_max)
    return base::fail(ErrorCode::too_large,
                      fmt::format("manifest: {} bytes, more than {}", text.size(), manifest_bytes_max));
  auto value = parse_json_text(text, depth_max);
  if (!value) return base::fail(std::move(value).error().in("manifest"));
  TRV_TRY_ASSIGN(Object object, Object::of(*value, ""));
  Manifest manifest;
  TRV_TRY(parse_members(object, form, manifest));
  manifest.text = text;
  return manifest;
}

std::string_view this_platform() noexcept {
#if defined(__x86_64__)
  return "linux-x86_64";
#elif defined(__aarch64__)
  return "linux-aarch64";
#else
#error "a platform that packages do not name yet"
#endif
}

}  // namespace trv::package
