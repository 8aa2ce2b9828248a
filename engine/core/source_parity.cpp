#include "engine/core/source_parity.hpp"

namespace fanfare::engine {

SourceParity::SourceParity(const SourceParameters& parameters, std::uint16_t largest,
                           const checksum::Kernels& kernels, const fec::Kernels& parity_kernels)
    : k_(parameters.parity.group_size),
      mask_(k_ - 1),
      proactive_(parameters.parity.proactive),
      kernels_(kernels),
      encoder_(k_, proactive_, largest, parity_kernels) {
    if (!parameters.parity.on_demand) return;
    one_.emplace(k_, 1, largest, parity_kernels);
    copy_.resize(largest);
    repairs_.emplace(parameters);
}

void SourceParity::fold(ParityEncoder& encoder, std::size_t place, const SendEntry& entry,
                        const std::byte* payload) {
    const ParitySymbol::Fragment fragment{entry.message_first, entry.message_offset,
                                          entry.message_length};
    encoder.fold(place,
                 ParitySymbol(entry.fragment ? &fragment : nullptr, entry.packed, entry.length),
                 entry.fragment, entry.packed, payload, entry.length);
}

void SourceParity::data_sent(std::uint64_t ordinal, const SendEntry& entry,
                             const std::byte* payload, std::uint64_t trail,
                             RepairService& service) {
    const std::uint64_t place = ordinal & mask_;
    if (place == 0) {
        group_ = ordinal;
        closed_ = false;
        encoder_.begin();
        if (repairs_) repairs_->begin(ordinal);
    }
    count_ = static_cast<std::uint32_t>(place) + 1;
    if (proactive_ > 0) fold(encoder_, place, entry, payload);
    if (count_ == k_) close(trail, service);
}

void SourceParity::close(std::uint64_t trail, RepairService& service) {
    closed_ = true;
    owed_ = proactive_;
    if (proactive_ > 0) encoder_.close();
    if (repairs_) repairs_->close(group_, static_cast<std::uint8_t>(count_), trail, service);
}

void SourceParity::shorten(SendWindow& window, RepairService& service) {
    const std::uint64_t last = group_ + count_ - 1;
    if (window.contains(last)) window.at(last).group_size = static_cast<std::uint8_t>(count_);
    close(window.trail(), service);
}

SourcePackets::ParityContents SourceParity::contents(const ParityEncoder& encoder, std::size_t row,
                                                     std::uint32_t index, std::uint64_t group,
                                                     std::uint32_t size) const {
    SourcePackets::ParityContents out;
    out.sqn = static_cast<Sqn>(group) | static_cast<Sqn>(index & mask_);
    out.group = index / k_;
    out.group_size = size < k_ ? static_cast<std::uint8_t>(size) : std::uint8_t{0};
    out.variable = encoder.variable();
    out.symbol_fragment = encoder.fragments() ? &encoder.symbol(row) : nullptr;
    out.symbol_packed = encoder.packed() ? &encoder.symbol(row) : nullptr;
    out.payload = encoder.payload(row);
    return out;
}

std::optional<SourcePackets::ParityContents> SourceParity::compute(std::uint64_t group,
                                                                   const SendWindow& window) {
    const std::uint32_t size = repairs_->size(group);
    const std::uint32_t index = repairs_->next_index(group);
    one_->set_rows(index);
    one_->begin();
    for (std::uint32_t i = 0; i < size; ++i) {
        const SendEntry& entry = window.at(group + i);
        // The program may rewrite its log while this runs: what was summed is what is used.
        const std::uint32_t sum = kernels_.copy_and_sum(copy_.data(), entry.data, entry.length);
        if (checksum::fold(sum) != checksum::fold(entry.sum)) return std::nullopt;
        fold(*one_, i, entry, copy_.data());
    }
    one_->close();
    SourcePackets::ParityContents out = contents(*one_, 0, index, group, size);
    out.repair = true;
    return out;
}

}  // namespace fanfare::engine
