// Which sessions a designated local repairer follows, and for how long.
#include "control/repairing.hpp"

#include "tests/control/control_fixture.hpp"

namespace fanfare::control {
namespace {

class RepairServices : public FakeServices {
  public:
    std::map<const dataplane::RepairStore*, std::string> followed;
    std::size_t unfollowed = 0;
    std::shared_ptr<dataplane::RepairStore> make_repair_store(std::uint32_t worker) override {
        auto store = std::make_shared<dataplane::RepairStore>();
        store->worker = worker;
        return store;
    }
    void follow(const std::shared_ptr<dataplane::RepairStore>& store, const ReceiveMemory&,
                const std::string& name) override {
        followed[store.get()] = name;
    }
    void unfollow(const std::shared_ptr<dataplane::RepairStore>& store) override {
        unfollowed += followed.erase(store.get());
    }
};

class Repairing : public ControlTest {
  protected:
    void SetUp() override {
        settings.repairs.follow = {{kGroup, kPort, 0}};
        settings.repairs.sessions_max = 2;
        settings.repairs.keep_ns = 5 * kSecond;
        std::vector<dataplane::WorkerLink*> pointers;
        for (auto& link : links) pointers.push_back(link.get());
        controller = std::make_unique<Controller>(settings, interfaces, pointers, repair_services);
        controller->poll(now);
    }
    // Before the services go.
    void TearDown() override { controller.reset(); }
    RepairServices repair_services;
};

TEST(ParseFollowed, TakesAGroupAPortAndTheEncapsulatedForm) {
    const auto all = parse_followed("239.1.1.1:7500,udp=7600");
    ASSERT_TRUE(all);
    EXPECT_EQ(all->group, kGroup);
    EXPECT_EQ(all->port, 7500);
    EXPECT_EQ(all->udp_port, 7600);
    const auto group = parse_followed("239.1.1.1");
    ASSERT_TRUE(group);
    EXPECT_EQ(group->port, 0);
    EXPECT_EQ(group->udp_port, 0);
    for (const char* wrong :
         {"", "239.1.1.1:", "239.1.1.1:0", "239.1.1.1:70000", "10.0.0.1:7500",
          "239.1.1.1:7500,udp=", "239.1.1.1:7500,udp=x", "239.1.1:7500", "239.1.1.1:7500,tcp=1"}) {
        EXPECT_FALSE(parse_followed(wrong)) << wrong;
    }
}

TEST_F(Repairing, ListensOnEveryInterfaceAndHasWindowsReadyWithoutAnySocket) {
    std::size_t listens = 0, spares = 0;
    for (const Command& c : commands()) {
        if (c.kind == Command::Kind::add_listen) {
            ++listens;
            EXPECT_TRUE(c.listen.repairs);
            EXPECT_EQ(c.listen.group, kGroup);
            EXPECT_EQ(c.listen.destination_port, kPort);
        }
        spares += c.kind == Command::Kind::add_spare ? 1 : 0;
    }
    EXPECT_EQ(listens, 2u);
    EXPECT_GE(spares, 1u);
}

TEST_F(Repairing, ASessionIsFollowedWithoutReadersAndKeptForAWhileAfterItsEnd) {
    const auto id = open_session(4000);
    EXPECT_FALSE(command(Command::Kind::close_receive));
    ASSERT_EQ(repair_services.followed.size(), 1u);
    EXPECT_NE(repair_services.followed.begin()->second.find(":4000"), std::string::npos);
    auto ended = event(Event::Kind::session_ended, id);
    ended.state = SessionState::finished;
    say(ended);
    pass_time(kSecond);
    pass_time(3 * kSecond);
    EXPECT_FALSE(command(Command::Kind::close_receive));
    pass_time(3 * kSecond);
    EXPECT_TRUE(command(Command::Kind::close_receive));
    EXPECT_EQ(repair_services.unfollowed, 1u);
}

TEST_F(Repairing, ASessionWithAHoleIsLetGoAtOnceSoThatItCanOpenAnew) {
    const auto id = open_session(4000);
    auto ended = event(Event::Kind::session_ended, id);
    ended.state = SessionState::reset;
    ended.cause = ResetCause::unrecoverable_loss;
    say(ended);
    pass_time(kSecond);
    EXPECT_TRUE(command(Command::Kind::close_receive));
}

TEST_F(Repairing, NoMoreSessionsThanConfiguredAreFollowed) {
    open_session(4000);
    open_session(4001);
    commands();
    open_session(4002);
    EXPECT_EQ(repair_services.followed.size(), 2u);
    EXPECT_TRUE(command(Command::Kind::close_receive)) << "nobody wants the third";
    EXPECT_EQ(registry().counters.sessions_not_followed, 1u);
}

TEST_F(Repairing, AReaderOfAFollowedSessionComesAndGoesWithoutEndingIt) {
    const auto l = listener();
    open_session(4000);
    const auto accepted = accept(l);
    ASSERT_EQ(accepted.error, 0);
    const auto reader = accepted.as<ipc::AcceptReply>().socket_id;
    EXPECT_EQ(close(reader), 0);
    EXPECT_EQ(close(l), 0);
    pass_time(kSecond);
    EXPECT_FALSE(command(Command::Kind::close_receive));
}

}  // namespace
}  // namespace fanfare::control
