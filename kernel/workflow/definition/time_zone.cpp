#include "kernel/workflow/definition/time_zone.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "sdk/base/contract.hpp"
#include "sdk/base/nearest.hpp"

namespace trv::definition {
namespace {

using Seconds = cctz::time_point<cctz::seconds>;

constexpr std::string_view database = "/usr/share/zoneinfo";

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Of a zone, not of another file: no `..`, nothing hidden, and none of the folders with leap seconds.
bool is_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || name.starts_with("posix/") || name.starts_with("right/")) return false;
  bool at_start = true;
  for (const char c : name) {
    const bool begins = is_letter(c);
    const bool follows = begins || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+';
    if (c == '/' ? at_start : !(at_start ? begins : follows)) return false;
    at_start = c == '/';
  }
  return !at_start && name != "localtime" && name != "posixrules";
}

/// As the database lists its names; empty where the list is not there.
std::vector<std::string> read_names() {
  std::vector<std::string> names;
  std::ifstream file(std::string(database) + "/tzdata.zi");
  for (std::string line; names.size() < 10'000 && std::getline(file, line);) {
    // Z NAME …, or L TARGET NAME
    if (!line.starts_with("Z ") && !line.starts_with("L ")) continue;
    const std::size_t first = line.starts_with("Z ") ? 2 : line.find(' ', 2) + 1;
    std::string name = line.substr(first, line.find(' ', first) - first);
    if (is_name(name)) names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == ' ') c = '_';
  }
  return out;
}

std::string nearest_zone(std::string_view name) {
  static const std::vector<std::string> names = read_names();
  const std::string wanted = lowered(name);
  if (wanted.size() > 64) return {};
  for (const std::string& one : names) {
    const std::string known = lowered(one);
    if (known == wanted || known.ends_with("/" + wanted)) return one;
  }
  // PST or CEST is not a misspelt abbreviation of another zone.
  if (name.size() < 5) return {};
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  return std::string(base::nearest(name, candidates));
}

}  // namespace

TimeZone TimeZone::utc() {
  return {"UTC", cctz::utc_time_zone()};
}

base::Result<TimeZone> TimeZone::find(std::string_view name) {
  if (name == "UTC") return utc();
  std::error_code error;
  // A name without a file must not reach the library, which would remember it for ever.
  const bool exists = is_name(name) && std::filesystem::is_regular_file(fmt::format("{}/{}", database, name), error);
  cctz::time_zone zone;
  if (exists && cctz::load_time_zone(std::string(name), &zone)) return TimeZone(std::string(name), zone);
  const std::string nearest = nearest_zone(name);
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("'{}' is not a time zone that this host knows; {}", name.substr(0, 64),
                                nearest.empty() ? std::string("write an area and a city, for example Europe/Berlin")
                                                : fmt::format("did you mean '{}'?", nearest)));
}

TimeZone::Period TimeZone::period_at(std::int64_t time) const {
  const Seconds at{cctz::seconds(time)};
  const auto instant = [&](const cctz::time_zone::civil_transition& change) {
    return zone_.lookup(change.to).trans.time_since_epoch().count();
  };
  Period period{.begin = INT64_MIN / 4, .end = INT64_MAX / 4, .offset = zone_.lookup(at).offset, .offset_before = 0};
  period.offset_before = period.offset;
  cctz::time_zone::civil_transition change;
  if (zone_.prev_transition(at + cctz::seconds(1), &change)) {
    period.begin = instant(change);
    period.offset_before = zone_.lookup(Seconds(cctz::seconds(period.begin - 1))).offset;
  }
  if (zone_.next_transition(at, &change)) period.end = instant(change);
  TRV_ENSURES(period.begin <= time && time < period.end);
  return period;
}

}  // namespace trv::definition
