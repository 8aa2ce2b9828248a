// The hostile run: random octets and damaged valid packets of every type, summed right or not,
// beside a good stream through two production workers, at its own rate. Shown: no octet of the
// stream lost or changed, no allocation in a worker's turn, memory flat, and the stream's rate
// undisturbed and disturbed, in turn.
//   hostile_run [--random N] [--mutated N] [--rate MESSAGES/S] [--pairs N] [--seed N] [--parity]
//               [--wanted SHARE] [--golden FILE]
// Status 1 where something of this does not hold. `--rate 0`: as fast as the core goes, where the
// share that is kept is the core's and no goal (use --wanted 0). Everything a run meets follows
// from its seed but the moments.
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <string>
#include <string_view>

#include "bench/hostile/hostile_pair.hpp"
#include "engine/wire/names.hpp"
#include "tests/hostile/hostile_packets.hpp"

namespace {

using namespace fanfare;
using namespace fanfare::bench;
using test::Aim;
using test::HostileKind;
using test::HostilePackets;

struct Options {
    std::uint64_t random = 1'000'000, mutated = 1'000'000, pairs = 20, seed = 20261129;
    double rate = 500'000, wanted = 0.9;
    bool parity = false;
    std::string golden = FANFARE_TEST_DATA "/openpgm-golden.json";
};

// Octets of RSS that a run may end with above what it had after its first pair: windows of
// strangers are made anew meanwhile, and the C library keeps what it likes of that.
constexpr std::int64_t kFlat = 1 << 20;

// Hostile frames of one slice, in memory that is used again for the next one.
class Frames {
  public:
    void make(HostilePackets& packets, const Options& options, std::uint64_t slice) {
        list_.clear();
        block_ = used_ = 0;
        add(packets, HostileKind::random, share(options.random, options.pairs, slice));
        add(packets, HostileKind::mutated, share(options.mutated, options.pairs, slice));
        std::shuffle(list_.begin(), list_.end(), std::mt19937_64(options.seed + slice));
    }
    // Room for a slice that is somewhat larger than the first was.
    void reserve_more() {
        for (std::size_t i = 1 + blocks_.size() / 8; i > 0; --i) grow();
        list_.reserve(list_.size() + 1024);
    }
    std::span<const std::span<const std::byte>> all() const { return list_; }

  private:
    static constexpr std::size_t kBlock = std::size_t{1} << 20;
    static std::uint64_t share(std::uint64_t whole, std::uint64_t pairs, std::uint64_t slice) {
        return whole / pairs + (slice < whole % pairs ? 1 : 0);
    }
    void grow() {
        blocks_.push_back(std::make_unique<std::byte[]>(kBlock));  // zeroed: every page is there
    }
    void add(HostilePackets& packets, HostileKind kind, std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) {
            if (kBlock - used_ < HostilePackets::kFrameMost) ++block_, used_ = 0;
            if (block_ == blocks_.size()) grow();
            std::byte* const at = blocks_[block_].get() + used_;
            const Aim aim = i % 2 == 0 ? Aim::receiver : Aim::source;
            const std::size_t length = packets.make(kind, aim, {at, HostilePackets::kFrameMost});
            list_.emplace_back(at, length);
            used_ += length;
        }
    }
    std::vector<std::unique_ptr<std::byte[]>> blocks_;
    std::vector<std::span<const std::byte>> list_;
    std::size_t block_ = 0, used_ = 0;
};

std::int64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::int64_t size = 0, resident = 0;
    statm >> size >> resident;
    return resident * sysconf(_SC_PAGESIZE);
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

void count_allocations_check() {
    const std::uint64_t before = PollWatch::allocations();
    {
        const PollWatch watch;
        void* volatile room = std::malloc(16);
        std::free(room);
    }
    if (PollWatch::allocations() != before + 1)
        throw std::runtime_error("the watch does not see an allocation");
}

void print_counters(const char* where, const dataplane::WorkerCounters& counters) {
    std::printf(
        "  %s: %llu frames; not for us %llu, malformed %llu, IP checksum %llu, fragments "
        "%llu, sessions opened %llu, no spare %llu\n",
        where, static_cast<unsigned long long>(counters.frames_received.get()),
        static_cast<unsigned long long>(counters.frames_not_for_us.get()),
        static_cast<unsigned long long>(counters.frames_malformed.get()),
        static_cast<unsigned long long>(counters.ip_checksum_wrong.get()),
        static_cast<unsigned long long>(counters.ip_fragments.get()),
        static_cast<unsigned long long>(counters.sessions_opened.get()),
        static_cast<unsigned long long>(counters.spares_exhausted.get()));
    std::printf("   ");
    for (std::size_t i = 0; i < static_cast<std::size_t>(wire::DecodeError::count_); ++i) {
        const std::uint64_t count = counters.decode_errors[i].get();
        if (count == 0) continue;
        std::printf(" %s %llu", std::string(to_string(static_cast<wire::DecodeError>(i))).c_str(),
                    static_cast<unsigned long long>(count));
    }
    static constexpr const char* kVerdicts[] = {
        "accepted",         "duplicate",      "before_window",    "beyond_window",
        "window_full",      "checksum_wrong", "untrusted_source", "stale_spm",
        "not_for_receiver", "session_over",   "malformed"};
    static_assert(std::size(kVerdicts) == static_cast<std::size_t>(engine::Verdict::count_));
    std::printf("\n   ");
    for (std::size_t i = 0; i < std::size(kVerdicts); ++i) {
        const std::uint64_t count = counters.verdicts[i].get();
        if (count > 0)
            std::printf(" %s %llu", kVerdicts[i], static_cast<unsigned long long>(count));
    }
    std::printf("\n");
}

int run(const Options& options) {
    std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
    count_allocations_check();
    const std::uint64_t allocations_before = PollWatch::allocations();
    HostilePairPlan plan;
    plan.parity = options.parity;
    HostilePair pair(plan);
    HostilePackets packets(pair.good(), options.seed);
    for (const auto& tpdu : test::golden_packets(options.golden)) packets.add_sample(tpdu);
    const std::uint64_t hostile = options.random + options.mutated;
    HostilePair::Slice slice;
    slice.messages = std::max<std::uint64_t>(hostile / options.pairs, 1000);
    slice.rate = options.rate;
    pair.run(slice);  // both windows full, every kind of packet seen on the wire
    for (const auto& tpdu : pair.take_recorded()) packets.add_sample(tpdu);

    Frames frames;
    std::vector<double> kept, calm_rates, beside_rates, calm_ns, beside_ns;
    std::int64_t resident = 0;
    for (std::uint64_t i = 0; i < options.pairs && pair.fault().empty(); ++i) {
        slice.hostile = {};
        const HostilePair::Took calm = pair.run(slice);
        packets.set_lead(pair.lead());
        frames.make(packets, options, i);
        slice.hostile = frames.all();
        const HostilePair::Took beside = pair.run(slice);
        pair.tidy();
        const auto messages = static_cast<double>(slice.messages);
        calm_rates.push_back(messages / calm.seconds);
        beside_rates.push_back(messages / beside.seconds);
        kept.push_back(calm.seconds / beside.seconds);
        calm_ns.push_back(1e9 * calm.busy_seconds / messages);
        beside_ns.push_back(1e9 * beside.busy_seconds / messages);
        if (i == 0) {
            frames.reserve_more();
            resident = resident_bytes();
        }
    }
    const std::int64_t grown = resident_bytes() - resident;
    const std::uint64_t allocations = PollWatch::allocations() - allocations_before;
    const std::string fault = pair.fault();

    std::printf(
        "%llu random and %llu damaged packets beside %llu messages of %zu octets%s, all "
        "read and checked\n",
        static_cast<unsigned long long>(options.random),
        static_cast<unsigned long long>(options.mutated),
        static_cast<unsigned long long>(pair.messages_read()), plan.message,
        options.parity ? " with parity" : "");
    std::printf("damaged packets began as");
    for (std::size_t i = 0; i < packets.origins().size(); ++i) {
        if (packets.origins()[i] > 0)
            std::printf(" %s %llu", std::string(to_string(static_cast<wire::Type>(i))).c_str(),
                        static_cast<unsigned long long>(packets.origins()[i]));
    }
    std::printf("\n");
    print_counters("receiver", pair.receiver_counters());
    print_counters("source", pair.source_counters());
    const auto source = pair.source_statistics();
    std::printf(
        "    NAKs for %llu numbers (%llu shed, %llu too late), NNAKs %llu, SPMRs %llu, ACKs "
        "%llu, POLRs %llu, refused %llu\n",
        static_cast<unsigned long long>(source.naks_received),
        static_cast<unsigned long long>(source.naks_shed),
        static_cast<unsigned long long>(source.naks_too_late),
        static_cast<unsigned long long>(source.nnaks_received),
        static_cast<unsigned long long>(source.spmr_received),
        static_cast<unsigned long long>(source.acks_received),
        static_cast<unsigned long long>(source.polrs_received),
        static_cast<unsigned long long>(source.rejected));
    const auto receiver = pair.receiver_statistics();
    std::printf(
        "  good session: %llu losses repaired, %llu by parity, %llu frames found no "
        "descriptor\n",
        static_cast<unsigned long long>(receiver.losses_repaired),
        static_cast<unsigned long long>(receiver.parity_decoded),
        static_cast<unsigned long long>(pair.dropped_at_ports()));
    if (!kept.empty()) {
        const auto [least, most] = std::minmax_element(kept.begin(), kept.end());
        std::printf(
            "rate: %.0f messages/s undisturbed, %.0f disturbed; kept %.3f (%.3f to %.3f "
            "over %zu pairs)\n",
            median(calm_rates), median(beside_rates), median(kept), *least, *most, kept.size());
        std::printf(
            "both workers: %.0f ns a message undisturbed, %.0f ns with a hostile packet "
            "beside it\n",
            median(calm_ns), median(beside_ns));
    }
    std::printf("allocations in a worker's turn: %llu\n",
                static_cast<unsigned long long>(allocations));
    std::printf("memory: %.1f MiB resident after the first pair, %+.2f MiB at the end\n",
                static_cast<double>(resident) / (1 << 20), static_cast<double>(grown) / (1 << 20));

    std::vector<std::string> wrong;
    if (!fault.empty()) wrong.push_back(fault);
    if (allocations > 0) wrong.push_back("a worker's turn allocated");
    if (grown > kFlat) wrong.push_back("memory grew");
    if (options.wanted > 0 && !kept.empty() && median(kept) < options.wanted)
        wrong.push_back("the good stream lost too much of its rate");
    for (const std::string& text : wrong) std::printf("WRONG: %s\n", text.c_str());
    if (wrong.empty()) std::printf("nothing lost\n");
    return wrong.empty() ? 0 : 1;
}

Options options_of(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--parity") {
            options.parity = true;
            continue;
        }
        if (i + 1 == argc) throw std::runtime_error(std::string(name) + " needs a value");
        const char* const value = argv[++i];
        if (name == "--random") {
            options.random = std::strtoull(value, nullptr, 10);
        } else if (name == "--mutated") {
            options.mutated = std::strtoull(value, nullptr, 10);
        } else if (name == "--pairs") {
            options.pairs = std::max(1ull, std::strtoull(value, nullptr, 10));
        } else if (name == "--seed") {
            options.seed = std::strtoull(value, nullptr, 10);
        } else if (name == "--rate") {
            options.rate = std::strtod(value, nullptr);
        } else if (name == "--wanted") {
            options.wanted = std::strtod(value, nullptr);
        } else if (name == "--golden") {
            options.golden = value;
        } else {
            throw std::runtime_error(std::string(name) + " is no option of hostile_run");
        }
    }
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(options_of(argc, argv));
    } catch (const std::exception& e) {
        std::fprintf(stderr, "hostile_run: %s\n", e.what());
        return 2;
    }
}
