#include "kernel/otlp/exporter.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <optional>
#include <thread>

#include "kernel/otlp/post.hpp"
#include "sdk/base/contract.hpp"

namespace trv::otlp {
namespace {

using base::Duration;

/// Of the queue, so that one thread that adds a lot wakes the sender once.
constexpr std::size_t batches_that_wake = 2;

struct Counts {
  std::atomic<std::uint64_t> taken = 0;
  std::atomic<std::uint64_t> refused = 0;
  std::atomic<std::uint64_t> overflow = 0;
  std::atomic<std::uint64_t> failures = 0;
};

/// What one signal has to remember between requests.
struct Course {
  Duration not_before{};
  std::uint32_t failures = 0;  ///< in a row
  bool is_failing = false;     ///< the log has it
};

template <typename Item>
struct Line {
  std::deque<Item> queue;   // guarded by the mutex of Sending
  std::vector<Item> batch;  // under way; the sender's own
};

std::size_t points_of(const std::vector<prometheus::MetricFamily>& families) {
  std::size_t count = 0;
  for (const prometheus::MetricFamily& family : families) count += family.metric.size();
  return count;
}

}  // namespace

class Exporter::Sending {
 public:
  Sending(ExporterOptions options, const base::Clock& clock, base::Random& random)
      : options_(std::move(options)),
        clock_(clock),
        random_(random),
        began_(clock.now()),
        poster_(options_.headers, options_.authority_file, options_.request_max) {}

  template <typename Item>
  void add(Line<Item>& line, Signal signal, Item item) {
    bool wakes = false;
    {
      const std::scoped_lock lock(mutex_);
      if (line.queue.size() >= options_.queue_max) {
        line.queue.pop_front();
        counts_of(signal).overflow.fetch_add(1, std::memory_order_relaxed);
      }
      line.queue.push_back(std::move(item));
      wakes = line.queue.size() == batches_that_wake * options_.batch_max;
    }
    if (wakes) wake_.notify_one();
  }

  void start(MetricSource metrics, std::shared_ptr<spdlog::logger> logger) {
    TRV_EXPECTS(!thread_.joinable() && metrics && logger);
    metrics_ = std::move(metrics);
    logger_ = std::move(logger);
    thread_ = std::thread([this] { run(); });
  }

  void stop() {
    {
      const std::scoped_lock lock(mutex_);
      if (stop_at_) return;
      stop_at_ = clock_.monotonic() + options_.stop_max;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
    drop_rest(spans_, Signal::traces);
    drop_rest(lines_, Signal::logs);
  }

  [[nodiscard]] ExportFigures figures() const {
    ExportFigures out;
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = {.taken = counts_[i].taken,
                .refused = counts_[i].refused,
                .overflow = counts_[i].overflow,
                .failures = counts_[i].failures};
    }
    return out;
  }

  Line<trace::Span> spans_;
  Line<LogRecord> lines_;

 private:
  void run() {
    Duration due = clock_.monotonic();
    for (bool ends = false; !ends;) {
      {
        std::unique_lock lock(mutex_);
        const Duration until = std::min({due, retry_of(spans_, Signal::traces), retry_of(lines_, Signal::logs)});
        const Duration wait = std::max(until - clock_.monotonic(), Duration(0));
        wake_.wait_for(lock, wait, [this] { return stop_at_.has_value() || is_full(); });
        ends = stop_at_.has_value();
      }
      const bool is_due = ends || clock_.monotonic() >= due;
      send_all(spans_, Signal::traces, is_due, ends,
               [this](const std::vector<trace::Span>& spans) { return traces_payload(options_.from, spans); });
      send_all(lines_, Signal::logs, is_due, ends,
               [this](const std::vector<LogRecord>& lines) { return logs_payload(options_.from, lines); });
      if (!is_due) continue;
      send_metrics(ends);
      due = clock_.monotonic() + options_.interval;
    }
  }

  /// When the batch that was not taken is sent again.
  template <typename Item>
  [[nodiscard]] Duration retry_of(const Line<Item>& line, Signal signal) const {
    return line.batch.empty() ? Duration::max() : course_of(signal).not_before;
  }

  // A signal that waits to be sent again is not looked at before its time. Under the mutex.
  [[nodiscard]] bool is_full() const {
    const std::size_t many = batches_that_wake * options_.batch_max;
    const Duration now = clock_.monotonic();
    return (spans_.queue.size() >= many && now >= course_of(Signal::traces).not_before) ||
           (lines_.queue.size() >= many && now >= course_of(Signal::logs).not_before);
  }

  template <typename Item, typename Payload>
  void send_all(Line<Item>& line, Signal signal, bool also_few, bool ends, Payload payload) {
    Course& course = course_of(signal);
    while (!given_up() && (ends || clock_.monotonic() >= course.not_before)) {
      if (line.batch.empty()) {
        const std::scoped_lock lock(mutex_);
        if (line.queue.empty() || (!also_few && line.queue.size() < options_.batch_max)) return;
        const auto end =
            line.queue.begin() + static_cast<std::ptrdiff_t>(std::min(line.queue.size(), options_.batch_max));
        line.batch.assign(std::make_move_iterator(line.queue.begin()), std::make_move_iterator(end));
        line.queue.erase(line.queue.begin(), end);
      }
      if (!send(signal, payload(line.batch), line.batch.size())) return;
      line.batch.clear();
    }
  }

  // Those of the last interval say nothing that the next ones do not: a failure is followed by the next interval.
  void send_metrics(bool ends) {
    Course& course = course_of(Signal::metrics);
    if (given_up() || (!ends && clock_.monotonic() < course.not_before)) return;
    telemetry::Metrics metrics = metrics_();
    // An exemplar is sent once.
    for (auto& [name, exemplars] : metrics.exemplars) {
      std::ranges::replace_if(
          exemplars, [this](const auto& one) { return one && one->time <= exemplars_until_; }, std::nullopt);
    }
    const base::Timestamp now = clock_.now();
    const std::string body = metrics_payload(options_.from, metrics, began_, now);
    if (send(Signal::metrics, body, points_of(metrics.families))) exemplars_until_ = now;
  }

  /// False: the same is to be sent again.
  [[nodiscard]] bool send(Signal signal, const std::string& body, std::size_t count) {
    const std::string_view name = signal_names[static_cast<std::size_t>(signal)];
    const Answer answer =
        poster_.post(fmt::format("{}/v1/{}", options_.endpoint, name), body, [this] { return given_up(); });
    Counts& counts = counts_of(signal);
    Course& course = course_of(signal);
    report(course, name, answer);
    if (answer.verdict == Verdict::taken) {
      const std::uint64_t rejected = std::min<std::uint64_t>(answer.rejected, count);
      counts.taken += count - rejected;
      counts.refused += rejected;
    } else {
      ++counts.failures;
    }
    if (answer.verdict == Verdict::refused) counts.refused += count;
    if (answer.verdict != Verdict::later) {
      course.failures = 0;
      return true;
    }
    course.not_before = clock_.monotonic() + pause_after(++course.failures, answer.retry_after);
    return false;
  }

  // Exponential, with jitter over its second half; as long as was asked for and some more, so that not all come at
  // once.
  [[nodiscard]] Duration pause_after(std::uint32_t failures, const std::optional<Duration>& asked) {
    const auto up_to = [this](Duration most) {
      return Duration(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most.count()) + 1)));
    };
    if (asked) return *asked + up_to(std::min(*asked / 10, options_.retry_max));
    Duration pause = options_.retry_first;
    for (std::uint32_t i = 1; i < failures && pause < options_.retry_max; ++i) pause *= 2;
    pause = std::min(pause, options_.retry_max);
    return pause / 2 + up_to(pause / 2);
  }

  // One line when it begins and one when it ends, whatever lies between.
  void report(Course& course, std::string_view name, const Answer& answer) {
    const bool fails = !answer.problem.empty();
    if (fails == course.is_failing || given_up()) return;
    course.is_failing = fails;
    if (!fails) return logger_->info("{} are taken by {} again", name, options_.endpoint);
    logger_->warn("{} are not taken by {}: {}; {}", name, options_.endpoint, answer.problem,
                  answer.verdict == Verdict::later
                      ? "they are sent again, the oldest are dropped where there are too many"
                      : "what it does not take is dropped");
  }

  [[nodiscard]] bool given_up() const {
    const std::scoped_lock lock(mutex_);
    return stop_at_ && clock_.monotonic() >= *stop_at_;
  }

  template <typename Item>
  void drop_rest(Line<Item>& line, Signal signal) {
    const std::scoped_lock lock(mutex_);
    counts_of(signal).overflow += line.queue.size() + line.batch.size();
    line.queue.clear();
    line.batch.clear();
  }

  Counts& counts_of(Signal signal) { return counts_[static_cast<std::size_t>(signal)]; }
  Course& course_of(Signal signal) { return courses_[static_cast<std::size_t>(signal)]; }
  [[nodiscard]] const Course& course_of(Signal signal) const { return courses_[static_cast<std::size_t>(signal)]; }

  const ExporterOptions options_;
  const base::Clock& clock_;
  base::Random& random_;
  const base::Timestamp began_;
  MetricSource metrics_;
  std::shared_ptr<spdlog::logger> logger_;
  base::Timestamp exemplars_until_;                  // the sender's own
  Poster poster_;                                    // the sender's own
  std::array<Course, signal_names.size()> courses_;  // the sender's own
  std::array<Counts, signal_names.size()> counts_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<Duration> stop_at_;  // guarded by mutex_
  std::thread thread_;
};

base::Result<std::unique_ptr<Exporter>> Exporter::make(ExporterOptions options, const base::Clock& clock,
                                                       base::Random& random) {
  TRV_EXPECTS(options.queue_max > 0 && options.batch_max > 0 && options.interval > Duration(0));
  if (!options.endpoint.starts_with("http://") && !options.endpoint.starts_with("https://")) {
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("'{}' is not a URL of http or https; write https://HOST:4318", options.endpoint));
  }
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  curl_global_init(CURL_GLOBAL_DEFAULT);
  return std::unique_ptr<Exporter>(new Exporter(std::make_unique<Sending>(std::move(options), clock, random)));
}

Exporter::Exporter(std::unique_ptr<Sending> sending) : sending_(std::move(sending)) {}

Exporter::~Exporter() {
  stop();
}

void Exporter::add(trace::Span span) {
  sending_->add(sending_->spans_, Signal::traces, std::move(span));
}

void Exporter::add(const logging::Line& line) {
  LogRecord record{.time = line.time,
                   .level = line.level,
                   .room = std::string(line.room),
                   .message = std::string(line.message),
                   .traceparent = std::string(line.about.traceparent)};
  for (const auto& [name, value] : line.about.fields) {
    if (!value.empty()) record.attributes.emplace_back(name, value);
  }
  sending_->add(sending_->lines_, Signal::logs, std::move(record));
}

void Exporter::start(MetricSource metrics, std::shared_ptr<spdlog::logger> logger) {
  sending_->start(std::move(metrics), std::move(logger));
}

void Exporter::stop() {
  sending_->stop();
}

ExportFigures Exporter::figures() const {
  return sending_->figures();
}

}  // namespace trv::otlp
