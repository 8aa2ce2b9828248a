// What ends a command: one line for a human that names the thing and the remedy, and the status.
#pragma once

#include <stdexcept>
#include <string>

namespace fanfare::tool {

inline constexpr int kStatusFailed = 1;  // the work was begun and did not end well
inline constexpr int kStatusUsage = 2;   // the command line was wrong; nothing was begun

class Failure : public std::runtime_error {
  public:
    explicit Failure(const std::string& line, int status = kStatusFailed)
        : std::runtime_error(line), status_(status) {}
    int status() const { return status_; }

  private:
    int status_;
};

// A wrong command line.
class UsageFailure : public Failure {
  public:
    explicit UsageFailure(const std::string& line) : Failure(line, kStatusUsage) {}
};

}  // namespace fanfare::tool
