// A host that sends one session: engine::Source, fed as fast as it takes data.
#pragma once

#include <vector>

#include "engine/core/source.hpp"
#include "sim/content.hpp"
#include "sim/figures.hpp"
#include "sim/station.hpp"

namespace fanfare::sim {

struct SourceStationPlan {
    StationPlan station;
    engine::SourceParameters parameters;
    Address group;
    std::uint16_t port = 7500;
    // One packet a message: none longer than largest_tsdu(); all of them are kept in memory.
    ContentShape content;
    Nanos start_ns = kMillisecond;  // true time; receivers are there before
};

class SourceStation : public Station {
  public:
    SourceStation(Network& network, const SourceStationPlan& plan, Meter& meter);

    Nanos next_deadline() const override;
    std::uint32_t published() const { return published_; }
    bool done() const { return source_.is_done(); }
    const Tsi& tsi() const { return tsi_; }

  protected:
    void on_packet(const Heard& heard, Nanos now) override;
    void run(Nanos now) override;
    void on_sent(const engine::TxFrame& frame, Nanos now) override;

  private:
    bool publish(Nanos now);

    SourceStationPlan work_;
    Tsi tsi_;
    engine::Source source_;
    Meter& meter_;
    std::vector<std::byte> octets_;
    std::vector<std::uint32_t> lengths_;
    std::size_t next_octet_ = 0;
    std::uint32_t published_ = 0;
    bool finishing_ = false;
};

}  // namespace fanfare::sim
