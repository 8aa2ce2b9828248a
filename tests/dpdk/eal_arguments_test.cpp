#include "dataplane/dpdk/eal_arguments.hpp"

#include <gtest/gtest.h>

#include <algorithm>

using namespace fanfare::dataplane::dpdk;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
const std::vector<unsigned> kCpus = {0, 1, 2, 3, 6};
const MemoryFacts kOrdinary{0, 8192 * kMiB};

EalPlan planned(const EalRequest& request, const MemoryFacts& memory = kOrdinary) {
    std::string error;
    auto plan = plan_eal(request, memory, kCpus, 4711, error);
    EXPECT_TRUE(plan) << error;
    return plan.value_or(EalPlan{});
}

bool has(const EalPlan& plan, std::string_view argument) {
    return std::find(plan.arguments.begin(), plan.arguments.end(), argument) !=
           plan.arguments.end();
}

std::string after(const EalPlan& plan, std::string_view option) {
    const auto at = std::find(plan.arguments.begin(), plan.arguments.end(), option);
    return at == plan.arguments.end() || at + 1 == plan.arguments.end() ? "" : *(at + 1);
}

}  // namespace

TEST(EalArgumentsTest, GivesEachWorkerItsCpuAndTheMainLcoreTheRest) {
    const auto plan = planned({.lcores = "2,0-1"});
    EXPECT_EQ(plan.worker_cpus, (std::vector<unsigned>{2, 0, 1}));
    EXPECT_EQ(after(plan, "--lcores"), "0@2,1@0,2@1,3@(0-3,6)");
    EXPECT_EQ(after(plan, "--main-lcore"), "3");
}

TEST(EalArgumentsTest, LetsTwoWorkersShareACpuAndNoWorkerAtAll) {
    EXPECT_EQ(after(planned({.lcores = "1,1"}), "--lcores"), "0@1,1@1,2@(0-3,6)");
    EXPECT_EQ(after(planned({.lcores = ""}), "--lcores"), "0@(0-3,6)");
}

TEST(EalArgumentsTest, RefusesCpuListsThatAreNone) {
    for (const char* text :
         {"x", "1-", "-1", "3-1", "0,", ",0", "0 1", "99999999999", "5", "0-6"}) {
        std::string error;
        EXPECT_FALSE(parse_cpus(text, kCpus, error)) << text;
        EXPECT_NE(error.find(text), std::string::npos) << error;
    }
    std::string error;
    EXPECT_FALSE(parse_cpus("0-3,0-3,0-3,0-3,0", kCpus, error));
    EXPECT_NE(error.find("at most 16"), std::string::npos) << error;
    EXPECT_FALSE(parse_cpus("0,4", kCpus, error));
    EXPECT_NE(error.find("CPU 4"), std::string::npos) << error;
    EXPECT_NE(error.find("0-3,6"), std::string::npos) << error;
}

TEST(EalArgumentsTest, KeepsToItselfWithoutPciDevice) {
    const auto plan = planned({.devices = {"net_ring0"}});
    EXPECT_TRUE(has(plan, "--no-pci"));
    EXPECT_TRUE(has(plan, "--no-telemetry"));
    EXPECT_EQ(after(plan, "--file-prefix"), "fanfare-4711");
}

TEST(EalArgumentsTest, AllowsExactlyThePciDevicesThatAreNamed) {
    const auto plan = planned({.devices = {"01:00.0", "net_ring0"}});
    EXPECT_FALSE(has(plan, "--no-pci"));
    EXPECT_EQ(after(plan, "-a"), "0000:01:00.0");
}

TEST(EalArgumentsTest, TakesHugePagesOnlyIfEnoughAreFree) {
    auto plan = planned({.devices = {"net_ring0"}}, {256 * kMiB, 8192 * kMiB});
    EXPECT_TRUE(plan.huge_pages);
    EXPECT_TRUE(has(plan, "--in-memory"));
    EXPECT_FALSE(has(plan, "--no-huge"));
    plan = planned({.devices = {"net_ring0"}}, {254 * kMiB, 8192 * kMiB});
    EXPECT_FALSE(plan.huge_pages);
    EXPECT_TRUE(has(plan, "--no-huge"));
    EXPECT_TRUE(has(plan, "--no-shconf"));
    EXPECT_EQ(after(plan, "-m"), "256");
}

TEST(EalArgumentsTest, AsksForMoreWithDevicesWorkersAndMtu) {
    const auto one = planned({.devices = {"net_ring0"}}).memory_bytes;
    const auto three =
        planned({.lcores = "0-2", .devices = {"net_ring0", "net_ring1", "net_ring2"}}).memory_bytes;
    const auto jumbo = planned({.devices = {"net_ring0", "net_ring1"}, .mtu = 9000}).memory_bytes;
    EXPECT_EQ(one, 256 * kMiB);
    EXPECT_GT(three, 3 * 3 * 16384ull * 2048);
    EXPECT_GT(jumbo, 2 * 16384ull * 9000);
}

TEST(EalArgumentsTest, NeverTakesMoreThanHalfOfWhatIsThereNorLessThanWorks) {
    EXPECT_EQ(planned({}, {0, 300 * kMiB}).memory_bytes, 150 * kMiB);
    EXPECT_EQ(planned({}, {0, 20 * kMiB}).memory_bytes, 64 * kMiB);
}

TEST(EalArgumentsTest, PassesTheUsersArgumentsAndKeepsOutOfTheirWay) {
    const auto plan =
        planned({.arguments = {"--no-huge", "-m", "512", "--file-prefix=mine", "--no-pci"}});
    EXPECT_EQ(std::count(plan.arguments.begin(), plan.arguments.end(), "--no-huge"), 1);
    EXPECT_EQ(std::count(plan.arguments.begin(), plan.arguments.end(), "-m"), 1);
    EXPECT_EQ(std::count(plan.arguments.begin(), plan.arguments.end(), "--no-pci"), 1);
    EXPECT_FALSE(has(plan, "--file-prefix"));
    EXPECT_EQ(plan.memory_bytes, 0u);
    EXPECT_EQ(plan.file_prefix, "");
}

TEST(EalArgumentsTest, RefusesArgumentsThatItsOwnFlagsGive) {
    for (const char* argument :
         {"-l", "-l0", "--lcores", "--lcores=0", "-c", "--main-lcore", "--vdev=net_ring0"}) {
        std::string error;
        EXPECT_FALSE(plan_eal({.arguments = {argument}}, kOrdinary, kCpus, 1, error)) << argument;
        EXPECT_NE(error.find("\"--\""), std::string::npos) << error;
    }
    // Options that only begin like one of these.
    std::string error;
    EXPECT_TRUE(
        plan_eal({.arguments = {"--log-level=8", "--create-uio-dev"}}, kOrdinary, kCpus, 1, error))
        << error;
}

TEST(EalArgumentsTest, WorkersMayStandOnIsolatedCpusThatNoProcessBeginsWith) {
    std::string error;
    EXPECT_FALSE(plan_eal({.lcores = "4-5"}, kOrdinary, kCpus, 1, error));
    const auto plan = plan_eal({.lcores = "4-5"}, kOrdinary, kCpus, 1, error, {4, 5});
    ASSERT_TRUE(plan) << error;
    EXPECT_EQ(plan->worker_cpus, (std::vector<unsigned>{4, 5}));
    // The control thread goes where the process is.
    EXPECT_EQ(after(*plan, "--lcores"), "0@4,1@5,2@(0-3,6)");
    EXPECT_FALSE(plan_eal({.lcores = "7"}, kOrdinary, kCpus, 1, error, {4, 5}));
    EXPECT_NE(error.find("0-6"), std::string::npos) << error;
}
