#include "control/address_claim.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace fanfare::control {
namespace {

InterfaceConfig interface(const std::string& device, std::uint32_t last) {
    InterfaceConfig i;
    i.name = "feed";
    i.address = Address::from_octets(127, 77, 0, static_cast<std::uint8_t>(last));
    i.device = device;
    return i;
}

TEST(AddressClaims, ASecondDaemonOnOneAddressIsToldWhoHasIt) {
    std::string error;
    AddressClaims first, second;
    ASSERT_TRUE(first.take({interface("kernel,iface=claim0", 1)}, error)) << error;
    EXPECT_FALSE(second.take({interface("net_af_packet0,iface=claim0", 1)}, error));
    EXPECT_NE(error.find("127.77.0.1"), std::string::npos) << error;
    EXPECT_NE(error.find("claim0"), std::string::npos) << error;
    EXPECT_NE(error.find(std::to_string(::getpid())), std::string::npos) << error;
}

TEST(AddressClaims, OtherAddressesAndInterfacesAreOthers) {
    std::string error;
    AddressClaims first, second;
    ASSERT_TRUE(first.take({interface("kernel,iface=claim0", 1)}, error)) << error;
    EXPECT_TRUE(
        second.take({interface("kernel,iface=claim0", 2), interface("kernel,iface=claim1", 1),
                     interface("net_memif0,role=server", 1)},
                    error))
        << error;
}

TEST(AddressClaims, AnEndedDaemonsAddressIsFree) {
    std::string error;
    {
        AddressClaims first;
        ASSERT_TRUE(first.take({interface("kernel,iface=claim0", 1)}, error)) << error;
    }
    AddressClaims second;
    EXPECT_TRUE(second.take({interface("kernel,iface=claim0", 1)}, error)) << error;
}

TEST(AddressClaims, HoweverManyAskTheNextOneIsTold) {
    std::string error;
    AddressClaims first;
    ASSERT_TRUE(first.take({interface("kernel,iface=claim0", 1)}, error)) << error;
    for (int i = 0; i < 100; ++i) {
        AddressClaims again;
        ASSERT_FALSE(again.take({interface("kernel,iface=claim0", 1)}, error)) << i;
        first.turn_away();
    }
}

}  // namespace
}  // namespace fanfare::control
