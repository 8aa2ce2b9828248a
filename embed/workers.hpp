// A dataplane put together: EAL, devices, one worker for each core, and what ties them to control.
// The daemon launches the workers on their cores; an embedded engine turns its own (engine.hpp).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/config.hpp"
#include "control/system_services.hpp"
#include "dataplane/commands.hpp"

namespace fanfare::embed {

class Workers : public control::Steering {
  public:
    // Starts DPDK, opens the devices and sets `interfaces` (in the order of the configuration) to
    // what they are like. nullptr, with one line in `error`; nothing runs then.
    static std::unique_ptr<Workers> open(const control::Config& config,
                                         std::vector<control::Interface>& interfaces,
                                         const checksum::Kernels& kernels, std::uint64_t seed,
                                         const std::function<void(const std::string&)>& log,
                                         std::string& error);
    // Ends the workers and closes everything.
    ~Workers() override;

    // The workers begin to turn. False, with one line in `error`, if a core cannot be had.
    bool launch(std::string& error);
    // Ends them, whatever they say, and waits. They must not be looked at afterwards.
    void stop();

    // Instead of launch(): one turn of worker `index`, by the caller's own thread, always the same
    // one. Returns how much it did.
    std::size_t poll(unsigned index, Nanos now);
    // CLOCK_MONOTONIC from the cycle counter, the clock that launched workers use.
    Nanos now() const;
    unsigned count() const;

    std::vector<dataplane::WorkerLink*> links() const;
    std::vector<control::WorkerDescriptors> descriptors() const;
    // Whether the interface's device serves what the kernel has under its name now; opens it anew
    // where it does not. From the thread that opened the workers, or the one that turns them.
    bool follow_interface(std::uint32_t interface);
    // Why that failed; empty where there is nothing to say.
    std::string trouble(std::uint32_t interface) const;
    // Link of an interface whose device has no kernel interface behind it.
    bool link_up(std::uint32_t interface, bool& gone) const;

    // Rules in cards, where there are several workers to choose from and cards that take rules.
    void steer(const dataplane::SteeredSession& session) override;
    void unsteer(std::uint32_t interface, std::uint64_t session_id) override;
    // Some ten times a second, by the same thread: makes the rules that wait.
    void steering_turn();
    control::SteeringFigures steering(std::uint32_t interface) const override;

  private:
    struct Parts;
    explicit Workers(std::unique_ptr<Parts> parts);
    bool steers(std::uint32_t interface) const;
    std::unique_ptr<Parts> parts_;
};

}  // namespace fanfare::embed
