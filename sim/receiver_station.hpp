// A host that receives one session: engine::Receiver, and a reader beside it that checks every
// octet as it becomes contiguous. It may come late, leave and come back.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/core/local_repairer.hpp"
#include "engine/core/receiver.hpp"
#include "sim/content.hpp"
#include "sim/figures.hpp"
#include "sim/judge.hpp"
#include "sim/station.hpp"

namespace fanfare::sim {

// A time in which a receiver is there; true time.
struct Stay {
    Nanos from = 0;
    Nanos until = kNever;
};

struct ReceiverStationPlan {
    StationPlan station;
    engine::ReceiverParameters parameters;
    Address group;
    std::uint16_t port = 7500;
    ContentShape content;
    Nanos source_start_ns = kMillisecond;
    std::size_t log_bytes = 1 << 19;  // powers of two: engine::ReceiveMemory
    std::size_t index_entries = 1 << 10;
    std::vector<Stay> stays{Stay{}};  // in order, disjoint
    bool follows_repairers = false;   // of other subnets: all hosts have one of their own
    bool repairs = false;             // is a designated local repairer itself
};

class ReceiverStation : public Station {
  public:
    ReceiverStation(Network& network, const ReceiverStationPlan& plan, Meter& meter);

    Nanos next_deadline() const override;

    // The network lost this number's first transmission on its way here; it would have come then.
    void missed(Sqn sqn, Nanos would_arrive);
    // Nothing more will happen here.
    bool over() const { return stay_ == work_.stays.size(); }
    std::uint64_t local_repairs() const {
        return repairer_ ? repairer_->statistics().rdata_sent : 0;
    }

    // One stay that came to its end, or was open when end() was called.
    struct Reception {
        Outcome outcome;  // without what only the sender knows
        bool heard = false, left = false;
        std::uint64_t octets = 0;
    };
    const std::vector<Reception>& receptions() const { return receptions_; }
    // Closes the stay at hand as it is: the run is over.
    void end();

  protected:
    void on_packet(const Heard& heard, Nanos now) override;
    void run(Nanos now) override;

  private:
    struct Missing {
        Sqn sqn;
        Nanos would_arrive;
    };
    bool present(Nanos now) const;
    void take(engine::Output& out, Nanos now);
    engine::LocalRepairer::Window repair_window();
    void read();
    void find_repaired(Nanos now);
    void close_stay(bool left);

    ReceiverStationPlan work_;
    Meter& meter_;
    std::vector<IndexEntry> index_;
    std::vector<std::byte> log_;
    engine::Receiver receiver_;
    std::unique_ptr<engine::LocalRepairer> repairer_;  // null: none
    std::size_t stay_ = 0;                             // the one at hand, or the next
    bool started_ = false, joined_late_ = false;
    std::optional<ContentCheck> check_;
    std::uint64_t read_ = 0;  // ordinal
    std::uint64_t octets_ = 0;
    std::string wrong_;
    std::vector<Missing> missing_;
    std::vector<Reception> receptions_;
};

}  // namespace fanfare::sim
