// `fanfare status`, `options`, `version` and `run`.
#pragma once

#include <string>
#include <vector>

namespace fanfare::tool {

int show_status(bool json);
int show_options();
// `daemon`: the version of the daemon that answers, empty when none does.
int show_version(const std::string& daemon);
// Becomes the program, with libfanfare-preload.so in front of it; throws Failure. `datagrams`: its
// UDP sockets are claimed as well.
int run_program(const std::vector<std::string>& program, const std::string& control,
                bool datagrams);

}  // namespace fanfare::tool
