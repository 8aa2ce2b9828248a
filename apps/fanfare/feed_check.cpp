#include "apps/fanfare/feed_check.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/fanfare/feed.hpp"

namespace fanfare::tool {

namespace {

double microseconds(std::uint64_t ns) {
    return static_cast<double>(ns) / 1e3;
}

nlohmann::json percentiles(const Histogram& delay, std::uint64_t above) {
    return {{"p50", microseconds(delay.percentile(0.50, above))},
            {"p99", microseconds(delay.percentile(0.99, above))},
            {"p99.9", microseconds(delay.percentile(0.999, above))},
            {"max", microseconds(delay.count_above(above) != 0 || above == 0 ? delay.max() : 0)}};
}

}  // namespace

void FeedCheck::message(std::span<const std::byte> octets, bool repaired, std::int64_t now_ns) {
    bytes_ += octets.size();
    const auto read = read_feed_message(octets);
    if (!read) {
        ++damaged_;
        return;
    }
    if (messages_ == 0) {
        first_number_ = next_number_ = read->number;
        first_ns_ = now_ns;
    }
    if (read->number != next_number_) ++out_of_order_;
    next_number_ = read->number + 1;
    last_ns_ = now_ns;
    ++messages_;
    delay_.add(now_ns - read->intended_ns);
    if (repaired) repaired_.add(now_ns - read->intended_ns);
}

nlohmann::json FeedCheck::report(std::int64_t delayed_above_ns) const {
    const std::uint64_t median = delay_.percentile(0.5);
    const std::uint64_t spread = delay_.percentile(0.75) - median;
    const std::uint64_t above = delayed_above_ns > 0
                                    ? static_cast<std::uint64_t>(delayed_above_ns)
                                    : median + std::max<std::uint64_t>(4 * spread, 50'000);
    const double seconds = static_cast<double>(last_ns_ - first_ns_) / 1e9;
    nlohmann::json delayed = percentiles(delay_, above);
    delayed["count"] = delay_.count_above(above);
    delayed["above"] = microseconds(above);
    nlohmann::json repaired = percentiles(repaired_, 0);
    repaired["count"] = repaired_.count();
    return {{"messages", messages_},
            {"bytes", bytes_},
            {"first_number", first_number_},
            {"damaged", damaged_},
            {"out_of_order", out_of_order_},
            {"seconds", seconds},
            {"messages_per_s", seconds > 0 ? static_cast<double>(messages_) / seconds : 0},
            {"mb_per_s", seconds > 0 ? static_cast<double>(bytes_) / seconds / 1e6 : 0},
            {"delay_us", percentiles(delay_, 0)},
            {"delayed_us", delayed},
            {"repaired_us", repaired}};
}

}  // namespace fanfare::tool
