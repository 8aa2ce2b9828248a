// One daemon for an address of a kernel interface. A second one would serve the same sessions' NAKs
// at random: AF_PACKET gives both every packet, the kernel's UDP gives unicast to one of them.
#pragma once

#include <string>
#include <vector>

#include "control/config.hpp"
#include "ipc/descriptor.hpp"

namespace fanfare::control {

// Names in the abstract Unix name space, which is the network namespace's as interfaces are; the
// kernel takes them back when the daemon ends, however it does.
class AddressClaims {
  public:
    // False, with one line in `error` that names the other daemon's process, when it has one of
    // these addresses. A name that somebody else holds than root or this daemon's own user hinders
    // nobody.
    bool take(const std::vector<InterfaceConfig>& interfaces, std::string& error);
    // Lets go of those that asked whose a name is: they have read it. To be called now and then, as
    // a few of them fit and further ones learn nothing.
    void turn_away();

  private:
    std::vector<ipc::Descriptor> held_;
};

}  // namespace fanfare::control
