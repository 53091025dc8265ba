#include "events/kafka/partition_reader.hpp"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <chrono>

#include "events/kafka/failure.hpp"
#include "sdk/base/contract.hpp"

namespace trv::kafka {
namespace {

using base::fail;

constexpr base::Duration answer_within = std::chrono::seconds(10);
constexpr std::size_t taken_at_once = 1'000;
/// Bytes of entries. The queue of a client holds more; a fetch that is under way may be asked for twice, once in so
/// many.
constexpr std::size_t begin_anew_after = std::size_t{8} << 20;

}  // namespace

void PartitionReader::EndsQueue::operator()(rd_kafka_queue_t* queue) const noexcept {
  rd_kafka_queue_destroy(queue);
}
void PartitionReader::EndsMessage::operator()(rd_kafka_message_t* message) const noexcept {
  rd_kafka_message_destroy(message);
}

base::Result<std::unique_ptr<PartitionReader>> PartitionReader::open(std::shared_ptr<Consumers> consumers,
                                                                     std::int32_t partition, std::int64_t offset) {
  std::unique_ptr<PartitionReader> reader(new PartitionReader(std::move(consumers), partition));
  const Settings& settings = reader->settings();
  TRV_TRY_ASSIGN(reader->client_, reader->consumers_->take());
  reader->topic_.reset(rd_kafka_topic_new(reader->client_.get(), settings.topic.c_str(), nullptr));
  TRV_ASSERT(reader->topic_ != nullptr);
  reader->queue_.reset(rd_kafka_queue_new(reader->client_.get()));
  TRV_TRY_ASSIGN(reader->ends_, watermarks(reader->client_.get(), settings.topic, partition, answer_within));
  reader->is_good_ = true;
  reader->seek(std::max(offset, reader->ends_.low));
  return reader;
}

PartitionReader::~PartitionReader() {
  if (client_ == nullptr) return;
  // A reader at the end has asked its broker to wait for more; the next reader of this client would wait with it.
  const bool waits = started_ && place_ >= high();
  stop();
  queue_.reset();
  topic_.reset();
  if (waits || !is_good_) {
    consumers_->end(std::move(client_));
  } else {
    consumers_->give_back(std::move(client_));
  }
}

base::Status PartitionReader::start() {
  TRV_EXPECTS(!started_);
  if (rd_kafka_consume_start_queue(topic_.get(), partition_, place_, queue_.get()) != 0) {
    return fail(failure(rd_kafka_last_error(), fmt::format("reading {}", describe(settings(), partition_))));
  }
  started_ = true;
  taken_ = 0;
  return {};
}

void PartitionReader::stop() noexcept {
  given_.reset();
  for (; ready_at_ < ready_.size(); ++ready_at_) rd_kafka_message_destroy(ready_[ready_at_]);
  if (started_) rd_kafka_consume_stop(topic_.get(), partition_);
  started_ = false;
}

void PartitionReader::give_again() {
  TRV_EXPECTS(given_ != nullptr && ready_at_ > 0 && ready_[ready_at_ - 1] == given_.get());
  place_ = given_->offset;
  static_cast<void>(given_.release());  // ready_ has it
  --ready_at_;
}

void PartitionReader::seek(std::int64_t offset) {
  TRV_EXPECTS(offset >= 0);
  stop();
  place_ = offset;
}

base::Result<std::optional<Entry>> PartitionReader::next(base::Duration within) {
  given_.reset();
  if (!started_) TRV_TRY(start());
  if (!has_fetched()) {
    ready_at_ = 0;
    ready_.clear();
    rd_kafka_message_t* first = rd_kafka_consume_queue(queue_.get(), 0);
    if (first == nullptr && taken_ >= begin_anew_after && place_ < high()) {
      // A fetcher that found its queue full looks again a second later, however soon the queue is empty.
      stop();
      TRV_TRY(start());
    }
    // A batch waits until it is full: wait for one message, then take what is there.
    if (first == nullptr) first = rd_kafka_consume_queue(queue_.get(), milliseconds(within));
    if (first == nullptr) return std::nullopt;
    ready_.resize(taken_at_once);
    ready_[0] = first;
    const ssize_t more = rd_kafka_consume_batch_queue(queue_.get(), 0, ready_.data() + 1, taken_at_once - 1);
    ready_.resize(1 + static_cast<std::size_t>(std::max<ssize_t>(more, 0)));
    for (const rd_kafka_message_t* message : ready_) taken_ += message->len;
  }
  return judge(ready_[ready_at_++]);
}

base::Result<std::optional<Entry>> PartitionReader::judge(rd_kafka_message_t* message) {
  given_.reset(message);
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    place_ = message->offset + 1;
    return Entry{.offset = message->offset,
                 .bytes = {static_cast<const std::uint8_t*>(message->payload), message->len}};
  }
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return std::nullopt;
  if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
    return fail(base::ErrorCode::not_found,
                fmt::format("{} has no entry at offset {}", describe(settings(), partition_), place_));
  }
  // librdkafka goes on by itself where the world may get well.
  if (reaction_to(message->err) == Reaction::retry) return std::nullopt;
  is_good_ = false;
  return fail(failure(message->err, fmt::format("reading {}", describe(settings(), partition_))));
}

std::optional<base::BytesView> PartitionReader::header(const char* name) const {
  TRV_EXPECTS(given_ != nullptr);
  rd_kafka_headers_t* headers = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  if (rd_kafka_message_headers(given_.get(), &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  if (rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  return base::BytesView(static_cast<const std::uint8_t*>(value), size);
}

void PartitionReader::wake() noexcept {
  rd_kafka_queue_yield(queue_.get());
}

std::int64_t PartitionReader::high() noexcept {
  std::int64_t low = 0;
  std::int64_t high = 0;
  if (rd_kafka_get_watermark_offsets(client_.get(), settings().topic.c_str(), partition_, &low, &high) ==
          RD_KAFKA_RESP_ERR_NO_ERROR &&
      high > ends_.high) {
    ends_.high = high;
  }
  return ends_.high = std::max(ends_.high, place_);
}

}  // namespace trv::kafka
