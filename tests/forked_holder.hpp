// A forked child that does nothing but hold all descriptors of the test.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

namespace fanfare::test {

class ForkedHolder {
  public:
    ForkedHolder() {
        if (::pipe(until_) != 0) return;
        child_ = ::fork();
        if (child_ == 0) {
            ::close(until_[1]);
            char octet;
            (void)!::read(until_[0], &octet, 1);
            ::_exit(0);
        }
        ::close(until_[0]);
    }
    ForkedHolder(const ForkedHolder&) = delete;
    ForkedHolder& operator=(const ForkedHolder&) = delete;
    ~ForkedHolder() { end(); }

    bool holds() const { return child_ > 0; }
    // True when it has gone, and all it held with it.
    bool end() {
        if (!holds()) return false;
        ::close(until_[1]);
        const bool gone = ::waitpid(child_, nullptr, 0) == child_;
        child_ = -1;
        return gone;
    }

  private:
    int until_[2] = {-1, -1};
    pid_t child_ = -1;
};

}  // namespace fanfare::test
