#include "kernel/gateway/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <vector>

#include "sdk/base/contract.hpp"

namespace trv::gateway {
namespace {

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
  [[nodiscard]] const std::vector<MetricFamily>& all() const { return families_; }

 private:
  void add(std::string name, std::string help, MetricType type, ClientMetric metric) {
    if (families_.empty() || families_.back().name != name) {
      families_.push_back({.name = std::move(name), .help = std::move(help), .type = type, .metric = {}});
    }
    TRV_ASSERT(families_.back().type == type);
    families_.back().metric.push_back(std::move(metric));
  }
  std::vector<MetricFamily> families_;
};

void add_shard(Families& families, const shard::ShardMetrics& shard) {
  families.counter("travertine_commands_total", "Commands answered.", shard.commands);
  families.counter("travertine_commands_refused_total", "Commands answered with an error.", shard.refused);
  families.counter("travertine_records_total", "Records appended by this process.", shard.records);
  families.counter("travertine_batches_total", "Group commits.", shard.batches);
  families.counter("travertine_claims_total", "Times this process became owner of its shard.", shard.claims);
  families.counter("travertine_timers_fired_total", "Timers that came due.", shard.timers_fired);
  families.gauge("travertine_queue_commands", "Commands waiting for the shard.", shard.queue_length);
  families.gauge("travertine_applied_lsn", "Position of the last record in the projection.", shard.applied_lsn);
  families.gauge("travertine_shard_owner", "1 while this process owns its shard.", shard.owner ? 1 : 0);
}

void add_effects(Families& families, const effects::DispatcherMetrics& effects) {
  families.counter("travertine_effects_total", "Effects taken up.", effects.dispatched);
  families.counter("travertine_effect_tries_total", "Tries of effects.", effects.tries);
  families.counter("travertine_effect_retries_total", "Tries after the first.", effects.retries);
  families.counter("travertine_effect_outcomes_total", "Effects that ended.", effects.succeeded,
                   {{"outcome", "succeeded"}});
  families.counter("travertine_effect_outcomes_total", "Effects that ended.", effects.failed, {{"outcome", "failed"}});
  families.gauge("travertine_effects_under_way", "Tries under way.", effects.under_way);
  families.gauge("travertine_effects_waiting", "Effects waiting for their next try.", effects.waiting);
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

}  // namespace

std::string render_metrics(const node::Node& node, const effects::EffectDispatcher& effects,
                           const egress::Broker& broker, const plugin_host::PluginHost& plugins) {
  Families families;
  add_shard(families, node.platform().metrics());
  add_effects(families, effects.metrics());
  add_egress(families, broker.metrics());
  add_plugins(families, plugins.metrics());
  families.gauge("travertine_event_followers", "Open event streams.", node.platform().feed().followers());
  return prometheus::TextSerializer().Serialize(families.all());
}

}  // namespace trv::gateway
