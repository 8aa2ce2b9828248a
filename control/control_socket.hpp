// The Unix socket a daemon listens on: one daemon for each path, leftovers of a dead one removed.
#pragma once

#include <optional>
#include <string>

#include "ipc/descriptor.hpp"

namespace fanfare::control {

class ControlSocket {
  public:
    // Creates the directory (0755) if it is missing, takes the lock beside the path, removes a
    // socket that nobody serves, binds and listens; mode 0660, `group` if given. nullopt, with one
    // line in `error`, if another daemon serves the path or the place is not fit.
    static std::optional<ControlSocket> open(const std::string& path, std::optional<unsigned> group,
                                             std::string& error);
    ControlSocket(ControlSocket&&) = default;
    ControlSocket& operator=(ControlSocket&&) = default;
    // Removes socket and lock.
    ~ControlSocket();

    int descriptor() const { return listener_.get(); }
    const std::string& path() const { return path_; }

  private:
    ControlSocket() = default;
    std::string path_;
    bool bound_ = false;
    ipc::Descriptor lock_, listener_;
};

}  // namespace fanfare::control
