// Configuration: every wrong key or value is one line that names it and its place.
#include "control/config.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <set>
#include <sstream>

#include "control/config_keys.hpp"

namespace fanfare::control {
namespace {

std::string error_of(std::string_view text) {
    Config config;
    std::string error;
    if (!read_config_text(text, "f.toml", config, error)) return error;
    complete(config, error);
    return error;
}
constexpr const char* kInterface =
    "[[interface]]\nname = \"feed\"\naddress = \"10.0.0.1/24\"\ndevice = "
    "\"net_af_packet0,iface=eth1\"\n";

struct Parsed {
    CommandLine result = CommandLine::wrong;
    Config config;
    std::string error;
};
Parsed parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "fanfared");
    Parsed out;
    out.result = read_command_line(static_cast<int>(arguments.size()), arguments.data(), "1.0",
                                   out.config, out.error);
    return out;
}
constexpr const char* kFeed = "feed,10.0.0.1/24,net_af_xdp0,iface=eth1";

TEST(ConfigFile, a_file_fills_the_struct) {
    Config config;
    std::string error;
    ASSERT_TRUE(read_config_text(
        std::string("[daemon]\nlcores = \"2,3\"\neal = [\"-v\"]\n[sender]\nrate_mbit = 500\n"
                    "[receiver]\nadapt_to_round_trip = false\n") +
            kInterface + "gateway = \"10.0.0.254\"\nmtu = 9000\nvlan = 7\n",
        "f.toml", config, error))
        << error;
    ASSERT_TRUE(complete(config, error)) << error;
    EXPECT_EQ(config.lcores, "2,3");
    EXPECT_EQ(config.eal, std::vector<std::string>{"-v"});
    const auto interfaces = interface_list(config);
    ASSERT_EQ(interfaces.size(), 1u);
    EXPECT_EQ(interfaces[0].spec.gateway, (Address{0x0A0000FE}));
    EXPECT_EQ(interfaces[0].spec.vlan, 7);
    EXPECT_EQ(interfaces[0].mtu, 9000);
    EXPECT_EQ(interfaces[0].kernel_name, "eth1");
    const auto settings = control_settings(config, "id");
    EXPECT_EQ(settings.defaults.source.rate_bits_per_s, 500'000'000u);
    EXPECT_EQ(settings.defaults.source.window_bytes, 15'625'000u) << "250 ms of it";
    EXPECT_FALSE(settings.defaults.receiver.adapt_to_round_trip);
}

TEST(ConfigFile, receivers_have_a_profile_of_their_own) {
    Config config;
    std::string error;
    ASSERT_TRUE(read_config_text(std::string("[receiver]\nprofile = \"windows\"\n") + kInterface,
                                 "f.toml", config, error))
        << error;
    ASSERT_TRUE(complete(config, error)) << error;
    const auto settings = control_settings(config, "id");
    EXPECT_EQ(settings.receiver_profile, engine::ProfileName::windows);
    EXPECT_EQ(settings.default_profile, engine::ProfileName::lan);
    EXPECT_EQ(settings.defaults.receiver.nak_repeat_ns, kSecond);
}

TEST(ConfigFile, errors_name_file_line_and_key) {
    EXPECT_EQ(error_of("[memory]\ntotal_mb = 5\n").rfind("f.toml:2: no key memory.total_mb", 0), 0u)
        << error_of("[memory]\ntotal_mb = 5\n");
    EXPECT_NE(error_of("[memory]\ntotal_mb = 5\n").find("did you mean memory.total_mib"),
              std::string::npos);
    EXPECT_EQ(error_of("\n[memory]\ntotal_mib = 0\n"),
              "f.toml:3: memory.total_mib = 0 is outside 1 to 1048576");
    EXPECT_EQ(error_of("[memory]\ntotal_mib = -1\n"),
              "f.toml:2: memory.total_mib = -1 is outside 1 to 1048576");
    EXPECT_EQ(error_of("[memory]\ntotal_mib = \"x\"\n"),
              "f.toml:2: memory.total_mib takes a whole number");
    EXPECT_EQ(error_of("[daemon]\nidle = \"lazy\"\n"),
              "f.toml:2: daemon.idle = \"lazy\" is none of busy|yield|sleep");
    EXPECT_EQ(error_of("[daemon]\ntake_over = 1\n"),
              "f.toml:2: daemon.take_over takes true or false");
    EXPECT_EQ(error_of("[daemon]\neal = [1]\n"), "f.toml:2: daemon.eal takes a list of texts");
    EXPECT_EQ(error_of("[deamon]\n").rfind("f.toml:1: no section [deamon]", 0), 0u);
    EXPECT_EQ(error_of("[daemon]\nlcores = \n").rfind("f.toml:", 0), 0u);
    EXPECT_EQ(
        error_of("[[interface]]\nname = \"a\"\naddress = \"10.0.0.1\"\n"),
        "f.toml:3: interface.address = \"10.0.0.1\" is no ADDRESS/PREFIX such as 10.0.0.1/24");
    EXPECT_EQ(error_of("[[interface]]\nname = \"a\"\n"), "f.toml:1: interface.address is missing");
    EXPECT_EQ(error_of("[[interface]]\nport = 1\n").rfind("f.toml:2: no key interface.port", 0),
              0u);
    EXPECT_EQ(error_of("[[interface]]\nmtu = 100\n"),
              "f.toml:2: interface.mtu = 100 is outside 576 to 9000");
}

TEST(ConfigFile, relations_between_keys_are_checked_with_their_names) {
    const std::string with = kInterface;
    EXPECT_EQ(error_of("[memory]\ntotal_mib = 10\nper_user_mib = 20\n" + with),
              "memory.per_user_mib = 20 is more than memory.total_mib = 10");
    EXPECT_EQ(error_of("[memory]\nreceive_window_mib = 3\n" + with),
              "memory.receive_window_mib = 3 must be a power of two (1, 2, 4, ... 1024)");
    EXPECT_EQ(error_of("[daemon]\nhandover_slots = 100\n" + with),
              "daemon.handover_slots = 100 must be a power of two (64, 128, ... 65536)");
    EXPECT_EQ(error_of("[receiver]\nnak_backoff_min_us = 100\n" + with),
              "receiver.nak_backoff_min_us = 100 is more than receiver.nak_backoff_max_us = 50");
    EXPECT_NE(error_of("[sender]\nrate_mbit = 10\nwindow_ms = 5\nwindow_kib = 9\n" + with)
                  .find("two of them"),
              std::string::npos);
    EXPECT_EQ(error_of("[identity]\ngsi = \"12\"\n" + with),
              "identity.gsi '12' is neither auto nor 12 hexadecimal digits");
    EXPECT_NE(error_of("[daemon]\nrole = \"dlr\"\n" + with).find("--follow"), std::string::npos);
}

TEST(ConfigFile, a_missing_file_says_which) {
    Config config;
    std::string error;
    EXPECT_FALSE(read_config_file("/nowhere/f.toml", config, error));
    EXPECT_NE(error.find("/nowhere/f.toml: No such file"), std::string::npos) << error;
    // A folder would read as an empty file.
    EXPECT_FALSE(read_config_file("/", config, error));
    EXPECT_NE(error.find("/: Is a directory"), std::string::npos) << error;
}

TEST(ConfigFile, every_key_has_a_section_and_is_named_once) {
    std::set<std::string> names;
    for (const auto& key : config_keys()) {
        EXPECT_NE(std::string(key.name).find('.'), std::string::npos);
        EXPECT_TRUE(names.insert(key.name).second) << key.name;
    }
}

// The file that is installed is the manual: it stands for the defaults and leaves no key out.
TEST(ConfigFile, the_shipped_file_loads_and_explains_every_key) {
    std::ifstream file(FANFARE_CONF_FILE);
    std::stringstream text;
    text << file.rdbuf();
    ASSERT_FALSE(text.str().empty()) << FANFARE_CONF_FILE;
    Config config;
    std::string error;
    ASSERT_TRUE(read_config_text(text.str(), "fanfare.toml", config, error)) << error;
    // Uncommented, each "#key = value" line must be a key that exists and a value that it takes.
    std::string uncommented, line;
    while (std::getline(text, line))
        uncommented += line.rfind("#", 0) == 0 && line.rfind("# ", 0) != 0 && line.size() > 1
                           ? line.substr(1) + "\n"
                           : line + "\n";
    Config all;
    ASSERT_TRUE(read_config_text(uncommented, "fanfare.toml", all, error)) << error;
    for (const auto& key : config_keys()) {
        const std::string name = key.name;
        const std::string inner = name.substr(name.find('.') + 1);
        EXPECT_TRUE(uncommented.find("\n" + inner + " = ") != std::string::npos)
            << name << " is not explained";
    }
}

// The profiles are taken as they are, with the machine's interface as a flag, and none of their
// values stands there without a reason above it.
TEST(ConfigProfiles, load_with_an_interface_flag_and_give_a_reason_for_every_value) {
    for (const std::string name : {"latency", "throughput", "shared-core"}) {
        SCOPED_TRACE(name);
        const std::string path = std::string(FANFARE_CONF_FOLDER) + "/" + name + ".toml";
        const auto p = parse({"--config", path.c_str(), "--interface", kFeed});
        ASSERT_EQ(p.result, CommandLine::run) << p.error;
        const ControlSettings settings = control_settings(p.config, "id");
        EXPECT_LE(settings.defaults.source.window_bytes, settings.memory_per_user_bytes);
        // A listener's first window with each worker, and a sender, fit the budget.
        const std::uint64_t spares = p.config.memory_spares_per_worker *
                                         p.config.memory_receive_window_mib *
                                         (name == "throughput" ? 2 : 1)
                                     << 20;
        EXPECT_LE(2 * std::bit_ceil(settings.defaults.source.window_bytes) + spares,
                  settings.memory_total_bytes);

        std::ifstream file(path);
        std::string line;
        std::size_t values = 0;
        bool explained = false;
        while (std::getline(file, line)) {
            if (line.empty()) explained = false;
            if (line.rfind("# ", 0) == 0) explained = true;
            if (line.empty() || line[0] == '#' || line[0] == '[') continue;
            ++values;
            EXPECT_TRUE(explained) << line << " has no reason above it";
        }
        EXPECT_GE(values, 10u);
    }
}

TEST(ConfigProfiles, say_what_they_are_called_for) {
    const auto load = [](const char* name) {
        Config config;
        std::string error;
        EXPECT_TRUE(read_config_file(std::string(FANFARE_CONF_FOLDER) + "/" + name, config, error))
            << error;
        return config;
    };
    const Config latency = load("latency.toml"), throughput = load("throughput.toml"),
                 shared = load("shared-core.toml");
    EXPECT_EQ(latency.idle, "busy");
    EXPECT_NE(latency.lcores, "0");
    EXPECT_LT(latency.receive_ring, throughput.receive_ring);
    EXPECT_LT(*latency.receiver_nak_backoff_max_us, *throughput.receiver_nak_backoff_max_us);
    EXPECT_NE(throughput.lcores.find(','), std::string::npos);
    EXPECT_GT(throughput.memory_receive_window_mib, latency.memory_receive_window_mib);
    EXPECT_EQ(shared.idle, "sleep");
    EXPECT_LT(shared.memory_total_mib, latency.memory_total_mib);
}

TEST(CommandLineFlags, an_interface_keeps_commas_in_its_device) {
    const auto p =
        parse({"--interface", kFeed, "--gateway", "feed=10.0.0.254", "--lcores", "0", "--idle",
               "sleep", "--rx-loss", "1.5,42", "--take-over", "--", "--no-huge", "-m", "64"});
    ASSERT_EQ(p.result, CommandLine::run) << p.error;
    EXPECT_EQ(p.config.interfaces[0].device, "net_af_xdp0,iface=eth1");
    EXPECT_EQ(p.config.interfaces[0].gateway, (Address{0x0A0000FE}));
    EXPECT_DOUBLE_EQ(p.config.loss.percent, 1.5);
    EXPECT_EQ(p.config.loss.seed, 42u);
    EXPECT_TRUE(p.config.take_over);
    EXPECT_EQ(p.config.idle, "sleep");
    EXPECT_EQ(p.config.eal, (std::vector<std::string>{"--no-huge", "-m", "64"}));
}

TEST(CommandLineFlags, wrong_ones_get_one_line_that_names_them) {
    struct Case {
        std::vector<const char*> arguments;
        const char* says;
    };
    const Case cases[] = {
        {{}, "--interface NAME,ADDRESS/PREFIX,DEVICE"},
        {{"--interface", "feed"}, "--interface feed: write NAME"},
        {{"--interface", "feed,10.0.0.1/24"}, "write NAME,ADDRESS/PREFIX,DEVICE"},
        {{"--interface", "feed,10.0.0.1,x"}, "'10.0.0.1' is no ADDRESS/PREFIX"},
        {{"--interface", "feed,10.0.0.300/24,x"}, "is no ADDRESS/PREFIX"},
        {{"--interface", "feed,10.0.0.1/33,x"}, "is no ADDRESS/PREFIX"},
        {{"--interface", "feed,239.0.0.1/24,x"}, "no address of a host"},
        {{"--interface", "feed,10.0.0.0/24,x"}, "network"},
        {{"--interface", "feed,10.0.0.255/24,x"}, "broadcast"},
        {{"--interface", "feed,10.0.0.1/24,"}, "no device"},
        {{"--interface", kFeed, "--interface", "feed,10.0.1.1/24,y"},
         "two interfaces are named feed"},
        {{"--interface", kFeed, "--interface", "b,10.0.0.1/24,y"},
         "two interfaces have the address 10.0.0.1"},
        {{"--interface", kFeed, "--interface", "b,10.0.0.2/24,net_af_packet1,iface=eth1"},
         "device eth1 is used"},
        {{"--interface", kFeed, "--gateway", "feed"}, "--gateway feed: write NAME=ADDRESS"},
        {{"--interface", kFeed, "--gateway", "b=10.0.0.254"}, "no interface is named 'b'"},
        {{"--interface", kFeed, "--gateway", "feed=10.9.0.254"}, "10.9.0.254 is not another host"},
        {{"--interface", kFeed, "--idle", "lazy"}, "--idle 'lazy' is none of"},
        {{"--interface", kFeed, "--role", "dlr"}, "add --follow GROUP[:PORT][,udp=PORT]"},
        {{"--interface", kFeed, "--follow", "239.1.2.3"}, "add --role dlr"},
        {{"--interface", kFeed, "--role", "dlr", "--follow", "10.0.0.1:7500"},
         "'10.0.0.1:7500' is no GROUP"},
        {{"--interface", "feed,10.0.0.1/24,kernel,iface=eth1", "--role", "dlr", "--follow",
          "239.1.2.3:7500"},
         "a kernel port sends from its own address"},
        {{"--interface", kFeed, "--rx-loss", "101"}, "'101' is no PERCENT"},
        {{"--interface", kFeed, "--rx-loss", "nan"}, "is no PERCENT"},
        {{"--interface", kFeed, "--rx-loss", "1,x"}, "is no PERCENT"},
        {{"--frobnicate"}, "--frobnicate"},
        {{"stray"}, "stray"},
        {{"--interface", kFeed, "stray"}, "not expected: stray"},
        {{"--config", "/nowhere.toml"}, "/nowhere.toml"},
    };
    for (const auto& c : cases) {
        const auto p = parse(c.arguments);
        EXPECT_EQ(p.result, CommandLine::wrong) << c.says;
        EXPECT_NE(p.error.find(c.says), std::string::npos)
            << p.error << "\n  should say " << c.says;
        EXPECT_EQ(p.error.find('\n'), std::string::npos) << "one line: " << p.error;
    }
}

}  // namespace
}  // namespace fanfare::control
