#pragma once
// Owners of librdkafka's objects. For the sources of this folder that include its header.

#include <librdkafka/rdkafka.h>

#include <memory>

#include "sdk/base/frees.hpp"

namespace trv::kafka {

using Queue = std::unique_ptr<rd_kafka_queue_t, base::Frees<rd_kafka_queue_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, base::Frees<rd_kafka_event_destroy>>;
using Offsets = std::unique_ptr<rd_kafka_topic_partition_list_t, base::Frees<rd_kafka_topic_partition_list_destroy>>;

}  // namespace trv::kafka
