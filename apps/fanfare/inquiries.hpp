// `fanfare status`, `options`, `version` and `run`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fanfare::tool {

int show_status(bool json);
// `socket`: as `fanfare status` numbers it; its values stand in a column of their own. 0: none.
int show_options(std::uint64_t socket);
// `daemon`: the version of the daemon that answers, empty when none does.
int show_version(const std::string& daemon);
// Becomes the program, with libfanfare-preload.so in front of it; throws Failure. `datagrams`: its
// UDP sockets are claimed as well.
int run_program(const std::vector<std::string>& program, const std::string& control,
                bool datagrams);

}  // namespace fanfare::tool
