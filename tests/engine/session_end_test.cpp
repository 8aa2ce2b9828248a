#include "engine/core/session_end.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

TEST(SessionEnd, IsCompleteWhenAllUpToTheLastNumberIsContiguous) {
    SessionEnd end;
    end.start(kSecond, 0);
    EXPECT_FALSE(end.complete(100));
    end.fin(99);
    EXPECT_FALSE(end.complete(99));
    EXPECT_TRUE(end.complete(100));
    end.fin(50);
    EXPECT_FALSE(end.complete(60)) << "an older OPT_FIN takes nothing back";
}

TEST(SessionEnd, SilenceRunsFromTheLastPacket) {
    SessionEnd end;
    end.start(kSecond, 5);
    EXPECT_EQ(end.silent_at(), kSecond + 5);
    end.heard(100);
    EXPECT_EQ(end.silent_at(), kSecond + 100);
    end.start(kNever, 100);
    EXPECT_EQ(end.silent_at(), kNever);
}

}  // namespace
}  // namespace fanfare::engine
