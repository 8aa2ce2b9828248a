// A sender's socket with what `pub` needs around it: messages built in the send window and
// published by the batch, interrupted calls taken up again, failures as lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "apps/fanfare/progress.hpp"
#include "fanfare/fanfare.hpp"

namespace fanfare::tool {

class Outlet {
  public:
    // Both outlive the outlet.
    Outlet(Sender& sender, Progress& progress) : sender_(sender), progress_(progress) {}

    // One message, taken whole; visible to receivers at the latest with flush(). Waits for room.
    // Throws Failure.
    void message(std::span<const std::byte> octets);
    // Room for a message of up to `bytes` octets, built in place; then commit().
    std::span<std::byte> claim(std::size_t bytes);
    void commit(std::size_t bytes);
    // Octets of a stream.
    void stream(std::span<const std::byte> octets);
    void flush();

    // Throws Failure if the session or the daemon has ended, which writing into shared memory does
    // not tell.
    void watch();
    // Ends the session in good order and waits until all has left this host.
    void finish();
    // The session failed: says why.
    [[noreturn]] void fail();
    // The socket hung up while nobody was sending: finds out why.
    [[noreturn]] void fail_hung_up();

  private:
    void send_all(std::span<const std::byte> octets);

    Sender& sender_;
    Progress& progress_;
    bool built_ = false;
};

}  // namespace fanfare::tool
