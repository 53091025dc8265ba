#include "sdk/base/timestamp.hpp"

#include <charconv>

namespace trv::base {
namespace {

/// Reads exactly `width` digits at `at`, advancing it.
std::optional<int> take_digits(std::string_view text, std::size_t& at, std::size_t width) {
  if (at + width > text.size()) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    const char c = text[at + i];
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  at += width;
  return value;
}

bool take(std::string_view text, std::size_t& at, char wanted, char other) {
  if (at >= text.size() || (text[at] != wanted && text[at] != other)) return false;
  ++at;
  return true;
}

}  // namespace

std::string Timestamp::to_rfc3339() const {
  using namespace std::chrono;
  // A whole day before the first nanosecond cannot be said in nanoseconds.
  const auto time = floor<microseconds>(sys_time<nanoseconds>{nanoseconds(ns_)});
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  // By hand: every record that goes to Kafka, and every answer with a time, has one.
  std::string text = "0000-00-00T00:00:00.000000Z";
  const auto put = [&text](std::size_t end, std::int64_t number) {
    for (; number > 0; number /= 10) text[--end] = static_cast<char>('0' + number % 10);
  };
  put(4, static_cast<int>(date.year()));
  put(7, static_cast<unsigned>(date.month()));
  put(10, static_cast<unsigned>(date.day()));
  put(13, clock.hours().count());
  put(16, clock.minutes().count());
  put(19, clock.seconds().count());
  put(26, clock.subseconds().count());
  return text;
}

std::optional<Timestamp> Timestamp::from_rfc3339(std::string_view text) {
  using namespace std::chrono;
  std::size_t at = 0;
  const auto year_digits = take_digits(text, at, 4);
  if (!year_digits || !take(text, at, '-', '-')) return std::nullopt;
  const auto month_digits = take_digits(text, at, 2);
  if (!month_digits || !take(text, at, '-', '-')) return std::nullopt;
  const auto day_digits = take_digits(text, at, 2);
  if (!day_digits || !take(text, at, 'T', 't')) return std::nullopt;
  const auto hour = take_digits(text, at, 2);
  if (!hour || !take(text, at, ':', ':')) return std::nullopt;
  const auto minute = take_digits(text, at, 2);
  if (!minute || !take(text, at, ':', ':')) return std::nullopt;
  const auto second = take_digits(text, at, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;

  std::int64_t fraction_ns = 0;
  if (at < text.size() && text[at] == '.') {
    ++at;
    std::int64_t scale = 100'000'000;
    const std::size_t first = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
      fraction_ns += (text[at] - '0') * scale;
      scale /= 10;
      ++at;
    }
    if (at == first) return std::nullopt;
  }

  minutes offset{0};
  if (at < text.size() && (text[at] == 'Z' || text[at] == 'z')) {
    ++at;
  } else {
    if (at >= text.size() || (text[at] != '+' && text[at] != '-')) return std::nullopt;
    const int sign = text[at++] == '-' ? -1 : 1;
    const auto offset_hours = take_digits(text, at, 2);
    if (!offset_hours || !take(text, at, ':', ':')) return std::nullopt;
    const auto offset_minutes = take_digits(text, at, 2);
    if (!offset_minutes || *offset_hours > 23 || *offset_minutes > 59) return std::nullopt;
    offset = minutes(sign * (*offset_hours * 60 + *offset_minutes));
  }
  if (at != text.size()) return std::nullopt;

  const year_month_day date{year(*year_digits), month(static_cast<unsigned>(*month_digits)),
                            day(static_cast<unsigned>(*day_digits))};
  if (!date.ok() || *year_digits < 1678 || *year_digits > 2261) return std::nullopt;
  const auto time = sys_days(date) + hours(*hour) + minutes(*minute) + seconds(*second) - offset;
  return Timestamp(nanoseconds(time.time_since_epoch()).count() + fraction_ns);
}

}  // namespace trv::base
