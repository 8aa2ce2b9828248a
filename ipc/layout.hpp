// How regions are laid out in memory: builders for the side that makes them, checked views for the
// side that gets them. Pure arithmetic over memory that somebody else owns: a memfd
// (ipc/memory.hpp) or, in the simulator and in tests, the plain heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/core/window_layout.hpp"
#include "engine/types.hpp"
#include "ipc/receive_region.hpp"
#include "ipc/send_region.hpp"
#include "ipc/socket_page.hpp"

namespace fanfare::ipc {

// Bounds of every region. An entry names the low 32 bits of a log position, and readers may be up
// to three laps behind before they notice (MessageReader): 4 laps must stay within 2^32.
inline constexpr std::uint64_t kLogBytesMin = std::uint64_t{64} << 10;
inline constexpr std::uint64_t kLogBytesMax = std::uint64_t{1} << 30;
inline constexpr std::uint32_t kIndexEntriesMin = 64;
inline constexpr std::uint32_t kIndexEntriesMax = std::uint32_t{1} << 26;

// The parts of a receive region, writer's side. Memory: belongs to whoever gave it to init().
struct ReceiveParts {
    ReceiveHeader* header = nullptr;
    std::span<IndexEntry> index;
    std::span<std::byte> log;
};

struct ReceiveLayout {
    std::uint64_t index_offset = 0, log_offset = 0, log_bytes = 0, total_bytes = 0;  // octets
    std::uint32_t index_entries = 0;

    // Both sizes are rounded up to powers of two and held within the bounds above.
    static ReceiveLayout for_log(std::uint64_t log_bytes, std::uint32_t index_entries);

    // Builds header and an empty index in `memory` (64-aligned, at least total_bytes); header is
    // nullptr if it is neither. Touches no log octet. Lead is 0: no reader sees anything until the
    // worker publishes.
    ReceiveParts init(std::span<std::byte> memory, std::uint64_t session_id) const;
};

// Writes who sends the session; before it is handed to the first reader.
void set_identity(ReceiveHeader& header, const Tsi& tsi, Address group, Address source,
                  std::uint16_t destination_port);

// A receive region as a reader holds it: constants copied once and checked, so that whatever is
// written into the region later no access leaves it. Memory: the region must stay mapped while the
// view is used.
class ReceiveView {
  public:
    // nullopt when the octets are no receive region of this version or any offset or size leads
    // outside.
    static std::optional<ReceiveView> open(std::span<const std::byte> memory);

    const ReceiveHeader& header() const { return *header_; }
    const IndexEntry* index() const { return index_; }
    const std::byte* log() const { return log_; }
    std::uint32_t index_entries() const { return index_entries_; }
    std::uint64_t log_bytes() const { return log_bytes_; }
    std::uint64_t session_id() const { return session_id_; }

  private:
    const ReceiveHeader* header_ = nullptr;
    const IndexEntry* index_ = nullptr;
    const std::byte* log_ = nullptr;
    std::uint32_t index_entries_ = 0;
    std::uint64_t log_bytes_ = 0;
    std::uint64_t session_id_ = 0;
};

struct SendParts {
    SendHeader* header = nullptr;
    std::span<std::byte> log;
};

struct SendLayout {
    std::uint64_t log_offset = 0, log_bytes = 0, total_bytes = 0;  // octets

    // Rounded up to a power of two and held within the bounds.
    static SendLayout for_log(std::uint64_t log_bytes);

    // Builds the header in `memory` (64-aligned, at least total_bytes); header is nullptr if it is
    // neither or if a size is 0. limit = log_bytes: the whole log may be written. record_max_bytes
    // becomes the largest multiple of largest_fragment that leaves several records in the log, at
    // least largest_tsdu.
    SendParts init(std::span<std::byte> memory, std::uint64_t session_id, SendFormat format,
                   std::uint32_t largest_tsdu, std::uint32_t largest_fragment) const;
};

// A send region as a client writes it; the same promise as ReceiveView.
class SendView {
  public:
    static std::optional<SendView> open(std::span<std::byte> memory);

    SendHeader& header() const { return *header_; }
    std::byte* log() const { return log_; }
    std::uint64_t log_bytes() const { return log_bytes_; }
    std::uint64_t session_id() const { return session_id_; }
    SendFormat format() const { return format_; }
    std::uint32_t largest_tsdu() const { return largest_tsdu_; }
    std::uint32_t largest_fragment() const { return largest_fragment_; }
    std::uint32_t record_max_bytes() const { return record_max_bytes_; }

  private:
    SendHeader* header_ = nullptr;
    std::byte* log_ = nullptr;
    std::uint64_t log_bytes_ = 0;
    std::uint64_t session_id_ = 0;
    SendFormat format_ = SendFormat::message;
    std::uint32_t largest_tsdu_ = 0, largest_fragment_ = 0, record_max_bytes_ = 0;
};

// Builds a socket page in `memory` (64-aligned, at least sizeof(SocketPage)); nullptr if it is
// neither. Cursor 0, no flag set. `kind` is the SocketType's number.
SocketPage* init_socket_page(std::span<std::byte> memory, std::uint64_t socket_id,
                             std::uint32_t kind);
// nullptr when the memory is too small or holds no socket page of this version.
SocketPage* open_socket_page(std::span<std::byte> memory);

WorkerPage* init_worker_page(std::span<std::byte> memory, std::uint32_t worker);
const WorkerPage* open_worker_page(std::span<const std::byte> memory);

}  // namespace fanfare::ipc
