"""Why a message, or a part of it, was not taken in (reference: 2.4, 2.9; docs/reference/discards.md)."""

from enum import StrEnum


class Dropped(StrEnum):
    """The reason that is recorded with a discard. Segment's own word where its documentation has one."""

    UNKNOWN_SOURCE = "unknown_source"
    EMPTY_BATCH = "empty_batch"
    BATCH_TOO_LONG = "batch_too_long"
    BAD_REQUEST = "bad_request"
    TOO_LARGE = "message_too_large"
    TOO_DEEP = "message_too_deep"
    NOBODY = "no_user_anon_id"
    ID_REQUIRED = "id_required"
    ID_NOT_STRING = "id_not_string"
    ID_TOO_LONG = "id_too_long"
    TOO_MANY_IDS = "too_many_ids"
    GROUP_ID_TOO_LONG = "group_id_too_long"
    EMPTY_CONTEXT_GROUP_ID = "empty_context_group_id"
    MESSAGE_ID_TOO_LONG = "message_id_too_long"
    EVENT_NOT_DEFINED = "event_not_defined"
    EVENT_NOT_STRING = "event_not_string"
    NAME_NOT_STRING = "name_not_string"
    CATEGORY_NOT_STRING = "category_not_string"
    PROPERTIES_NOT_OBJECT = "properties_not_object"
    TRAITS_NOT_OBJECT = "traits_not_object"
    TOO_MANY_PROPERTIES = "too_many_properties"
    TOO_MANY_TRAITS = "too_many_traits"
    CONSENT_MISSING = "consent_categorypreferences_should_exist"
    CONSENT_NOT_OBJECT = "consent_categorypreferences_fields_should_be_object"
    CONSENT_NOT_BOOL = "consent_categorypreferences_fields_should_be_bool"
    CONSENT_VERSION = "consent_version_should_be_number"
    ADVERTISING_ID_NOT_STRING = "device_advertisingid_should_be_string"
    CONTEXT_NOT_OBJECT = "context_not_object"
    EXTERNAL_ID_INVALID = "external_id_invalid"
    VALUE_CUT = "value_cut"


REFUSED = frozenset({Dropped.TOO_LARGE, Dropped.TOO_DEEP})
"""For these the request is answered with 400, although its other messages are taken in."""

Note = tuple[Dropped, str]
"""What of a message was not kept, and a sentence on it."""
