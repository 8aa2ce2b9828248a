// Command lines: what they mean, and one clear line for each that means nothing.
#include "apps/fanfare/arguments.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "apps/fanfare/failure.hpp"

namespace fanfare::tool {
namespace {

Arguments parsed(const std::string& line) {
    std::istringstream in("fanfare " + line);
    std::vector<std::string> words{std::istream_iterator<std::string>(in), {}};
    std::vector<const char*> argv;
    for (const auto& word : words) argv.push_back(word.c_str());
    std::string help;
    return parse_command_line(static_cast<int>(argv.size()), argv.data(), help).value();
}

std::string refusal(const std::string& line) {
    try {
        parsed(line);
    } catch (const UsageFailure& e) {
        EXPECT_EQ(e.status(), kStatusUsage);
        return e.what();
    }
    return "taken";
}

TEST(Arguments, PubIsAStreamUnlessSaidOtherwise) {
    const auto a = parsed("--control /x pub 239.1.1.1:7500");
    EXPECT_EQ(a.command, Command::publish);
    EXPECT_EQ(a.control, "/x");
    EXPECT_EQ(a.publish.mode, PublishMode::stream);
    EXPECT_EQ(a.publish.session.group.group, "239.1.1.1");
    EXPECT_EQ(a.publish.session.group.port, 7500);
    EXPECT_FALSE(a.publish.congestion_control);
    EXPECT_TRUE(parsed("pub 239.1.1.1:7500 --congestion-control").publish.congestion_control);
    EXPECT_FALSE(a.publish.rate_bits || a.publish.ttl || a.publish.session.profile);
}

TEST(Arguments, FiguresAreTakenInTheirUnits) {
    const auto p =
        parsed(
            "pub 239.1.1.1:7500 --message 1k --rate 2.5 --window-ms 100 --window-bytes 4m --ttl 7 "
            "--late-join 75 --udp 3055 --interface 10.0.0.1 --profile windows --pack")
            .publish;
    EXPECT_EQ(p.mode, PublishMode::message);
    EXPECT_EQ(p.message_bytes, 1024u);
    EXPECT_EQ(p.rate_bits, 2'500'000u);
    EXPECT_EQ(p.window_ms, 100u);
    EXPECT_EQ(p.window_bytes, 4u << 20);
    EXPECT_EQ(p.ttl, 7u);
    EXPECT_EQ(p.late_join_percent, 75u);
    EXPECT_EQ(p.session.udp_port, 3055);
    EXPECT_EQ(p.session.interface, 0x0A000001u);
    EXPECT_EQ(p.session.profile, "windows");
    EXPECT_TRUE(p.pack);
    EXPECT_EQ(parsed("pub 239.1.1.1:7500 --rate 0").publish.rate_bits, 0u);
}

TEST(Arguments, ZmqMeansOpenPgmsProfileAndOnePortForBoth) {
    const auto p = parsed("pub 239.1.1.1:5555 --zmq --lines").publish.session;
    EXPECT_EQ(p.udp_port, 5555);
    EXPECT_EQ(p.profile, "openpgm");
    EXPECT_EQ(parsed("sub 239.1.1.1:5555 --zmq --udp 0").subscribe.session.udp_port, 0);
}

TEST(Arguments, SubKnowsItsDefaults) {
    const auto s = parsed("sub 239.1.1.1:7500").subscribe;
    EXPECT_EQ(s.buffer_bytes, 256u << 20);
    EXPECT_EQ(s.sessions, 1u);
    EXPECT_EQ(s.count, 0u);
    EXPECT_EQ(parsed("sub 239.1.1.1:7500 --separator \\n\\x00\\t").subscribe.separator,
              std::string("\n\0\t", 3));
}

TEST(Arguments, RunPassesEverythingBehindTheProgramOn) {
    const auto a = parsed("run ./app --flag -x pub");
    EXPECT_EQ(a.program, (std::vector<std::string>{"./app", "--flag", "-x", "pub"}));
    const auto b = parsed("--control run run -- ./app -- --control /y");
    EXPECT_EQ(b.control, "run");
    EXPECT_EQ(b.program, (std::vector<std::string>{"./app", "--", "--control", "/y"}));
}

TEST(Arguments, TheSocketMayStandBehindTheCommand) {
    EXPECT_EQ(parsed("status --control /x").control, "/x");
    EXPECT_EQ(parsed("pub 239.1.1.1:7500 --control /x --lines").control, "/x");
    EXPECT_EQ(parsed("options 12345678901234567 --control /x").options_socket, 12345678901234567u);
    EXPECT_EQ(parsed("--version").command, Command::version);
}

TEST(Arguments, HelpIsNoFailure) {
    const char* argv[] = {"fanfare", "pub", "--help"};
    std::string help;
    EXPECT_FALSE(parse_command_line(3, argv, help).has_value());
    EXPECT_NE(help.find("--window-ms"), std::string::npos);
    EXPECT_NE(help.find("Usage: fanfare pub "), std::string::npos);
}

struct Refused {
    const char* line;
    std::vector<const char*> names;
};

TEST(Arguments, ParityIsGroupProactiveAndOnDemand) {
    const char* const line[] = {"fanfare", "pub", "239.1.1.1:1", "--fec", "8,2"};
    std::string help;
    auto parity = parse_command_line(5, line, help)->publish.parity;
    ASSERT_TRUE(parity);
    EXPECT_EQ(parity->group, 8);
    EXPECT_EQ(parity->proactive, 2);
    EXPECT_FALSE(parity->on_demand);
    const char* const other[] = {"fanfare", "pub", "239.1.1.1:1", "--fec", "128,0,on-demand"};
    parity = parse_command_line(5, other, help)->publish.parity;
    ASSERT_TRUE(parity);
    EXPECT_EQ(parity->group, 128);
    EXPECT_EQ(parity->proactive, 0);
    EXPECT_TRUE(parity->on_demand);
}

TEST(Arguments, EveryWrongLineIsNamedInOneLine) {
    const Refused table[] = {
        {"", {"pub", "sub"}},
        {"dance", {"dance"}},
        {"pub", {"GROUP:PORT"}},
        {"sub", {"GROUP:PORT"}},
        {"pub 239.1.1.1", {"239.1.1.1", "port"}},
        {"pub 239.1.1.1:", {"239.1.1.1:"}},
        {"pub 239.1.1.1:0", {"0"}},
        {"pub 239.1.1.1:70000", {"70000"}},
        {"pub 239.1.1.1:75x", {"75x"}},
        {"pub 10.0.0.1:7500", {"10.0.0.1", "multicast"}},
        {"pub 239.1.1.300:7500", {"239.1.1.300"}},
        {"pub 239.1.1.1:1 --no-such", {"--no-such"}},
        {"pub 239.1.1.1:1 extra", {"extra"}},
        {"pub 239.1.1.1:1 --rate fast", {"--rate", "fast"}},
        {"pub 239.1.1.1:1 --rate -5", {"-5"}},
        {"pub 239.1.1.1:1 --rate nan", {"nan"}},
        {"pub 239.1.1.1:1 --rate 1e99", {"1e99"}},
        {"pub 239.1.1.1:1 --ttl 0", {"--ttl", "0"}},
        {"pub 239.1.1.1:1 --ttl 300", {"300"}},
        {"pub 239.1.1.1:1 --udp 99999", {"--udp", "99999"}},
        {"pub 239.1.1.1:1 --profile wan", {"wan", "openpgm"}},
        {"pub 239.1.1.1:1 --window-bytes x", {"--window-bytes", "x"}},
        {"pub 239.1.1.1:1 --window-bytes 99999999999g", {"99999999999g"}},
        {"pub 239.1.1.1:1 --window-ms 0", {"--window-ms", "0"}},
        {"pub 239.1.1.1:1 --late-join 76", {"76"}},
        {"pub 239.1.1.1:1 --message 0", {"--message"}},
        {"pub 239.1.1.1:1 --stream --lines", {"--lines"}},
        {"pub 239.1.1.1:1 --lines --message 5", {"--message"}},
        {"pub 239.1.1.1:1 --pack", {"--pack", "--lines"}},
        {"pub 239.1.1.1:1 --zmq", {"--zmq", "--lines"}},
        {"pub 239.1.1.1:1 --zmq --lines --pack", {"--pack"}},
        {"pub 239.1.1.1:1 --zmq --lines --congestion-control", {"--congestion-control"}},
        {"pub 239.1.1.1:1 --profile openpgm --congestion-control", {"--congestion-control"}},
        {"pub 239.1.1.1:1 --fec 8", {"--fec", "8"}},
        {"pub 239.1.1.1:1 --fec 12,2", {"--fec", "12"}},
        {"pub 239.1.1.1:1 --fec 256,2", {"--fec", "256"}},
        {"pub 239.1.1.1:1 --fec 8,0", {"--fec", "on-demand"}},
        {"pub 239.1.1.1:1 --fec 128,128", {"--fec", "128"}},
        {"pub 239.1.1.1:1 --fec 8,2,always", {"--fec", "always"}},
        {"pub 239.1.1.1:1 --fec 8,2 --profile openpgm", {"--fec", "openpgm"}},
        {"pub 239.1.1.1:1 --fec 8,2 --zmq --lines", {"--fec", "--zmq"}},
        {"pub 239.1.1.1:1 --feed 5", {"--feed", "5"}},
        {"pub 239.1.1.1:1 --feed a,b", {"--feed", "a"}},
        {"pub 239.1.1.1:1 --feed 1,2 --lines", {"--feed"}},
        {"pub 239.1.1.1:1 --interface eth0", {"--interface", "eth0"}},
        {"pub 239.1.1.1:1 --interface 239.1.1.1", {"239.1.1.1"}},
        {"sub 239.1.1.1:1 --source someone", {"--source", "someone"}},
        {"sub 239.1.1.1:1 --sessions 2", {"--output"}},
        {"sub 239.1.1.1:1 --sessions 0", {"--sessions"}},
        {"sub 239.1.1.1:1 --buffer 1", {"--buffer"}},
        {"sub 239.1.1.1:1 --separator \\q", {"--separator", "\\q"}},
        {"sub 239.1.1.1:1 --feed-check --zmq", {"--feed-check"}},
        {"sub 239.1.1.1:1 --report -", {"--report"}},
        {"sub 239.1.1.1:1 --rate 5", {"--rate"}},
        {"status --xml", {"--xml", "fanfare status --help"}},
        {"status a b", {"'a'"}},
        {"sub 239.1.1.1:1 --count", {"--count needs a value"}},
        {"options 0", {"SOCKET", "'0'"}},
        {"options five", {"SOCKET", "'five'"}},
        {"run --control /x ./app", {"'--control'", "before run"}},
    };
    for (const Refused& row : table) {
        const std::string said = refusal(row.line);
        EXPECT_EQ(said.find('\n'), std::string::npos) << row.line;
        for (const char* name : row.names)
            EXPECT_NE(said.find(name), std::string::npos) << row.line << " said: " << said;
    }
}

}  // namespace
}  // namespace fanfare::tool
