#pragma once
// What every instance of a process shares. All outlive the instances.

#include <memory>

#include "kernel/egress/http_sender.hpp"
#include "kernel/plugin_host/metric_table.hpp"
#include "kernel/plugin_host/permissions.hpp"
#include "kernel/plugin_host/plugin_instance.hpp"
#include "kernel/plugin_host/plugin_threads.hpp"
#include "kernel/plugin_host/progress_board.hpp"
#include "kernel/plugin_host/service_request.hpp"
#include "kernel/plugin_host/span_board.hpp"
#include "sdk/base/clock.hpp"

namespace trv::plugin_host {

struct InstanceServices {
  PluginThreads& threads;
  egress::HttpSender& http;
  const base::Clock& clock;
  LogSink log;
  std::shared_ptr<const Permissions> permissions = {};  ///< of this version; nullptr: it may do everything
  ServeRequest serve = {};                              ///< empty: nothing is served
  std::shared_ptr<MetricTable> metrics = {};            ///< of this version; nullptr: nobody looks
  ProgressBoard* progress = nullptr;                    ///< nullptr: nobody looks
  SpanBoard* spans = nullptr;                           ///< nullptr: nobody looks
  StreamLimits streams = {};
  bool run_on_caller = true;  ///< false: invoke never runs plugin code on the caller's thread, so a hang cannot hold it
};

}  // namespace trv::plugin_host
