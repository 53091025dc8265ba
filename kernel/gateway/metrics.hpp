#pragma once
// The daemon's figures in Prometheus text form.

#include <string>

#include "kernel/effects/effect_dispatcher.hpp"
#include "kernel/egress/broker.hpp"
#include "kernel/node/node.hpp"
#include "kernel/plugin_host/plugin_host.hpp"

namespace trv::gateway {

/// Every counter and gauge of the kernel, as of now. Names follow the Prometheus rules: base units, _total for
/// counters.
[[nodiscard]] std::string render_metrics(const node::Node& node, const effects::EffectDispatcher& effects,
                                         const egress::Broker& broker, const plugin_host::PluginHost& plugins);

}  // namespace trv::gateway
