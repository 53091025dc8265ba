#include "audit/verify/entry_sequence.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <limits>

#include "audit/note/text.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/timestamp.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::verify {
namespace {

using base::ErrorCode;
using base::Result;

constexpr std::size_t text_bytes_max = 1'024;
constexpr std::size_t shown_bytes_max = 80;
constexpr std::size_t digest_digits = 64;
constexpr std::string_view ellipsis = "\xE2\x80\xA6";     // U+2026
constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD, in the place of one byte

// What an entry says, beyond what its form says already.
struct Entry {
  std::uint64_t shard = 0;
  std::uint64_t lsn = 0;
  std::string time;
  std::string tenant;
  std::string type;
};

// The last entry of a tenant in a shard that it leaves, and the first in the one to which it moves.
constexpr std::string_view departed_type = "trv.tenant.departed";
constexpr std::string_view arrived_type = "trv.tenant.arrived";

std::unexpected<base::Error> refuse(std::string why) {
  return base::fail(ErrorCode::invalid, std::move(why));
}

bool is_lower_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> allowed) {
  return std::ranges::find(allowed, text) != allowed.end();
}

// The beginning of a text from an enemy; it is UTF-8 as a whole, so only its last character may be cut.
std::string shown(std::string_view text) {
  if (text.size() <= shown_bytes_max) {
    return std::string(text);
  }
  return fmt::format("{}{}", base::utf8_prefix(text, shown_bytes_max), ellipsis);
}

// The least that a text had before each byte that is not UTF-8 became U+FFFD.
std::size_t bytes_before_repair(std::string_view text) {
  std::size_t bytes = text.size();
  for (std::size_t at = text.find(replacement); at != std::string_view::npos;
       at = text.find(replacement, at + replacement.size())) {
    bytes -= replacement.size() - 1;
  }
  return bytes;
}

// Reads the members of an entry in their order.
class EntryReader {
 public:
  explicit EntryReader(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool take(std::string_view literal) {
    if (!rest_.starts_with(literal)) {
      return false;
    }
    rest_.remove_prefix(literal.size());
    return true;
  }

  // Begins the member of this name; `before` is what comes before the name: "{" or ",".
  [[nodiscard]] base::Status member(std::string_view before, std::string_view name) {
    if (!take(fmt::format("{}\"{}\":", before, name))) {
      return refuse(fmt::format("has {} where the member \"{}\" must be", what_follows(), name));
    }
    return {};
  }

  [[nodiscard]] Result<std::uint64_t> number(std::string_view name, std::uint64_t least, std::uint64_t most) {
    const auto end = std::ranges::find_if_not(rest_, [](char c) { return c >= '0' && c <= '9'; });
    const std::string_view digits(rest_.begin(), end);
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool has_leading_zero = digits.size() > 1 && digits.front() == '0';
    if (digits.empty() || parsed.ec != std::errc() || has_leading_zero || value < least || value > most) {
      return refuse(fmt::format("\"{}\" is {}; it must be a number from {} to {}", name, what_follows(), least, most));
    }
    rest_.remove_prefix(digits.size());
    return value;
  }

  // A string in its one form: escaped is what must be, as it must be.
  [[nodiscard]] Result<std::string> text(std::string_view name) {
    std::string value;
    if (!take("\"")) {
      return refuse(fmt::format("\"{}\" is {}; it must be a string", name, what_follows()));
    }
    while (!take("\"")) {
      if (rest_.empty() || !take_character(value)) {
        return refuse(fmt::format("\"{}\" has {}, which is not in the one form of a string", name, what_follows()));
      }
    }
    const std::size_t length = bytes_before_repair(value);
    const bool may_be_cut = value.ends_with(ellipsis) && length <= text_bytes_max + ellipsis.size();
    if (value.empty() || (length > text_bytes_max && !may_be_cut)) {
      return refuse(fmt::format("\"{}\" has {} bytes; 1 to {} are possible", name, length, text_bytes_max));
    }
    return value;
  }

  // A string whose characters are given by `pattern`: 'x' for a lower-case hexadecimal digit, '9' for a decimal one,
  // all others for themselves.
  [[nodiscard]] Result<std::string_view> patterned(std::string_view name, std::string_view pattern) {
    const std::string_view value = rest_.substr(std::min<std::size_t>(1, rest_.size()), pattern.size());
    const bool fits = std::ranges::equal(value, pattern, [](char c, char p) {
      return p == 'x' ? is_lower_hex(c) : p == '9' ? c >= '0' && c <= '9' : c == p;
    });
    if (!take("\"") || !fits) {
      return refuse(fmt::format("\"{}\" is {}; it must be a string of the form {}", name, what_follows(), pattern));
    }
    rest_.remove_prefix(pattern.size());
    if (!take("\"")) {
      return refuse(fmt::format("\"{}\" is longer than {} characters", name, pattern.size()));
    }
    return value;
  }

  [[nodiscard]] bool is_at_end() const { return rest_.empty(); }
  [[nodiscard]] std::string what_follows() const {
    return rest_.empty() ? "its end" : fmt::format("'{}'", shown(rest_));
  }

 private:
  bool take_character(std::string& value) {
    const char c = rest_.front();
    if (c != '\\') {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || byte == 0x7F) {
        return false;
      }
      value += c;
      rest_.remove_prefix(1);
      return true;
    }
    constexpr std::string_view short_names = "\"\\nrt";
    constexpr std::string_view short_values = "\"\\\n\r\t";
    if (rest_.size() < 2) {
      return false;
    }
    if (const std::size_t at = short_names.find(rest_[1]); at != std::string_view::npos) {
      value += short_values[at];
      rest_.remove_prefix(2);
      return true;
    }
    unsigned code = 0;
    const bool is_hex =
        rest_.size() >= 6 && rest_.starts_with("\\u00") && is_lower_hex(rest_[4]) && is_lower_hex(rest_[5]);
    if (!is_hex) {
      return false;
    }
    std::from_chars(rest_.data() + 4, rest_.data() + 6, code, 16);
    const bool needs_long_form = (code < 0x20 && code != '\n' && code != '\r' && code != '\t') || code == 0x7F;
    if (!needs_long_form) {
      return false;
    }
    value += static_cast<char>(code);
    rest_.remove_prefix(6);
    return true;
  }

  std::string_view rest_;
};

constexpr std::string_view uuid_form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
constexpr std::string_view time_form = "9999-99-99T99:99:99.999999999Z";

Result<std::string> read_time(EntryReader& reader) {
  TRV_TRY_ASSIGN(const std::string_view time, reader.patterned("time", time_form));
  const auto parsed = base::Timestamp::from_rfc3339(time);
  constexpr std::size_t to_microseconds = 26;
  // from_rfc3339 takes a leap second, which no record has.
  if (!parsed || !parsed->to_rfc3339().starts_with(time.substr(0, to_microseconds))) {
    return refuse(fmt::format("\"time\" is {}, which is not a time", time));
  }
  return std::string(time);
}

// By the last part of the type.
std::string_view outcome_of(std::string_view type) {
  const std::string_view fact = type.substr(type.rfind('.') + 1);
  if (is_one_of(fact, {"denied", "refused"})) {
    return "denied";
  }
  return is_one_of(fact, {"failed", "faulted"}) ? "failure" : "success";
}

// A member that may be left out, and that only entries of these types have; of any type where none is named.
Result<std::string> optional_text(EntryReader& reader, std::string_view name, std::string_view type = {},
                                  std::initializer_list<std::string_view> types = {}) {
  if (!reader.take(fmt::format(",\"{}\":", name))) {
    return std::string();
  }
  if (types.size() > 0 && !is_one_of(type, types)) {
    return refuse(fmt::format("has \"{}\", which an entry of type '{}' has not", name, shown(type)));
  }
  return reader.text(name);
}

Result<Entry> read_entry(std::string_view text) {
  if (!note::check_text(text)) {
    return refuse("is not UTF-8 without control characters");
  }
  EntryReader reader(text);
  Entry entry;
  TRV_TRY(reader.member("{", "v"));
  TRV_TRY(reader.number("v", 1, 1));
  TRV_TRY(reader.member(",", "shard"));
  TRV_TRY_ASSIGN(entry.shard, reader.number("shard", 0, std::numeric_limits<std::uint32_t>::max()));
  TRV_TRY(reader.member(",", "lsn"));
  TRV_TRY_ASSIGN(entry.lsn, reader.number("lsn", 1, std::numeric_limits<std::uint64_t>::max()));
  TRV_TRY(reader.member(",", "event_id"));
  TRV_TRY(reader.patterned("event_id", uuid_form));
  TRV_TRY(reader.member(",", "time"));
  TRV_TRY_ASSIGN(entry.time, read_time(reader));
  TRV_TRY(reader.member(",", "tenant"));
  TRV_TRY_ASSIGN(entry.tenant, reader.text("tenant"));
  TRV_TRY_ASSIGN(entry.type, optional_text(reader, "type"));
  const std::string& type = entry.type;
  for (const std::string_view name : {"stream_kind", "stream_id", "actor"}) {
    TRV_TRY(optional_text(reader, name));
  }
  TRV_TRY(optional_text(reader, "action", type, {"trv.access.denied", "trv.trail.read"}));
  TRV_TRY(optional_text(reader, "target", type, {"trv.access.denied", "trv.webhook.refused"}));
  TRV_TRY(reader.member(",", "outcome"));
  if (!reader.take(fmt::format("\"{}\"", outcome_of(type)))) {
    return refuse(fmt::format("\"outcome\" is {}; for type '{}' it must be \"{}\"", reader.what_follows(), shown(type),
                              outcome_of(type)));
  }
  TRV_TRY(optional_text(reader, "source", type,
                        {"trv.access.denied", "trv.trail.read", "trv.event.received", "trv.webhook.refused"}));
  for (const std::string_view name : {"causation_id", "correlation_id"}) {
    if (reader.take(fmt::format(",\"{}\":", name))) {
      TRV_TRY(reader.patterned(name, uuid_form));
    }
  }
  for (const std::string_view name : {"payload_sha256", "record_sha256"}) {
    TRV_TRY(reader.member(",", name));
    TRV_TRY(reader.patterned(name, std::string(digest_digits, 'x')));
  }
  if (!reader.take("}") || !reader.is_at_end()) {
    return refuse(fmt::format("has {} where it must end", reader.what_follows()));
  }
  return entry;
}

}  // namespace

std::optional<std::string_view> tenant_of_origin(std::string_view origin) {
  constexpr std::string_view before = "/t/";
  const std::size_t at = origin.rfind(before);
  if (at == std::string_view::npos || at + before.size() == origin.size()) {
    return std::nullopt;
  }
  return origin.substr(at + before.size());
}

base::Status EntrySequence::next(base::BytesView bytes) {
  TRV_EXPECTS(!tenant_.empty());
  TRV_TRY_ASSIGN(Entry entry, read_entry(base::as_text(bytes)));
  if (entry.tenant != tenant_) {
    return refuse(fmt::format("is of tenant '{}', but the trail is of '{}'", shown(entry.tenant), tenant_));
  }
  if (shard_ && (entry.shard != *shard_) != has_departed_) {
    return refuse(has_departed_
                      ? fmt::format("is of shard {}, but the entry before says that the tenant leaves it", *shard_)
                      : fmt::format("is of shard {}, but the entries before are of shard {}", entry.shard, *shard_));
  }
  if (shard_ && (entry.type == arrived_type) != has_departed_) {
    return refuse(
        fmt::format("is of type '{}', but the entry before is of type '{}': '{}' follows '{}', and nothing "
                    "else does",
                    shown(entry.type), shown(last_type_), arrived_type, departed_type));
  }
  std::uint64_t& last_lsn = last_lsns_[entry.shard];
  if (entry.lsn <= last_lsn) {
    return refuse(fmt::format("has lsn {}, but an entry before has lsn {}: lsns grow", entry.lsn, last_lsn));
  }
  // Each shard has its own clock.
  if (!has_departed_ && entry.time < last_time_) {
    return refuse(
        fmt::format("has time {}, but an entry before has {}: time does not go back", entry.time, last_time_));
  }
  shard_ = entry.shard;
  last_lsn = entry.lsn;
  last_time_ = std::move(entry.time);
  has_departed_ = entry.type == departed_type;
  last_type_ = std::move(entry.type);
  TRV_ENSURES(last_lsn > 0);
  return {};
}

}  // namespace trv::verify
