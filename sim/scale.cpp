#include "sim/scale.hpp"

#include <algorithm>
#include <memory>

#include "sim/crowd.hpp"
#include "sim/receiver_station.hpp"
#include "sim/source_station.hpp"

namespace fanfare::sim {
namespace {

constexpr Address kGroup = Address::from_octets(239, 77, 0, 1);
// Behind the sending time: every window passes, and a silent source is found silent, within this.
constexpr Nanos kQuietNanos = 120 * kSecond;
constexpr std::size_t kOctetsOfEntry = 512;  // of the receive log; a packet has more as a rule
constexpr std::size_t kMostBroken = 20;      // lines: a broken mechanism breaks everything

class Run {
  public:
    Run(const ScalePlan& plan, std::uint64_t seed)
        : plan_(plan),
          random_(seed),
          network_(random_.next(), shape()),
          crowd_(network_),
          meter_(plan.parity.group_size) {
        network_.set_tree(&tree_);
        network_.set_loss_watch([](void* run, std::size_t to, std::span<const std::byte> frame,
                                   Nanos at) { static_cast<Run*>(run)->lost(to, frame, at); },
                                this);
        network_.faults().duplicate = plan.duplicate;
        network_.faults().reorder = plan.reorder;
        network_.faults().corrupt = plan.corrupt;
        content_.seed = random_.next();
        content_.messages = plan.messages;
        content_.longest = plan.message_octets;
        content_.short_most = plan.message_octets - 1;
        content_.long_share = 1;
        content_.empty_share = 0;
        build_source();
        build_sites();
        plan_partitions();
        for (std::size_t i = 0; i < 1 + receivers_.size(); ++i)
            crowd_.add(i == 0 ? static_cast<Station&>(*source_) : *receivers_[i - 1]);
        for (const auto& repairer : repairers_) crowd_.add(*repairer);
    }

    Network& network() { return network_; }

    ScaleResult run() {
        const Nanos end = kStart + sending_time(plan_) * 4 + kQuietNanos;
        crowd_.run_until(end, [&] {
            return source_->published() == plan_.messages &&
                   std::all_of(receivers_.begin(), receivers_.end(),
                               [](const auto& receiver) { return receiver->over(); });
        });
        ScaleResult result;
        for (const auto& receiver : receivers_) {
            receiver->end();
            judge(*receiver, result.broken);
            meter_.figures.receiver_octets += receiver->octets_sent() + receiver->octets_received();
        }
        for (const auto& repairer : repairers_) {
            repairer->end();
            meter_.figures.local_repairs += repairer->local_repairs();
            const auto& outcome = repairer->receptions().front().outcome;
            if (!outcome.wrong.empty() && result.broken.size() < kMostBroken)
                result.broken.push_back("repairer " + std::to_string(repairer->number()) + ": " +
                                        outcome.wrong);
        }
        if (source_->published() != plan_.messages)
            result.broken.push_back("the source published " + std::to_string(source_->published()) +
                                    " of " + std::to_string(plan_.messages) + " messages");
        meter_.figures.source_octets = source_->octets_sent() + source_->octets_received();
        result.figures = meter_.result();
        result.frames = network_.totals().sent;
        result.copies_lost = network_.totals().lost;
        result.turns = crowd_.turns();
        result.virtual_ns = network_.now();
        result.fingerprint = crowd_.fingerprint();
        return result;
    }

  private:
    static constexpr Nanos kStart = kMillisecond;

    static LinkShape shape() {
        LinkShape shape;
        shape.bits_per_s = 10'000'000'000;
        shape.queue_frames = 1 << 16;
        return shape;
    }

    StationPlan station() {
        StationPlan station;
        station.udp_port = plan_.udp_port;
        station.seed = random_.next();
        station.clock.offset_ns = random_.between(0, plan_.clock_offset_ns);
        const auto most = static_cast<std::int32_t>(plan_.drift_ppm);
        station.clock.drift_ppm = static_cast<std::int32_t>(random_.between(-most, most));
        return station;
    }

    void build_source() {
        SourceStationPlan source;
        source.station = station();
        source.parameters = source_parameters(plan_);
        source.group = kGroup;
        source.content = content_;
        source.start_ns = kStart;
        source_ = std::make_unique<SourceStation>(network_, source, meter_);
        TreeLink link;
        link.delay_ns = plan_.delay_source_ns;
        link.loss_up = plan_.loss_shared;
        link.loss_down = plan_.loss_back;
        link.loss_run = plan_.loss_run;
        link.loss_list = plan_.loss_list;
        tree_.place(source_->number(), tree_.add_node(Tree::kRoot, link));
    }

    void build_sites() {
        for (std::uint32_t i = 0; i < plan_.receivers; ++i) {
            if (i % plan_.receivers_of_site == 0) {
                TreeLink link;
                link.delay_ns = random_.between(plan_.delay_site_min_ns, plan_.delay_site_max_ns);
                link.loss_down = plan_.loss_site;
                link.loss_up = plan_.loss_back;
                link.loss_run = plan_.loss_run;
                if (plan_.repairers) {
                    // The repairer's network between the backbone and the site's router: what the
                    // site's link loses, the repairer has.
                    TreeLink down;
                    down.delay_ns = plan_.delay_host_max_ns;
                    std::swap(down.loss_down, link.loss_down);
                    std::swap(down.loss_run, link.loss_run);
                    above_.push_back(tree_.add_node(Tree::kRoot, link));
                    sites_.push_back(tree_.add_node(above_.back(), down, true));
                } else {
                    sites_.push_back(tree_.add_node(Tree::kRoot, link, true));
                }
            }
            ReceiverStationPlan receiver;
            receiver.station = station();
            receiver.parameters = receiver_parameters(plan_);
            receiver.group = kGroup;
            receiver.content = content_;
            receiver.source_start_ns = kStart;
            receiver.log_bytes = plan_.receive_log_bytes;
            receiver.index_entries = plan_.receive_log_bytes / kOctetsOfEntry;
            receiver.follows_repairers = plan_.repairers;
            if (random_.chance(plan_.coming_and_going)) receiver.stays = draw_stays();
            receivers_.push_back(std::make_unique<ReceiverStation>(network_, receiver, meter_));
            TreeLink link;
            link.delay_ns = random_.between(plan_.delay_host_min_ns, plan_.delay_host_max_ns);
            link.loss_down = plan_.loss_private;
            tree_.place(receivers_.back()->number(), tree_.add_node(sites_.back(), link));
        }
        for (const Tree::Node above : above_) build_repairer(above);
    }

    void build_repairer(Tree::Node above) {
        ReceiverStationPlan repairer;
        repairer.station = station();
        repairer.parameters = receiver_parameters(plan_);
        repairer.group = kGroup;
        repairer.content = content_;
        repairer.source_start_ns = kStart;
        // Longer than any receiver's window.
        repairer.log_bytes = 4 * plan_.receive_log_bytes;
        repairer.index_entries = repairer.log_bytes / kOctetsOfEntry;
        repairer.repairs = true;
        repairers_.push_back(std::make_unique<ReceiverStation>(network_, repairer, meter_));
        TreeLink link;
        link.delay_ns = plan_.delay_host_min_ns;
        tree_.place(repairers_.back()->number(), tree_.add_node(above, link), true);
    }

    // It comes late and stays, leaves early, or leaves and comes back.
    std::vector<Stay> draw_stays() {
        const Nanos time = sending_time(plan_);
        const Nanos first = kStart + random_.between(time / 10, time / 2);
        const Nanos second = first + random_.between(time / 20, time / 4);
        switch (random_.below(3)) {
            case 0:
                return {{first, kNever}};
            case 1:
                return {{0, first}};
            default:
                return {{0, first}, {second, kNever}};
        }
    }

    void plan_partitions() {
        const Nanos time = sending_time(plan_);
        for (std::uint32_t i = 0; i < plan_.partitions; ++i) {
            const Tree::Node site = sites_[random_.below(sites_.size())];
            const Nanos from = kStart + random_.between(time / 5, time * 3 / 5);
            crowd_.at(from, [this, site] { tree_.cut(site, true); });
            crowd_.at(from + plan_.partition_ns, [this, site] { tree_.cut(site, false); });
        }
    }

    // Only new data counts: what else is lost costs time and another try, which the figures show.
    void lost(std::size_t to, std::span<const std::byte> frame, Nanos would_arrive) {
        if (to == source_->number() || to > receivers_.size()) return;
        dataplane::net::Datagram datagram;
        wire::Packet packet;
        if (dataplane::net::parse_frame(frame, 0, datagram) != dataplane::net::FrameClass::pgm ||
            wire::decode(datagram.payload, packet) != wire::DecodeError::none ||
            packet.type != wire::Type::odata || (packet.flags & wire::kOptParity) != 0)
            return;
        receivers_[to - 1]->missed(packet.sqn, would_arrive);
    }

    void judge(const ReceiverStation& receiver, std::vector<std::string>& broken) {
        for (const ReceiverStation::Reception& reception : receiver.receptions()) {
            meter_.figures.delivered_octets += reception.octets;
            Outcome outcome = reception.outcome;
            outcome.written = source_->published();
            outcome.to_write = plan_.messages;
            meter_.figures.late += outcome.joined_late ? 1 : 0;
            meter_.figures.left += reception.left ? 1 : 0;
            meter_.figures.finished += outcome.state == SessionState::finished ? 1 : 0;
            meter_.figures.resets += outcome.state == SessionState::reset ? 1 : 0;
            std::string line;
            if (reception.left) {
                line = outcome.wrong;
            } else if (!reception.heard) {
                // Who comes when all is said hears nothing.
                if (!outcome.may_be_late) line = "the session was never heard";
            } else {
                Allowance allowance;
                allowance.loss = allowance.silence = outcome.may_be_late;
                line = broken_promise(outcome, allowance);
            }
            if (!line.empty() && broken.size() < kMostBroken)
                broken.push_back("receiver " + std::to_string(receiver.number()) + ": " + line);
        }
    }

    const ScalePlan& plan_;
    Random random_;
    Tree tree_;
    Network network_;
    Crowd crowd_;
    Meter meter_;
    ContentShape content_;
    std::unique_ptr<SourceStation> source_;
    std::vector<Tree::Node> sites_, above_;                    // above_: where repairers stand
    std::vector<std::unique_ptr<ReceiverStation>> receivers_;  // port number - 1
    std::vector<std::unique_ptr<ReceiverStation>> repairers_;  // behind them
};

}  // namespace

ScaleResult run_scale(const ScalePlan& plan, std::uint64_t seed,
                      bool (*filter)(void*, std::size_t, std::span<const std::byte>),
                      void* context) {
    Run run(plan, seed);
    run.network().set_filter(filter, context);
    return run.run();
}

}  // namespace fanfare::sim
