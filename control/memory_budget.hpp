// How much window memory there may be: in all, and for each user (DESIGN section 4). Plain
// bookkeeping; whoever makes memory charges first and releases after it has been given back.
#pragma once

#include <cstdint>
#include <unordered_map>

namespace fanfare::control {

class MemoryBudget {
  public:
    MemoryBudget(std::uint64_t total_bytes, std::uint64_t per_user_bytes)
        : total_(total_bytes), per_user_(per_user_bytes) {}

    bool has_room(std::uint64_t bytes) const { return bytes <= total_ - used_; }
    bool has_room(std::uint32_t uid, std::uint64_t bytes) const {
        return has_room(bytes) && bytes <= per_user_ - used_by(uid);
    }
    // Charges the total alone: memory that is nobody's yet (spare receive windows).
    bool charge(std::uint64_t bytes) {
        if (!has_room(bytes)) return false;
        used_ += bytes;
        return true;
    }
    // Charges user and total; false (and nothing charged) when either is used up.
    bool charge(std::uint32_t uid, std::uint64_t bytes) {
        if (!has_room(uid, bytes)) return false;
        used_ += bytes;
        users_[uid] += bytes;
        return true;
    }
    // Makes memory that is already in the total a user's; false when the user's share is used up.
    bool assign(std::uint32_t uid, std::uint64_t bytes) {
        if (bytes > per_user_ - used_by(uid)) return false;
        users_[uid] += bytes;
        return true;
    }
    void release(std::uint64_t bytes) { used_ -= bytes; }
    void release(std::uint32_t uid, std::uint64_t bytes) {
        used_ -= bytes;
        auto user = users_.find(uid);
        if (user != users_.end() && (user->second -= bytes) == 0) users_.erase(user);
    }

    std::uint64_t used() const { return used_; }
    std::uint64_t used_by(std::uint32_t uid) const {
        auto user = users_.find(uid);
        return user == users_.end() ? 0 : user->second;
    }
    std::uint64_t total() const { return total_; }
    std::uint64_t per_user() const { return per_user_; }

  private:
    std::uint64_t total_, per_user_;
    std::uint64_t used_ = 0;
    std::unordered_map<std::uint32_t, std::uint64_t> users_;
};

}  // namespace fanfare::control
