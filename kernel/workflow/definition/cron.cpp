#include "kernel/workflow/definition/cron.hpp"

#include <fmt/format.h>

#include <bit>
#include <chrono>
#include <span>
#include <vector>

#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

using base::ErrorCode;

constexpr std::int64_t day_s = 86'400;
/// 29 February comes after 8 years at the latest.
constexpr std::int64_t search_s = 9 * 366 * day_s;
constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t last_s = INT64_MAX / second_ns;
constexpr std::size_t text_bytes_max = 512;

constexpr std::array<std::string_view, 12> month_names = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                          "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> weekday_names = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

struct Field {
  std::string_view name;
  unsigned first = 0;
  unsigned last = 0;
  std::span<const std::string_view> names{};  ///< of the values from `first` on
  std::string_view example;
};

constexpr std::array<Field, 5> fields = {{
    {.name = "minute", .first = 0, .last = 59, .example = "0, */15 or 0,30"},
    {.name = "hour", .first = 0, .last = 23, .example = "9, 9-17 or */2"},
    {.name = "day of the month", .first = 1, .last = 31, .example = "1, 1,15 or *"},
    {.name = "month", .first = 1, .last = 12, .names = month_names, .example = "1, JAN or 3-5"},
    {.name = "day of the week", .first = 0, .last = 6, .names = weekday_names, .example = "MON, 1-5 or *"},
}};

struct Synonym {
  std::string_view name;
  std::string_view text;
};
constexpr std::array<Synonym, 7> synonyms = {{{"@hourly", "0 * * * *"},
                                              {"@daily", "0 0 * * *"},
                                              {"@midnight", "0 0 * * *"},
                                              {"@weekly", "0 0 * * 0"},
                                              {"@monthly", "0 0 1 * *"},
                                              {"@yearly", "0 0 1 1 *"},
                                              {"@annually", "0 0 1 1 *"}}};

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    if (text.empty()) return words;
    std::size_t end = 0;
    while (end < text.size() && !is_blank(text[end])) ++end;
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

bool same_word(std::string_view text, std::string_view upper) {
  if (text.size() != upper.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'a' && text[i] <= 'z' ? static_cast<char>(text[i] - 'a' + 'A') : text[i];
    if (c != upper[i]) return false;
  }
  return true;
}

std::optional<unsigned> number_of(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  unsigned value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value;
}

constexpr std::uint64_t all_of(const Field& field) {
  return (~std::uint64_t{0} >> (63 - (field.last - field.first))) << field.first;
}

/// One field of an expression, and the values that it names.
class FieldReader {
 public:
  FieldReader(const Field& field, std::string_view text) : field_(field), text_(text) {}

  [[nodiscard]] base::Result<std::uint64_t> read() const {
    std::uint64_t values = 0;
    std::string_view rest = text_;
    while (true) {
      const std::size_t comma = rest.find(',');
      TRV_TRY_ASSIGN(const std::uint64_t part, read_part(rest.substr(0, comma)));
      values |= part;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
    TRV_ENSURES(values != 0 && (values & ~all_of(field_)) == 0);
    return values;
  }

 private:
  [[nodiscard]] std::unexpected<base::Error> refuse(std::string_view why) const {
    return base::fail(ErrorCode::invalid, fmt::format("the {} '{}' of a cron expression {}", field_.name, text_, why));
  }

  [[nodiscard]] base::Result<unsigned> value(std::string_view text, bool ends_range) const {
    for (std::size_t i = 0; i < field_.names.size(); ++i) {
      if (!same_word(text, field_.names[i])) continue;
      return static_cast<unsigned>(field_.first + i == 0 && ends_range ? field_.last + 1 : field_.first + i);
    }
    const std::optional<unsigned> number = number_of(text);
    const bool is_weekday = field_.last == 6;
    if (!number) {
      if (text == "?") return refuse("has '?', which other dialects know; write '*'");
      if (text.find_first_of("LW#") != std::string_view::npos && text.size() < 4) {
        return refuse(
            "has 'L', 'W' or '#', which are not known here; let the workflow look at the date itself, with 'if' "
            "or 'switch'");
      }
      return refuse(fmt::format("is not understood; write for example {}", field_.example));
    }
    if (*number < field_.first || *number > field_.last + (is_weekday ? 1 : 0)) {
      return refuse(fmt::format("is out of range: it goes from {} to {}", field_.first, is_weekday ? 7 : field_.last));
    }
    return *number;
  }

  [[nodiscard]] base::Result<std::uint64_t> read_part(std::string_view part) const {
    unsigned step = 1;
    const std::size_t slash = part.find('/');
    if (slash != std::string_view::npos) {
      const std::optional<unsigned> number = number_of(part.substr(slash + 1));
      if (!number || *number == 0 || *number > field_.last - field_.first + 1) {
        return refuse(fmt::format("has a step that is not a number from 1 to {}; write for example */2",
                                  field_.last - field_.first + 1));
      }
      step = *number;
      part = part.substr(0, slash);
    }
    unsigned from = field_.first;
    unsigned to = field_.last;
    if (part != "*") {
      const std::size_t dash = part.find('-');
      TRV_TRY_ASSIGN(from, value(part.substr(0, dash), false));
      if (dash == std::string_view::npos) {
        if (slash != std::string_view::npos) {
          return refuse(fmt::format("has a step without a range; write {}-{}/{}", from, field_.last, step));
        }
        to = from;
      } else {
        TRV_TRY_ASSIGN(to, value(part.substr(dash + 1), true));
      }
      if (from > to) return refuse(fmt::format("has a range that ends before it begins: {}", part));
    }
    std::uint64_t values = 0;
    for (unsigned i = from; i <= to; i += step) {
      // 7 is Sunday as well.
      values |= std::uint64_t{1} << (field_.last == 6 && i == 7 ? 0 : i);
    }
    return values;
  }

  const Field& field_;
  std::string_view text_;
};

std::int64_t floor_div(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

std::chrono::year_month_day date_of(std::int64_t day) {
  return std::chrono::sys_days(std::chrono::days(day));
}

}  // namespace

base::Result<Cron> Cron::parse(std::string_view text) {
  if (text.size() > text_bytes_max) {
    return base::fail(ErrorCode::invalid, fmt::format("a cron expression has at most {} bytes", text_bytes_max));
  }
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  static constexpr std::string_view zone_prefix = "CRON_TZ=";
  TimeZone zone = TimeZone::utc();
  if (text.starts_with("TZ=")) {
    return base::fail(ErrorCode::invalid, "a cron expression has its time zone behind 'CRON_TZ=', not 'TZ='");
  }
  if (text.starts_with(zone_prefix)) {
    text.remove_prefix(zone_prefix.size());
    std::size_t end = 0;
    while (end < text.size() && !is_blank(text[end])) ++end;
    TRV_TRY_ASSIGN(zone, TimeZone::find(text.substr(0, end)));
    text.remove_prefix(end);
  }
  Cron cron(std::move(zone));
  TRV_TRY(cron.parse_fields(text));
  return cron;
}

base::Status Cron::parse_fields(std::string_view text) {
  std::vector<std::string_view> words = words_of(text);
  if (words.size() == 1 && words.front().starts_with('@')) {
    for (const Synonym& synonym : synonyms) {
      if (words.front() == synonym.name) return parse_fields(synonym.text);
    }
    return base::fail(
        ErrorCode::invalid,
        fmt::format("'{}' is not known; write @hourly, @daily, @weekly, @monthly, @yearly or five fields, "
                    "and 'every' for a length of time",
                    words.front()));
  }
  if (words.size() != fields.size()) {
    return base::fail(
        ErrorCode::invalid,
        fmt::format(
            "a cron expression has five fields: minute, hour, day of the month, month, day of the week; this one "
            "has {}{}",
            words.size(), words.size() == 6 || words.size() == 7 ? ", and seconds and years are not known" : ""));
  }
  const std::array<std::uint64_t*, 5> targets = {&minutes_, &hours_, &days_, &months_, &weekdays_};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    TRV_TRY_ASSIGN(*targets[i], FieldReader(fields[i], words[i]).read());
    text_ += (i == 0 ? "" : " ") + std::string(words[i]);
  }
  if (zone_.name() != "UTC") text_ += fmt::format(" ({})", zone_.name());
  every_hour_ = hours_ == all_of(fields[1]);
  restricts_days_ = days_ != all_of(fields[2]);
  restricts_weekdays_ = weekdays_ != all_of(fields[4]);
  if (!restricts_days_ || restricts_weekdays_) return {};
  static constexpr std::array<unsigned, 13> days_of_month = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const auto first_day = static_cast<unsigned>(std::countr_zero(days_));
  for (unsigned month = 1; month <= 12; ++month) {
    if ((months_ >> month & 1) != 0 && first_day <= days_of_month[month]) return {};
  }
  return base::fail(ErrorCode::invalid,
                    fmt::format("'{} {}' of a cron expression is a day that no year has", words[2], words[3]));
}

bool Cron::names_day(std::int64_t day) const {
  const auto date = date_of(day);
  if ((months_ >> static_cast<unsigned>(date.month()) & 1) == 0) return false;
  const bool by_day = (days_ >> static_cast<unsigned>(date.day()) & 1) != 0;
  // The first day of 1970 was a Thursday.
  const bool by_weekday = (weekdays_ >> (((day + 4) % 7 + 7) % 7) & 1) != 0;
  return restricts_days_ && restricts_weekdays_ ? by_day || by_weekday : by_day && by_weekday;
}

std::optional<std::int64_t> Cron::first_in(std::int64_t from, std::int64_t end) const {
  const std::int64_t first_minute = -floor_div(-from, 60);
  for (std::int64_t day = floor_div(first_minute, 1'440); day * day_s < end; ++day) {
    if (!names_day(day)) continue;
    const std::int64_t of_day = std::max<std::int64_t>(first_minute - day * 1'440, 0);
    for (std::int64_t hour = of_day / 60; hour < 24; ++hour) {
      if ((hours_ >> hour & 1) == 0) continue;
      const std::uint64_t left = minutes_ >> (hour == of_day / 60 ? of_day % 60 : 0)
                                                 << (hour == of_day / 60 ? of_day % 60 : 0);
      if (left == 0) continue;
      const std::int64_t time = day * day_s + hour * 3'600 + std::int64_t{std::countr_zero(left)} * 60;
      TRV_ENSURES(time >= from);
      return time < end ? std::optional(time) : std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> Cron::last_in(std::int64_t from, std::int64_t end) const {
  const std::int64_t last_minute = floor_div(end - 1, 60);
  for (std::int64_t day = floor_div(last_minute, 1'440); (day + 1) * day_s > from; --day) {
    if (!names_day(day)) continue;
    const std::int64_t of_day = std::min<std::int64_t>(last_minute - day * 1'440, 1'439);
    for (std::int64_t hour = of_day / 60; hour >= 0; --hour) {
      if ((hours_ >> hour & 1) == 0) continue;
      const std::int64_t up_to = hour == of_day / 60 ? of_day % 60 : 59;
      const std::uint64_t left = minutes_ & (~std::uint64_t{0} >> (63 - up_to));
      if (left == 0) continue;
      const std::int64_t time = day * day_s + hour * 3'600 + std::int64_t{63 - std::countl_zero(left)} * 60;
      TRV_ENSURES(time < end);
      return time >= from ? std::optional(time) : std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<base::Timestamp> Cron::next(base::Timestamp after) const {
  std::int64_t from = floor_div(after.ns(), second_ns) + 1;
  const std::int64_t limit = std::min(from + search_s, last_s);
  while (from < limit) {
    const TimeZone::Period period = zone_.period_at(from);
    const std::int64_t end = std::min(period.end, limit);
    std::int64_t local_from = from + period.offset;
    if (!every_hour_) local_from = std::max(local_from, period.begin + period.offset_before);
    std::int64_t found = INT64_MAX;
    if (const auto local = first_in(local_from, end + period.offset)) found = *local - period.offset;
    if (!every_hour_ && period.offset_before < period.offset) {
      // Local times that the change has left out, as if it had not been made.
      const auto skipped = first_in(from + period.offset_before, period.begin + period.offset);
      if (skipped) found = std::min(found, *skipped - period.offset_before);
    }
    if (found < limit) {
      TRV_ENSURES(found * second_ns > after.ns());
      return base::Timestamp(found * second_ns);
    }
    from = end;
  }
  return std::nullopt;
}

std::optional<base::Timestamp> Cron::last(base::Timestamp at) const {
  std::int64_t end = floor_div(at.ns(), second_ns) + 1;
  const std::int64_t limit = std::max<std::int64_t>(end - search_s, 0);
  while (end > limit) {
    const TimeZone::Period period = zone_.period_at(end - 1);
    const std::int64_t begin = std::max(period.begin, limit);
    std::int64_t local_begin = begin + period.offset;
    if (!every_hour_) local_begin = std::max(local_begin, period.begin + period.offset_before);
    std::int64_t found = -1;
    if (const auto local = last_in(local_begin, end + period.offset)) found = *local - period.offset;
    if (!every_hour_ && period.offset_before < period.offset) {
      const auto skipped =
          last_in(begin + period.offset_before, std::min(end + period.offset_before, period.begin + period.offset));
      if (skipped) found = std::max(found, *skipped - period.offset_before);
    }
    if (found >= limit) {
      TRV_ENSURES(found * second_ns <= at.ns());
      return base::Timestamp(found * second_ns);
    }
    end = begin;
  }
  return std::nullopt;
}

}  // namespace trv::definition
