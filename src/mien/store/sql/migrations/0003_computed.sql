-- computed: the memories and values of what is computed. due_at: when something of it may change by itself, 0 for at
-- once; NULL for never, and for profiles that were absorbed.
ALTER TABLE profiles ADD COLUMN computed $blob;
ALTER TABLE profiles ADD COLUMN due_at $int;
CREATE INDEX profiles_by_due ON profiles (due_at) WHERE due_at IS NOT NULL;

-- Computed traits and audiences. number: unique in the space, and new whenever a query changes.
CREATE TABLE definitions (
    space TEXT NOT NULL,
    number $int NOT NULL,
    body $blob NOT NULL,
    PRIMARY KEY (space, number)
) $clustered;

-- How far the evaluation of existing profiles is, one row for each space that has definitions.
CREATE TABLE evaluations (
    space TEXT NOT NULL PRIMARY KEY,
    body $blob NOT NULL
) $clustered;

-- Who was in an audience, from when to when (NULL: still). number: that of the audience's definition.
CREATE TABLE memberships (
    space TEXT NOT NULL,
    number $int NOT NULL,
    profile_id $int NOT NULL,
    since $int NOT NULL,
    until $int,
    entered $blob NOT NULL,
    exited $blob,
    PRIMARY KEY (space, number, profile_id, since)
) $clustered;
CREATE INDEX memberships_by_profile ON memberships (profile_id, since);
CREATE INDEX members ON memberships (space, number, profile_id) WHERE until IS NULL;
CREATE INDEX memberships_by_end ON memberships (space, until) WHERE until IS NOT NULL;

-- What readers saw change, in the order in which it happened to each profile.
CREATE TABLE changes (
    space TEXT NOT NULL,
    at $int NOT NULL,
    profile_id $int NOT NULL,
    body $blob NOT NULL,
    PRIMARY KEY (space, at, profile_id)
) $clustered;
CREATE INDEX changes_by_profile ON changes (profile_id);

-- The hashes of secrets that were revoked, or replaced by hand: no file brings them back.
CREATE TABLE dead_secrets (
    digest $blob NOT NULL PRIMARY KEY
) $clustered;

UPDATE meta SET value = 3 WHERE name IN ('schema', 'oldest');
