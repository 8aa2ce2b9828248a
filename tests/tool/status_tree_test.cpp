// From a daemon's flat records to a tree that holds every number once.
#include "apps/fanfare/status_tree.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

namespace fanfare::tool {
namespace {

using ipc::StatusKind;
using ipc::StatusRecord;
constexpr std::uint32_t kNone = 0xFFFFFFFF;

StatusRecord record(StatusKind kind, const char* object, const char* field, std::uint64_t value,
                    std::uint32_t parent = kNone, const char* words = "") {
    StatusRecord r{};
    r.kind = kind;
    r.parent = parent;
    std::strncpy(r.object, object, sizeof r.object - 1);
    std::strncpy(r.field, field, sizeof r.field - 1);
    std::strncpy(r.text, words, sizeof r.text - 1);
    r.value = value;
    return r;
}

const std::vector<StatusRecord> kRecords = {
    record(StatusKind::interface, "feed 10.0.0.1/24", "link", 0, kNone, "up"),
    record(StatusKind::interface, "feed 10.0.0.1/24", "mtu", 1500),
    record(StatusKind::worker, "worker 0", "frames_sent", 5),
    record(StatusKind::worker, "worker 1", "frames_sent", 7),
    record(StatusKind::receiver, "aabb:1", "odata_received", 100),
    record(StatusKind::receiver, "aabb:1", "group", 0, kNone, "239.1.1.1:7500"),
    record(StatusKind::reader, "pid 12", "messages_read", 40, 4),
    record(StatusKind::reader, "pid 13", "messages_read", 50, 4),
    record(StatusKind::listener, "239.1.1.1:7500", "socket", 1),
    record(StatusKind::listener, "239.1.1.1:7500", "interface", 0, kNone, "feed"),
    record(StatusKind::listener, "239.1.1.1:7500", "interface", 0, kNone, "other"),
    record(StatusKind::listener, "239.1.1.1:7500", "socket", 2),
    record(StatusKind::counter, "control", "requests", 9),
};

TEST(StatusTree, PutsObjectsUnderTheirKindAndReadersInTheirReceiver) {
    const auto tree = status_json(kRecords);
    EXPECT_EQ(tree["interfaces"][0]["link"], "up");
    EXPECT_EQ(tree["interfaces"][0]["mtu"], 1500);
    ASSERT_EQ(tree["workers"].size(), 2u);
    EXPECT_EQ(tree["workers"][1]["frames_sent"], 7);
    ASSERT_EQ(tree["receivers"].size(), 1u);
    ASSERT_EQ(tree["receivers"][0]["readers"].size(), 2u);
    EXPECT_EQ(tree["receivers"][0]["readers"][1]["messages_read"], 50);
    EXPECT_EQ(tree["control"]["requests"], 9);
    EXPECT_TRUE(tree["sources"].empty());
}

TEST(StatusTree, KeepsTwoObjectsOfOneNameApartAndRepeatedFieldsTogether) {
    const auto tree = status_json(kRecords);
    ASSERT_EQ(tree["listeners"].size(), 2u);
    EXPECT_EQ(tree["listeners"][0]["interface"], (nlohmann::ordered_json{"feed", "other"}));
    EXPECT_EQ(tree["listeners"][1]["socket"], 2);
}

TEST(StatusTree, TheTextNamesEveryObjectAndLeavesZeroesOut) {
    auto records = kRecords;
    records.push_back(record(StatusKind::counter, "control", "requests_malformed", 0));
    const std::string text = status_text(status_json(records));
    for (const char* word :
         {"feed 10.0.0.1/24", "worker 1", "pid 13", "messages_read 50", "link up"})
        EXPECT_NE(text.find(word), std::string::npos) << word << "\n" << text;
    EXPECT_EQ(text.find("requests_malformed"), std::string::npos);
}

TEST(StatusTree, TakesRecordsOfAnyContent) {
    const std::uint64_t seed = 5;
    std::cout << "seed " << seed << "\n";
    std::mt19937_64 random(seed);
    for (int round = 0; round < 200; ++round) {
        std::vector<StatusRecord> records(random() % 40);
        for (auto& r : records) {
            auto* octets = reinterpret_cast<unsigned char*>(&r);
            for (std::size_t i = 0; i < sizeof r; ++i)
                octets[i] = static_cast<unsigned char>(random());
            if (random() % 2) r.kind = static_cast<StatusKind>(random() % 10);
            if (random() % 2) r.parent = static_cast<std::uint32_t>(random() % 40);
        }
        const auto tree = status_json(records);
        EXPECT_FALSE(tree.dump().empty());
        (void)status_text(tree);
    }
}

}  // namespace
}  // namespace fanfare::tool
