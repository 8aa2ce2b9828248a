// The thread of the file tier: one for the daemon, however many sessions it follows. Control tells
// it which; a worker rings it for what its windows no longer hold. A file system that holds a call
// holds up nobody but this thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "dataplane/repair_store.hpp"

namespace fanfare::control {

struct ArchiveSettings {
    std::string directory;         // where files are made
    std::uint64_t file_bytes = 0;  // of each session's file
    // A worker has something to fetch: wakes it where it sleeps.
    std::function<void(std::uint32_t worker)> ring_worker;
    std::function<void(const std::string&)> log;  // one line, called by this thread; may be empty
};

class Archive {
  public:
    // Starts the thread. nullptr, with one line in `error`, where it can't be.
    static std::unique_ptr<Archive> open(const ArchiveSettings& settings, std::string& error);
    // Ends it. The workers must have stopped.
    ~Archive();

    // What a worker and the tier say to each other about one session, before it is followed.
    std::shared_ptr<dataplane::RepairStore> make_store(std::uint32_t worker);
    // From now on the session with that region (a memfd, which stays the caller's) is kept.
    void follow(std::shared_ptr<dataplane::RepairStore> store, int region, const std::string& name,
                std::uint64_t nonce);
    // No longer. Returns at once; the tier lets go of region and store when it can.
    void forget(const std::shared_ptr<dataplane::RepairStore>& store);

  private:
    struct Parts;
    explicit Archive(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace fanfare::control
