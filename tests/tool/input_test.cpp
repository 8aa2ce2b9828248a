// Cutting standard input into messages.
#include "apps/fanfare/input.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace fanfare::tool {
namespace {

std::vector<std::string> cut(std::size_t fixed, const std::string& text, std::size_t piece) {
    std::vector<std::string> out;
    const auto take = [&](std::span<const std::byte> m) {
        out.emplace_back(reinterpret_cast<const char*>(m.data()), m.size());
    };
    MessageCutter cutter(fixed);
    for (std::size_t at = 0; at < text.size();) {
        const auto room = cutter.room();
        const std::size_t n = std::min({room.size(), piece, text.size() - at});
        std::memcpy(room.data(), text.data() + at, n);
        at += n;
        cutter.put(n, take);
    }
    cutter.finish(take);
    return out;
}

TEST(MessageCutter, ALineIsAMessageWithItsNewline) {
    for (std::size_t piece : {1, 2, 3, 100})
        EXPECT_EQ(cut(0, "one\n\ntwo\nthree", piece),
                  (std::vector<std::string>{"one\n", "\n", "two\n", "three"}));
}

TEST(MessageCutter, NothingIsNoMessage) {
    EXPECT_TRUE(cut(0, "", 1).empty());
    EXPECT_TRUE(cut(5, "", 1).empty());
}

TEST(MessageCutter, PiecesHaveOneSizeButTheLast) {
    for (std::size_t piece : {1, 4, 5, 7, 100})
        EXPECT_EQ(cut(5, "aaaaabbbbbcc", piece),
                  (std::vector<std::string>{"aaaaa", "bbbbb", "cc"}));
}

TEST(MessageCutter, ALineMayBeLongerThanTheBuffer) {
    const std::string line = std::string(3'000'000, 'x') + "\n";
    EXPECT_EQ(cut(0, line + "y\n", 70'000), (std::vector<std::string>{line, "y\n"}));
}

TEST(MessageCutter, AMessageMayBeLargerThanTheBuffer) {
    const std::string text(2'500'000, 'z');
    const auto got = cut(1'000'000, text, 65'536);
    ASSERT_EQ(got.size(), 3u);
    EXPECT_EQ(got[0].size() + got[1].size() + got[2].size(), text.size());
    EXPECT_EQ(got[2].size(), 500'000u);
}

}  // namespace
}  // namespace fanfare::tool
