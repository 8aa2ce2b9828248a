/* The reliable-multicast (PGM) socket interface of Windows, for Linux: the names, numbers and
 * layouts of Wsrm.h. Written from the public documentation (see docs/windows-compatibility.md);
 * integers have fixed widths, because ULONG is 32 bits on Windows and `unsigned long` is not here.
 * Host byte order unless said otherwise. */
#ifndef FANFARE_WSRM_H
#define FANFARE_WSRM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef IPPROTO_RM
#define IPPROTO_RM 113 /* protocol and option level */
#endif
#ifndef IPPROTO_PGM
#define IPPROTO_PGM IPPROTO_RM
#endif

#define MAX_MCAST_TTL 255

/* Options at level IPPROTO_RM. */
#define RM_OPTIONSBASE 1000
#define RM_RATE_WINDOW_SIZE 1001             /* RM_SEND_WINDOW */
#define RM_SET_MESSAGE_BOUNDARY 1002         /* uint32_t, octets of the next message */
#define RM_FLUSHCACHE 1003                   /* never supported */
#define RM_SENDER_WINDOW_ADVANCE_METHOD 1004 /* uint32_t, eWINDOW_ADVANCE_METHOD */
#define RM_SENDER_STATISTICS 1005            /* RM_SENDER_STATS */
#define RM_LATEJOIN 1006                     /* uint32_t, percent of the window */
#define RM_SET_SEND_IF 1007                  /* uint32_t, IPv4 address in network byte order */
#define RM_ADD_RECEIVE_IF 1008               /* uint32_t, IPv4 address in network byte order */
#define RM_DEL_RECEIVE_IF 1009               /* uint32_t, IPv4 address in network byte order */
#define RM_SEND_WINDOW_ADV_RATE 1010         /* uint32_t, percent of the window */
#define RM_USE_FEC 1011                      /* RM_FEC_INFO */
#define RM_SET_MCAST_TTL 1012                /* uint32_t */
#define RM_RECEIVER_STATISTICS 1013          /* RM_RECEIVER_STATS */
#define RM_HIGH_SPEED_INTRANET_OPT 1014      /* uint32_t, boolean */

#define SENDER_DEFAULT_RATE_KBITS_PER_SEC 56
#define SENDER_DEFAULT_WINDOW_SIZE_BYTES 10000000
#define SENDER_DEFAULT_WINDOW_ADV_PERCENTAGE 15
#define MAX_WINDOW_INCREMENT_PERCENTAGE 25 /* as in Wsrm.h; the option takes 1 to 50 */
#define SENDER_DEFAULT_LATE_JOINER_PERCENTAGE 0
#define SENDER_MAX_LATE_JOINER_PERCENTAGE 75
#define BITS_PER_BYTE 8
#define LOG2_BITS_PER_BYTE 3

enum eWINDOW_ADVANCE_METHOD {
    E_WINDOW_ADVANCE_BY_TIME = 1,
    E_WINDOW_USE_AS_DATA_CACHE = 2 /* refused, as on Windows */
};

typedef struct _RM_SEND_WINDOW {
    uint32_t RateKbitsPerSec;   /* everything the sender emits, in 1000 bit/s */
    uint32_t WindowSizeInMSecs; /* how long sent data stays repairable */
    uint32_t WindowSizeInBytes;
} RM_SEND_WINDOW;

typedef struct _RM_FEC_INFO {
    uint16_t FECBlockSize; /* most packets sent for one group, data and parity; at most 255 */
    uint16_t FECProActivePackets; /* parity packets sent unasked with every group */
    uint8_t FECGroupSize;         /* data packets of a group: a power of two, 2 to 128 */
    uint8_t fFECOnDemandParityEnabled;
} RM_FEC_INFO;

typedef struct _RM_SENDER_STATS {
    uint64_t DataBytesSent;
    uint64_t TotalBytesSent;
    uint64_t NaksReceived;
    uint64_t NaksReceivedTooLate;
    uint64_t NumOutstandingNaks;
    uint64_t NumNaksAfterRData;
    uint64_t RepairPacketsSent;
    uint64_t BufferSpaceAvailable;
    uint64_t TrailingEdgeSeqId;
    uint64_t LeadingEdgeSeqId;
    uint64_t RateKBitsPerSecOverall;
    uint64_t RateKBitsPerSecLast;
    uint64_t TotalODataPacketsSent;
} RM_SENDER_STATS;

typedef struct _RM_RECEIVER_STATS {
    uint64_t NumODataPacketsReceived;
    uint64_t NumRDataPacketsReceived;
    uint64_t NumDuplicateDataPackets;
    uint64_t DataBytesReceived;
    uint64_t TotalBytesReceived;
    uint64_t RateKBitsPerSecOverall;
    uint64_t RateKBitsPerSecLast;
    uint64_t TrailingEdgeSeqId;
    uint64_t LeadingEdgeSeqId;
    uint64_t AverageSequencesInWindow;
    uint64_t MinSequencesInWindow;
    uint64_t MaxSequencesInWindow;
    uint64_t FirstNakSequenceNumber;
    uint64_t NumPendingNaks;
    uint64_t NumOutstandingNaks;
    uint64_t NumDataPacketsBuffered;
    uint64_t TotalSelectiveNaksSent;
    uint64_t TotalParityNaksSent;
} RM_RECEIVER_STATS;

#ifdef __cplusplus
}
#endif

#endif
