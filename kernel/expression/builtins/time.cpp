// Times as jq has them: seconds since 1970, or "broken down" [year, month from 0, day, hour, minute, second, day of the
// week from Sunday, day of the year from 0], always in UTC: local time would make an evaluation depend on the computer.

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>

#include "kernel/expression/builtins/builtin.hpp"

namespace trv::expression {
namespace {

constexpr std::array<std::string_view, 7> weekdays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                      "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> months = {"January",   "February", "March",    "April",
                                                     "May",       "June",     "July",     "August",
                                                     "September", "October",  "November", "December"};
constexpr double seconds_max = 9e11;  // about the year 30000, within std::chrono::year
constexpr std::int64_t seconds_per_day = 86400;

struct Moment {
  std::int64_t year = 1970;
  std::int64_t month = 0;
  std::int64_t day = 1;
  std::int64_t hour = 0;
  std::int64_t minute = 0;
  double second = 0;
};

// Any month and day count; they carry over.
std::int64_t days_since_epoch(std::int64_t year, std::int64_t month, std::int64_t day) {
  year += month / 12;
  month %= 12;
  if (month < 0) {
    month += 12;
    --year;
  }
  const std::chrono::year_month_day first{std::chrono::year(static_cast<int>(year)),
                                          std::chrono::month(static_cast<unsigned>(month + 1)), std::chrono::day(1)};
  return std::chrono::sys_days(first).time_since_epoch().count() + day - 1;
}

std::int64_t to_seconds(const Moment& moment) {
  return days_since_epoch(moment.year, moment.month, moment.day) * seconds_per_day + moment.hour * 3600 +
         moment.minute * 60 + static_cast<std::int64_t>(std::floor(moment.second));
}

int weekday_of(const Moment& moment) {
  const std::int64_t days = days_since_epoch(moment.year, moment.month, moment.day);
  return static_cast<int>(((days + 4) % 7 + 7) % 7);
}
int year_day_of(const Moment& moment) {
  return static_cast<int>(days_since_epoch(moment.year, moment.month, moment.day) -
                          days_since_epoch(moment.year, 0, 1));
}

Moment from_seconds(double seconds) {
  const double whole = std::trunc(seconds);
  const auto total = static_cast<std::int64_t>(whole);
  std::int64_t days = total / seconds_per_day;
  std::int64_t rest = total % seconds_per_day;
  if (rest < 0) {
    rest += seconds_per_day;
    --days;
  }
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  return {int{date.year()},
          static_cast<std::int64_t>(unsigned{date.month()}) - 1,
          static_cast<std::int64_t>(unsigned{date.day()}),
          rest / 3600,
          rest / 60 % 60,
          static_cast<double>(rest % 60) + (seconds - std::floor(seconds))};
}

json::Value to_broken_down(const Moment& moment, std::int64_t weekday, std::int64_t year_day) {
  return json::Value::array({json::Value(moment.year), json::Value(moment.month), json::Value(moment.day),
                             json::Value(moment.hour), json::Value(moment.minute), json::Value(moment.second),
                             json::Value(weekday), json::Value(year_day)});
}
json::Value to_broken_down(const Moment& moment) {
  return to_broken_down(moment, weekday_of(moment), year_day_of(moment));
}

// Fields may be out of their ranges, and carry over; missing ones are 0.
bool read_broken_down(NativeCall& call, std::string_view function, Moment& moment) {
  const auto refuse = [&] {
    call.fail(fmt::format("{} requires parsed datetime inputs", function));
    return false;
  };
  const json::Value& parts = call.input();
  if (!parts.is_array()) return refuse();
  constexpr std::size_t fields = 8;  // the last two are computed from the others
  constexpr std::array<double, 6> fields_max = {20'000, 100'000, 10'000'000, 1e9, 1e9, 1e11};
  std::array<double, fields> numbers = {1900, 0, 0, 0, 0, 0, 0, 0};
  for (std::size_t i = 0; i < std::min(parts.size(), fields); ++i) {
    if (!parts.at(i).is_number() || std::isnan(parts.at(i).as_double())) return refuse();
    numbers[i] = std::trunc(parts.at(i).as_double());
    if (i < fields_max.size() && !(std::fabs(numbers[i]) <= fields_max[i])) return refuse();
  }
  moment = {static_cast<std::int64_t>(numbers[0]), static_cast<std::int64_t>(numbers[1]),
            static_cast<std::int64_t>(numbers[2]), static_cast<std::int64_t>(numbers[3]),
            static_cast<std::int64_t>(numbers[4]), numbers[5]};
  const std::int64_t seconds = to_seconds(moment);
  if (std::abs(static_cast<double>(seconds)) > seconds_max) return refuse();
  moment = from_seconds(static_cast<double>(seconds));
  return true;
}

bool read_moment(NativeCall& call, std::string_view function, Moment& moment) {
  if (!call.input().is_number()) return read_broken_down(call, function, moment);
  const double seconds = call.input().as_double();
  if (!(std::fabs(seconds) <= seconds_max)) {
    call.fail(fmt::format("{}: seconds since 1970 out of range", function));
    return false;
  }
  moment = from_seconds(seconds);
  return true;
}

// Weeks of the year that begin on `first`, a day of the week.
int week_of(int year_day, int weekday, int first) {
  return (year_day + 7 - (weekday - first + 7) % 7) / 7;
}

struct IsoWeek {
  std::int64_t year;
  int week;
};
IsoWeek iso_week_of(const Moment& moment) {
  const int weekday = (weekday_of(moment) + 6) % 7;
  // The week belongs to the year of its Thursday.
  const Moment thursday = from_seconds(
      static_cast<double>((days_since_epoch(moment.year, moment.month, moment.day) - weekday + 3) * seconds_per_day));
  return {thursday.year, year_day_of(thursday) / 7 + 1};
}

void append_field(std::string& out, char field, const Moment& moment);

void append_fields(std::string& out, std::string_view format, const Moment& moment) {
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
    } else {
      append_field(out, format[++i], moment);
    }
  }
}

void append_field(std::string& out, char field, const Moment& moment) {
  const int weekday = weekday_of(moment);
  const int year_day = year_day_of(moment);
  const std::int64_t hour12 = moment.hour % 12 == 0 ? 12 : moment.hour % 12;
  const std::string_view month = months[static_cast<std::size_t>(((moment.month % 12) + 12) % 12)];
  const std::string_view day_name = weekdays[static_cast<std::size_t>(weekday)];
  const auto add = [&out](std::string_view pattern, std::int64_t number) {
    out += fmt::format(fmt::runtime(pattern), number);
  };
  switch (field) {
    case 'Y': add("{}", moment.year); break;
    case 'C': add("{:02}", moment.year / 100); break;
    case 'y': add("{:02}", moment.year % 100); break;
    case 'm': add("{:02}", moment.month + 1); break;
    case 'd': add("{:02}", moment.day); break;
    case 'e': add("{:2}", moment.day); break;
    case 'H': add("{:02}", moment.hour); break;
    case 'k': add("{:2}", moment.hour); break;
    case 'I': add("{:02}", hour12); break;
    case 'l': add("{:2}", hour12); break;
    case 'M': add("{:02}", moment.minute); break;
    case 'S': add("{:02}", static_cast<std::int64_t>(moment.second)); break;
    case 'j': add("{:03}", year_day + 1); break;
    case 'u': add("{}", weekday == 0 ? 7 : weekday); break;
    case 'w': add("{}", weekday); break;
    case 'U': add("{:02}", week_of(year_day, weekday, 0)); break;
    case 'W': add("{:02}", week_of(year_day, weekday, 1)); break;
    case 'V': add("{:02}", iso_week_of(moment).week); break;
    case 'G': add("{}", iso_week_of(moment).year); break;
    case 'g': add("{:02}", iso_week_of(moment).year % 100); break;
    case 's': add("{}", to_seconds(moment)); break;
    case 'A': out += day_name; break;
    case 'a': out += day_name.substr(0, 3); break;
    case 'B': out += month; break;
    case 'b':
    case 'h': out += month.substr(0, 3); break;
    case 'p': out += moment.hour < 12 ? "AM" : "PM"; break;
    case 'P': out += moment.hour < 12 ? "am" : "pm"; break;
    case 'Z': out += "UTC"; break;
    case 'z': out += "+0000"; break;
    case 'T':
    case 'X': append_fields(out, "%H:%M:%S", moment); break;
    case 'D':
    case 'x': append_fields(out, "%m/%d/%y", moment); break;
    case 'F': append_fields(out, "%Y-%m-%d", moment); break;
    case 'R': append_fields(out, "%H:%M", moment); break;
    case 'r': append_fields(out, "%I:%M:%S %p", moment); break;
    case 'c': append_fields(out, "%a %b %e %H:%M:%S %Y", moment); break;
    case 'n': out += '\n'; break;
    case 't': out += '\t'; break;
    case '%': out += '%'; break;
    default: out += '%'; out += field;
  }
}

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// Reads a text by a format; what it met so far is in `moment`.
class TimeReader {
 public:
  explicit TimeReader(std::string_view text) noexcept : text_(text) {}
  [[nodiscard]] bool read(std::string_view format);
  [[nodiscard]] std::string_view rest() const noexcept { return text_; }
  // What the format did not name is 0, and the day of the week 8 and of the year 367 where no date was named: jq's
  // marks.
  [[nodiscard]] json::Value result() const {
    constexpr std::int64_t no_weekday = 8;
    constexpr std::int64_t no_year_day = 367;
    Moment moment = moment_;
    if (afternoon_ >= 0) moment.hour = moment.hour % 12 + (afternoon_ == 1 ? 12 : 0);
    if (has_date_ && weekday_ < 0 && year_day_ >= 0 && !(has_month_ && has_day_)) {
      Moment of_year_day = moment;
      of_year_day.month = 0;
      of_year_day.day = year_day_ + 1;
      of_year_day = from_seconds(static_cast<double>(to_seconds(of_year_day)));
      if (!has_month_) moment.month = of_year_day.month;
      if (!has_day_) moment.day = of_year_day.day;
    }
    const bool known = has_date_ || moment.day != 0;
    return to_broken_down(moment,
                          weekday_ >= 0 ? weekday_
                          : known       ? weekday_of(moment)
                                        : no_weekday,
                          year_day_ >= 0 ? year_day_
                          : known        ? year_day_of(moment)
                                         : no_year_day);
  }

 private:
  void skip_space() {
    while (!text_.empty() && is_space(text_[0])) text_.remove_prefix(1);
  }
  bool number(std::size_t digits_max, std::int64_t low, std::int64_t high, std::int64_t& out) {
    skip_space();
    std::size_t digits = 0;
    std::int64_t value = 0;
    while (digits < digits_max && digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9') {
      value = value * 10 + (text_[digits++] - '0');
    }
    if (digits == 0 || value < low || value > high) return false;
    text_.remove_prefix(digits);
    out = value;
    return true;
  }
  bool name(std::span<const std::string_view> names, std::int64_t& out) {
    const auto same = [](std::string_view a, std::string_view b) {
      if (a.size() != b.size()) return false;
      for (std::size_t i = 0; i < a.size(); ++i) {
        if ((a[i] | 32) != (b[i] | 32)) return false;
      }
      return true;
    };
    for (std::size_t i = 0; i < names.size(); ++i) {
      for (const std::size_t size : {names[i].size(), std::size_t{3}}) {
        if (same(text_.substr(0, size), names[i].substr(0, size))) {
          text_.remove_prefix(size);
          out = static_cast<std::int64_t>(i);
          return true;
        }
      }
    }
    return false;
  }
  bool field(char field);
  bool zone_offset();

  std::string_view text_;
  Moment moment_{1900, 0, 0, 0, 0, 0};
  std::int64_t weekday_ = -1;
  std::int64_t year_day_ = -1;  // from 0
  std::int64_t afternoon_ = -1;
  bool has_date_ = false;
  bool has_month_ = false;
  bool has_day_ = false;
};

bool TimeReader::zone_offset() {
  skip_space();
  if (text_.starts_with('Z')) {
    text_.remove_prefix(1);
    return true;
  }
  if (!text_.starts_with('+') && !text_.starts_with('-')) return false;
  text_.remove_prefix(1);
  std::int64_t ignored = 0;
  if (!number(2, 0, 23, ignored)) return false;
  if (text_.starts_with(':')) text_.remove_prefix(1);
  return text_.empty() || text_[0] < '0' || text_[0] > '9' || number(2, 0, 59, ignored);
}

bool TimeReader::field(char field) {
  std::int64_t value = 0;
  switch (field) {
    case 'C':
      has_date_ = true;
      if (!number(2, 0, 99, value)) return false;
      moment_.year = value * 100 + moment_.year % 100;
      return true;
    case 'Y': has_date_ = true; return number(4, 0, 9999, moment_.year);
    case 'y':
      has_date_ = true;
      if (!number(2, 0, 99, value)) return false;
      moment_.year = value < 69 ? 2000 + value : 1900 + value;
      return true;
    case 'm':
      if (!number(2, 1, 12, value)) return false;
      moment_.month = value - 1;
      has_date_ = has_month_ = true;
      return true;
    case 'd':
    case 'e': has_date_ = has_day_ = true; return number(2, 1, 31, moment_.day);
    case 'H':
    case 'k': return number(2, 0, 23, moment_.hour);
    case 'I':
    case 'l': return number(2, 1, 12, moment_.hour);
    case 'M': return number(2, 0, 59, moment_.minute);
    case 'S':
      if (!number(2, 0, 61, value)) return false;
      moment_.second = static_cast<double>(value);
      return true;
    case 'j':
      if (!number(3, 1, 366, value)) return false;
      year_day_ = value - 1;
      return true;
    case 'u':
      if (!number(1, 1, 7, value)) return false;
      weekday_ = value % 7;
      return true;
    case 'w': return number(1, 0, 6, weekday_);
    case 'U':
    case 'W':
    case 'V': return number(2, 0, 53, value);
    case 's':
      if (!number(11, 0, 99'999'999'999, value)) return false;
      moment_ = from_seconds(static_cast<double>(value));
      weekday_ = weekday_of(moment_);
      year_day_ = year_day_of(moment_);
      return true;
    case 'A':
    case 'a': return name(weekdays, weekday_);
    case 'B':
    case 'b':
    case 'h': has_date_ = has_month_ = true; return name(months, moment_.month);
    case 'p': {
      constexpr std::array<std::string_view, 2> halves = {"AM ", "PM "};
      if (text_.size() < 2 || (text_[1] | 32) != 'm') return false;
      afternoon_ = (text_[0] | 32) == (halves[1][0] | 32) ? 1 : 0;
      if (afternoon_ == 0 && (text_[0] | 32) != 'a') return false;
      text_.remove_prefix(2);
      return true;
    }
    case 'Z':
      while (!text_.empty() && ((text_[0] | 32) >= 'a' && (text_[0] | 32) <= 'z')) text_.remove_prefix(1);
      return true;
    case 'z': return zone_offset();
    case 'T': return read("%H:%M:%S");
    case 'D': return read("%m/%d/%y");
    case 'F': return read("%Y-%m-%d");
    case 'R': return read("%H:%M");
    case 'r': return read("%I:%M:%S %p");
    case 'c': return read("%a %b %e %H:%M:%S %Y");
    case 'n':
    case 't': skip_space(); return true;
    case '%':
      if (!text_.starts_with('%')) return false;
      text_.remove_prefix(1);
      return true;
    default: return false;
  }
}

bool TimeReader::read(std::string_view format) {
  for (std::size_t i = 0; i < format.size(); ++i) {
    const char c = format[i];
    if (is_space(c)) {
      skip_space();
    } else if (c == '%' && i + 1 < format.size()) {
      if (!field(format[++i])) return false;
    } else if (text_.starts_with(c)) {
      text_.remove_prefix(1);
    } else {
      return false;
    }
  }
  return true;
}

// Both are in UTC; the name is that of the messages.
json::Value format_time(NativeCall& call, std::string_view name) {
  if (!call.argument(0).is_string()) return call.fail(fmt::format("{} requires a string format", name));
  Moment moment;
  if (!read_moment(call, name, moment)) return {};
  const std::string_view format = call.argument(0).as_string();
  constexpr std::size_t growth_max = 16;  // a field of two characters becomes at most "%c"'s 24
  if (!call.room(growth_max * format.size()) || !call.charge(format.size() / 4)) return {};
  std::string text;
  append_fields(text, format, moment);
  return json::Value(text);
}

json::Value strftime(NativeCall& call) {
  return format_time(call, "strftime/1");
}
json::Value strflocaltime(NativeCall& call) {
  return format_time(call, "strflocaltime/1");
}

json::Value strptime(NativeCall& call) {
  if (!call.input().is_string()) {
    return call.fail(fmt::format("strptime/1 requires string inputs and arguments"));
  }
  if (!call.argument(0).is_string()) return call.fail("strptime/1 requires string inputs and arguments");
  TimeReader reader(call.input().as_string());
  const bool matches = reader.read(call.argument(0).as_string());
  const std::string_view rest = reader.rest();
  if (!matches || (!rest.empty() && !is_space(rest[0]))) {
    return call.fail(fmt::format("date \"{}\" does not match format \"{}\"", call.input().as_string().substr(0, 100),
                                 call.argument(0).as_string().substr(0, 100)));
  }
  json::Value result = reader.result();
  if (!rest.empty()) result.push_back(json::Value(rest));
  return result;
}

json::Value mktime(NativeCall& call) {
  Moment moment;
  if (!call.input().is_array()) return call.fail("mktime requires array inputs");
  if (!read_broken_down(call, "mktime", moment)) return {};
  return json::Value(to_seconds(moment));
}

json::Value gmtime(NativeCall& call) {
  if (!call.input().is_number()) return call.fail("gmtime() requires numeric inputs");
  Moment moment;
  if (!read_moment(call, "gmtime", moment)) return {};
  return to_broken_down(moment);
}

json::Value now(NativeCall& call) {
  constexpr double ns_per_second = 1e9;
  const std::int64_t ns = call.now().ns();
  return json::Value(static_cast<double>(ns) / ns_per_second);
}

constexpr auto natives = std::to_array<Native>({
    {"strftime", 1, strftime},
    {"strflocaltime", 1, strflocaltime},
    {"strptime", 1, strptime},
    {"mktime", 0, mktime},
    {"gmtime", 0, gmtime},
    {"localtime", 0, gmtime},
    {"now", 0, now},
});

}  // namespace

std::span<const Native> time_natives() noexcept {
  return natives;
}

}  // namespace trv::expression
