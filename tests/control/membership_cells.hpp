// The table of wsrm.md 7.2 as the specification writes it, for tests: written down a second time,
// from the text, so that the product's own table is judged by it.
#pragma once

#include <array>
#include <cerrno>
#include <vector>

namespace fanfare::control {

inline constexpr const char* kCellCalls[] = {
    "IP_ADD_MEMBERSHIP",         "IP_DROP_MEMBERSHIP", "IP_ADD_SOURCE_MEMBERSHIP",
    "IP_DROP_SOURCE_MEMBERSHIP", "IP_BLOCK_SOURCE",    "IP_UNBLOCK_SOURCE"};

struct CellStep {
    int call = 0;  // index into kCellCalls
    bool of_other = false;
};
struct CellRow {
    const char* name;
    std::vector<CellStep> way;  // calls that lead into the state from N
    std::array<int, 6> errors;  // 0: allowed
};

inline const std::vector<CellRow> kCellRows = [] {
    constexpr int kInval = EINVAL, kNot = EADDRNOTAVAIL;
    constexpr int kAdd = 0, kAddSource = 2, kDropSource = 3, kBlock = 4, kUnblock = 5;
    return std::vector<CellRow>{
        {"N", {}, {0, kInval, 0, kInval, kInval, kInval}},
        {"NS", {{kAddSource}, {kDropSource}}, {0, kInval, 0, kNot, kInval, kInval}},
        {"A, B empty, s never blocked", {{kAdd}}, {kNot, 0, kNot, kInval, 0, kInval}},
        {"A, B empty, s in H", {{kAdd}, {kBlock}, {kUnblock}}, {kNot, 0, kNot, kInval, 0, kNot}},
        {"A, s in B", {{kAdd}, {kBlock}}, {kInval, 0, kInval, kInval, kNot, 0}},
        {"A, B not empty, s not in B, s not in H",
         {{kAdd}, {kBlock, true}},
         {kInval, 0, kInval, kInval, 0, kInval}},
        {"A, B not empty, s not in B, s in H",
         {{kAdd}, {kBlock}, {kUnblock}, {kBlock, true}},
         {kInval, 0, kInval, kInval, 0, kNot}},
        {"I, s in S", {{kAddSource}}, {kNot, 0, kNot, 0, kInval, kInval}},
        {"I, s not in S", {{kAddSource, true}}, {kNot, 0, 0, kNot, kInval, kInval}},
    };
}();

}  // namespace fanfare::control
