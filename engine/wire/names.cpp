#include "engine/wire/names.hpp"

namespace fanfare::wire {

std::string_view to_string(Type type) {
    switch (type) {
        case Type::spm:
            return "SPM";
        case Type::poll:
            return "POLL";
        case Type::polr:
            return "POLR";
        case Type::odata:
            return "ODATA";
        case Type::rdata:
            return "RDATA";
        case Type::nak:
            return "NAK";
        case Type::nnak:
            return "NNAK";
        case Type::ncf:
            return "NCF";
        case Type::spmr:
            return "SPMR";
        case Type::ack:
            return "ACK";
    }
    return "unknown";
}

std::string_view to_string(OptionBit option) {
    constexpr std::string_view kNames[] = {
        "OPT_FRAGMENT",    "OPT_NAK_LIST", "OPT_JOIN",        "OPT_NAK_BO_IVL", "OPT_NAK_BO_RNG",
        "OPT_NBR_UNREACH", "OPT_PATH_NLA", "OPT_REDIRECT",    "OPT_PARITY_PRM", "OPT_PARITY_GRP",
        "OPT_CURR_TGSIZE", "OPT_SYN",      "OPT_FIN",         "OPT_RST",        "OPT_CR",
        "OPT_CRQST",       "OPT_CC_DATA",  "OPT_CC_FEEDBACK", "OPT_INVALID",    "OPT_PACKED",
        "unknown",
    };
    static_assert(sizeof(kNames) / sizeof(kNames[0]) ==
                  static_cast<std::size_t>(OptionBit::unknown) + 1);
    const auto i = static_cast<std::size_t>(option);
    return i < sizeof(kNames) / sizeof(kNames[0]) ? kNames[i] : "unknown";
}

std::string_view to_string(DecodeError error) {
    switch (error) {
        case DecodeError::none:
            return "none";
        case DecodeError::truncated_header:
            return "truncated_header";
        case DecodeError::unknown_type:
            return "unknown_type";
        case DecodeError::truncated_body:
            return "truncated_body";
        case DecodeError::tsdu_length_mismatch:
            return "tsdu_length_mismatch";
        case DecodeError::address_family:
            return "address_family";
        case DecodeError::options_truncated:
            return "options_truncated";
        case DecodeError::options_length_missing:
            return "options_length_missing";
        case DecodeError::options_length_wrong:
            return "options_length_wrong";
        case DecodeError::option_too_short:
            return "option_too_short";
        case DecodeError::option_overrun:
            return "option_overrun";
        case DecodeError::too_many_options:
            return "too_many_options";
        case DecodeError::options_unterminated:
            return "options_unterminated";
        case DecodeError::option_length_invalid:
            return "option_length_invalid";
        case DecodeError::nak_list_invalid:
            return "nak_list_invalid";
        case DecodeError::fragment_invalid:
            return "fragment_invalid";
        case DecodeError::checksum_missing:
            return "checksum_missing";
        case DecodeError::checksum_wrong:
            return "checksum_wrong";
        case DecodeError::count_:
            break;
    }
    return "unknown";
}

}  // namespace fanfare::wire
