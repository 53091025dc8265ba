#pragma once
// Owners of librdkafka's objects. For the sources of this folder that include its header.

#include <librdkafka/rdkafka.h>

#include <memory>

namespace trv::kafka {

template <auto Destroy>
struct Destroys {
  template <typename T>
  void operator()(T* object) const noexcept {
    Destroy(object);
  }
};
using Queue = std::unique_ptr<rd_kafka_queue_t, Destroys<rd_kafka_queue_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, Destroys<rd_kafka_event_destroy>>;
using Offsets = std::unique_ptr<rd_kafka_topic_partition_list_t, Destroys<rd_kafka_topic_partition_list_destroy>>;

}  // namespace trv::kafka
