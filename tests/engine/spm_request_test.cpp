#include "engine/core/spm_request.hpp"

#include <gtest/gtest.h>

namespace fanfare::engine {
namespace {

constexpr Nanos kWait = 250 * kMillisecond;

struct SpmRequestTest : ::testing::Test {
    Random random{3};
    SpmRequest request;
    void SetUp() override { request.start(kWait); }
};

TEST_F(SpmRequestTest, AsksOnceDataCameWithoutAnSpm) {
    EXPECT_EQ(request.next_deadline(), kNever);
    request.data_heard(1000, random);
    EXPECT_GE(request.next_deadline(), 1000 + kWait / 2);
    EXPECT_LE(request.next_deadline(), 1000 + kWait);
    const Nanos at = request.next_deadline();
    request.data_heard(2000, random);
    EXPECT_EQ(request.next_deadline(), at) << "more data does not put it off";
}

TEST_F(SpmRequestTest, AnSpmCancelsIt) {
    request.data_heard(0, random);
    request.spm_heard();
    EXPECT_EQ(request.next_deadline(), kNever);
    request.data_heard(0, random);
    EXPECT_EQ(request.next_deadline(), kNever);
}

// OpenPGM's conformance list: spmr_suppression.
TEST_F(SpmRequestTest, SpmrSuppressionAnOverheardRequestPutsOursOff) {
    request.data_heard(0, random);
    const Nanos at = request.next_deadline();
    request.request_overheard(at - 1, random);
    EXPECT_GE(request.next_deadline(), at - 1 + kWait / 2);
}

TEST_F(SpmRequestTest, RepeatsEverMoreSlowlyAndThenGuessesThePath) {
    request.data_heard(0, random);
    Nanos last = 0;
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(request.path_is_guessed());
        last = request.next_deadline();
        request.sent(last, random);
    }
    EXPECT_TRUE(request.path_is_guessed());
    EXPECT_GT(request.next_deadline() - last, kWait);
    EXPECT_LE(request.next_deadline() - last, kSecond);
    request.spm_heard();
    EXPECT_FALSE(request.path_is_guessed());
}

}  // namespace
}  // namespace fanfare::engine
