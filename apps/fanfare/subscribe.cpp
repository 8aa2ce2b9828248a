#include "apps/fanfare/subscribe.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/fanfare/byte_queue.hpp"
#include "apps/fanfare/clock.hpp"
#include "apps/fanfare/daemon_link.hpp"
#include "apps/fanfare/failure.hpp"
#include "apps/fanfare/feed_check.hpp"
#include "apps/fanfare/progress.hpp"
#include "apps/fanfare/session_reader.hpp"
#include "apps/fanfare/session_setup.hpp"
#include "fanfare/fanfare.hpp"

namespace fanfare::tool {

namespace {

Listener listening(const SubscribeArguments& arguments) {
    const SessionArguments& session = arguments.session;
    Listener listener(session.group.group, session.group.port, Mode::message, false);
    set_session_options(listener, session);
    if (session.interface)
        set_option(listener, "--interface " + address_text(*session.interface), RM_ADD_RECEIVE_IF,
                   htonl(*session.interface));
    if (arguments.source)
        set_option(listener, "--source " + address_text(*arguments.source), FANFARE_SOURCE,
                   *arguments.source);
    if (arguments.window_bytes)
        set_option64(listener, "--window-bytes", FANFARE_RECEIVE_WINDOW, *arguments.window_bytes);
    listener.listen(static_cast<int>(arguments.sessions < 16 ? 16 : arguments.sessions));
    return listener;
}

// What the receiver's engine counted, put into `out`; a session that is gone has no figures.
void add_statistics(const Socket& socket, nlohmann::json& out) {
    RM_RECEIVER_STATS stats{};
    socklen_t length = sizeof stats;
    if (fanfare_getsockopt(socket.fd(), IPPROTO_RM, RM_RECEIVER_STATISTICS, &stats, &length) != 0)
        return;
    out["odata_received"] = stats.NumODataPacketsReceived;
    out["rdata_received"] = stats.NumRDataPacketsReceived;
    out["duplicates"] = stats.NumDuplicateDataPackets;
    out["naks_sent"] = stats.TotalSelectiveNaksSent;
    out["parity_naks_sent"] = stats.TotalParityNaksSent;
}

void say_if_joined_late(Progress& progress, const std::string& name) {
    if (const auto sqn = DaemonLink::joined_late())
        progress.say(fmt::format("fanfare: {}: joined late at {}", name, *sqn));
}

// One session's file and queue, and who fills it.
struct Track {
    std::unique_ptr<ByteQueue> queue;
    std::unique_ptr<SessionReader> reader;
    int file = STDOUT_FILENO;
    std::string file_name;
    std::int64_t start_ns = 0;
};

class Subscription {
  public:
    explicit Subscription(const SubscribeArguments& arguments)
        : arguments_(arguments),
          rules_{arguments.separator, arguments.count, arguments.session.zmq},
          progress_("received", arguments.session.progress),
          listener_(listening(arguments)) {
        listener_.set_non_blocking(true);
        tracks_.reserve(arguments.sessions);
    }

    int run() {
        progress_.say(fmt::format("fanfare: listening on {}", arguments_.session.group.text()));
        std::thread reading([this] {
            try {
                read_all();
            } catch (const std::exception& e) {
                const std::scoped_lock lock(bell_.mutex);
                reading_failure_ = e.what();
            }
            const std::scoped_lock lock(bell_.mutex);
            reading_done_ = true;
            bell_.rung.notify_one();
        });
        write_all();
        reading.join();
        if (reading_failure_) throw Failure(*reading_failure_);
        return result();
    }

  private:
    // The reading thread: takes sessions and moves what they bring.
    void read_all() {
        const auto wanted = arguments_.sessions;
        accept_waiting();
        while (tracks_.size() < wanted || open_sessions() != 0) {
            bool moved = false, full = false;
            for (Track& track : tracks_) {
                if (track.reader->ended()) continue;
                // One session alone waits for its window, which is the quicker way.
                const bool alone = wanted == 1;
                const auto pumped = track.reader->pump(alone);
                moved = moved || pumped == SessionReader::Pump::moved;
                full = full || pumped == SessionReader::Pump::full;
                if (pumped == SessionReader::Pump::ended) finish(track);
            }
            if (!moved) wait(full);
        }
    }

    std::size_t open_sessions() const {
        std::size_t open = 0;
        for (const Track& track : tracks_) open += track.reader->ended() ? 0 : 1;
        return open;
    }

    // Until something can be read or accepted. A full queue has no descriptor to wait for: short
    // naps.
    void wait(bool full) {
        constexpr int kNapMs = 2, kLongestMs = 200;
        std::vector<pollfd> waits;
        const bool accepting = tracks_.size() < arguments_.sessions;
        if (accepting) waits.push_back({listener_.fd(), POLLIN, 0});
        if (!full)
            for (const Track& track : tracks_)
                if (!track.reader->ended())
                    waits.push_back({track.reader->receiver().fd(), POLLIN, 0});
        const int ready = ::poll(waits.data(), waits.size(), full ? kNapMs : kLongestMs);
        if (accepting && ready > 0 && waits[0].revents != 0) accept_waiting();
    }

    void accept_waiting() {
        while (tracks_.size() < arguments_.sessions) {
            Receiver receiver = listener_.accept();
            if (!receiver) {
                if (errno == EINTR) continue;
                return;
            }
            add(std::move(receiver));
        }
        // Enough: other sessions are nothing to us any more.
        listener_.close();
    }

    void add(Receiver receiver) {
        receiver.set_timeout(std::chrono::milliseconds(200));
        Track track;
        track.start_ns = monotonic_ns();
        track.queue = std::make_unique<ByteQueue>(bell_, arguments_.buffer_bytes);
        track.reader =
            std::make_unique<SessionReader>(std::move(receiver), rules_, *track.queue, progress_);
        say_if_joined_late(progress_, track.reader->name());
        if (!arguments_.output.empty()) open_file(track);
        const std::scoped_lock lock(bell_.mutex);  // the writing thread walks the tracks
        tracks_.push_back(std::move(track));
    }

    // DIR/ADDRESS_PORT, with a number behind it when a sender came twice.
    void open_file(Track& track) {
        std::string stem = arguments_.output + "/" + track.reader->name();
        stem[stem.rfind(':')] = '_';
        for (int number = 1;; ++number) {
            track.file_name = number == 1 ? stem : fmt::format("{}.{}", stem, number);
            track.file =
                ::open(track.file_name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            if (track.file >= 0) break;
            if (errno != EEXIST)
                throw Failure(fmt::format("{}: {}", track.file_name, std::strerror(errno)));
        }
        progress_.say(fmt::format("fanfare: {} goes to {}", track.reader->name(), track.file_name));
    }

    void finish(Track& track) {
        const SessionReader& reader = *track.reader;
        const double seconds = static_cast<double>(monotonic_ns() - track.start_ns) / 1e9;
        nlohmann::json figures = {{"source", reader.name()},
                                  {"messages", reader.messages()},
                                  {"bytes", reader.bytes()},
                                  {"seconds", seconds},
                                  {"mb_per_s", static_cast<double>(reader.bytes()) / seconds / 1e6},
                                  {"good", !reader.failure()}};
        if (reader.failure()) figures["reset"] = *reader.failure();
        if (!track.file_name.empty()) figures["file"] = track.file_name;
        add_statistics(reader.receiver(), figures);
        reports_.push_back(std::move(figures));
    }

    // The main thread: writes what the queues hold.
    void write_all() {
        std::unique_lock lock(bell_.mutex);
        for (;;) {
            bool wrote = false, drained = true;
            for (std::size_t i = 0; i < tracks_.size(); ++i) {
                ByteQueue& queue = *tracks_[i].queue;
                const auto octets = queue.front();
                if (!octets.empty()) {
                    const int file = tracks_[i].file;
                    const std::string name = tracks_[i].file_name;
                    lock.unlock();
                    const std::size_t n = write_some(file, name, octets);
                    lock.lock();
                    queue.take(n);
                    wrote = true;
                }
                drained = drained && queue.drained();
            }
            if (wrote) continue;
            if (reading_done_ && (drained || reading_failure_)) return;
            bell_.rung.wait(lock);
        }
    }

    static std::size_t write_some(int file, const std::string& name,
                                  std::span<const std::byte> octets) {
        for (;;) {
            const ssize_t n = ::write(file, octets.data(), octets.size());
            if (n >= 0) return static_cast<std::size_t>(n);
            if (errno == EINTR) continue;
            if (errno == EAGAIN) {
                pollfd wait{file, POLLOUT, 0};
                (void)::poll(&wait, 1, -1);
                continue;
            }
            // The reading thread stands in a wait of its own: there is nobody to hand this to.
            fmt::print(stderr, "fanfare: {}: {}\n", name.empty() ? "standard output" : name,
                       std::strerror(errno));
            ::_exit(kStatusFailed);
        }
    }

    int result() {
        progress_.stop();
        int status = 0;
        for (const Track& track : tracks_) {
            if (track.file != STDOUT_FILENO) ::close(track.file);
            const SessionReader& reader = *track.reader;
            if (!reader.failure()) continue;
            fmt::print(stderr, "fanfare: {}: {}\n", reader.name(), *reader.failure());
            status = kStatusFailed;
        }
        if (!arguments_.session.report_file.empty()) {
            const nlohmann::json all =
                reports_.size() == 1 ? reports_.front() : nlohmann::json(reports_);
            write_report(arguments_.session.report_file, all.dump());
        }
        return status;
    }

    const SubscribeArguments& arguments_;
    const ReadRules rules_;
    Progress progress_;
    Listener listener_;
    Bell bell_;
    // Grown by the reading thread under bell_.mutex, within what was reserved.
    std::vector<Track> tracks_;
    std::vector<nlohmann::json> reports_;
    bool reading_done_ = false;                   // under bell_.mutex
    std::optional<std::string> reading_failure_;  // likewise
};

// Reads a feed where it stands in the window, as the delay is what counts.
int check_feed(const SubscribeArguments& arguments) {
    Listener listener = listening(arguments);
    Progress progress("received", arguments.session.progress);
    progress.say(fmt::format("fanfare: listening on {}", arguments.session.group.text()));
    Receiver receiver;
    while (!receiver) receiver = listener.accept();
    listener.close();
    const std::string name = text_of(receiver.peer());
    say_if_joined_late(progress, name);

    FeedCheck check;
    std::vector<View> views(64);
    std::string failure;
    for (;;) {
        std::size_t count = 0;
        const Received got = receiver.peek(views, count);
        if (got.finished) break;
        if (got.error == EINTR || got.error == EAGAIN) continue;
        if (got.error != 0) {
            failure = fanfare_last_error_text();
            break;
        }
        const std::int64_t now = monotonic_ns();
        std::uint64_t bytes = 0;
        for (std::size_t i = 0; i < count; ++i) {
            check.message(octets_of(views[i]), (views[i].flags & FANFARE_VIEW_REPAIRED) != 0, now);
            bytes += views[i].bytes;
        }
        if (!receiver.consume(std::span(views).first(count))) {
            failure = fanfare_last_error_text();
            break;
        }
        progress.add(bytes, count);
        if (arguments.count != 0 && check.messages() >= arguments.count) break;
    }
    progress.stop();
    nlohmann::json figures = check.report(arguments.delayed_above_ns);
    add_statistics(receiver, figures);
    figures["good"] = failure.empty() && check.good();
    write_report("-", figures.dump());
    if (!arguments.session.report_file.empty())
        write_report(arguments.session.report_file, figures.dump());
    if (!failure.empty()) throw Failure(fmt::format("{}: {}", name, failure));
    if (!check.good())
        throw Failure(fmt::format("{}: the feed has damaged or misplaced messages", name));
    return 0;
}

void expect_folder(const std::string& folder) {
    struct stat about {};
    if (::stat(folder.c_str(), &about) != 0)
        throw Failure(fmt::format("--output {}: {}", folder, std::strerror(errno)));
    if (!S_ISDIR(about.st_mode)) throw Failure(fmt::format("--output {}: it is no folder", folder));
    if (::access(folder.c_str(), W_OK | X_OK) != 0)
        throw Failure(fmt::format("--output {}: {}", folder, std::strerror(errno)));
}

}  // namespace

int subscribe(const SubscribeArguments& arguments) {
    end_on_signals("fanfare: interrupted\n");
    if (!arguments.output.empty()) expect_folder(arguments.output);
    expect_report(arguments.session.report_file);
    if (arguments.feed_check) return check_feed(arguments);
    Subscription subscription(arguments);
    return subscription.run();
}

}  // namespace fanfare::tool
