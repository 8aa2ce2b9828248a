/* The public headers are C, and their layouts are those of the documentation, also for a C
 * compiler. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "fanfare/socket.h"
#include "wsrm.h"

_Static_assert(IPPROTO_RM == 113 && IPPROTO_PGM == 113, "protocol");
_Static_assert(RM_RATE_WINDOW_SIZE == RM_OPTIONSBASE + 1 &&
                   RM_SET_MESSAGE_BOUNDARY == RM_OPTIONSBASE + 2 &&
                   RM_FLUSHCACHE == RM_OPTIONSBASE + 3 &&
                   RM_SENDER_WINDOW_ADVANCE_METHOD == RM_OPTIONSBASE + 4 &&
                   RM_SENDER_STATISTICS == RM_OPTIONSBASE + 5 &&
                   RM_LATEJOIN == RM_OPTIONSBASE + 6 && RM_SET_SEND_IF == RM_OPTIONSBASE + 7 &&
                   RM_ADD_RECEIVE_IF == RM_OPTIONSBASE + 8 &&
                   RM_DEL_RECEIVE_IF == RM_OPTIONSBASE + 9 &&
                   RM_SEND_WINDOW_ADV_RATE == RM_OPTIONSBASE + 10 &&
                   RM_USE_FEC == RM_OPTIONSBASE + 11 && RM_SET_MCAST_TTL == RM_OPTIONSBASE + 12 &&
                   RM_RECEIVER_STATISTICS == RM_OPTIONSBASE + 13 &&
                   RM_HIGH_SPEED_INTRANET_OPT == RM_OPTIONSBASE + 14,
               "option numbers");
_Static_assert(sizeof(RM_SEND_WINDOW) == 12 && offsetof(RM_SEND_WINDOW, WindowSizeInBytes) == 8,
               "RM_SEND_WINDOW");
_Static_assert(sizeof(RM_FEC_INFO) == 6 && offsetof(RM_FEC_INFO, FECGroupSize) == 4 &&
                   offsetof(RM_FEC_INFO, fFECOnDemandParityEnabled) == 5,
               "RM_FEC_INFO");
_Static_assert(sizeof(RM_SENDER_STATS) == 104 &&
                   offsetof(RM_SENDER_STATS, TotalODataPacketsSent) == 96,
               "RM_SENDER_STATS");
_Static_assert(sizeof(RM_RECEIVER_STATS) == 144 &&
                   offsetof(RM_RECEIVER_STATS, TotalParityNaksSent) == 136,
               "RM_RECEIVER_STATS");
_Static_assert(SENDER_DEFAULT_WINDOW_SIZE_BYTES / 2 == 5000000, "one literal, so that it divides");
_Static_assert(E_WINDOW_ADVANCE_BY_TIME == 1 && E_WINDOW_USE_AS_DATA_CACHE == 2,
               "eWINDOW_ADVANCE_METHOD");

int main(void) {
    if (fanfare_set_control("/nonexistent/control.sock") != 0) return 1;
    if (fanfare_socket(AF_INET, SOCK_RDM, IPPROTO_RM) != -1) return 2;
    if (strstr(fanfare_last_error_text(), "daemon") == NULL) return 3;
    if (fanfare_winsock_error() != 10044) return 4;
    if (fanfare_close(-1) != -1) return 5;
    printf("%s\n", fanfare_last_error_text());
    return 0;
}
