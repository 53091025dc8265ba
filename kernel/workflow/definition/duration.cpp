#include "kernel/workflow/definition/duration.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <optional>

#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

using base::ErrorCode;
using json::Value;

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t day_ns = 86'400 * second_ns;
constexpr std::int64_t days_max = 36'525;
constexpr std::int64_t months_max = 1'200;

/// digits[.digits]: the whole part and the fraction in billionths.
struct Amount {
  std::int64_t whole = 0;
  std::int64_t billionths = 0;
  bool fraction = false;
};

std::optional<Amount> take_amount(std::string_view& text) {
  Amount amount;
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    if (amount.whole > 100'000'000'000'000) return std::nullopt;
    amount.whole = amount.whole * 10 + (text[digits++] - '0');
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    std::int64_t scale = second_ns;
    digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
      scale /= 10;
      amount.billionths += (text[digits++] - '0') * scale;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
    amount.fraction = true;
  }
  return amount;
}

base::Status add(CalendarDuration& duration, const Amount& amount, std::int64_t unit_ns) {
  TRV_EXPECTS(unit_ns > 0 && (unit_ns % second_ns == 0 || second_ns % unit_ns == 0));
  TRV_EXPECTS(amount.whole >= 0 && amount.billionths >= 0 && amount.billionths < second_ns);
  if (amount.whole > days_max * day_ns / unit_ns) {
    return base::fail(ErrorCode::invalid, "a duration must not be longer than 100 years");
  }
  const std::int64_t whole_days = unit_ns >= day_ns ? amount.whole * (unit_ns / day_ns) : 0;
  duration.days += whole_days;
  if (unit_ns < day_ns) duration.rest += base::Duration(amount.whole * unit_ns);
  duration.rest += unit_ns >= second_ns ? base::Duration(amount.billionths * (unit_ns / second_ns))
                                        : base::Duration(amount.billionths / (second_ns / unit_ns));
  if (duration.rest.count() > days_max * day_ns) {
    return base::fail(ErrorCode::invalid, "a duration must not be longer than 100 years");
  }
  return {};
}

base::Result<CalendarDuration> from_iso(std::string_view whole) {
  const auto refuse = [&] {
    return base::fail(ErrorCode::invalid,
                      fmt::format("'{}' is not an ISO 8601 duration; write for example PT30S, PT1H30M or P2D", whole));
  };
  std::string_view text = whole;
  if (!text.starts_with('P') || text.size() < 2) return refuse();
  text.remove_prefix(1);
  CalendarDuration duration;
  static constexpr std::string_view date_units = "YMWD";
  static constexpr std::string_view time_units = "HMS";
  static constexpr std::array<std::int64_t, 3> time_ns = {3600 * second_ns, 60 * second_ns, second_ns};
  bool in_time = false;
  bool any = false;
  std::size_t next_unit = 0;
  while (!text.empty()) {
    if (!in_time && text.front() == 'T') {
      in_time = true;
      any = false;
      next_unit = 0;
      text.remove_prefix(1);
      continue;
    }
    const std::optional<Amount> amount = take_amount(text);
    if (!amount || text.empty()) return refuse();
    const std::size_t unit = (in_time ? time_units : date_units).find(text.front(), next_unit);
    if (unit == std::string_view::npos) return refuse();
    next_unit = unit + 1;
    text.remove_prefix(1);
    any = true;
    if (in_time) {
      TRV_TRY(add(duration, *amount, time_ns[unit]));
    } else if (unit < 2) {
      if (amount->fraction) {
        return base::fail(ErrorCode::invalid,
                          fmt::format("'{}': a fraction of a year or a month has no fixed length; use days", whole));
      }
      if (amount->whole > months_max)
        return base::fail(ErrorCode::invalid, "a duration must not be longer than 100 years");
      duration.months += amount->whole * (unit == 0 ? 12 : 1);
    } else {
      TRV_TRY(add(duration, *amount, unit == 2 ? 7 * day_ns : day_ns));
    }
  }
  if (!any) return refuse();
  if (duration.months > months_max || duration.days > days_max) {
    return base::fail(ErrorCode::invalid, "a duration must not be longer than 100 years");
  }
  TRV_ENSURES(duration.months >= 0 && duration.days >= 0 && duration.rest >= base::Duration::zero());
  return duration;
}

base::Result<CalendarDuration> from_parts(const Value& object) {
  struct Unit {
    std::string_view name;
    std::int64_t ns;
  };
  static constexpr std::array<Unit, 5> units = {{{"days", day_ns},
                                                 {"hours", 3600 * second_ns},
                                                 {"minutes", 60 * second_ns},
                                                 {"seconds", second_ns},
                                                 {"milliseconds", 1'000'000}}};
  CalendarDuration duration;
  if (object.size() == 0)
    return base::fail(ErrorCode::invalid, "a duration needs at least one part, for example seconds");
  for (const json::Entry& entry : object.entries()) {
    const Unit* found = nullptr;
    for (const Unit& unit : units) {
      if (entry.name() == unit.name) found = &unit;
    }
    if (found == nullptr) {
      return base::fail(ErrorCode::invalid, fmt::format("a duration has no part '{}'; it knows days, hours, minutes, "
                                                        "seconds and milliseconds",
                                                        entry.name()));
    }
    if (!entry.value.is_int() || entry.value.as_int() < 0) {
      return base::fail(ErrorCode::invalid,
                        fmt::format("'{}' of a duration must be a whole number, not negative", entry.name()));
    }
    TRV_TRY(add(duration, {.whole = entry.value.as_int()}, found->ns));
  }
  return duration;
}

}  // namespace

base::Result<CalendarDuration> duration_of(const Value& value) {
  if (value.is_string()) return from_iso(value.as_string());
  if (value.is_object()) return from_parts(value);
  return base::fail(ErrorCode::invalid,
                    fmt::format("a duration must be ISO 8601 text or an object such as {{seconds: 30}}, "
                                "not {}",
                                json::to_string(value.kind())));
}

std::string to_text(const CalendarDuration& duration) {
  TRV_EXPECTS(duration.months >= 0 && duration.days >= 0 && duration.rest >= base::Duration::zero());
  std::string out = "P";
  const auto add_part = [&out](std::int64_t amount, char unit) {
    if (amount != 0) out += fmt::format("{}{}", amount, unit);
  };
  add_part(duration.months, 'M');
  add_part(duration.days, 'D');
  if (duration.rest == base::Duration::zero()) return out == "P" ? "PT0S" : out;
  out += 'T';
  const std::int64_t ns = duration.rest.count();
  add_part(ns / (3600 * second_ns), 'H');
  add_part(ns / (60 * second_ns) % 60, 'M');
  const std::int64_t seconds = ns / second_ns % 60;
  const std::int64_t fraction = ns % second_ns;
  if (fraction == 0) {
    add_part(seconds, 'S');
    return out;
  }
  std::string digits = fmt::format("{:09}", fraction);
  digits.erase(digits.find_last_not_of('0') + 1);
  return out += fmt::format("{}.{}S", seconds, digits);
}

base::Result<base::Timestamp> CalendarDuration::after(base::Timestamp start) const {
  TRV_EXPECTS(months >= 0 && days >= 0 && rest >= base::Duration::zero());
  using namespace std::chrono;
  const sys_time<nanoseconds> at{nanoseconds(start.ns())};
  sys_days day = floor<std::chrono::days>(at);
  const nanoseconds of_day = at - day;
  if (months != 0) {
    year_month_day date{day};
    date += std::chrono::months(months);
    if (!date.ok()) date = date.year() / date.month() / last;
    day = date;
  }
  day += std::chrono::days(days);
  std::int64_t ns = 0;
  if (__builtin_mul_overflow(std::int64_t{day.time_since_epoch().count()}, day_ns, &ns) ||
      __builtin_add_overflow(ns, of_day.count(), &ns) || __builtin_add_overflow(ns, rest.count(), &ns)) {
    return base::fail(ErrorCode::invalid, "the time lies beyond the year 2262");
  }
  TRV_ENSURES(ns >= start.ns());
  return base::Timestamp(ns);
}

base::Result<base::Duration> CalendarDuration::from(base::Timestamp start) const {
  TRV_TRY_ASSIGN(const base::Timestamp end, after(start));
  return end - start;
}

}  // namespace trv::definition
