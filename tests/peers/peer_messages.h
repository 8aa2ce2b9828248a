/* The messages that peers exchange: message i follows from i alone, so that whoever receives it can
 * check every octet without having seen it before. Printable, so that a line is a message too. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { kShortestMessage = 10, kMessageRoom = 1600 };

/* Writes message `index` to `room` and returns its length: `shortest` to `longest` octets, spread
 * evenly, every 64th of full length. Ends with a newline when `line` is set (it counts). */
static inline size_t peer_message(uint32_t index, size_t longest, int line, char* room) {
    uint32_t state = (index + 1u) * 2654435761u;
    const size_t spread = longest - kShortestMessage + 1;
    size_t length = kShortestMessage + (state >> 8) % spread;
    if (index % 64 == 63) length = longest;
    char digits[16];
    snprintf(digits, sizeof digits, "%08u:", index);
    memcpy(room, digits, 9);
    for (size_t i = 9; i < length; ++i) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        room[i] = (char)('0' + (state >> 24) % 75);
    }
    if (line) room[length - 1] = '\n';
    return length;
}
