-- Times are microseconds since 1970. Documents (BLOBs) are MessagePack; docs/reference/storage.md has their layout.

-- key: 16 bytes, the hash of space, collection, type and value. Finds the owner of an identifier.
CREATE TABLE identifiers (
    key $blob NOT NULL PRIMARY KEY,
    profile_id $int NOT NULL
) $clustered;

CREATE TABLE profiles (
    profile_id $rowid PRIMARY KEY,
    version $int NOT NULL,
    space TEXT NOT NULL,
    collection TEXT NOT NULL,
    last_at $int NOT NULL,
    merged_into $int,
    head $blob NOT NULL,
    traits $blob NOT NULL,
    identifiers $blob NOT NULL,
    activity $blob NOT NULL
) $rewritten;
CREATE INDEX profiles_by_activity ON profiles (space, collection, last_at, profile_id)
    WHERE merged_into IS NULL;

-- shown: 1 for events, 0 for messages that only changed the profile. aged_at: the later of timestamp and receipt.
CREATE TABLE messages (
    profile_id $int NOT NULL,
    shown $int NOT NULL,
    timestamp $int NOT NULL,
    received_order $int NOT NULL,
    key $blob NOT NULL,
    space TEXT NOT NULL,
    aged_at $int NOT NULL,
    event $blob,
    body $blob NOT NULL,
    PRIMARY KEY (profile_id, shown, timestamp, received_order, key)
) $clustered;
CREATE INDEX messages_by_age ON messages (space, aged_at);

-- key: 16 bytes, the hash of space and message id.
CREATE TABLE seen (
    key $blob NOT NULL PRIMARY KEY
) $clustered;

-- Always noted from both sides; the ids are those the profiles had then.
CREATE TABLE links (
    profile_id $int NOT NULL,
    linked_id $int NOT NULL,
    since $int NOT NULL,
    PRIMARY KEY (profile_id, linked_id)
) $clustered;
CREATE INDEX links_by_time ON links (profile_id, since, linked_id);

CREATE TABLE discards (
    key $blob NOT NULL PRIMARY KEY,
    space TEXT NOT NULL,
    reason TEXT NOT NULL,
    last_at $int NOT NULL,
    times $int NOT NULL,
    body $blob NOT NULL
) $clustered;
CREATE INDEX discards_by_time ON discards (space, last_at);

CREATE TABLE spaces (
    slug TEXT NOT NULL PRIMARY KEY,
    document $blob NOT NULL
);

CREATE TABLE sources (
    space TEXT NOT NULL,
    name TEXT NOT NULL,
    source_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    digest $blob NOT NULL,
    created_at $int NOT NULL,
    revoked_at $int,
    PRIMARY KEY (space, name)
);

CREATE TABLE credentials (
    space TEXT NOT NULL,
    dialect TEXT NOT NULL,
    name TEXT NOT NULL,
    digest $blob NOT NULL,
    created_at $int NOT NULL,
    revoked_at $int,
    PRIMARY KEY (space, dialect, name)
);

-- schema: the number of the last migration. oldest: the oldest schema number a program must know to open this.
-- revision: grows whenever spaces, sources or credentials change.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value $int NOT NULL
);
INSERT INTO meta (name, value) VALUES ('schema', 1), ('oldest', 1), ('revision', 0);
