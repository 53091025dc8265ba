#include "kernel/gateway/metrics.hpp"

#include <prometheus/metric_family.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <vector>

#include "events/lmdb/table.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/workflow/instance/row.hpp"
#include "sdk/base/contract.hpp"

namespace trv::gateway {
namespace {

constexpr auto* request_duration = "travertine_http_request_duration_seconds";

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  void counter(std::string name, std::string help, std::uint64_t value, Labels labels = {}) {
    ClientMetric metric;
    metric.counter.value = static_cast<double>(value);
    metric.label = std::move(labels);
    add(std::move(name), std::move(help), MetricType::Counter, std::move(metric));
  }
  void gauge(std::string name, std::string help, std::uint64_t value, Labels labels = {}) {
    ClientMetric metric;
    metric.gauge.value = static_cast<double>(value);
    metric.label = std::move(labels);
    add(std::move(name), std::move(help), MetricType::Gauge, std::move(metric));
  }
  [[nodiscard]] std::vector<MetricFamily> all() && { return std::move(families_); }

  void add(std::string name, std::string help, MetricType type, ClientMetric metric) {
    if (families_.empty() || families_.back().name != name) {
      families_.push_back({.name = std::move(name), .help = std::move(help), .type = type, .metric = {}});
    }
    TRV_ASSERT(families_.back().type == type);
    families_.back().metric.push_back(std::move(metric));
  }

 private:
  std::vector<MetricFamily> families_;
};

/// The metrics of every shard, in the order of their ids.
template <typename Metrics>
struct OfShards {
  Families& families;
  std::vector<Metrics> metrics;

  void counter(const char* name, const char* help, std::uint64_t Metrics::* field, const Labels& labels = {}) {
    for (std::size_t shard = 0; shard < metrics.size(); ++shard) {
      families.counter(name, help, metrics[shard].*field, labels_of(shard, labels));
    }
  }
  void gauge(const char* name, const char* help, std::uint64_t Metrics::* field) {
    for (std::size_t shard = 0; shard < metrics.size(); ++shard) {
      families.gauge(name, help, metrics[shard].*field, labels_of(shard, {}));
    }
  }
  static Labels labels_of(std::size_t shard, Labels labels) {
    labels.insert(labels.begin(), ClientMetric::Label{"shard", std::to_string(shard)});
    return labels;
  }
};

void add_shards(Families& families, const node::Node& node) {
  using shard::ShardMetrics;
  OfShards<ShardMetrics> of{families, {}};
  for (const auto& shard : node.shards()) of.metrics.push_back(shard->metrics());
  of.counter("travertine_commands_total", "Commands answered.", &ShardMetrics::commands);
  of.counter("travertine_commands_refused_total", "Commands answered with an error.", &ShardMetrics::refused);
  of.counter("travertine_records_total", "Records appended by this process.", &ShardMetrics::records);
  of.counter("travertine_batches_total", "Group commits.", &ShardMetrics::batches);
  of.counter("travertine_appends_total", "Appends to the log, one or more for each group commit.",
             &ShardMetrics::appends);
  of.counter("travertine_claims_total", "Times this process became owner of the shard.", &ShardMetrics::claims);
  of.counter("travertine_timers_fired_total", "Timers that came due.", &ShardMetrics::timers_fired);
  of.gauge("travertine_queue_commands", "Commands waiting for the shard.", &ShardMetrics::queue_length);
  of.gauge("travertine_applied_lsn", "Position of the last record in the projection.", &ShardMetrics::applied_lsn);
  for (std::size_t shard = 0; shard < of.metrics.size(); ++shard) {
    families.gauge("travertine_shard_owner", "1 while this process owns the shard.", of.metrics[shard].owner ? 1 : 0,
                   of.labels_of(shard, {}));
  }
  for (const auto& shard : node.shards()) {
    families.gauge("travertine_shard_ready", "1 while the shard takes every change.",
                   shard->why_not_ready().empty() ? 1 : 0, of.labels_of(shard->id().value(), {}));
  }
  for (const auto& shard : node.shards()) {
    families.gauge("travertine_event_followers", "Open event streams.", shard->feed().followers(),
                   of.labels_of(shard->id().value(), {}));
  }
}

void add_effects(Families& families, Dispatchers dispatchers) {
  using effects::DispatcherMetrics;
  OfShards<DispatcherMetrics> of{families, {}};
  for (const auto& dispatcher : dispatchers) of.metrics.push_back(dispatcher->metrics());
  constexpr auto* outcomes = "travertine_effect_outcomes_total";
  of.counter("travertine_effects_total", "Effects taken up.", &DispatcherMetrics::dispatched);
  of.counter("travertine_effect_tries_total", "Tries of effects.", &DispatcherMetrics::tries);
  of.counter("travertine_effect_retries_total", "Tries after the first.", &DispatcherMetrics::retries);
  of.counter(outcomes, "Effects that ended.", &DispatcherMetrics::succeeded, {{"outcome", "succeeded"}});
  of.counter(outcomes, "Effects that ended.", &DispatcherMetrics::failed, {{"outcome", "failed"}});
  of.gauge("travertine_effects_under_way", "Tries under way.", &DispatcherMetrics::under_way);
  of.gauge("travertine_effects_waiting", "Effects waiting for their next try.", &DispatcherMetrics::waiting);
}

// Also of tenants that nobody looks at: an effect that is parked waits for a person.
void add_outboxes(Families& families, const node::Node& node) {
  std::vector<std::pair<Labels, shard::Outbox::Counts>> counted;
  for (const auto& shard : node.shards()) {
    if (!shard->is_serving()) continue;
    const auto txn = shard->begin_read();
    if (!txn) continue;
    if (const auto counts = shard->outbox().counts(*txn))
      counted.push_back({{{"shard", std::to_string(shard->id().value())}}, *counts});
  }
  for (const auto& [labels, counts] : counted)
    families.gauge("travertine_effects_pending", "Effects without outcome.", counts.pending, labels);
  for (const auto& [labels, counts] : counted)
    families.gauge("travertine_effects_parked", "Effects that wait to be released.", counts.parked, labels);
}

// As the rows of the workflows have it, so that a restart does not begin anew. Of owned shards alone, so that no
// failure counts twice over the nodes.
void add_filter_failures(Families& families, const node::Node& node) {
  for (const auto& shard : node.shards()) {
    if (!shard->is_serving() || !shard->is_owned()) continue;
    const auto txn = shard->begin_read();
    if (!txn) continue;
    std::uint64_t count = 0;
    const auto add = [&](base::BytesView, base::BytesView value) -> base::Result<lmdb::Visit> {
      TRV_TRY_ASSIGN(const instance::FilterFailuresRow row, instance::decode_filter_failures(value));
      count += row.count;
      return lmdb::Visit::go_on;
    };
    if (!lmdb::scan(*txn, shard->workflows().filter_failures, {}, {}, lmdb::Direction::forward, add)) continue;
    families.counter("travertine_filter_failures_total", "Events that did not start a workflow whose filter failed.",
                     count, {{"shard", std::to_string(shard->id().value())}});
  }
}

// Of the newest; 0 for a shard that has none.
void add_snapshots(Families& families, const node::Node& node, const projection::Snapshots& snapshots) {
  struct Newest {
    std::uint64_t age_s = 0;
    std::uint64_t lsn = 0;
    std::uint64_t bytes = 0;
  };
  OfShards<Newest> of{families, {}};
  for (const auto& shard : node.shards()) {
    Newest& newest = of.metrics.emplace_back();
    const auto all = snapshots.list(shard->id());
    if (!all || all->empty()) continue;
    const projection::Snapshot& one = all->front();
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(node.now() - one.taken).count();
    newest = {static_cast<std::uint64_t>(std::max<std::int64_t>(age, 0)), one.applied.lsn.value(), one.bytes};
  }
  of.gauge("travertine_snapshot_age_seconds", "Since the newest snapshot was taken.", &Newest::age_s);
  of.gauge("travertine_snapshot_lsn", "Position up to which it goes.", &Newest::lsn);
  of.gauge("travertine_snapshot_bytes", "Its size.", &Newest::bytes);
}

void add_egress(Families& families, const egress::BrokerMetrics& broker) {
  constexpr auto* name = "travertine_egress_requests_total";
  constexpr auto* help = "HTTP requests of plugins and workflows by outcome.";
  families.counter(name, help, broker.succeeded, {{"outcome", "answered"}});
  families.counter(name, help, broker.denied, {{"outcome", "denied"}});
  families.counter(name, help, broker.unavailable, {{"outcome", "unavailable"}});
  families.counter(name, help, broker.timeout, {{"outcome", "timeout"}});
  families.counter(name, help, broker.too_large, {{"outcome", "too_large"}});
  families.counter(name, help, broker.cancelled, {{"outcome", "cancelled"}});
  families.counter(name, help, broker.invalid + broker.not_found + broker.exhausted + broker.other,
                   {{"outcome", "other"}});
  families.gauge("travertine_egress_in_flight", "HTTP requests under way.", broker.in_flight);
  families.gauge("travertine_egress_waiting", "HTTP requests in line behind those of their connection or host.",
                 broker.waiting);
  families.counter("travertine_egress_sent_bytes_total", "Bytes of request bodies.", broker.bytes_sent);
  families.counter("travertine_egress_received_bytes_total", "Bytes of response bodies.", broker.bytes_received);
}

void add_plugins(Families& families, const std::vector<plugin_host::PluginMetrics>& plugins) {
  for (const auto& plugin : plugins) {
    families.counter("travertine_plugin_calls_succeeded_total", "Calls of a plugin's operations that succeeded.",
                     plugin.instance.succeeded, {{"plugin", plugin.plugin}, {"version", plugin.version}});
  }
  for (const auto& plugin : plugins) {
    families.counter("travertine_plugin_calls_failed_total", "Calls of a plugin's operations that failed.",
                     plugin.instance.failed, {{"plugin", plugin.plugin}, {"version", plugin.version}});
  }
  for (const auto& plugin : plugins) {
    families.gauge("travertine_plugin_calls_in_flight", "Calls of a plugin's operations under way.",
                   plugin.instance.in_flight, {{"plugin", plugin.plugin}, {"version", plugin.version}});
  }
}

// Of each plugin its own, in families of ours: a plugin's name cannot become that of another family.
void add_numbers_of_plugins(Families& families, const std::vector<plugin_host::PluginMetrics>& plugins) {
  using plugin_host::MetricKind;
  const auto each = [&](MetricKind kind, auto add) {
    for (const auto& plugin : plugins) {
      for (const plugin_host::MetricSeries& series : plugin.own) {
        if (series.kind != kind) continue;
        Labels labels = {{"plugin", plugin.plugin}, {"version", plugin.version}, {"name", series.name}};
        for (const auto& [name, value] : series.labels) labels.push_back({name, value});
        ClientMetric metric;
        metric.label = std::move(labels);
        add(series, std::move(metric));
      }
    }
  };
  each(MetricKind::counter, [&](const plugin_host::MetricSeries& series, ClientMetric metric) {
    metric.counter.value = series.value;
    families.add("travertine_plugin_counter_total", "What plugins count.", MetricType::Counter, std::move(metric));
  });
  each(MetricKind::gauge, [&](const plugin_host::MetricSeries& series, ClientMetric metric) {
    metric.gauge.value = series.value;
    families.add("travertine_plugin_gauge", "What plugins measure.", MetricType::Gauge, std::move(metric));
  });
  each(MetricKind::histogram, [&](const plugin_host::MetricSeries& series, ClientMetric metric) {
    metric.histogram.sample_count = series.observed;
    metric.histogram.sample_sum = series.value;
    for (std::size_t i = 0; i < series.buckets.size(); ++i) {
      metric.histogram.bucket.push_back({series.buckets[i], plugin_host::metric_buckets[i]});
    }
    metric.histogram.bucket.push_back({series.observed, std::numeric_limits<double>::infinity()});
    families.add("travertine_plugin_histogram", "What plugins observe.", MetricType::Histogram, std::move(metric));
  });
}

void add_deliveries(Families& families, const DeliveryCounts& deliveries) {
  constexpr auto* name = "travertine_webhook_deliveries_total";
  constexpr auto* help = "Deliveries to webhooks of tenants by outcome; one whose proof is wrong is refused.";
  families.counter(name, help, deliveries.taken, {{"outcome", "taken"}});
  families.counter(name, help, deliveries.duplicate, {{"outcome", "duplicate"}});
  families.counter(name, help, deliveries.refused, {{"outcome", "refused"}});
}

void add_requests(Families& families, const telemetry::RequestFigures& requests) {
  constexpr std::array<const char*, 4> classes = {"2xx", "3xx", "4xx", "5xx"};
  for (std::size_t i = 0; i < classes.size(); ++i) {
    families.counter("travertine_http_requests_total", "Requests of the API that were answered, by class of status.",
                     requests.by_class[i], {{"class", classes[i]}});
  }
  ClientMetric metric;
  for (std::size_t i = 0; i < requests.by_duration.size(); ++i) {
    const bool is_last = i == telemetry::duration_bounds.size();
    metric.histogram.sample_count += requests.by_duration[i];
    metric.histogram.bucket.push_back({metric.histogram.sample_count, is_last ? std::numeric_limits<double>::infinity()
                                                                              : telemetry::duration_bounds[i]});
  }
  metric.histogram.sample_sum = static_cast<double>(requests.took_us) / 1e6;
  families.add(request_duration, "From a request's first byte to its answer.", MetricType::Histogram,
               std::move(metric));
}

void add_process(Families& families, const telemetry::Sample& process) {
  ClientMetric cpu;
  cpu.counter.value = process.cpu_s;
  families.add("process_cpu_seconds_total", "Time that travd has used of processors.", MetricType::Counter,
               std::move(cpu));
  families.gauge("process_resident_memory_bytes", "Memory of travd.", process.memory_bytes);
  families.gauge("travertine_disk_free_bytes", "Free on the disk of the data folder.", process.disk_free_bytes);
  if (process.log_bytes > 0) {
    families.gauge("travertine_log_used_bytes", "Used of data.map_gib by the log.", process.log_bytes);
  }
  families.gauge("travertine_projection_used_bytes", "Used of data.map_gib by the fullest projection.",
                 process.projection_bytes);
}

void add_backups(Families& families, const recovery::Figures& backups) {
  const auto in_seconds = [&](const char* name, const char* help, base::Duration duration) {
    ClientMetric metric;
    metric.gauge.value = std::chrono::duration<double>(duration).count();
    families.add(name, help, MetricType::Gauge, std::move(metric));
  };
  const auto at = [](const std::optional<base::Timestamp>& time) {
    return time ? base::Duration(time->ns()) : base::Duration(0);
  };
  families.counter("travertine_backups_total", "Backups that succeeded.", backups.backups);
  families.counter("travertine_backup_failures_total", "Backups that failed.", backups.failures);
  families.counter("travertine_backup_segments_total", "Segments that backups added.", backups.segments);
  families.counter("travertine_backup_records_total", "Records that backups added.", backups.records);
  families.counter("travertine_backup_bytes_total", "Bytes that backups added.", backups.bytes);
  in_seconds("travertine_backup_duration_seconds", "Of the last backup that succeeded.", backups.last_duration);
  in_seconds("travertine_backup_age_seconds", "What a loss of the machine now would cost at most.", backups.age);
  in_seconds("travertine_backup_last_success_timestamp_seconds", "When the last backup succeeded; 0: none has.",
             at(backups.last_success));
  families.counter("travertine_restore_drills_total", "Drills that brought back the live state.", backups.drills);
  families.counter("travertine_restore_drill_failures_total", "Drills that did not.", backups.drill_failures);
  in_seconds("travertine_restore_drill_last_success_timestamp_seconds", "When the last one did; 0: none has.",
             at(backups.last_drill));
  in_seconds("travertine_restore_drill_recovery_point_seconds", "What a loss would have cost at the last drill.",
             backups.recovery_point);
  in_seconds("travertine_restore_drill_recovery_time_seconds", "Restore and replay of the last drill.",
             backups.recovery_time);
}

void add_exports(Families& families, const otlp::ExportFigures& figures) {
  constexpr auto* items = "travertine_telemetry_items_total";
  constexpr auto* help = "Spans, points of metrics and lines of the log for the receiver, by what became of them.";
  const auto each = [&](auto add) {
    for (std::size_t i = 0; i < figures.size(); ++i) add(std::string(otlp::signal_names[i]), figures[i]);
  };
  each([&](const std::string& signal, const otlp::SignalFigures& of) {
    families.counter(items, help, of.taken, {{"signal", signal}, {"outcome", "taken"}});
    families.counter(items, help, of.refused, {{"signal", signal}, {"outcome", "refused"}});
    families.counter(items, help, of.overflow, {{"signal", signal}, {"outcome", "overflow"}});
  });
  each([&](const std::string& signal, const otlp::SignalFigures& of) {
    families.counter("travertine_telemetry_failures_total", "Requests to the receiver of telemetry that failed.",
                     of.failures, {{"signal", signal}});
  });
}

}  // namespace

telemetry::Metrics collect_metrics(const Ports& ports) {
  Families families;
  const telemetry::Sample process = ports.watching.now();
  add_requests(families, process.requests);
  add_process(families, process);
  add_shards(families, ports.node);
  add_snapshots(families, ports.node, ports.snapshots);
  add_effects(families, ports.effects);
  add_outboxes(families, ports.node);
  add_filter_failures(families, ports.node);
  add_egress(families, ports.broker.metrics());
  const auto of_plugins = ports.packages.host.metrics();
  add_plugins(families, of_plugins);
  add_numbers_of_plugins(families, of_plugins);
  families.gauge("travertine_plugins_in_quarantine", "Versions of plugins that a tenant has in quarantine.",
                 process.plugins_in_quarantine);
  add_deliveries(families, *ports.deliveries);
  if (const auto ends = ports.certificate_ends()) {
    families.gauge("travertine_certificate_expiry_timestamp_seconds", "When the certificate of the API expires.",
                   static_cast<std::uint64_t>(ends->ms() / 1000));
  }
  if (ports.backups != nullptr) add_backups(families, ports.backups->figures());
  if (ports.exporter != nullptr) add_exports(families, ports.exporter->figures());
  return {.families = std::move(families).all(), .exemplars = {{request_duration, ports.watching.exemplars()}}};
}

}  // namespace trv::gateway
