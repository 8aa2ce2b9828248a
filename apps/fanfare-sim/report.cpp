#include "apps/fanfare-sim/report.hpp"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

namespace fanfare::simulate {

namespace {

constexpr double kMega = 1e6, kMicro = 1e3;  // bit/s to Mbit/s, ns to us

double microseconds(Nanos time) {
    return static_cast<double>(time) / kMicro;
}

}  // namespace

std::string table_head() {
    return "| scenario | receivers | lost | NAKs per loss: median, mean, 99 % | repairs per loss, "
           "local | "
           "other NAKs, repairs | source Mbit/s | last receiver Mbit/s | repair delay us: median, "
           "99 % | source octets per octet | receivers' octets per octet | finished, reset, late, "
           "left |\n"
           "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
}

std::string table_line(const Row& row) {
    const sim::Figures& f = row.figures;
    return fmt::format(
        "| {} | {} | {} | {}, {:.2f}, {} | {:.3f}, {:.3f} | {}, {} | {:.1f} | {:.1f} | {:.0f}, "
        "{:.0f} | "
        "{:.3f} | "
        "{:.3f} | {}, {}, {}, {} |\n",
        row.scenario, row.receivers, f.lost_packets, sim::percentile(f.naks_of_loss, 0.5),
        f.naks_per_loss(), sim::percentile(f.naks_of_loss, 0.99), f.repairs_per_loss(),
        f.local_repairs_per_loss(), f.other_naks, f.other_repairs,
        sim::percentile(f.source_bits_per_s, 0.5) / kMega,
        sim::percentile(f.complete_bits_per_s, 0.5) / kMega,
        microseconds(sim::percentile(f.repair_delays, 0.5)),
        microseconds(sim::percentile(f.repair_delays, 0.99)), f.source_octets_per_octet(),
        f.receiver_octets_per_octet(), f.finished, f.resets, f.late, f.left);
}

std::string json_text(const std::vector<Row>& rows) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const Row& row : rows) {
        const sim::Figures& f = row.figures;
        nlohmann::ordered_json delays;
        for (const int percent : {50, 90, 99, 100})
            delays[fmt::format("p{}", percent)] =
                microseconds(sim::percentile(f.repair_delays, percent / 100.0));
        all.push_back(
            {{"scenario", row.scenario},
             {"receivers", row.receivers},
             {"seed", row.seed},
             {"seeds", row.seeds},
             {"data_packets", f.data_packets},
             {"lost_packets", f.lost_packets},
             {"nak_packets", f.nak_packets},
             {"naks_per_loss",
              {{"median", sim::percentile(f.naks_of_loss, 0.5)},
               {"mean", f.naks_per_loss()},
               {"p99", sim::percentile(f.naks_of_loss, 0.99)}}},
             {"repairs_per_loss", f.repairs_per_loss()},
             {"local_repairs_per_loss", f.local_repairs_per_loss()},
             {"spmrs", f.spmr_packets},
             {"source_mbit_per_s", sim::percentile(f.source_bits_per_s, 0.5) / kMega},
             {"last_receiver_mbit_per_s", sim::percentile(f.complete_bits_per_s, 0.5) / kMega},
             {"repair_delay_us", delays},
             {"source_octets_per_octet", f.source_octets_per_octet()},
             {"receiver_octets_per_octet", f.receiver_octets_per_octet()},
             {"finished", f.finished},
             {"reset", f.resets},
             {"late", f.late},
             {"left", f.left},
             {"broken", row.broken}});
    }
    return all.dump(2) + "\n";
}

}  // namespace fanfare::simulate
