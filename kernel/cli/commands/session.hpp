#pragma once
// One command's view of the server: where it is, as whom to speak, and how to print what it says.
//
// Errors carry the exit code (exit_code_of): invalid = wrong usage or configuration; unavailable and timeout = not
// reachable; corrupt = verification failed; everything else = refused. What the server refuses is always `denied`, and
// the message is its problem document. One thread.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/cli/client/credentials.hpp"
#include "kernel/cli/client/http_client.hpp"
#include "kernel/cli/commands/world.hpp"
#include "kernel/cli/terminal/table.hpp"
#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::cli {

inline constexpr std::string_view default_url = "http://127.0.0.1:8400";

enum class Output { table, json };

/// The options that every command takes; empty = not given.
struct Globals {
  std::string url;
  std::string tenant;
  std::string token;
  std::string output;
  TlsFiles tls;
};

/// Whose token a command needs.
enum class Speaker {
  nobody,    ///< none
  anybody,   ///< any token for the server
  member,    ///< one of the tenant
  operator_  ///< the system tenant's, unless a token is named
};

/// A column of a list and the member of each item that fills it; "a.b" goes into objects, and "{a}/{b}" is a text with
/// members in it.
struct Field {
  std::string title;
  std::string member;
  Fit fit = Fit::text;
  std::function<std::string(const json::Value& item)> text{};  ///< in place of the member
};

/// What to ask a list for; empty = not given.
struct ListRequest {
  std::string target = {};
  std::vector<std::pair<std::string, std::string>> filters = {};
  std::string limit = {};
  std::string cursor = {};
};

inline constexpr std::size_t list_limit_max = 500;
inline constexpr std::size_t list_limit_default = 50;
/// Of one list command. With them it looks through half a million items for those that pass a filter.
inline constexpr std::size_t list_requests_max = 1000;

[[nodiscard]] ExitCode exit_code_of(const base::Error& error) noexcept;

/// The text of a member for people: strings bare, lists and objects as JSON, null and absent as "".
[[nodiscard]] std::string member_text(const json::Value& value, std::string_view member);

/// Of a member that is a list of texts, with commas between; empty where it is none.
[[nodiscard]] std::string joined(const json::Value& value, std::string_view member);

/// The same for a field's member, which may be a text with members in it.
[[nodiscard]] std::string field_text(const json::Value& item, std::string_view member);

/// The items of a page of a list, as long as the page. Error: internal where it has none.
[[nodiscard]] base::Result<std::span<const json::Value>> items_of(const json::Value& page);

/// Parses an answer or input. Error: invalid with what and where.
[[nodiscard]] base::Result<json::Value> parse_json(std::string_view what, std::string_view text);

class Session {
 public:
  Session(World& world, const Globals& globals) : world_(world), globals_(globals) {}

  [[nodiscard]] World& world() noexcept { return world_; }
  [[nodiscard]] Output output() const noexcept { return globals_.output == "json" ? Output::json : Output::table; }
  [[nodiscard]] bool as_json() const noexcept { return output() == Output::json; }
  [[nodiscard]] Style style() const noexcept;

  [[nodiscard]] base::Result<std::filesystem::path> credentials_file() const;
  [[nodiscard]] base::Result<std::string> url();
  /// What --tenant or else TRAV_TENANT says; empty where neither does.
  [[nodiscard]] std::string tenant_named() const;
  /// Keeps the token, and the files of TLS that speak to this server, for later commands. An empty token: the
  /// certificate speaks for the tenant. Gives the file.
  [[nodiscard]] base::Result<std::filesystem::path> keep(const std::string& tenant, const std::string& token);
  /// The tenant's name: named, or the only one in the credentials file, or the token's own.
  [[nodiscard]] base::Result<std::string> tenant();
  /// /v1/tenants/<tenant><rest>
  [[nodiscard]] base::Result<std::string> tenant_target(std::string_view rest);

  /// Owned by the session. Error: invalid where there is no token for the speaker.
  [[nodiscard]] base::Result<HttpClient*> client(Speaker speaker);
  /// Sends; the answer has any status.
  [[nodiscard]] base::Result<HttpResponse> send(Speaker speaker, const HttpRequest& request);
  /// Sends, and turns any status but 2xx into an error.
  [[nodiscard]] base::Result<HttpResponse> call(Speaker speaker, const HttpRequest& request);
  [[nodiscard]] base::Result<json::Value> call_json(Speaker speaker, const HttpRequest& request);
  /// The refusal as the error that call() gives.
  [[nodiscard]] static base::Error refusal_of(const HttpResponse& response);

  /// The server's JSON as it came, with a line end.
  void print_json(std::string_view json);
  void print_value(const json::Value& value);
  /// Text for people: hostile characters are escaped, line ends stay.
  void print(std::string_view text);
  /// The same for standard error, behind "trav: ".
  void complain(std::string_view text);
  void note(std::string_view text);
  /// One line on standard error, behind "trav: warning: ".
  void warn(std::string_view text);

  /// Whether printing is of no use any more.
  [[nodiscard]] bool out_is_gone() const { return !world_.out || (world_.out_is_gone && world_.out_is_gone()); }

  /// GETs a list and prints it. The server may answer a filter with pages that are short or empty: this goes on until
  /// it has as many rows as were asked for, or the end, or has made list_requests_max requests; every one of them goes
  /// further or asks again for less. `when_empty` is for a list that is empty without a filter.
  [[nodiscard]] base::Result<ExitCode> print_list(Speaker speaker, const ListRequest& request,
                                                  const std::vector<Field>& fields, std::string_view when_empty);
  /// Prints an object: the server's JSON, or the named members.
  void print_object(const HttpResponse& response, const std::vector<Field>& fields);

 private:
  [[nodiscard]] std::string environment(const std::string& name) const;
  [[nodiscard]] base::Result<const Credentials*> credentials();
  [[nodiscard]] base::Result<std::string> token_for(Speaker speaker);
  [[nodiscard]] base::Result<TlsFiles> tls_files();
  [[nodiscard]] std::string token_named() const;

  World& world_;
  const Globals& globals_;
  std::optional<Credentials> credentials_;
  std::map<Speaker, std::unique_ptr<HttpClient>> clients_;
  std::string tenant_;
};

}  // namespace trv::cli
