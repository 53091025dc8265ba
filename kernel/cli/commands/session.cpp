#include "kernel/cli/commands/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::cli {

using base::ErrorCode;

ExitCode exit_code_of(const base::Error& error) noexcept {
  switch (error.code()) {
    case ErrorCode::invalid: return ExitCode::usage;
    case ErrorCode::unavailable:
    case ErrorCode::timeout: return ExitCode::unreachable;
    case ErrorCode::corrupt: return ExitCode::verification_failed;
    default: return ExitCode::refused;
  }
}

std::string member_text(const json::Value& value, std::string_view member) {
  const json::Value* found = &value;
  while (found != nullptr && !member.empty()) {
    const auto dot = member.find('.');
    found = found->find(member.substr(0, dot));
    member = dot == std::string_view::npos ? std::string_view() : member.substr(dot + 1);
  }
  if (found == nullptr || found->is_null()) return {};
  if (found->is_string()) return std::string(found->as_string());
  if (found->is_bool()) return found->as_bool() ? "yes" : "no";
  return json::serialize(*found);
}

std::string joined(const json::Value& value, std::string_view member) {
  const json::Value* list = value.find(member);
  std::string out;
  if (list == nullptr || !list->is_array()) return out;
  for (const json::Value& one : list->items()) {
    if (one.is_string()) out += fmt::format("{}{}", out.empty() ? "" : ", ", one.as_string());
  }
  return out;
}

std::string field_text(const json::Value& item, std::string_view member) {
  if (member.find('{') == std::string_view::npos) return member_text(item, member);
  std::string text;
  while (!member.empty()) {
    const auto open = member.find('{');
    text += member.substr(0, open);
    if (open == std::string_view::npos) break;
    const auto close = member.find('}', open);
    TRV_ASSERT(close != std::string_view::npos);
    text += member_text(item, member.substr(open + 1, close - open - 1));
    member.remove_prefix(close + 1);
  }
  return text;
}

base::Result<std::span<const json::Value>> items_of(const json::Value& page) {
  const json::Value* items = page.find("items");
  if (items != nullptr && items->is_array()) return items->items();
  return base::fail(ErrorCode::internal, "the server's list has no items");
}

base::Result<json::Value> parse_json(std::string_view what, std::string_view text) {
  auto value = json::parse(text, {.bytes_max = text.size()});
  if (!value) return base::fail(ErrorCode::invalid, fmt::format("{}: {}", what, value.error().message()));
  return value;
}

Style Session::style() const noexcept {
  const std::string given = environment("COLUMNS");
  int columns = world_.out_is_terminal ? world_.columns : 0;
  int wanted = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), wanted);
  if (error == std::errc() && end == given.data() + given.size() && wanted > 0) columns = wanted;
  return {.columns = columns, .colour = world_.out_is_terminal && environment("NO_COLOR").empty()};
}

std::string Session::environment(const std::string& name) const {
  return world_.variable(name).value_or("");
}

std::string Session::token_named() const {
  return globals_.token.empty() ? environment("TRAV_TOKEN") : globals_.token;
}

std::string Session::tenant_named() const {
  return globals_.tenant.empty() ? environment("TRAV_TENANT") : globals_.tenant;
}

base::Result<std::filesystem::path> Session::credentials_file() const {
  constexpr const char* name = "credentials.toml";
  if (const std::string folder = environment("TRAV_CONFIG_DIR"); !folder.empty()) {
    return std::filesystem::path(folder) / name;
  }
  if (const std::string folder = environment("XDG_CONFIG_HOME"); !folder.empty()) {
    return std::filesystem::path(folder) / "travertine" / name;
  }
  if (const std::string folder = environment("HOME"); !folder.empty()) {
    return std::filesystem::path(folder) / ".config" / "travertine" / name;
  }
  return base::fail(ErrorCode::invalid, "no place for the credentials file: set HOME or TRAV_CONFIG_DIR");
}

base::Result<const Credentials*> Session::credentials() {
  if (!credentials_) {
    TRV_TRY_ASSIGN(const std::filesystem::path file, credentials_file());
    TRV_TRY_ASSIGN(credentials_, Credentials::load(file));
  }
  return &*credentials_;
}

base::Result<std::string> Session::url() {
  std::string url = globals_.url.empty() ? environment("TRAV_URL") : globals_.url;
  if (url.empty() && token_named().empty()) {
    // A user who has logged in at one server only means that one.
    TRV_TRY_ASSIGN(const Credentials* known, credentials());
    std::set<std::string> urls;
    for (const Credential& credential : known->all()) urls.insert(credential.url);
    if (urls.size() == 1) url = *urls.begin();
  }
  if (url.empty()) url = default_url;
  if (base::Status usable = check_url(url); !usable) {
    const std::string_view from = !globals_.url.empty()              ? "--url"
                                  : !environment("TRAV_URL").empty() ? "TRAV_URL"
                                                                     : "the credentials file";
    return base::fail(std::move(usable).error().in(from));
  }
  while (url.ends_with('/')) url.pop_back();
  return url;
}

base::Result<std::string> Session::tenant() {
  if (!tenant_.empty()) return tenant_;
  tenant_ = tenant_named();
  if (!tenant_.empty()) return tenant_;
  if (!token_named().empty()) {
    TRV_TRY_ASSIGN(const json::Value answer, call_json(Speaker::anybody, {.target = "/v1/whoami"}));
    tenant_ = member_text(answer, "tenant");
    if (!tenant_.empty()) return tenant_;
  }
  TRV_TRY_ASSIGN(const std::string server, url());
  TRV_TRY_ASSIGN(const Credentials* known, credentials());
  std::string names;
  std::size_t count = 0;
  for (const Credential& credential : known->of(server)) {
    if (credential.tenant == "system") continue;
    ++count;
    tenant_ = credential.tenant;
    names += (names.empty() ? "" : ", ") + credential.tenant;
  }
  if (count == 0 && known->find(server, "system") != nullptr) {
    tenant_ = "system";
    count = 1;
  }
  if (count == 1) return tenant_;
  tenant_.clear();
  if (count == 0) {
    TRV_TRY_ASSIGN(const TlsFiles files, tls_files());
    if (!files.certificate.empty()) {
      return base::fail(ErrorCode::invalid,
                        "which tenant? A certificate may speak in several: name one with --tenant "
                        "or TRAV_TENANT");
    }
    return base::fail(ErrorCode::invalid,
                      fmt::format("not logged in at {}: run `trav login --url {} --token TOKEN`", server, server));
  }
  return base::fail(ErrorCode::invalid,
                    fmt::format("which tenant? Name one of {} with --tenant or TRAV_TENANT", names));
}

base::Result<std::string> Session::tenant_target(std::string_view rest) {
  TRV_TRY_ASSIGN(const std::string name, tenant());
  return "/v1/tenants/" + percent_encoded(name) + std::string(rest);
}

base::Result<TlsFiles> Session::tls_files() {
  const auto named = [this](const std::string& option, const char* variable) {
    return option.empty() ? environment(variable) : option;
  };
  TlsFiles files{.authority = named(globals_.tls.authority, "TRAV_CERTIFICATE_AUTHORITY"),
                 .certificate = named(globals_.tls.certificate, "TRAV_CERTIFICATE"),
                 .key = named(globals_.tls.key, "TRAV_CERTIFICATE_KEY")};
  TRV_TRY_ASSIGN(const std::string server, url());
  if (!server.starts_with("https://") || (!files.authority.empty() && !files.certificate.empty())) return files;
  TRV_TRY_ASSIGN(const Credentials* known, credentials());
  const TlsFiles kept = known->tls_of(server);
  if (files.authority.empty()) files.authority = kept.authority;
  // A certificate and its key are one thing.
  if (files.certificate.empty()) {
    files.certificate = kept.certificate;
    if (files.key.empty()) files.key = kept.key;
  }
  return files;
}

base::Result<std::filesystem::path> Session::keep(const std::string& tenant, const std::string& token) {
  TRV_TRY_ASSIGN(std::filesystem::path file, credentials_file());
  TRV_TRY_ASSIGN(Credentials known, Credentials::load(file));
  TRV_TRY_ASSIGN(const std::string server, url());
  TRV_TRY_ASSIGN(TlsFiles files, tls_files());
  for (std::string* name : {&files.authority, &files.certificate, &files.key}) {
    if (!name->empty()) *name = std::filesystem::absolute(*name);
  }
  if (files != known.tls_of(server)) known.put(server, std::move(files));
  known.put({.url = server, .tenant = tenant, .token = token});
  TRV_TRY(known.save(file));
  return file;
}

base::Result<std::string> Session::token_for(Speaker speaker) {
  if (speaker == Speaker::nobody) return std::string();
  if (std::string token = token_named(); !token.empty()) return token;
  TRV_TRY_ASSIGN(const std::string server, url());
  TRV_TRY_ASSIGN(const TlsFiles files, tls_files());
  TRV_TRY_ASSIGN(const Credentials* known, credentials());
  if (speaker == Speaker::operator_) {
    if (const Credential* credential = known->find(server, "system")) return credential->token;
    if (!files.certificate.empty()) return std::string();
  }
  if (speaker == Speaker::anybody && tenant_named().empty()) {
    if (const auto any = known->of(server); !any.empty()) return any.front().token;
  }
  TRV_TRY_ASSIGN(const std::string name, tenant());
  if (const Credential* credential = known->find(server, name)) return credential->token;
  if (!files.certificate.empty()) return std::string();
  return base::fail(ErrorCode::invalid, fmt::format("no token for tenant '{}' at {}: run `trav login --url {} --token "
                                                    "TOKEN`, or set TRAV_TOKEN",
                                                    name, server, server));
}

base::Result<HttpClient*> Session::client(Speaker speaker) {
  std::unique_ptr<HttpClient>& client = clients_[speaker];
  if (client == nullptr) {
    TRV_TRY_ASSIGN(std::string server, url());
    TRV_TRY_ASSIGN(std::string token, token_for(speaker));
    // A certificate speaks for the tenant that is named beside it.
    std::string own_tenant;
    if (token.empty() && speaker != Speaker::nobody) {
      own_tenant = "system";
      if (speaker != Speaker::operator_) {
        TRV_TRY_ASSIGN(own_tenant, tenant());
      }
    }
    TRV_TRY_ASSIGN(TlsFiles files, tls_files());
    client = std::make_unique<HttpClient>(std::move(server), Caller{std::move(token), std::move(own_tenant)},
                                          std::move(files));
  }
  return client.get();
}

base::Error Session::refusal_of(const HttpResponse& response) {
  const auto parsed = parse_json("the answer", response.body);
  constexpr std::size_t reason_bytes_max = 200;
  if (!parsed && response.header("content-type").starts_with("text/plain")) {
    return {ErrorCode::denied, fmt::format("the server answered {}: {}", response.status,
                                           fitted(printable(base::trimmed(response.body)), reason_bytes_max))};
  }
  if (!parsed || member_text(*parsed, "title").empty()) {
    return {ErrorCode::denied, fmt::format("the server answered {} without a reason", response.status)};
  }
  std::string message = member_text(*parsed, "title");
  if (const std::string detail = member_text(*parsed, "detail"); !detail.empty()) message += ": " + detail;
  const std::string line = member_text(*parsed, "line");
  const std::string column = member_text(*parsed, "column");
  if (!line.empty()) message += fmt::format(" (line {}, column {})", line, column);
  return {ErrorCode::denied, std::move(message)};
}

base::Result<HttpResponse> Session::send(Speaker speaker, const HttpRequest& request) {
  TRV_TRY_ASSIGN(HttpClient * server, client(speaker));
  base::Duration shown{};
  const base::Duration began = world_.clock.monotonic();
  const auto on_upload = [&](std::size_t sent, std::size_t total) {
    const base::Duration now = world_.clock.monotonic();
    if (!world_.err_is_terminal || now - began < std::chrono::seconds(1) ||
        now - shown < std::chrono::milliseconds(100))
      return;
    shown = now;
    world_.err << fmt::format("\rsent {} of {} KiB ", sent / 1024, total / 1024) << std::flush;
  };
  auto response = server->send(request, on_upload);
  if (shown.count() > 0) world_.err << "\r\x1b[K" << std::flush;
  return response;
}

base::Result<HttpResponse> Session::call(Speaker speaker, const HttpRequest& request) {
  TRV_TRY_ASSIGN(HttpResponse response, send(speaker, request));
  if (response.status < 200 || response.status > 299) return base::fail(refusal_of(response));
  return response;
}

base::Result<json::Value> Session::call_json(Speaker speaker, const HttpRequest& request) {
  TRV_TRY_ASSIGN(const HttpResponse response, call(speaker, request));
  auto parsed = parse_json("the answer to " + request.target, response.body);
  // What a server sends is not the user's mistake.
  if (!parsed) return base::fail(ErrorCode::internal, parsed.error().message());
  return parsed;
}

void Session::print_json(std::string_view text) {
  if (text.empty()) return;
  world_.out << (world_.out_is_terminal ? printable_json(text) : std::string(text));
  if (!text.ends_with('\n')) world_.out << '\n';
  world_.out << std::flush;
}

void Session::print_value(const json::Value& value) {
  print_json(json::serialize(value));
}

void Session::print(std::string_view text) {
  world_.out << printable(text, LineEnds::kept);
  if (!text.ends_with('\n')) world_.out << '\n';
  world_.out << std::flush;
}

void Session::complain(std::string_view text) {
  world_.err << "trav: " << printable(text, LineEnds::kept) << '\n';
}

void Session::warn(std::string_view text) {
  world_.err << "trav: warning: " << printable(text) << '\n';
}

void Session::note(std::string_view text) {
  world_.err << printable(text, LineEnds::kept) << '\n';
}

void Session::print_object(const HttpResponse& response, const std::vector<Field>& fields) {
  const auto parsed = parse_json("the answer", response.body);
  if (as_json() || !parsed) {
    print_json(response.body);
    return;
  }
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Field& field : fields) {
    if (std::string text = field_text(*parsed, field.member); !text.empty()) rows.emplace_back(field.title, text);
  }
  world_.out << render_fields(rows, style()) << std::flush;
}

}  // namespace trv::cli
