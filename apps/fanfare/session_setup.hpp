// Options of a socket from flags; a refusal names the flag.
#pragma once

#include <cstdint>
#include <string>

#include "apps/fanfare/arguments.hpp"
#include "fanfare/fanfare.hpp"

namespace fanfare::tool {

// One option at level IPPROTO_RM; throws Failure with `flag` and what the daemon said.
void set_option(Socket& socket, const std::string& flag, int name, std::uint32_t value);
void set_option64(Socket& socket, const std::string& flag, int name, std::uint64_t value);
// RM_USE_FEC (wsrm.md 2.2) with as many packets on demand as the code has.
void set_parity(Socket& socket, const ParityArguments& parity);
// Profile first, as it sets all figures anew; then what both directions share but the interface.
void set_session_options(Socket& socket, const SessionArguments& arguments);

// "10.0.0.1:4660"
std::string text_of(const sockaddr_in& address);

// Writes text and a newline to a file of this name ("-": standard output); throws Failure.
// Throws when write_report could not write there, before anything is begun for it.
void expect_report(const std::string& file);
void write_report(const std::string& file, const std::string& line);

// SIGINT, SIGTERM and SIGHUP from now on: `line` to standard error, then status 1 at once, so that
// the daemon sees a program that went without finishing.
void end_on_signals(const char* line);

}  // namespace fanfare::tool
