-- What merges are undone with. kind: merge or unmerge. before_then: the survivor as it was before a merge.
CREATE TABLE history (
    profile_id $int NOT NULL,
    at $int NOT NULL,
    kind TEXT NOT NULL,
    other_id $int NOT NULL,
    body $blob NOT NULL,
    before_then $blob,
    PRIMARY KEY (profile_id, at, kind, other_id)
) $clustered;

-- own_era, linked_era: how many profiles each of the two had absorbed, so that undoing a merge finds what came after.
CREATE TABLE links_of_eras (
    profile_id $int NOT NULL,
    linked_id $int NOT NULL,
    own_era $int NOT NULL,
    linked_era $int NOT NULL,
    since $int NOT NULL,
    PRIMARY KEY (profile_id, linked_id, own_era, linked_era)
) $clustered;
INSERT INTO links_of_eras (profile_id, linked_id, own_era, linked_era, since)
    SELECT profile_id, linked_id, 0, 0, since FROM links;
DROP TABLE links;
ALTER TABLE links_of_eras RENAME TO links;
CREATE INDEX links_by_time ON links (profile_id, since, linked_id);

-- Identifiers that must not come back; in `identifiers` they belong to profile -1. The values are nowhere.
CREATE TABLE suppressions (
    key $blob NOT NULL PRIMARY KEY,
    space TEXT NOT NULL,
    collection TEXT NOT NULL,
    type TEXT NOT NULL,
    since $int NOT NULL,
    deletion TEXT NOT NULL
) $clustered;
CREATE INDEX suppressions_by_time ON suppressions (space, since, key);

-- The proof of a deletion, without personal data.
CREATE TABLE deletions (
    space TEXT NOT NULL,
    deletion TEXT NOT NULL,
    at $int NOT NULL,
    body $blob NOT NULL,
    PRIMARY KEY (space, deletion)
) $clustered;
CREATE INDEX deletions_by_time ON deletions (space, at, deletion);

-- message_key: 16 bytes, the hash of space and message id, by which the discards of one person are found.
ALTER TABLE discards ADD COLUMN message_key $blob;
CREATE INDEX discards_by_message ON discards (message_key);

-- Where long values would be moved out of their rows, those of profiles stay while they fit into a page.
$whole_rows

UPDATE meta SET value = 2 WHERE name IN ('schema', 'oldest');
